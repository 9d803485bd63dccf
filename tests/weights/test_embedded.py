"""Provenance of the embedded files."""

import json
from pathlib import Path

import pytest
import torch

from colorzoo.errors import WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.registry import list_models, model_card
from colorzoo.weights import catalog, encoder, load_state_dict_file, read_metadata
from colorzoo.weights.catalog import embedded_folder
from colorzoo.weights.files import sha256_of

FILES = sorted(embedded_folder().glob("*.safetensors"))


def test_a_damaged_file_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(model_card("zhang2016_small").weights["default"].file)
    data = bytearray((embedded_folder() / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(catalog, "embedded_folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match=f"{name} .*expected sha256 .*reinstall"):
        create_coloring_model("zhang2016_small")


def test_files_with_equal_tensors_claim_one_training() -> None:
    states = {path: load_state_dict_file(path) for path in FILES}
    for index, one in enumerate(FILES):
        for other in FILES[index + 1 :]:
            if not equal(states[one], states[other]):
                continue
            claims = [path for path in (one, other) if "source" in read_metadata(path)]
            assert len(claims) < 2, (
                f"{one.name} and {other.name} hold the same weights and claim two trainings"
            )


def test_copied_weights_name_their_source() -> None:
    """`kim2021_su2020_small` claimed a training over su2020_small that its tensors never had."""
    folder = embedded_folder()
    found = json.loads(read_metadata(folder / "kim2021_su2020_small.safetensors")["provenance"])
    assert found["start"]["model"] == "kim2021_small"
    assert found["start"]["sha256"] == sha256_of(folder / "kim2021_small.safetensors")
    assert (found["steps"], found["pictures"]) == (0, 0)
    assert "Not trained" in model_card("kim2021_su2020_small").weights["default"].trained_on


def test_every_embedded_file_belongs_to_a_card() -> None:
    known = {w.file for name in list_models() for w in model_card(name).weights.values() if w.file}
    assert {path.name for path in FILES} == known | {encoder.FILE, encoder.THINGS_FILE}


def test_the_encoder_is_the_file_that_the_weights_were_trained_with() -> None:
    assert sha256_of(embedded_folder() / encoder.FILE) == encoder.SHA256
    model = encoder.frozen_imagenet_encoder()
    assert not list(model.parameters())  # nothing trains it
    assert not model.state_dict()  # and no checkpoint holds it


def test_the_network_for_things_has_the_weights_that_ship() -> None:
    _, network = encoder.thing_network()
    held, stored = network.state_dict(), load_state_dict_file(embedded_folder() / encoder.THINGS_FILE)
    assert equal(held, {name: value.to(held[name].dtype) for name, value in stored.items()})
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)

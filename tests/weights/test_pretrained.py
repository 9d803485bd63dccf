"""Model folders of `save_pretrained`, and the Hugging Face Hub without a network."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import colorzoo
from colorzoo import ColoringModel, Colorizer
from colorzoo.apps.cli.main import main
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.evaluation.methods import check_methods, parse_methods
from colorzoo.weights import read_weights, save_weights
from colorzoo.weights.load import Provenance
from colorzoo.zoo.zhang2016.model import ColorfulColorization
from colorzoo.zoo.zhang2017.model import LocalHints
from tiny_model import NAME, gray_image, tiny_model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the folder of a tiny trained model."""
    model = tiny_model()
    model.provenance = Provenance(model="Tiny", steps=5, images=80, config=("a/b.yaml",), stage="last")
    model.save_pretrained(tmp_path / "saved", license="MIT", results={"PSNR [dB]": 24.123})
    return tmp_path / "saved"


def front_matter(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the metadata block and the text of the model card."""
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def test_from_pretrained_restores_settings_record_license_and_pixels(saved: Path) -> None:
    model, loaded = tiny_model(), ColoringModel.from_pretrained(saved)
    assert type(loaded) is LocalHints
    assert not loaded.training
    assert loaded.hparams == model.hparams
    record = loaded.provenance
    assert (record.steps, record.images, record.config, record.stage) == (5, 80, ("a/b.yaml",), "last")
    assert (loaded.trained, record.license) == (True, "MIT")
    expected, found = (np.asarray(Colorizer(each)(gray_image(90, 70))) for each in (model, loaded))
    assert np.ptp(expected, axis=2).max() > 10
    np.testing.assert_array_equal(found, expected)
    loaded.save_pretrained(saved)
    assert LocalHints.from_pretrained(saved).provenance == record


def test_from_pretrained_restores_a_setting_with_the_name_clip(tmp_path: Path) -> None:
    """Checkpoints of earlier versions contain a training setting of this name."""

    class Clipped(ColoringModel):
        def __init__(self, clip: float = 1.0) -> None:
            super().__init__(torch.nn.Conv2d(1, 2, 1))

    Clipped(clip=5.0).save_pretrained(tmp_path)
    assert Clipped.from_pretrained(tmp_path).hparams == {"clip": 5.0}


def test_model_with_a_class_as_setting_is_not_saved(tmp_path: Path) -> None:
    """The loaded model would silently have the default class."""

    class Normalized(ColoringModel):
        def __init__(self, width: int = 2, norm: type[torch.nn.Module] = torch.nn.Identity) -> None:
            super().__init__(torch.nn.Sequential(torch.nn.Conv2d(1, width, 1), norm(width)))

    with pytest.raises(WeightsError, match="Normalized cannot be saved with the setting 'norm'"):
        Normalized(norm=torch.nn.InstanceNorm2d).save_pretrained(tmp_path)
    Normalized(width=3).save_pretrained(tmp_path)
    Normalized(3, torch.nn.Identity).save_pretrained(tmp_path)
    assert Normalized.from_pretrained(tmp_path).hparams == {"width": 3}

    class Custom(ColoringModel):
        def __init__(self, norm: type[torch.nn.Module]) -> None:
            super().__init__(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), norm(2)))

    with pytest.raises(WeightsError, match="Custom cannot be saved with the setting 'norm'"):
        Custom(torch.nn.InstanceNorm2d).save_pretrained(tmp_path)


def test_infinite_values_of_half_precision_are_neither_saved_nor_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model()
    name = next(key for key in model.state_dict() if key.endswith("running_var"))
    model.get_buffer(name)[0] = 1e6  # a variance above the largest number of float16
    save_weights(tmp_path / "half.safetensors", model.state_dict(), {"model": NAME}, dtype="float16")
    assert model.load_weights(read_weights(tmp_path / "half.safetensors").state_dict, name="half") is None
    assert model.get_buffer(name)[0] == 1e6
    with pytest.raises(WeightsError, match=rf"{re.escape(name)}.*--dtype float16"):
        model.half().save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    model.half()
    for folder, metadata in (("of", {}), ("as", {"model": NAME})):
        save_weights(tmp_path / folder / "model.safetensors", model.state_dict(), metadata)
    with pytest.raises(WeightsError, match=rf"{re.escape(name)}.*--dtype float16"):
        LocalHints.from_pretrained(tmp_path / "of")
    Image.fromarray(gray_image(20, 20)).save(tmp_path / "gray.png")
    words = ["colorize", str(tmp_path / "gray.png"), "--model", NAME, "--weights", str(tmp_path / "as")]
    assert main(words) == 2
    assert name in capsys.readouterr().err


def test_checkpoint_settings_of_earlier_versions_are_ignored(tmp_path: Path) -> None:
    task = colorzoo.create_model(NAME, None, width=0.125)
    settings = {**task.model.hparams, "accumulate": 2, "clip": 1.0, "compile_training": True}
    content = {"pytorch-lightning_version": "2.6.0", "state_dict": task.state_dict()}
    torch.save(content | {"hyper_parameters": settings, "trained": True}, tmp_path / "old.ckpt")
    loaded = colorzoo.create_model(NAME, tmp_path / "old.ckpt")
    assert loaded.model.hparams == task.model.hparams


def test_saved_folder_works_as_weights_of_python_and_command_line(saved: Path, tmp_path: Path) -> None:
    task = colorzoo.create_model(NAME, saved)
    assert (task.trained, task.provenance.license) == (True, "MIT")
    assert task.model.state_dict().keys() == tiny_model().state_dict().keys()
    Image.fromarray(gray_image(40, 50)).save(tmp_path / "old.png")
    assert main(["colorize", str(tmp_path / "old.png"), "--weights", str(saved)]) == 0
    colored = np.asarray(Image.open(tmp_path / "old.color.png"))
    np.testing.assert_array_equal(colored, np.asarray(Colorizer(tiny_model())(tmp_path / "old.png")))


def test_colorize_notices_new_weights_in_a_saved_folder(saved: Path) -> None:
    before = colorzoo.colorize(gray_image(40, 50), NAME, weights=saved)
    model = tiny_model()
    for weight in model.parameters():
        weight.data.mul_(1.1)
    model.save_pretrained(saved)
    assert colorzoo.colorize(gray_image(40, 50), NAME, weights=saved) != before


def test_untrained_model_stays_untrained(tmp_path: Path) -> None:
    colorzoo.create_model(NAME, None, width=0.125).model.save_pretrained(tmp_path)
    assert not ColoringModel.from_pretrained(tmp_path).trained
    with pytest.warns(UntrainedWarning):
        assert not colorzoo.create_model(NAME, tmp_path).trained
    assert "| weights | random |" in front_matter(tmp_path)[1]


def test_model_card_has_license_training_results_and_hub_metadata(saved: Path) -> None:
    front, text = front_matter(saved)
    assert (front["license"], front["library_name"]) == ("mit", "colorzoo")
    assert "5, with 80 images" in text
    assert "- PSNR [dB]: 24.123" in text
    assert read_weights(saved / "model.safetensors").stored["license"] == "MIT"


def test_model_card_of_included_weights_repeats_what_the_card_states(tmp_path: Path) -> None:
    card = colorzoo.model_card("zhang2016_small")
    task = colorzoo.create_model(card.name)
    task.model.save_pretrained(tmp_path)
    front, text = front_matter(tmp_path)
    assert front["license"] == card.weights["default"].license.lower()
    assert card.weights["default"].trained_on in text
    assert all(assessment in text for assessment in card.uses.values())
    task.prepare_fit()  # weights that will be trained are no longer the weights of the card
    task.model.save_pretrained(tmp_path)
    front, text = front_matter(tmp_path)
    assert front["license"] == "unknown"
    assert card.weights["default"].trained_on not in text
    assert re.search(r"Initial weights: \w+ \(license: Apache-2.0\)", text)


def test_license_that_is_not_an_identifier_is_named(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path, license="MIT: for research only")
    front, _ = front_matter(tmp_path)
    assert (front["license"], front["license_name"]) == ("other", "MIT: for research only")


class Doubled(LocalHints):
    """A subclass that is not registered."""


def test_unregistered_subclass_loads_by_its_own_method(tmp_path: Path) -> None:
    Doubled(**tiny_model().hparams).save_pretrained(tmp_path)
    assert type(Doubled.from_pretrained(tmp_path)) is Doubled
    with pytest.raises(WeightsError, match=r"Import Doubled and call Doubled\.from_pretrained"):
        ColoringModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("kind", [ColorfulColorization, Doubled])
def test_from_pretrained_of_another_class_raises_one_line(kind: type[ColoringModel], saved: Path) -> None:
    with pytest.raises(WeightsError, match=f"LocalHints, which is not a {kind.__name__}"):
        kind.from_pretrained(saved)


def test_damaged_folders_raise_one_line(saved: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(WeightsError, match=match) as caught:
            ColoringModel.from_pretrained(saved)
        assert "\n" not in str(caught.value)

    weights = saved / "model.safetensors"
    metadata = read_weights(weights).stored
    save_weights(weights, {"network.x": torch.zeros(1)}, metadata)
    refused("model.safetensors does not match LocalHints: .* unexpected key")
    save_weights(weights, {"network.x": torch.zeros(1)}, metadata | {"hparams": '{"nonsense": 1}'})
    refused("the settings do not match LocalHints: .*nonsense")
    for key in ("hparams", "provenance"):
        save_weights(weights, tiny_model().state_dict(), metadata | {key: "5"})
        refused(f"the metadata '{key}' must be a JSON object")
    weights.unlink()
    refused("model.safetensors is missing")


def test_folder_of_an_earlier_version_loads(saved: Path) -> None:
    weights = saved / "model.safetensors"
    metadata = {key: value for key, value in read_weights(weights).stored.items() if key != "model_class"}
    save_weights(weights, tiny_model().state_dict(), metadata)
    assert type(ColoringModel.from_pretrained(saved)) is LocalHints
    del metadata["model"]  # an unregistered class
    save_weights(weights, tiny_model().state_dict(), metadata)
    assert type(Doubled.from_pretrained(saved)) is Doubled


def test_model_of_a_missing_package_raises_one_line(saved: Path) -> None:
    weights = saved / "model.safetensors"
    changes = {"model": "absent2030", "model_class": "absent2030.model:Absent"}
    save_weights(weights, {}, read_weights(weights).stored | changes)
    with pytest.raises(WeightsError, match=r"Install its package absent2030\.$"):
        ColoringModel.from_pretrained(saved)


def test_folder_that_cannot_be_written_raises_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"cannot write .*file"):
        tiny_model().save_pretrained(tmp_path / "file")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the Hub by a folder."""
    folder = tmp_path / "hub"

    def create_repo(self: object, repository: str, **options: Any) -> SimpleNamespace:
        (folder / repository).mkdir(parents=True, exist_ok=options["exist_ok"])
        return SimpleNamespace(__str__=lambda: repository)

    def upload_folder(self: object, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        shutil.copytree(folder_path, folder / repo_id, dirs_exist_ok=True)

    def hf_hub_download(repository: str, name: str, **options: Any) -> str:
        return str(folder / repository / name)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    return folder


def test_pushed_model_loads_by_owner_and_name(hub: Path) -> None:
    model = tiny_model()
    model.push_to_hub("someone/colors", license="Apache-2.0")
    front, text = front_matter(hub / "someone" / "colors")
    assert front["license"] == "apache-2.0"
    assert 'from_pretrained("someone/colors")' in text
    loaded = ColoringModel.from_pretrained("someone/colors")
    assert all(loaded.state_dict()[key].equal(value) for key, value in model.state_dict().items())
    assert colorzoo.create_model("hf-hub:someone/colors").trained


def test_command_line_loads_weights_of_the_hub(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model().push_to_hub("someone/colors", license="Apache-2.0")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(gray_image(40, 50)).save("old.png")
    assert main(["colorize", "old.png", "--weights", "hf-hub:someone/colors", "-o", "by_file.png"]) == 0
    options = ["--model", NAME, "--weights", str(hub / "someone" / "colors"), "-o", "by_name.png"]
    assert main(["colorize", "old.png", *options]) == 0
    with Image.open("by_file.png") as one, Image.open("by_name.png") as other:
        assert one.tobytes() == other.tobytes()
    check_methods(parse_methods(["mine=hf-hub:someone/colors"])[0])
    with pytest.raises(WeightsError, match="OWNER/NAME"):
        check_methods(parse_methods(["mine=hf-hub:someone"])[0])
    capsys.readouterr()


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("models/savd", "models/saved"),
        ("modles/saved", "models/saved"),
        ("./models/savd", "models/saved"),
        ("models/other", None),
        ("~/savd", None),
        ("~nobody-has-this-name/saved", None),
        ("a/b/c", None),
        ("models/saved/model.safetensors", "models/saved"),
        (Path("nobody/saved"), None),
        ("savd", None),
    ],
)
def test_misspelt_folder_is_an_error_without_a_connection(
    source: str | Path, meant: str | None, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    saved.rename(tmp_path / "models" / "saved")
    monkeypatch.chdir(tmp_path)
    requests: list[object] = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *given, **_: requests.append(given))
    with pytest.raises(WeightsError) as raised:
        ColoringModel.from_pretrained(source)
    assert not requests
    assert repr(str(source)) in str(raised.value)
    assert (repr(meant) in str(raised.value)) if meant else ("hf-hub:" in str(raised.value))
    assert "\n" not in str(raised.value)


def test_misspelt_weights_of_the_command_line_suggest_the_path(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(gray_image(40, 50)).save("old.png")
    assert main(["colorize", "old.png", "--weights", "saved/model.safetensor"]) == 2
    assert "Did you mean 'saved/model.safetensors'?" in capsys.readouterr().err


@pytest.mark.parametrize("terms", ["", "not stated; the repository is MIT"])
def test_weights_of_unknown_license_are_not_uploaded(terms: str, hub: Path) -> None:
    model = tiny_model()
    model.provenance = Provenance(license=terms)
    with pytest.raises(WeightsError, match="'license' must be set"):
        model.push_to_hub("someone/colors")
    assert not hub.exists()


def test_hub_without_its_package_or_offline_raises_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="hf-hub:a/b cannot be downloaded"):
        ColoringModel.from_pretrained("a/b", offline=True)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'colorzoo\[hub\]'"):
        ColoringModel.from_pretrained("a/b")
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match="COLORZOO_OFFLINE is set"):
        tiny_model().push_to_hub("a/b", license="MIT")

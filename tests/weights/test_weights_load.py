from __future__ import annotations

import json
import os
import pickle
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from colorzoo.errors import WeightsError
from colorzoo.weights import load_state_dict_file, read_hparams, read_metadata, save_weights
from colorzoo.weights._files import sha256_of

STATE = {"conv.weight": torch.linspace(-1, 1, 12).reshape(3, 4), "seen": torch.tensor(7)}
METADATA = {
    "model": "lee2099",
    "hparams": json.dumps({"width": 0.5}),
    "source": "é",
    "conventions": "mask 0.5",
}


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_kind_is_told_by_content_not_by_name(tmp_path: Path, name: str):
    save_weights(tmp_path / name, STATE, {}, half=False)
    assert _same(load_state_dict_file(tmp_path / name), STATE)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_torch_files(tmp_path: Path, legacy: bool, wrapped: bool):
    content = {"state_dict": STATE, "epoch": 3} if wrapped else STATE
    torch.save(content, tmp_path / "a.safetensors", _use_new_zipfile_serialization=not legacy)
    assert _same(load_state_dict_file(tmp_path / "a.safetensors"), STATE)


def test_lightning_checkpoint_gives_the_average_and_its_arguments(tmp_path: Path):
    raw = {key: value + 1 for key, value in STATE.items()}
    hparams = {"width": 0.5, "_class_path": "a.B"}
    content = {"state_dict": STATE, "current_model_state": raw, "hyper_parameters": hparams}
    torch.save(content | {"pytorch-lightning_version": "2.6.6"}, tmp_path / "last.ckpt")
    assert _same(load_state_dict_file(tmp_path / "last.ckpt"), STATE)
    assert read_hparams(tmp_path / "last.ckpt") == {"width": 0.5}


def test_hash_is_checked(tmp_path: Path):
    path = tmp_path / "a.pth"
    save_weights(path, STATE, {})
    load_state_dict_file(path, sha256=sha256_of(path))
    with pytest.raises(WeightsError, match=f"expected sha256 {'0' * 64}, found {sha256_of(path)}"):
        load_state_dict_file(path, sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"epoch 3, loss 0.1\n", "is text"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "is a JPEG picture"),
        (b"\n<!doctype html><html></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (bytes(range(120, 256)), "of an unknown format"),
        (b"", "is empty"),
        (pickle.dumps([1, 2], protocol=2), "no PyTorch file"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        load_state_dict_file(tmp_path / "a.pth")
    assert "expected safetensors, a PyTorch state dict or a Lightning checkpoint" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_truncated_files(tmp_path: Path, kind: str):
    path = tmp_path / "a.pth"
    if kind == "safetensors":
        save_weights(path, STATE, {})
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WeightsError, match=r"a\.pth is truncated"):
        load_state_dict_file(path)


class _Attack:
    def __reduce__(self):
        return os.mkdir, (os.environ["ATTACK"],)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ATTACK", str(tmp_path / "attacked"))
    torch.save({"a": _Attack()}, tmp_path / "a.pth")
    for reader in (load_state_dict_file, read_hparams):
        with pytest.raises(WeightsError, match=r"refused: it is a pickle that can run any code .*mkdir"):
            reader(tmp_path / "a.pth")
    assert not (tmp_path / "attacked").exists()


def test_trusted_pickle_loads(tmp_path: Path):
    torch.save({"state_dict": STATE, "rate": Fraction(1, 3)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"asks for fractions\.Fraction.*trust_pickle=True"):
        load_state_dict_file(tmp_path / "a.pth")
    assert _same(load_state_dict_file(tmp_path / "a.pth", trust_pickle=True), STATE)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_named(tmp_path: Path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="TorchScript"):
        load_state_dict_file(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3, "optimizer": {}}, "a dict of epoch, optimizer, not tensors by name"),
        ({}, "an empty dict"),
        (torch.ones(2), "a Tensor"),
        ({0: torch.ones(2)}, "not tensors by name"),
    ],
)
def test_what_is_no_state_dict_is_described(tmp_path: Path, content: object, said: str):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=said):
        load_state_dict_file(tmp_path / "a.pth")


def test_missing_file_and_folder(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"none\.pth is missing"):
        load_state_dict_file(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is a folder"):
        read_metadata(tmp_path)


def test_saved_weights_are_half_where_that_holds_them(tmp_path: Path):
    state = STATE | {
        "big": torch.tensor([1e6, 1.0]),
        "view": STATE["conv.weight"].T,
        "nan": torch.tensor([torch.nan]),
    }
    save_weights(tmp_path / "new" / "a.safetensors", state, METADATA)
    found = load_state_dict_file(tmp_path / "new" / "a.safetensors")
    kinds = {key: value.dtype for key, value in found.items()}
    half = {"conv.weight": torch.float16, "view": torch.float16, "nan": torch.float16}
    assert kinds == half | {"seen": torch.int64, "big": torch.float32}
    torch.testing.assert_close(found["view"].float(), state["view"], atol=1e-3, rtol=0)
    assert torch.equal(found["big"], state["big"])
    assert torch.equal(found["seen"], state["seen"])


def test_tied_tensors_are_saved_twice(tmp_path: Path):
    tied = {"first": STATE["conv.weight"], "second": STATE["conv.weight"]}
    save_weights(tmp_path / "a.safetensors", tied, {}, half=False)
    assert _same(load_state_dict_file(tmp_path / "a.safetensors"), tied)


def test_metadata_comes_back_and_equal_input_gives_an_equal_file(tmp_path: Path):
    paths = [tmp_path / f"{index}.safetensors" for index in range(4)]
    for path in paths:
        save_weights(path, STATE, METADATA)
    assert len({sha256_of(path) for path in paths}) == 1
    assert int.from_bytes(paths[0].read_bytes()[:8], "little") % 8 == 0, "the tensors are aligned"
    assert read_metadata(paths[0]) == METADATA
    assert read_hparams(paths[0]) == {"width": 0.5}


def test_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.safetensors"
    save_weights(path, STATE, METADATA)
    before = path.read_bytes()

    def full(_descriptor: int):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_weights(path, {"other": torch.ones(3)}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_errors(tmp_path: Path):
    save_weights(tmp_path / "a.safetensors", STATE, {"hparams": "[1"})
    with pytest.raises(WeightsError, match="'hparams' must be a JSON object"):
        read_hparams(tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "b.pth")
    assert read_hparams(tmp_path / "b.pth") == {}
    with pytest.raises(WeightsError, match="no sound safetensors"):
        read_metadata(tmp_path / "b.pth")

"""Loading of weight files: supported layouts, rejected files and mismatches with a model."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from colorzoo.errors import WeightsError
from colorzoo.files import sha256_of
from colorzoo.weights import apply_weights, read_weights, save_weights
from colorzoo.weights.load import WRAPPERS, model_of_file

STATE = {"conv.weight": torch.linspace(-1, 1, 12).reshape(3, 4), "seen": torch.tensor(7)}
OTHER = {key: value + 1 for key, value in STATE.items()}
PARALLEL = {f"module.{key}": value for key, value in STATE.items()}
# torch saves steps and moments as tensors under integer keys
OPTIMIZER = {
    "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(3)}},
    "param_groups": [{"lr": 1e-4}],
}
METADATA = {
    "model": "lee2099",
    "hparams": json.dumps({"width": 0.5}),
    "source": "é",
    "conventions": "mask 0.5",
}


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_read_weights_reads_torch_files(tmp_path: Path):
    for wrapped in [True, False]:
        for legacy in [True, False]:
            content = {"state_dict": STATE, "epoch": 3} if wrapped else STATE
            torch.save(content, tmp_path / "a.safetensors", _use_new_zipfile_serialization=not legacy)
            assert _same(read_weights(tmp_path / "a.safetensors").state_dict, STATE)


def test_lightning_checkpoint_loads_averaged_weights_and_hparams(tmp_path: Path):
    raw = {key: value + 1 for key, value in STATE.items()}
    hparams = {"width": 0.5, "_class_path": "a.B"}
    content = {"state_dict": STATE, "current_model_state": raw, "hyper_parameters": hparams}
    torch.save(content | {"pytorch-lightning_version": "2.6.6"}, tmp_path / "last.ckpt")
    assert _same(read_weights(tmp_path / "last.ckpt").state_dict, STATE)
    assert read_weights(tmp_path / "last.ckpt").hparams == {"width": 0.5}
    assert model_of_file(tmp_path / "last.ckpt") is None
    torch.save(content | {"pytorch-lightning_version": "2.6.6", "model": "mine"}, tmp_path / "named.ckpt")
    assert model_of_file(tmp_path / "named.ckpt") == "mine"
    torch.save(content | {"model": "mine"}, tmp_path / "other.pth")  # not a checkpoint of Lightning
    assert model_of_file(tmp_path / "other.pth") is None


@pytest.mark.parametrize("content", [b"\n<!doctype html></html>", bytes(range(120, 256)), b""])
def test_read_weights_raises_one_line_error_for_other_formats(tmp_path: Path, content: bytes):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match="is not a weight file; expected safetensors") as caught:
        read_weights(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


def test_read_weights_rejects_truncated_files(tmp_path: Path):
    for kind in ["safetensors", "zip", "legacy"]:
        path = tmp_path / "a.pth"
        if kind == "safetensors":
            save_weights(path, STATE, {})
        else:
            torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(WeightsError, match=r"a\.pth is truncated"):
            read_weights(path)


class _Attack:
    def __reduce__(self):
        return os.mkdir, (os.environ["ATTACK"],)


def test_weight_readers_do_not_run_code_in_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ATTACK", str(tmp_path / "attacked"))
    torch.save({"a": _Attack()}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"pickle that can execute code .*mkdir"):
        read_weights(tmp_path / "a.pth")
    assert not (tmp_path / "attacked").exists()


def test_weight_readers_reject_missing_files_and_folders(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"none\.pth is missing"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is a folder"):
        read_weights(tmp_path)


def test_save_weights_is_lossless_or_stores_float16_except_values_out_of_range(tmp_path: Path):
    state = STATE | {
        "big": torch.tensor([1e6, 1.0]),
        "view": STATE["conv.weight"].T,
        "nan": torch.tensor([torch.nan]),
    }
    save_weights(tmp_path / "exact.safetensors", state, METADATA)
    exact = read_weights(tmp_path / "exact.safetensors").state_dict
    assert all(torch.equal(exact[key].nan_to_num(), value.nan_to_num()) for key, value in state.items())
    save_weights(tmp_path / "new" / "a.safetensors", state, METADATA, dtype="float16")
    found = read_weights(tmp_path / "new" / "a.safetensors").state_dict
    kinds = {key: value.dtype for key, value in found.items()}
    half = {"conv.weight": torch.float16, "view": torch.float16, "nan": torch.float16}
    assert kinds == half | {"seen": torch.int64, "big": torch.float32}
    torch.testing.assert_close(found["view"].float(), state["view"], atol=1e-3, rtol=0)
    assert torch.equal(found["big"], state["big"])
    assert torch.equal(found["seen"], state["seen"])


def test_save_weights_rounds_each_output_channel_to_8_bits(tmp_path: Path):
    magnitude = torch.tensor([1e-3, 1.0, 0.0, 50.0]).view(4, 1, 1, 1)
    weight, broken = torch.randn(4, 64, 3, 3) * magnitude, torch.full((64, 64), torch.nan)
    state = {"weight": weight, "small": torch.randn(8, 8), "broken": broken, "steps": torch.tensor(2**40)}
    save_weights(tmp_path / "a.safetensors", state, {}, dtype="int8")
    assert (tmp_path / "a.safetensors").stat().st_size < 1.5 * weight.numel() + 2 * broken.numel()
    found = read_weights(tmp_path / "a.safetensors").state_dict
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((found["weight"] - weight).abs() <= 0.501 * step).all()
    torch.testing.assert_close(found["small"], state["small"].half())
    assert found["broken"].isnan().all()
    assert torch.equal(found["steps"], state["steps"])


def test_save_weights_keeps_metadata_and_is_deterministic(tmp_path: Path):
    paths = [tmp_path / f"{index}.safetensors" for index in range(4)]
    for path in paths:
        save_weights(path, STATE, METADATA)
    assert len({sha256_of(path) for path in paths}) == 1
    assert int.from_bytes(paths[0].read_bytes()[:8], "little") % 8 == 0, "the tensors are aligned"
    assert read_weights(paths[0]).stored == {"format_version": "1", **METADATA}
    assert read_weights(paths[0]).hparams == {"width": 0.5}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)


def test_apply_weights_casts_float16_weights_to_float32(tmp_path: Path):
    source, target = Net(), Net()
    save_weights(tmp_path / "a.safetensors", source.state_dict(), {})
    apply_weights(target, read_weights(tmp_path / "a.safetensors").state_dict, name="a")
    assert target.conv.weight.dtype == torch.float32
    torch.testing.assert_close(target.state_dict(), source.state_dict(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv.weight": None, "conv.bias": None}, "2 missing.*conv.weight"),
        ({"extra": torch.ones(1)}, "1 unexpected.*extra"),
        (
            {
                "conv.weight": None,
                "convs.weight": torch.ones(1),
                **{f"x{i}": torch.ones(1) for i in range(9)},
            },
            r"1 missing key \(conv.weight\) and 10 unexpected keys \(convs.weight, .*, ...\)$",
        ),
        ({"conv.weight": torch.ones(5, 1, 3, 3)}, r"conv.weight must have the shape \(2, 1, 3, 3\), got \(5"),
    ],
)
def test_apply_weights_names_mismatched_key_and_keeps_the_model(change: dict[str, Any], message: str):
    model = Net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()} | change
    with pytest.raises(WeightsError, match=f"lee2099 does not match Net: {message}"):
        apply_weights(
            model,
            {key: value for key, value in state.items() if value is not None},
            name="lee2099",
        )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def _saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_read_weights_removes_wrappers(tmp_path: Path) -> None:
    for content in [
        STATE,
        *({name: STATE} for name in WRAPPERS),
        {"params": OTHER, "params_ema": STATE},
        {"model": STATE, "optimizer": OPTIMIZER, "epoch": 24},
        {"state_dict": {"model": STATE}, "epoch": 3},
        {"model": {"depth": 12}, "state_dict": STATE},
        {"params": PARALLEL},
    ]:
        assert _same(read_weights(_saved(tmp_path / "a.pth", content)).state_dict, STATE)


def test_read_weights_prefixes_keys_of_several_networks(tmp_path: Path) -> None:
    content = {
        "colorEncoder": STATE,
        "colorUNet": PARALLEL,
        "g_optim": OPTIMIZER,
        "args": argparse.Namespace(iter=45000),
        "epoch": 3,
    }
    found = read_weights(_saved(tmp_path / "045000.pt", content)).state_dict
    parts = {f"{part}.{key}": value for part in ("colorEncoder", "colorUNet") for key, value in STATE.items()}
    assert _same(found, parts)


def test_read_weights_dequantizes_int8_tensors(tmp_path: Path):
    levels = torch.randint(-127, 128, (3, 2, 1, 1), dtype=torch.int8)
    scales, plain = torch.tensor([0.5, 2.0, 4.0]), torch.randn(5)
    save_weights(tmp_path / "a.safetensors", {"w": levels, "w.int8_scale": scales, "b": plain}, {})
    found = read_weights(tmp_path / "a.safetensors").state_dict
    assert _same(found, {"w": levels.float() * scales.view(3, 1, 1, 1), "b": plain})


@pytest.mark.parametrize("shape", [None, (2, 2)])
def test_scales_that_match_no_weight_are_refused(tmp_path: Path, shape: tuple[int, ...] | None):
    weights = {} if shape is None else {"w": torch.ones(shape, dtype=torch.int8)}
    save_weights(tmp_path / "a.safetensors", {**weights, "w.int8_scale": torch.ones(3)}, {})
    with pytest.raises(WeightsError, match="int8_scale"):
        _ = read_weights(tmp_path / "a.safetensors").state_dict

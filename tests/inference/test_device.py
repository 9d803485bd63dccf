"""Automatic choice of device and precision."""

from __future__ import annotations

import pytest
import torch

from colorzoo import Guidance
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.network import choose_device, choose_dtype
from colorzoo.registry import model_card
from colorzoo.testing import contract_test_model, sample_guidance, sample_input

BFLOAT16, FLOAT32 = torch.bfloat16, torch.float32


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_choose_device_prefers_an_available_gpu(cuda, mps, chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto").type == chosen


@pytest.mark.parametrize(
    ("device", "units", "chosen"),
    [
        *(
            ("cuda", {"cuda"}, BFLOAT16),
            ("cuda", {"emulation", "avx", "amx"}, FLOAT32),
            ("cpu", {"avx"}, BFLOAT16),
        ),
        *(("cpu", {"amx"}, BFLOAT16), ("cpu", {"cuda"}, FLOAT32), ("mps", {"cuda", "avx", "amx"}, FLOAT32)),
    ],
)
def test_choose_dtype_uses_bfloat16_only_with_hardware_support(
    device: str, units: set[str], chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_gpu(including_emulation: bool = True) -> bool:
        return "cuda" in units or (including_emulation and "emulation" in units)

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", on_gpu)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: "avx" in units)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx" in units)
    found = [choose_dtype(name, torch.device(device)) for name in ("auto", "float32", "bfloat16")]
    assert found == [chosen, FLOAT32, BFLOAT16]


def predict_twice(model: torch.nn.Module, lightness: torch.Tensor, guidance: Guidance) -> list[torch.Tensor]:
    colorizers = [
        Colorizer(model, device="cpu", precision=precision, allow_untrained=True)
        for precision in ("float32", "bfloat16")
    ]
    return [each.predict(lightness, guidance).to_ab() for each in colorizers]


def test_bfloat16_predictions_are_within_one_delta_e_of_float32() -> None:
    model = create_coloring_model("zhang2017_local_small")
    exact, rounded = predict_twice(model, sample_input("gray", (33, 40), batch=2), Guidance())
    assert exact.shape == (2, 2, 33, 40)
    assert 0 < float((exact - rounded).norm(dim=1).mean()) < 1


@pytest.mark.parametrize("name", ["huang2022", "li2018"])
def test_networks_with_discrete_steps_stay_in_float32(name: str) -> None:
    guidance = sample_guidance({"exemplar"}, (64, 64)) if name == "li2018" else Guidance()
    model = contract_test_model(model_card(name)).model
    assert torch.equal(*predict_twice(model, sample_input("gray", (64, 64)), guidance))

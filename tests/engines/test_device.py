"""Devices and precisions that are chosen for the user, and random inputs of models."""

from __future__ import annotations

import pytest
import torch

from colorzoo import Guidance
from colorzoo.engines.device import choose_device, choose_dtype
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import model_card
from colorzoo.testing import sample_guidance, sample_input, smoke_model

BFLOAT16, FLOAT32 = torch.bfloat16, torch.float32


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_a_gpu_is_taken_if_there_is_one(cuda, mps, chosen, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_bfloat16_is_taken_where_a_unit_multiplies_it(
    device: str, units: set[str], chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_gpu(including_emulation: bool = True) -> bool:
        return "cuda" in units or (including_emulation and "emulation" in units)

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", on_gpu)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: "avx" in units)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx" in units)
    found = [choose_dtype(name, torch.device(device)) for name in ("auto", "float32", "bfloat16")]
    assert found == [chosen, FLOAT32, BFLOAT16]


def test_random_inputs_look_like_those_of_users() -> None:
    kinds = ("points", "scribbles", "regions", "exemplar", "statistics", "classes", "boxes")
    found = sample_guidance(kinds, (128, 160), batch=3, seed=5)
    assert torch.equal(found.points.ab, sample_guidance(["points"], (128, 160), batch=3, seed=5).points.ab)
    for mask, share in ((found.points.mask, 0.02), (found.scribbles.mask, 0.1)):
        assert float(mask.mean()) == pytest.approx(share, rel=0.1)
        assert (mask[..., 64, 80] == 1).all()
    assert (found.points.ab[:, :1][found.points.mask == 0] == 0).all()
    assert -60 < found.points.ab.min() < -59 < 59 < found.points.ab.max() < 60
    maps = ((found.regions.index, 6), (found.classes.target, 3), (found.classes.exemplar, 3))
    for indices, count in maps:
        shares = indices.unique(return_counts=True)[1] / indices.numel()
        torch.testing.assert_close(shares, torch.full([count], 1 / count), rtol=0.05, atol=0)
    assert found.exemplar.rgb.shape == found.classes.exemplar.expand(-1, 3, -1, -1).shape == (3, 3, 136, 156)
    torch.testing.assert_close(found.statistics.histogram.sum(dim=1), torch.ones(3))
    assert 0 <= found.statistics.saturation.min() < found.statistics.saturation.max() <= 1
    first, last = found.boxes.corners.split(2, dim=2)
    assert 0 <= first.min() < first.max() <= 0.5
    assert 0.2 <= (last - first).min() < (last - first).max() <= 0.5
    gray, sketch = (sample_input(kind, (128, 160), batch=3) for kind in ("gray", "sketch"))
    assert 0 <= gray.min() < 30 < 70 < gray.max() <= 100
    assert sketch.unique().tolist() == [0, 1]
    assert len({float(picture.mean()) for picture in gray}) == 3


def predict_twice(model: torch.nn.Module, lightness: torch.Tensor, guidance: Guidance) -> list[torch.Tensor]:
    colorizers = [
        Colorizer(model, device="cpu", precision=precision, allow_untrained=True)
        for precision in ("float32", "bfloat16")
    ]
    return [each.predict(lightness, guidance).to_ab() for each in colorizers]


def test_bfloat16_stays_within_one_delta_e_of_float32() -> None:
    model = create_coloring_model("zhang2017_local_small")
    exact, rounded = predict_twice(model, sample_input("gray", (33, 40), batch=2), Guidance())
    assert exact.shape == (2, 2, 33, 40)
    assert 0 < float((exact - rounded).norm(dim=1).mean()) < 1


@pytest.mark.parametrize("name", ["huang2022", "li2018"])
def test_a_network_of_discrete_steps_stays_in_float32(name: str) -> None:
    guidance = sample_guidance({"exemplar"}, (64, 64)) if name == "li2018" else Guidance()
    model = smoke_model(model_card(name)).model
    assert torch.equal(*predict_twice(model, sample_input("gray", (64, 64)), guidance))

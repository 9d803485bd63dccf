"""Edits reuse cached model states and equal a full run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo import Colorizer, Guidance, Points
from colorzoo.guidance import Scribbles
from colorzoo.lru_cache import LRUCache

SIZE = 48


@pytest.fixture
def lightness() -> Tensor:
    return torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 100


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer("kim2021_small", device="cpu", precision="float32")


@pytest.fixture
def cache() -> LRUCache:
    return LRUCache()


@pytest.fixture
def encoded(colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return the list of images that the model encodes."""
    images: list[Tensor] = []
    encode = type(colorizer.model).encode

    def count(model: Any, lightness: Tensor, guidance: Guidance | None) -> Any:
        images.append(lightness)
        return encode(model, lightness, guidance)

    monkeypatch.setattr(type(colorizer.model), "encode", count)
    return images


def stroke(row: int, points: Points | None = None) -> Guidance:
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., row : row + 3, 5:40] = 1
    return Guidance(points=points, scribbles=Scribbles(mask))


def test_predict_reuses_the_encoding_for_a_second_scribble(
    colorizer: Colorizer, encoded: list[Tensor], lightness: Tensor, cache: LRUCache
) -> None:
    first, second = (colorizer.predict(lightness, stroke(row), cache).to_ab() for row in (10, 30))
    assert len(encoded) == 1
    fresh = Colorizer("kim2021_small", device="cpu", precision="float32")
    assert torch.equal(second, fresh.predict(lightness.clone(), stroke(30)).to_ab())
    assert not torch.equal(first, second)


def test_predict_encodes_again_for_another_image_or_point(
    colorizer: Colorizer, encoded: list[Tensor], lightness: Tensor, cache: LRUCache
) -> None:
    point = Points.none(lightness)
    point.mask[..., 20, 20] = 1
    point.ab[:, 0, 20, 20] = 40
    plain = colorizer.predict(lightness, stroke(10), cache).to_ab()
    pointed = colorizer.predict(lightness, stroke(10, point), cache).to_ab()
    colorizer.predict(lightness + 1, stroke(10), cache).to_ab()
    assert len(encoded) == 3
    assert not torch.equal(plain, pointed)


def test_predict_with_edited_or_without_points_skips_analyze(
    lightness: Tensor, cache: LRUCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32")
    points = Points.none(lightness)
    points.mask[..., 20:24, 20:24] = 1
    points.ab[:, 0, 20:24, 20:24] = 40
    plain = colorizer.predict(lightness, Guidance(), cache).to_ab()
    first = colorizer.predict(lightness, Guidance(points=points), cache)
    logits = first.extras["logits"].clone()
    monkeypatch.setattr(type(colorizer.model), "analyze", lambda *_: pytest.fail("the network ran again"))
    edited = replace(points, ab=-points.ab)
    assert not torch.equal(
        colorizer.predict(lightness, Guidance(points=edited), cache).to_ab(), first.to_ab()
    )
    assert torch.equal(colorizer.predict(lightness, Guidance(), cache).to_ab(), plain)
    assert torch.equal(first.extras["logits"], logits)


@pytest.mark.parametrize("model", ["colorzoo2026", "kim2021_small"])
def test_edit_with_nan_in_bfloat16_equals_the_edit_in_float32(
    model: str, lightness: Tensor, cache: LRUCache
) -> None:
    low, full = (Colorizer(model, device="cpu", precision=each) for each in ("bfloat16", "float32"))
    for module in low.model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _module, _inputs, output: output * float("nan" if output.dtype != torch.float32 else 1)
            )
    points = Points.none(lightness)
    points.mask[..., 20:24, 20:24] = 1
    points.ab[:, 0, 20:24, 20:24] = 40
    for guidance in (stroke(10, points), stroke(30, points)):
        predicted = low.predict(lightness, guidance, cache).to_ab()
        assert torch.equal(predicted, full.predict(lightness, guidance, LRUCache()).to_ab())
    recipe = {"points": [{"x": 20, "y": 20, "color": "#c04020", "reach": 1}]}  # computes the similarity
    image = (lightness[0, 0] * 2.55).byte().numpy()
    assert np.array_equal(np.array(low(image, recipe)), np.array(full(image, recipe)))

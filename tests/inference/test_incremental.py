"""Edits reuse cached model states and equal a full run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo import Colorizer, Guidance, Points
from colorzoo.guidance import PointHint, Recipe, Scribbles, Stroke
from colorzoo.image_io.read import read_image
from colorzoo.inference.network import States
from colorzoo.inference.pipeline import colorize_edit
from inference.by_hand import Results

SIZE = 48


@pytest.fixture
def lightness() -> Tensor:
    return torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 100


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer("kim2021_small", device="cpu", precision="float32")


@pytest.fixture
def encoded(colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return the list of images that the model encodes."""
    images: list[Tensor] = []
    backbone = type(colorizer.model.backbone.model)
    encode = backbone.encode

    def count(model: Any, lightness: Tensor, guidance: Guidance | None) -> Any:
        images.append(lightness)
        return encode(model, lightness, guidance)

    monkeypatch.setattr(backbone, "encode", count)
    return images


def stroke(row: int, points: Points | None = None) -> Guidance:
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., row : row + 3, 5:40] = 1
    return Guidance(points=points, scribbles=Scribbles(mask))


def test_predict_reuses_the_encoding_for_a_second_scribble(
    colorizer: Colorizer, encoded: list[Tensor], lightness: Tensor
) -> None:
    states = States()
    first, second = (colorizer.predict(lightness, stroke(row), states).to_ab() for row in (10, 30))
    assert len(encoded) == 1
    fresh = Colorizer("kim2021_small", device="cpu", precision="float32")
    assert torch.equal(second, fresh.predict(lightness.clone(), stroke(30)).to_ab())
    assert not torch.equal(first, second)


def test_edited_recipe_encodes_again_for_another_image_or_point(
    colorizer: Colorizer, encoded: list[Tensor]
) -> None:
    results: Results = {}
    first, second = (Stroke(path=((5, row), (40, row)), width=3) for row in (10, 30))
    point = PointHint(20, 20, color="#c04020")

    def ab(recipe: Recipe, name: str = "one") -> Tensor:
        levels = np.random.default_rng(len(name)).integers(0, 256, (SIZE, SIZE), np.uint8)
        edit = colorizer.resolve(read_image(levels), recipe)
        return colorize_edit(replace(edit, cache=results)).ab

    plain, again = ab(Recipe(scribbles=(first,))), ab(Recipe(scribbles=(second,)))
    assert len(encoded) == 1
    pointed = ab(Recipe(scribbles=(second,), points=(point,)))
    assert len(encoded) == 2
    other = ab(Recipe(scribbles=(second,)), "another")
    assert len(encoded) == 3
    for result, different in ((plain, again), (again, pointed), (again, other)):
        assert not torch.equal(result, different)


def test_predict_with_edited_or_without_points_skips_analyze(
    lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = States()
    colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32")
    points = Points.none(lightness)
    points.mask[..., 20:24, 20:24] = 1
    points.ab[:, 0, 20:24, 20:24] = 40
    first = colorizer.predict(lightness, Guidance(points=points), states)
    plain = colorizer.predict(lightness, Guidance(), states).to_ab()
    logits = first.color_logits
    assert logits is not None
    monkeypatch.setattr(type(colorizer.model), "analyze", lambda *_: pytest.fail("the network ran again"))
    edited = replace(points, ab=-points.ab)
    assert not torch.equal(
        colorizer.predict(lightness, Guidance(points=edited), states).to_ab(), first.to_ab()
    )
    assert torch.equal(colorizer.predict(lightness, Guidance(), states).to_ab(), plain)
    again = first.color_logits
    assert again is not None
    assert torch.equal(again, logits)


@pytest.mark.parametrize("model", ["colorzoo2026", "kim2021_small"])
def test_edit_with_nan_in_bfloat16_equals_the_edit_in_float32(model: str, lightness: Tensor) -> None:
    states = States()
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
        predicted = low.predict(lightness, guidance, states).to_ab()
        assert torch.equal(predicted, full.predict(lightness, guidance).to_ab())
    recipe = {"points": [{"x": 20, "y": 20, "color": "#c04020", "reach": 1}]}  # computes the similarity
    image = (lightness[0, 0] * 2.55).byte().numpy()
    assert np.array_equal(np.array(low(image, recipe)), np.array(full(image, recipe)))

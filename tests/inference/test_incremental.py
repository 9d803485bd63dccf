"""Edits: cached parts of the model are reused, with the result of a full run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Colorizer, Guidance, Points
from colorzoo.guidance import Scribbles

SIZE = 48


@pytest.fixture
def lightness() -> Tensor:
    return torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 100


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer("kim2021_small", device="cpu", precision="float32")


@pytest.fixture
def opened(colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return the images that the model has opened, as it goes."""
    seen: list[Tensor] = []
    open_as_before = type(colorizer.model).open

    def count(model: Any, lightness: Tensor, guidance: Guidance | None) -> Any:
        seen.append(lightness)
        return open_as_before(model, lightness, guidance)

    monkeypatch.setattr(type(colorizer.model), "open", count)
    return seen


def stroke(row: int, points: Points | None = None) -> Guidance:
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., row : row + 3, 5:40] = 1
    return Guidance(points=points, scribbles=Scribbles(mask))


def test_the_second_stroke_reuses_the_state_and_equals_a_full_run(
    colorizer: Colorizer, opened: list[Tensor], lightness: Tensor
) -> None:
    first, second = (colorizer.predict(lightness, stroke(row)).to_ab() for row in (10, 30))
    assert len(opened) == 1
    fresh = Colorizer("kim2021_small", device="cpu", precision="float32")
    assert torch.equal(second, fresh.predict(lightness.clone(), stroke(30)).to_ab())
    assert not torch.equal(first, second)


def test_another_image_or_point_needs_a_new_state(
    colorizer: Colorizer, opened: list[Tensor], lightness: Tensor
) -> None:
    point = Points.none(lightness)
    point.mask[..., 20, 20] = 1
    point.ab[:, 0, 20, 20] = 40
    plain = colorizer.predict(lightness, stroke(10)).to_ab()
    pointed = colorizer.predict(lightness, stroke(10, point)).to_ab()
    colorizer.predict(lightness + 1, stroke(10)).to_ab()
    assert len(opened) == 3
    assert not torch.equal(plain, pointed)


def test_without_scribbles_there_is_no_state(
    colorizer: Colorizer, opened: list[Tensor], lightness: Tensor
) -> None:
    backbone = Colorizer("zhang2017_local_small", device="cpu", precision="float32")
    assert torch.equal(
        colorizer.predict(lightness, Guidance()).to_ab(), backbone.predict(lightness, Guidance()).to_ab()
    )
    assert opened == []


def test_after_an_edit_images_without_points_are_cached(
    lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32")
    points = Points.none(lightness)
    points.mask[..., 20:24, 20:24] = 1
    points.ab[:, 0, 20:24, 20:24] = 40
    plain = colorizer.predict(lightness, Guidance()).to_ab()
    first = colorizer.predict(lightness, Guidance(points=points))
    logits = first.extras["logits"].clone()
    monkeypatch.setattr(type(colorizer.model), "analyze", lambda *_: pytest.fail("the network ran again"))
    edited = replace(points, ab=-points.ab)
    assert not torch.equal(colorizer.predict(lightness, Guidance(points=edited)).to_ab(), first.to_ab())
    assert torch.equal(colorizer.predict(lightness, Guidance()).to_ab(), plain)
    assert torch.equal(first.extras["logits"], logits)

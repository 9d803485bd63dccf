"""Edits of points: only changed windows are run, with the result of a full run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Colorizer, Guidance, Points
from colorzoo.capabilities import Edits
from colorzoo.inference.palette import Distribution
from colorzoo.networks import hint_memory
from colorzoo.networks.hint_memory import HintMemory
from colorzoo.networks.hint_unet import HintUNet, ShallowMaps
from colorzoo.prediction import DeferredMaps

SIZE = (208, 232)
NEAR = 1e-4  # CIE units, or of maps near 1: the order of additions may differ with the size of a map


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def with_points(x: Tensor, *places: tuple[int, int]) -> Tensor:
    """Return an input with other hints: 3 x 3 pixels from each place on."""
    x = x.clone()
    for row, column in places:
        x[:, 1:, row : row + 3, column : column + 3] = 1
    return x


@pytest.fixture
def unet() -> HintUNet:
    torch.manual_seed(0)
    unet = HintUNet(4, 0.125, hint_attention=True).eval().requires_grad_(False)
    for layer in unet.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # else zeros around a window would do no harm
            layer.running_mean.normal_()
            layer.bias.data.normal_()
    return unet


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the pixels of each input that the blocks are run on, as it goes."""
    pixels: list[int] = []
    shallow = HintUNet.shallow

    def count(unet: HintUNet, x: Tensor, **options: Any) -> ShallowMaps:
        pixels.append(x.shape[2] * x.shape[3])
        return shallow(unet, x, **options)

    monkeypatch.setattr(HintUNet, "shallow", count)
    return pixels


def assert_alike(found: ShallowMaps, expected: ShallowMaps) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= NEAR


EDITS = {
    "add inside": [(80, 90)],
    "in a corner": [(0, 0)],
    "in the last corner": [(205, 229)],
    "two far apart": [(8, 8), (190, 215)],
    "across cells": [(79, 95)],
}


@pytest.mark.parametrize("places", EDITS.values(), ids=EDITS)
@torch.inference_mode()
def test_windows_equal_a_full_run(unet: HintUNet, runs: list[int], places: list[tuple[int, int]]) -> None:
    before = draw(1, 4, *SIZE)
    memory = HintMemory(unet)
    memory.shallow(before)
    del runs[:]
    after = with_points(before, *places)
    found = memory.shallow(after)
    assert sum(runs) < 0.8 * SIZE[0] * SIZE[1]
    assert_alike(found, unet.shallow(after))


@torch.inference_mode()
def test_successive_edits_add_no_error(unet: HintUNet) -> None:
    memory, start = HintMemory(unet), draw(1, 4, *SIZE)
    memory.shallow(start)
    for step in range(6):  # a point moves: where it was, things are as they had been
        found = memory.shallow(with_points(start, (20 * step, 25 * step)))
    assert_alike(found, unet.shallow(with_points(start, (100, 125))))


@torch.inference_mode()
def test_unchanged_parts_are_not_run(unet: HintUNet, runs: list[int]) -> None:
    memory, x = HintMemory(unet), draw(1, 4, *SIZE)
    first = memory.shallow(x)
    again = memory.shallow(x.clone())
    assert len(runs) == 1
    assert_alike(again, first)


@torch.inference_mode()
def test_another_picture_or_size_is_run_in_full(unet: HintUNet, runs: list[int]) -> None:
    memory = HintMemory(unet)
    for x in (draw(1, 4, *SIZE), draw(1, 4, *SIZE, seed=1), draw(1, 4, 64, 64), draw(1, 4, *SIZE, seed=2)):
        assert_alike(memory.shallow(x), unet.shallow(x))
        assert runs[-2:] == [x.shape[2] * x.shape[3]] * 2


@torch.inference_mode()
def test_the_memory_is_bounded(unet: HintUNet, runs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    x = draw(1, 4, *SIZE)
    one = x.nbytes + sum(found.nbytes for found in unet.shallow(x))
    monkeypatch.setattr(hint_memory, "MOST_BYTES", 2 * one)
    memory = HintMemory(unet)
    for seed in (1, 2, 3, 1):  # the first has gone when it comes again
        memory.shallow(draw(1, 4, *SIZE, seed=seed))
    memory.shallow(draw(1, 4, *SIZE, seed=3))
    assert len(runs) == 5


@torch.inference_mode()
def test_a_failed_edit_leaves_a_valid_memory(unet: HintUNet, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, x = HintMemory(unet), draw(1, 4, *SIZE)
    memory.shallow(x)
    after = with_points(x, (8, 8), (190, 215))
    whole, shallow = unet.shallow(x), HintUNet.shallow
    calls = iter((shallow, None))  # the second window fails

    def fail(network: HintUNet, window: Tensor) -> ShallowMaps:
        run = next(calls)
        if run is None:
            raise MemoryError
        return run(network, window)

    monkeypatch.setattr(HintUNet, "shallow", fail)
    with pytest.raises(MemoryError):
        memory.shallow(after)
    monkeypatch.undo()
    assert_alike(memory.shallow(x), whole)


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer("zhang2017_local_small", device="cpu", precision="float32")


def test_a_colorizer_answers_an_edit_as_a_plain_call(colorizer: Colorizer, runs: list[int]) -> None:
    lightness = draw(1, 1, *SIZE) * 100
    points = Points.none(lightness)
    for row, column in ((30, 40), (90, 100)):
        points = replace(points, ab=points.ab.clone(), mask=points.mask.clone())
        points.mask[..., row : row + 3, column : column + 3] = 1
        points.ab[:, 0, row : row + 3, column : column + 3] = 40
        found = colorizer.predict(lightness, Guidance(points=points))
    assert isinstance(colorizer.model, Edits)
    assert runs[0] == SIZE[0] * SIZE[1] > runs[1]
    with torch.inference_mode():
        plain = colorizer.model(lightness, Guidance(points=points))
        assert (found.colors - plain.colors).abs().max() <= NEAR
        assert isinstance(found.extras, DeferredMaps)
        assert list(found.extras) == list(plain.extras) == ["logits"]
        assert (found.extras["logits"] - plain.extras["logits"]).abs().max() <= NEAR
        one, other = Distribution.of(found), Distribution.of(plain)
    assert one is not None
    assert other is not None
    assert (one.probabilities - other.probabilities).abs().max() <= NEAR


def test_after_an_edit_pictures_without_points_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32")
    first, second = draw(2, 1, 1, 64, 64) * 100
    points = Points.none(second)
    points.mask[..., 20:24, 20:24] = 1
    plain = colorizer.predict(second, Guidance()).to_ab()
    assert not torch.equal(colorizer.predict(first, Guidance(points=Points.none(first))).to_ab(), plain)
    assert torch.equal(colorizer.predict(second, Guidance()).to_ab(), plain)
    monkeypatch.setattr(type(colorizer.model), "analyze", lambda *_: pytest.fail("the network ran again"))
    colorizer.predict(second, Guidance(points=points))
    assert torch.equal(colorizer.predict(second, Guidance()).to_ab(), plain)


def test_a_distribution_belongs_to_its_own_picture(colorizer: Colorizer) -> None:
    lightness = draw(1, 1, *SIZE) * 100
    points = Points.none(lightness)
    first = colorizer.predict(lightness, Guidance(points=points))
    with torch.inference_mode():
        before = first.extras["logits"].clone()
        points = replace(points, ab=points.ab + 30, mask=points.mask.clone())
        points.mask[..., 40:60, 40:60] = 1
        colorizer.predict(lightness, Guidance(points=points))
        assert torch.equal(first.extras["logits"], before)

"""References made from the picture itself: the range of each random transformation."""

import torch
from torch import Tensor

from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.randomness import picture_generators

COUNT, SIDE = 64, 33


def ramp() -> Tensor:
    """Return pictures with red x and green y, both in [0, 1] at pixel centers."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    picture = torch.stack(
        [line.expand(SIDE, SIDE), line.view(-1, 1).expand(SIDE, SIDE), torch.full((SIDE, SIDE), 0.5)]
    )
    return picture.expand(COUNT, 3, SIDE, SIDE)


def generators() -> list[torch.Generator]:
    return picture_generators(torch.arange(COUNT), "test")


def slopes(made: Tensor) -> tuple[Tensor, Tensor]:
    """Return the visible shares of width and height of each reference, negative if mirrored."""
    middle = SIDE // 2
    x = made[:, 0, middle, middle + 5] - made[:, 0, middle, middle - 5]
    y = made[:, 1, middle + 5, middle] - made[:, 1, middle - 5, middle]
    return x * SIDE / 10, y * SIDE / 10


def test_crops_have_the_area_and_half_of_them_are_mirrored() -> None:
    x, y = slopes(crop_flip_reference(ramp(), generators(), scale=(0.25, 0.5), ratio=(0.8, 1.2)))
    area = (x * y).abs()
    assert 0.25 - 1e-3 <= area.min() < 0.3
    assert 0.45 < area.max() <= 0.5 + 1e-3
    assert 20 < int((x < 0).sum()) < 44
    assert (y > 0).all()
    stretch = (x / y).abs()
    assert 0.8 - 1e-3 <= stretch.min() < 0.9
    assert 1.1 < stretch.max() <= 1.2 + 1e-3


def test_crops_have_any_position_inside() -> None:
    made = crop_flip_reference(ramp(), generators(), scale=(0.25, 0.25), ratio=(1.0, 1.0))
    center = made[:, :2, SIDE // 2, SIDE // 2]
    assert 0.25 - 1e-3 <= center.min() < 0.32
    assert 0.68 < center.max() <= 0.75 + 1e-3


def test_disabled_transformations_change_nothing() -> None:
    still = warp_jitter_reference(ramp(), generators(), bend=0.0, degrees=0.0, jitter=0.0)
    x, y = slopes(still)
    torch.testing.assert_close(x.abs(), torch.ones(COUNT), rtol=0, atol=1e-3)
    assert {(a > 0, b > 0) for a, b in zip(x.tolist(), y.tolist(), strict=True)} == {
        *((True, True), (True, False), (False, True), (False, False)),
    }


def test_rotation() -> None:
    made = warp_jitter_reference(ramp(), generators(), bend=0.0, degrees=90.0, jitter=0.0)
    x, y = slopes(made)
    assert x.abs().min() < 0.2  # nearly a right angle
    torch.testing.assert_close(x.abs(), y.abs(), rtol=0, atol=5e-3)  # both are the cosine


def test_jitter_bounds_the_shift_of_each_channel() -> None:
    flat = torch.full((COUNT, 3, 8, 8), 0.5)
    shift = warp_jitter_reference(flat, generators(), jitter=0.1)[..., 0, 0] - 0.5
    assert -0.1 <= shift.min() < -0.08
    assert 0.08 < shift.max() <= 0.1
    assert (shift.diff(dim=1).abs() > 1e-3).float().mean() > 0.9  # channels do not move together


def test_bend_bounds_the_shift_of_control_points() -> None:
    made = warp_jitter_reference(ramp(), generators(), bend=0.05, degrees=0.0, jitter=0.0)
    x, y = slopes(made)
    upright = made[(x > 0) & (y > 0)]
    moved = (upright - ramp()[: len(upright)])[:, :2, 4:-4, 4:-4].abs()
    assert 0.03 < moved.max() < 0.08

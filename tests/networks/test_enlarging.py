"""Enlarging along edges: colors move to their side of an edge; flat lightness gives bicubic interpolation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.enlarging import enlarge_along_edges

CELLS, CELL = (24, 32), 4
SIZE = (CELLS[0] * CELL, CELLS[1] * CELL)
COLORS = torch.tensor([[20.0, -40.0], [-10.0, 30.0]])  # left and right of the edge: a and b


def bicubic(ab: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    return F.interpolate(ab, size, mode="bicubic", align_corners=False)


def step(length: int, edge: float) -> Tensor:
    """Return weights of the right side: 0 before the edge, 1 after it, and a fraction in its pixel."""
    return (torch.arange(length) + 1 - edge).clamp(0, 1)


def enlarge(ab: Tensor, lightness: Tensor) -> Tensor:
    return enlarge_along_edges(ab, F.adaptive_avg_pool2d(lightness, ab.shape[2:]), lightness)


def random_map(seed: int = 0) -> Tensor:
    return 30 * torch.randn(1, 2, *CELLS, generator=torch.Generator().manual_seed(seed))


def test_enlarge_along_edges_moves_color_edges_to_lightness_edges() -> None:
    for across in ["columns", "rows"]:
        for lights in [(80.0, 30.0), (20.0, 45.0)]:
            # the middle of a cell, whose color is mixed with the colors of its neighbors
            edge = 16 * CELL + CELL // 2
            lightness = lights[0] + (lights[1] - lights[0]) * step(SIZE[1], edge)
            true = COLORS[:, :1] + (COLORS[:, 1:] - COLORS[:, :1]) * step(SIZE[1], edge)
            # half a cell too early
            mixed = COLORS[:, :1] + (COLORS[:, 1:] - COLORS[:, :1]) * step(CELLS[1], 16)
            maps = [line.view(1, -1, 1, line.shape[-1]) for line in (lightness, true, mixed)]
            heights = (SIZE[0], SIZE[0], CELLS[0])
            lightness, true, mixed = (
                line.expand(-1, -1, rows, -1) for line, rows in zip(maps, heights, strict=True)
            )
            if across == "rows":
                lightness, true, mixed = (each.transpose(2, 3) for each in (lightness, true, mixed))
            found = enlarge(mixed, lightness)
            wrong = (bicubic(mixed, (lightness.shape[2], lightness.shape[3])) - true).abs().amax()
            assert wrong > 30  # half of the step
            assert (found - true).abs().amax() < 10


def test_enlarge_along_edges_is_bicubic_for_constant_lightness() -> None:
    ab = random_map()
    assert torch.allclose(enlarge(ab, torch.full((1, 1, *SIZE), 63.0)), bicubic(ab), atol=1e-3)


def test_enlarge_along_edges_preserves_constant_maps() -> None:
    lightness = 100 * torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    found = enlarge(COLORS[:1].view(1, 2, 1, 1).expand(1, 2, *CELLS), lightness)
    assert torch.allclose(found, COLORS[:1].view(1, 2, 1, 1).expand_as(found), atol=1e-3)


def test_enlarge_along_edges_is_bicubic_for_lightness_of_no_cell() -> None:
    lightness = torch.full((1, 1, *SIZE), 20.0)
    lightness[..., ::CELL, ::CELL] = 100  # single pixels; the mean of their cell is L 25
    found = enlarge(random_map(), lightness)
    assert found.isfinite().all()
    assert torch.allclose(found[..., ::CELL, ::CELL], bicubic(random_map())[..., ::CELL, ::CELL], atol=1e-3)


def test_enlarge_along_edges_treats_images_of_any_size_independently() -> None:
    size = (101, 75)
    lightnesses = 100 * torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(2))
    maps = torch.cat([random_map(3), random_map(4)])
    both = enlarge(maps, lightnesses)
    assert both.shape == (2, 2, *size)
    assert torch.allclose(both[1:], enlarge(maps[1:], lightnesses[1:]), atol=1e-4)

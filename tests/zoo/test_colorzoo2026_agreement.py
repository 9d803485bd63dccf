"""colorzoo2026: cells that belong together decide together."""

import math

import pytest
import torch

from colorzoo.color import hull_centers
from colorzoo.zoo.colorzoo2026.model import Colorzoo2026
from colorzoo.zoo.colorzoo2026.network import Architecture
from colorzoo.zoo.colorzoo2026.points import POOL, SHARPNESS, Cells, agree, enliven

CENTERS = hull_centers() / 50
BINS = len(CENTERS)
GRID = (8, 8)


def random_cells(count: int, heads: int = 2) -> Cells:
    generator = torch.Generator().manual_seed(3)
    place = torch.randn(1, count, heads, 5, generator=generator)
    return Cells(place, torch.rand(1, count, heads, generator=generator) + 0.5)


def two_things(apart: float) -> Cells:
    """Return cells of a left and a right half, which are a distance apart."""
    column = torch.arange(GRID[0] * GRID[1]) % GRID[1]
    place = (column >= GRID[1] // 2).float()[None, :, None, None] * apart
    return Cells(place.expand(1, -1, 1, 3), torch.ones(1, GRID[0] * GRID[1], 1))


def test_the_formula_written_out() -> None:
    generator = torch.Generator().manual_seed(0)
    count = GRID[0] * GRID[1]
    mean = torch.randn(1, count, 2, generator=generator)
    logits = torch.randn(1, count, BINS, generator=generator)
    cells = random_cells(count)
    found = agree(mean, logits, cells, GRID, CENTERS)[0]
    numbers = torch.arange(count).view(GRID)
    blocks = [block.flatten() for rows in numbers.split(POOL) for block in rows.split(POOL, dim=1)]
    for cell in range(count):
        weights, means, logs = [], [], []
        for block in blocks:
            correlation = 0.0
            own, other = cells.amplitude[0, cell], cells.amplitude[0, block].mean(0)
            for head in range(2):
                away = (cells.place[0, cell, head] - cells.place[0, block, head].mean(0)).square().sum()
                correlation += float(own[head] * other[head] * math.exp(-0.5 * away))
            weights.append((correlation / float(own.norm() * other.norm())) ** SHARPNESS)
            means.append(mean[0, block].mean(0))
            logs.append(logits[0, block].log_softmax(-1).mean(0))
        share = torch.tensor(weights) / sum(weights)
        decided = (share @ torch.stack(logs)).softmax(-1) @ CENTERS
        wanted = decided + mean[0, cell] - share @ torch.stack(means)
        torch.testing.assert_close(found[cell], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("apart", "share_of_the_gap"), [(10.0, 1.0), (0.0, 0.0)])
def test_only_cells_that_belong_together_decide_together(apart: float, share_of_the_gap: float) -> None:
    warm, cool = CENTERS[:, 1].argmax(), CENTERS[:, 1].argmin()
    column = torch.arange(GRID[0] * GRID[1]) % GRID[1]
    left = (column < GRID[1] // 2)[None, :, None]
    logits = torch.full((1, GRID[0] * GRID[1], BINS), -20.0)
    logits[..., warm] = torch.where(left[..., 0], 0.0, -20.0)
    logits[..., cool] = torch.where(left[..., 0], -20.0, 0.0)
    found = agree(torch.zeros(1, left.numel(), 2), logits, two_things(apart), GRID, CENTERS)
    gap = found[0, 0, 1] - found[0, -1, 1]
    wanted = share_of_the_gap * (CENTERS[warm, 1] - CENTERS[cool, 1])
    torch.testing.assert_close(gap, wanted, atol=0.05, rtol=0)


def test_what_only_some_cells_expect_does_not_count() -> None:
    """Half the cells expect red or blue, half red or green: together they decide for red."""
    red, blue, green = ((CENTERS - torch.tensor(ab) / 50).norm(dim=1).argmin() for ab in
                        ([60.0, 40.0], [20.0, -60.0], [-50.0, 40.0]))  # fmt: skip
    logits = torch.full((1, 64, BINS), -12.0)
    logits[..., red] = 0.0
    logits[:, ::2, blue] = 0.0
    logits[:, 1::2, green] = 0.0
    alone = logits[0].softmax(-1) @ CENTERS
    mean = alone[None]
    cells = Cells(torch.zeros(1, 64, 1, 3), torch.ones(1, 64, 1))
    together = agree(mean, logits, cells, GRID, CENTERS)[0] - (alone - alone.mean(0))
    assert (together - CENTERS[red]).norm(dim=1).max() < 0.1
    assert (alone - CENTERS[red]).norm(dim=1).min() > 0.4


def test_pale_colors_gain_the_most_chroma() -> None:
    """Written out, in CIE units: chroma + 1 over 12.5, to the power of -0.15, times 1.42; gray stays gray."""
    ab = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-12.0, 5.0], [40.0, -30.0]])
    factors = [1.42 * ((chroma + 1) / 12.5) ** -0.15 for chroma in (0, 5, 13, 50)]
    wanted = ab * torch.tensor(factors)[:, None]
    torch.testing.assert_close(50 * enliven(ab[None] / 50)[0], wanted, atol=1e-4, rtol=1e-4)


def test_the_model_shows_what_its_cells_agree_on() -> None:
    torch.manual_seed(0)
    model = Colorzoo2026(
        Architecture(stem=(4, 8), widths=(16, 32, 32), blocks=(1, 1, 1), decoder=16, vector=16)
    )
    lightness = 100 * torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        maps = model.network(lightness)
        raw = model.embed(maps, lightness)
        found = model.analyze(lightness)
        wanted = enliven(agree(raw.mean, raw.logits, raw.cells, raw.grid, model.centers))
    torch.testing.assert_close(found.mean, wanted)
    assert not torch.allclose(found.mean, raw.mean)

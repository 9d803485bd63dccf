"""colorzoo2026: pooling of logits over similar cells, and chroma boost."""

import math

import torch

from colorzoo.color import hull_centers
from colorzoo.zoo.colorzoo2026.model import Colorzoo2026
from colorzoo.zoo.colorzoo2026.network import Architecture
from colorzoo.zoo.colorzoo2026.points import POOL, SHARPNESS, Cells, boost_chroma, pool_logits

CENTERS = hull_centers() / 50
BINS = len(CENTERS)
GRID = (8, 8)


def random_cells(count: int, heads: int = 2) -> Cells:
    generator = torch.Generator().manual_seed(3)
    place = torch.randn(1, count, heads, 5, generator=generator)
    return Cells(place, torch.rand(1, count, heads, generator=generator) + 0.5)


def test_pool_logits_equals_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    count = GRID[0] * GRID[1]
    mean = torch.randn(1, count, 2, generator=generator)
    logits = torch.randn(1, count, BINS, generator=generator)
    cells = random_cells(count)
    found = pool_logits(mean, logits, cells, GRID, CENTERS)[0]
    numbers = torch.arange(count).view(GRID)
    blocks = [block.flatten() for rows in numbers.split(POOL) for block in rows.split(POOL, dim=1)]
    for cell in range(count):
        weights, means, logs = [], [], []
        for block in blocks:
            correlation = 0.0
            own, other = cells.amplitude[0, cell], cells.amplitude[0, block].mean(0)
            for head in range(2):
                away = (
                    (cells.coordinates[0, cell, head] - cells.coordinates[0, block, head].mean(0))
                    .square()
                    .sum()
                )
                correlation += float(own[head] * other[head] * math.exp(-0.5 * away))
            weights.append((correlation / float(own.norm() * other.norm())) ** SHARPNESS)
            means.append(mean[0, block].mean(0))
            logs.append(logits[0, block].log_softmax(-1).mean(0))
        share = torch.tensor(weights) / sum(weights)
        decided = (share @ torch.stack(logs)).softmax(-1) @ CENTERS
        wanted = decided + mean[0, cell] - share @ torch.stack(means)
        torch.testing.assert_close(found[cell], wanted, atol=1e-4, rtol=1e-4)


def test_boost_chroma_equals_the_formula() -> None:
    """The factor is 1.34 ((chroma + 1) / 12.5) ** -0.15 in CIE units; gray stays gray."""
    ab = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-12.0, 5.0], [40.0, -30.0]])
    factors = [1.34 * ((chroma + 1) / 12.5) ** -0.15 for chroma in (0, 5, 13, 50)]
    wanted = ab * torch.tensor(factors)[:, None]
    torch.testing.assert_close(50 * boost_chroma(ab[None] / 50)[0], wanted, atol=1e-4, rtol=1e-4)


def test_analyze_returns_pooled_and_boosted_colors() -> None:
    torch.manual_seed(0)
    model = Colorzoo2026(
        Architecture(stem=(4, 8), widths=(16, 32, 32), blocks=(1, 1, 1), decoder=16, vector=16)
    )
    lightness = 100 * torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        maps = model.network(lightness)
        raw = model.embed(maps, lightness)
        found = model.analyze(lightness)
        wanted = boost_chroma(pool_logits(raw.mean, raw.logits, raw.cells, raw.grid, model.centers))
    torch.testing.assert_close(found.mean, wanted)
    assert not torch.allclose(found.mean, raw.mean)

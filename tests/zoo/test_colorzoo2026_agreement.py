"""colorzoo2026: pooling of logits over similar cells, and chroma boost."""

import pytest
import torch

from colorzoo.color import hull_centers
from colorzoo.zoo.colorzoo2026.model import Colorzoo2026
from colorzoo.zoo.colorzoo2026.network import Architecture
from colorzoo.zoo.colorzoo2026.points import Cells, boost_chroma, pool_logits

CENTERS = hull_centers() / 50
BINS = len(CENTERS)
GRID = (8, 8)
COUNT = GRID[0] * GRID[1]


def two_groups() -> Cells:
    """Return equal cells in each half of the grid. The halves are not correlated."""
    coordinates = torch.zeros(1, COUNT, 2, 5)
    coordinates[:, COUNT // 2 :] = 20
    return Cells(coordinates, torch.ones(1, COUNT, 2))


@pytest.fixture
def predicted() -> tuple[torch.Tensor, torch.Tensor]:
    """Return random mean colors and logits of the cells."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, COUNT, 2, generator=generator), torch.randn(1, COUNT, BINS, generator=generator)


def test_pooled_color_of_equal_cells_is_the_mean_of_their_distribution(predicted) -> None:
    logits = predicted[1][:, :1].expand(1, COUNT, BINS)
    mean = torch.ones(1, COUNT, 2)
    found = pool_logits(mean, logits, two_groups(), GRID, CENTERS)
    torch.testing.assert_close(found, (logits.softmax(-1) @ CENTERS), atol=1e-4, rtol=1e-4)


def test_pooled_colors_preserve_differences_and_ignore_uncorrelated_cells(predicted) -> None:
    mean, logits = predicted
    found = pool_logits(mean, logits, two_groups(), GRID, CENTERS)[0, : COUNT // 2]
    differences = (mean[0] - mean[0, 0])[: COUNT // 2]
    torch.testing.assert_close(found - found[0], differences, atol=1e-4, rtol=1e-4)
    other = logits.clone()
    other[:, COUNT // 2 :] += 3 * torch.arange(BINS) / BINS
    again = pool_logits(mean, other, two_groups(), GRID, CENTERS)[0]
    torch.testing.assert_close(again[: COUNT // 2], found, atol=1e-4, rtol=1e-4)
    assert (
        again[COUNT // 2 :] - pool_logits(mean, logits, two_groups(), GRID, CENTERS)[0, COUNT // 2 :]
    ).abs().min() > 0


def test_pooled_color_excludes_a_bin_that_one_of_the_correlated_blocks_excludes() -> None:
    logits = torch.full((1, COUNT, BINS), -60.0)
    logits[..., [10, 300]] = 0.0
    logits[:, 0, 10] = -1000.0
    found = pool_logits(torch.zeros(1, COUNT, 2), logits, two_groups(), GRID, CENTERS)[0]
    torch.testing.assert_close(found[: COUNT // 2], CENTERS[300].expand(COUNT // 2, 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(found[-1], CENTERS[[10, 300]].mean(0), atol=1e-3, rtol=0)


def test_boost_chroma_raises_pale_colors_most_and_keeps_hue_and_order() -> None:
    chroma = torch.tensor([0.02, 0.1, 0.3, 1.0])
    hue = torch.tensor([0.8, -0.6])
    boosted = boost_chroma((chroma[:, None] * hue)[None])[0]
    torch.testing.assert_close(boosted, boosted.norm(dim=-1, keepdim=True) * hue)
    assert (boosted.norm(dim=-1).diff() > 0).all()
    factors = boosted.norm(dim=-1) / chroma
    assert (factors.diff() < 0).all()
    assert factors[:3].min() > 1
    assert boost_chroma(torch.zeros(1, 1, 2)).count_nonzero() == 0


def test_analyze_returns_pooled_and_boosted_colors() -> None:
    torch.manual_seed(0)
    model = Colorzoo2026(
        Architecture(stem=(4, 8), widths=(16, 32, 32), blocks=(1, 1, 1), decoder=16, vector=16)
    )
    lightness = 100 * torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        maps = model.network(lightness)
        raw = model.embed(maps, lightness)
        found = model.analyze(lightness, {})
        wanted = boost_chroma(pool_logits(raw.mean, raw.logits, raw.cells, raw.grid, model.centers))
    torch.testing.assert_close(found.mean, wanted)
    assert not torch.allclose(found.mean, raw.mean)

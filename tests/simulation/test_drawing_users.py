"""Simulated user that colors the regions of a drawing."""

import pytest
import torch

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.simulation import DrawingPoints, DrawingRegions, SessionResult, TargetImage


def drawing(seed: int = 0) -> tuple[TargetImage, torch.Tensor]:
    """Return a drawing with a large red, a small blue and a green region, and its regions ``(H, W)``."""
    rgb, sketch = torch.empty(1, 3, 96, 160), torch.ones(1, 1, 96, 160)
    wanted = torch.zeros(96, 160)
    wanted[:, 100:] = 1
    wanted[60:, 100:] = 2
    for number, color in enumerate(((0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.1, 0.2, 0.9))):
        rgb[0][:, wanted == number] = torch.tensor(color)[:, None]
    sketch[..., 98:102] = sketch[..., 58:62, 100:] = 0
    return TargetImage(sketch, rgb * sketch, rgb_to_lab(rgb)[:, 1:], seed), wanted


def begin(user: DrawingPoints, target: TargetImage, model: object = None):
    white = SessionResult(torch.ones_like(target.rgb), torch.zeros_like(target.ab))
    return lambda count: user.begin(target, white, model)(count, white)


class Ranker:
    def ranked_regions(self, sketch: torch.Tensor) -> list[int]:
        return [2, 0, 1]


def test_regions_have_the_mean_color_of_their_paper() -> None:
    target, wanted = drawing()
    regions = DrawingRegions.of(target.lightness)
    assert regions.areas.tolist() == sorted(regions.areas.tolist(), reverse=True)
    paper = target.lightness[0, 0] == 1
    for number in range(3):
        (label,) = regions.labels[(wanted == number) & paper].unique().tolist()
        true = target.rgb[0][:, (wanted == number) & paper].mean(1)
        assert torch.allclose(regions.colors(target.rgb)[label], true, atol=0.02)  # ink has little weight


@pytest.mark.parametrize("order", ["random", "proposed", "largest"])
def test_points_lie_in_regions_and_have_their_true_colors(order) -> None:
    target, wanted = drawing()
    given = begin(DrawingPoints(order=order), target, Ranker())
    assert given(2)[1] == 2
    assert given(30)[1] == (30 if order == "random" else 3)
    points = given(30)[0].points
    mask = points.mask[0, 0] > 0
    assert 3 * 20 <= mask.sum() <= 3 * 36
    assert target.lightness[0, 0][mask].min() == 1
    rgb = lab_to_rgb(torch.cat([points.lightness, points.ab], dim=1))[0]
    assert (rgb - target.rgb[0]).abs()[:, mask].max() < 0.03
    if order == "proposed":
        smallest = wanted[given(1)[0].points.mask[0, 0] > 0].unique()
        assert smallest.tolist() == [2]
    if order == "largest":
        largest = wanted[given(1)[0].points.mask[0, 0] > 0].unique()
        assert largest.tolist() == [0]


def test_random_points_prefer_large_regions_and_depend_on_the_seed() -> None:
    first = []
    for seed in range(60):
        target, wanted = drawing(seed)
        points = begin(DrawingPoints(), target)(1)[0].points
        first.append(int(wanted[points.mask[0, 0] > 0].mode().values))
    assert 0.45 < first.count(0) / 60 < 0.8  # 62 % of the area
    assert {1, 2} <= set(first)


def test_proposed_order_requires_a_model_that_ranks_regions() -> None:
    with pytest.raises(GuidanceError, match="ranks regions, got object"):
        begin(DrawingPoints(order="proposed"), drawing()[0], object())(1)
    with pytest.raises(GuidanceError, match="'order' must be one of random, proposed, largest"):
        DrawingPoints(order="best")

"""Simulated point hints: distribution and size."""

import math
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.simulation.points import simulate_points, uniform_points

DEFAULTS = {
    "stop_probability": 1 / 8,
    "max_side": 9,
    "spread": 0.25,
    "reveal_all": 0.01,
    "many": 0.0,
    "most": 64,
    "none": 0.0,
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def colors(batch: int, height: int = 24, width: int = 40) -> Tensor:
    return 200 * torch.rand(batch, 2, height, width, generator=generator(9)) - 100


def reference_points(lab: Tensor, draws: Tensor, settings: dict[str, Any]) -> Tensor:
    """Return Lab and mask ``(4, H, W)`` of the points of one image, computed from its uniform numbers."""
    s = SimpleNamespace(**DEFAULTS | settings)
    image, patch, (_, height, width) = draws[:5].tolist(), draws[5:].view(3, 256).tolist(), lab.shape
    if image[3] < s.reveal_all:
        return torch.cat([lab, torch.ones(1, height, width)])
    count = math.floor(math.log(1 - image[0]) / math.log(1 - s.stop_probability))  # geometric
    if image[2] < s.many:
        count = math.floor((s.most + 1) ** image[1])  # log-uniform
    found = torch.zeros(4, height, width)
    for number in range(0 if image[4] < s.none else min(count, 256)):
        side, window = 1 + math.floor(patch[0][number] * min(s.max_side, height, width)), [slice(None)]
        for length, draw in zip((height, width), (patch[1][number], patch[2][number]), strict=True):
            first = (length - side + 1) * (0.5 + s.spread * NormalDist().inv_cdf(draw))
            window.append(slice(int(min(max(first, 0), length - side)), None))
            window[-1] = slice(window[-1].start, window[-1].start + side)
        found[:3][tuple(window)] = lab[tuple(window)].mean(dim=(1, 2), keepdim=True)
        found[3:][tuple(window)] = 1
    return found


def test_simulate_points_equals_reference_with_equal_random_numbers() -> None:
    """Each image has its own generator; lightness is returned only if it is passed."""
    for simulation in [
        {},
        {"many": 0.5, "most": 20, "none": 0.2, "reveal_all": 0.2, "max_side": 4, "spread": 0.1},
        {"stop_probability": 0.001, "max_side": 2},
    ]:
        lab = torch.cat([100 * torch.rand(60, 1, 24, 40, generator=generator(1)), colors(60)], dim=1)
        draws = [torch.rand(5 + 3 * 256, generator=generator(seed)) for seed in range(60)]
        wanted = torch.stack([reference_points(*each, simulation) for each in zip(lab, draws, strict=True)])
        found = simulate_points(lab, [generator(seed) for seed in range(60)], **simulation)
        assert found.lightness is not None
        maps = torch.cat([found.lightness, found.ab, found.mask], dim=1)
        torch.testing.assert_close(maps, wanted, rtol=0, atol=1e-3)
        plain = simulate_points(lab[:, 1:], [generator(seed) for seed in range(60)], **simulation)
        assert torch.equal(plain.ab, found.ab)
        assert plain.lightness is None


def test_simulate_points_supports_small_images() -> None:
    for size in [(1, 1), (3, 40), (5, 5)]:
        ab = colors(16, *size)
        points = simulate_points(ab, generator(), reveal_all=0.0)
        assert points.ab.isfinite().all()
        assert set(points.mask.unique().tolist()) <= {0.0, 1.0}
        assert not points.ab[points.mask.expand_as(points.ab) == 0].any()
        assert uniform_points(ab, 2, generator()).mask.any()


def test_simulate_points_with_stop_probability_1_draws_no_points() -> None:
    always_stops = {"stop_probability": 1.0, "reveal_all": 0.0}
    assert not simulate_points(colors(64), generator(), **always_stops).mask.any()
    rarely_stops = {"stop_probability": 1e-18, "reveal_all": 0.0, "max_side": 1}  # 1 - p rounds to 1
    assert simulate_points(colors(4), generator(), **rarely_stops).mask.sum() > 4 * 100


def test_uniform_points_draws_requested_number_of_6_by_6_points() -> None:
    for count in [0, 1, 10]:
        points = uniform_points(torch.ones(3, 2, 256, 256), count, generator())
        covered = points.mask.sum(dim=(1, 2, 3))
        assert (covered <= 36 * count).all()
        assert (covered >= 36 * count * 0.8).all()
        assert torch.equal(points.ab[:, :1], points.mask)  # the mean of ones is one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_simulate_points_keeps_the_device() -> None:
    ab = colors(4).cuda()
    points = simulate_points(ab, torch.Generator("cuda").manual_seed(0))
    assert points.ab.device == points.mask.device == ab.device

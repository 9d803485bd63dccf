"""Simulated points of training: their distribution, and patches against a slow loop."""

import pytest
import torch
from torch import Tensor

from colorzoo.simulation.points import (
    PointSimulation,
    fill_patches,
    simulate_points,
    uniform_points,
)

NO_REVEAL = PointSimulation(reveal_all=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def colors(batch: int, height: int = 24, width: int = 40) -> Tensor:
    return 200 * torch.rand(batch, 2, height, width, generator=generator(9)) - 100


def single_pixels(batch: int, simulation: PointSimulation) -> Tensor:
    """Return the numbers of hinted pixels on pictures so large that few patches of one pixel meet."""
    ab = torch.zeros(batch, 2, 200, 200)
    return simulate_points(ab, generator(), simulation).mask.sum(dim=(1, 2, 3))


def test_counts_are_geometric_with_mean_seven() -> None:
    counts = single_pixels(600, PointSimulation(max_side=1, reveal_all=0.0))
    assert counts.mean() == pytest.approx(7.0, abs=0.9)  # three standard errors of 7.5 / sqrt(600)
    assert (counts == 0).float().mean() == pytest.approx(1 / 8, abs=0.04)
    assert (counts >= 8).float().mean() == pytest.approx((7 / 8) ** 8, abs=0.06)


def test_many_draws_log_uniform_counts() -> None:
    counts = single_pixels(200, PointSimulation(max_side=1, reveal_all=0.0, many=1.0, most=64))
    assert counts.min() >= 1
    assert counts.max() <= 64
    assert counts.median() == pytest.approx(8, abs=3)


def test_positions_are_gaussian_around_the_center() -> None:
    mask = simulate_points(
        torch.zeros(300, 2, 64, 128), generator(), PointSimulation(max_side=1, reveal_all=0.0)
    ).mask
    _, _, rows, columns = mask.nonzero(as_tuple=True)
    assert rows.float().mean() == pytest.approx(31.5, abs=2)
    assert columns.float().mean() == pytest.approx(63.5, abs=4)
    inner = (rows > 4) & (rows < 59)  # away from the border, where places that fall outside are gathered
    assert rows[inner].float().std() == pytest.approx(14, abs=1.5)


def test_uniform_positions_fill_the_picture_evenly() -> None:
    simulation = PointSimulation(max_side=1, reveal_all=0.0, everywhere=1.0)
    mask = simulate_points(torch.zeros(300, 2, 64, 128), generator(), simulation).mask
    _, _, rows, columns = mask.nonzero(as_tuple=True)
    for place, extent in ((rows, 64), (columns, 128)):
        shares = torch.histc(place.float() / extent, bins=4, min=0, max=1) / len(place)
        torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.04, rtol=0)


def test_some_pictures_have_points_everywhere_and_the_others_keep_theirs() -> None:
    ab = colors(64)
    seeds = [generator(seed) for seed in range(64)]
    plain = simulate_points(ab, seeds, NO_REVEAL)
    seeds = [generator(seed) for seed in range(64)]
    mixed = simulate_points(ab, seeds, PointSimulation(reveal_all=0.0, everywhere=0.5))
    same = (plain.mask == mixed.mask).flatten(1).all(dim=1)
    assert same.float().mean() == pytest.approx(0.5 + 0.5 / 8, abs=0.2)  # an eighth has no points at all


def test_the_share_of_revealed_pictures() -> None:
    ab = colors(400, 8, 8)
    points = simulate_points(ab, generator(), PointSimulation(reveal_all=0.2, max_side=1))
    full = points.mask.flatten(1).all(dim=1)
    assert full.float().mean() == pytest.approx(0.2, abs=0.06)
    assert torch.equal(points.ab[full], ab[full])


def test_patches_are_those_of_a_slow_loop() -> None:
    ab = colors(5)
    corner = torch.stack(
        [
            torch.randint(0, 15, (5, 12), generator=generator(1)),
            torch.randint(0, 31, (5, 12), generator=generator(2)),
        ],
        -1,
    )
    side = torch.randint(1, 10, (5, 12), generator=generator(3))
    valid = torch.rand(5, 12, generator=generator(4)) < 0.7
    points = fill_patches(ab, corner, side, valid, int(side.max()))
    expected_ab, expected_mask = slow_patches(ab, corner, side, valid)
    torch.testing.assert_close(points.ab, expected_ab, atol=1e-4, rtol=0)
    assert torch.equal(points.mask, expected_mask)


def slow_patches(ab: Tensor, corner: Tensor, side: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    painted, mask = torch.zeros_like(ab), torch.zeros_like(ab[:, :1])
    for picture in range(len(ab)):
        for index in valid[picture].nonzero().flatten().tolist():  # in order: later ones cover earlier ones
            top, left = corner[picture, index].tolist()
            size = side[picture, index].item()
            window = (picture, slice(None), slice(top, top + size), slice(left, left + size))
            painted[window] = ab[window].mean(dim=(1, 2), keepdim=True)
            mask[window] = 1.0
    return painted, mask


def test_later_patches_cover_earlier_ones() -> None:
    ab = colors(1, 8, 8)
    corner = torch.tensor([[[0, 0], [2, 2]]])
    points = fill_patches(ab, corner, torch.tensor([[4, 4]]), torch.ones(1, 2, dtype=torch.bool), 4)
    first, second = ab[0, :, :4, :4].mean((1, 2)), ab[0, :, 2:6, 2:6].mean((1, 2))
    torch.testing.assert_close(points.ab[0, :, 0, 0], first)
    torch.testing.assert_close(points.ab[0, :, 3, 3], second)


def test_equal_generators_give_equal_points() -> None:
    ab = colors(4)
    one, other = (simulate_points(ab, generator(3), NO_REVEAL) for _ in range(2))
    assert torch.equal(one.ab, other.ab)
    assert torch.equal(one.mask, other.mask)
    assert not torch.equal(one.mask, simulate_points(ab, generator(4), NO_REVEAL).mask)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (5, 5)])
def test_patches_fit_small_pictures(size: tuple[int, int]) -> None:
    ab = colors(16, *size)
    points = simulate_points(ab, generator(), NO_REVEAL)
    assert points.ab.isfinite().all()
    assert set(points.mask.unique().tolist()) <= {0.0, 1.0}
    assert not points.ab[points.mask.expand_as(points.ab) == 0].any()
    assert uniform_points(ab, 2, generator()).mask.any()


@pytest.mark.parametrize("count", [0, 1, 10])
def test_uniform_points_are_6_by_6_and_as_many_as_asked(count: int) -> None:
    points = uniform_points(torch.ones(3, 2, 256, 256), count, generator())
    covered = points.mask.sum(dim=(1, 2, 3))
    assert (covered <= 36 * count).all()
    assert (covered >= 36 * count * 0.8).all()
    assert torch.equal(points.ab[:, :1], points.mask)  # the mean of ones is one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_batch_on_the_device_stays_there() -> None:
    ab = colors(4).cuda()
    points = simulate_points(ab, torch.Generator("cuda").manual_seed(0))
    assert points.ab.device == points.mask.device == ab.device


def test_the_share_of_pictures_without_points() -> None:
    counts = single_pixels(400, PointSimulation(max_side=1, reveal_all=0.0, many=1.0, none=0.4))
    assert (counts == 0).float().mean() == pytest.approx(0.4, abs=0.08)


def test_sides_are_uniform_up_to_the_largest() -> None:
    # a picture with one point: its mask is one square
    simulation = PointSimulation(0.5, max_side=5, reveal_all=0.0)
    mask = simulate_points(colors(400, 64, 64), generator(), simulation).mask
    heights = mask[:, 0].amax(dim=2).sum(dim=1)
    single = heights[(heights > 0) & (mask.sum(dim=(1, 2, 3)) == heights**2)]
    shares = [float((single == side).float().mean()) for side in range(1, 6)]
    assert int(single.max()) == 5
    assert min(shares) > 0.1


def test_points_have_lightness_if_it_is_given() -> None:
    lab = torch.cat([100 * torch.rand(8, 1, 16, 16, generator=generator(1)), colors(8, 16, 16)], dim=1)
    points = simulate_points(lab, generator(), PointSimulation(max_side=1, reveal_all=0.5))
    given = points.mask > 0
    assert torch.equal(points.lightness[given], lab[:, :1][given])
    assert points.mask.flatten(1).all(dim=1).any()

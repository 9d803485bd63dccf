"""Losses on the colors of a whole image, compared with closed forms."""

import pytest
import torch

from colorzoo.losses import total_variation
from colorzoo.losses.statistics import chi_square_distance, soft_histogram


def test_soft_histogram_splits_colors_between_adjacent_centers() -> None:
    ab = torch.tensor([0.025, -0.3]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    found = soft_histogram(ab)[0]
    torch.testing.assert_close(found[10:12, 7], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))


def test_soft_histogram_drops_weight_outside_the_grid() -> None:
    ab = torch.tensor([[1.05, 0.0], [1.2, 0.0]]).view(2, 2, 1, 1)
    torch.testing.assert_close(soft_histogram(ab).sum(dim=(1, 2)), torch.tensor([0.5, 0.0]))


def test_soft_histogram_ignores_autocast() -> None:
    ab = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        found = soft_histogram(ab)
    assert torch.equal(found, soft_histogram(ab))


@pytest.mark.parametrize("epsilon", [1e-5, 2.22e-16])
def test_chi_square_distance_ranges_from_0_to_4(epsilon: float) -> None:
    one, other = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    distance = chi_square_distance(one, other, epsilon=epsilon)
    torch.testing.assert_close(distance, torch.tensor([4.0]), rtol=2e-5, atol=0)
    assert chi_square_distance(one, one, epsilon=epsilon) == 0


def test_total_variation_of_a_ramp_is_twice_its_squared_slopes() -> None:
    down = torch.arange(4.0).view(1, 1, 4, 1).expand(2, 3, 4, 5)
    torch.testing.assert_close(total_variation(down + 2 * torch.arange(5.0)), torch.tensor(2.0 * (1 + 4)))

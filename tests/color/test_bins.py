"""Bins of the ab plane."""

from itertools import product

import pytest
import torch

from colorzoo.color import (
    annealed_mean,
    hull_centers,
    nearest_bin,
    prior_probabilities,
    rebalancing_weights,
    soft_encode,
)
from colorzoo.color.bins import bilinear_bins, grid_centers, grid_index, hull_mask, soft_neighbors

AB = 200 * torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) - 100


def test_bin_tables_are_consistent() -> None:
    assert torch.equal(grid_centers()[hull_mask()], hull_centers())
    assert prior_probabilities().sum() == pytest.approx(1)
    index = grid_index(grid_centers().T.reshape(1, 2, 23, 23)).flatten()
    assert torch.equal(index, torch.arange(529))


def test_soft_encode_is_gaussian_over_nearest_bins() -> None:
    neighbors = 5
    squared = torch.cdist(AB, hull_centers()).square()
    weights = torch.exp(-squared / (2 * 5**2))
    weights[squared > squared.sort(dim=1).values[:, neighbors - 1, None]] = 0
    encoded = soft_encode(AB, neighbors=neighbors)
    torch.testing.assert_close(encoded, weights / weights.sum(dim=1, keepdim=True))
    assert torch.equal(encoded.argmax(1), nearest_bin(AB))


def test_grid_index_returns_nearest_cell() -> None:
    nearest = torch.cdist(AB, grid_centers()).argmin(dim=1)
    assert torch.equal(grid_index(AB.T[None, :, :, None])[0, :, 0], nearest)
    far = torch.tensor([[-500.0, 500.0], [-500.0, 500.0]]).view(1, 2, 1, 2)
    assert grid_index(far).flatten().tolist() == [0, 528]


def test_annealed_mean_lies_between_mean_and_mode() -> None:
    logits = torch.randn(2, 313, 3, 4, generator=torch.Generator().manual_seed(1))
    centers = hull_centers()
    mean = torch.einsum("bqhw,qc->bchw", logits.softmax(1), centers)
    mode = centers[logits.argmax(1)].permute(0, 3, 1, 2)
    torch.testing.assert_close(annealed_mean(logits, centers, 1.0), mean)
    torch.testing.assert_close(annealed_mean(0.38 * logits, centers), mean)
    torch.testing.assert_close(annealed_mean(logits, centers, 1e-5), mode, atol=1e-2, rtol=0)
    uniform = annealed_mean(logits, centers, 1e6)
    torch.testing.assert_close(
        uniform, centers.mean(0).view(1, 2, 1, 1).expand_as(uniform), atol=1e-2, rtol=0
    )


def test_rebalancing_weights_match_equation_4() -> None:
    prior = prior_probabilities()
    weights = rebalancing_weights(prior)
    mixed = 0.5 * prior + 0.5 / 313
    torch.testing.assert_close(weights, 1 / (mixed * (prior / mixed).sum()))
    torch.testing.assert_close(rebalancing_weights(prior, uniform=1.0), torch.ones(313, dtype=prior.dtype))


def test_soft_neighbors_agree_with_soft_encode() -> None:
    neighbors = 10
    ab = torch.rand(5000, 2, generator=torch.Generator().manual_seed(0)) * 280 - 140
    index, weights = soft_neighbors(ab, neighbors=neighbors)
    dense = torch.zeros(len(ab), 313).scatter_(1, index, weights)
    moved = ab.clamp(-115, 115)  # to the border of the grid
    torch.testing.assert_close(dense, soft_encode(moved, neighbors=neighbors), rtol=0, atol=1e-4)
    assert (weights.diff(dim=1) <= 0).all()  # nearest first


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_bilinear_bins_accept_the_largest_ab_in_all_precisions(dtype: torch.dtype) -> None:
    ab = torch.full((1, 2, 1, 1), 130.0)
    index, share = bilinear_bins(ab.to(dtype))
    wanted_index, wanted_share = bilinear_bins(ab)
    assert torch.equal(index, wanted_index)
    torch.testing.assert_close(share.float(), wanted_share, rtol=0, atol=5e-3)


def test_bilinear_bins_match_the_four_surrounding_nodes() -> None:
    ab = 280 * torch.rand(1, 2, 9, 7, generator=torch.Generator().manual_seed(0)) - 140
    index, share = bilinear_bins(ab)
    inside = ab.clamp(-120, 119.99)
    for number, step in enumerate(product((0, 10), repeat=2)):
        node = (inside / 10).floor() * 10 + torch.tensor(step).view(1, 2, 1, 1)
        assert torch.equal(index[:, number].flatten(), nearest_bin(node[0].flatten(1).T))
        torch.testing.assert_close(
            share[:, number], (1 - (inside - node).abs() / 10).prod(1), rtol=0, atol=1e-4
        )

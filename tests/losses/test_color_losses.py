"""Losses on color, compared with closed forms; the parity tests compare published values."""

import math

import torch

from colorzoo.color import nearest_bin
from colorzoo.color.bins import bilinear_bins, grid_index
from colorzoo.losses import grid_cross_entropy, rebalanced_cross_entropy, smooth_l1_map
from colorzoo.losses.color import bilinear_cross_entropy


def test_smooth_l1_map_is_quadratic_then_linear() -> None:
    target = torch.zeros(1, 2, 1, 3)
    ab = torch.tensor([0.5, 1.0, 7.0]).expand(1, 2, 1, 3)
    assert smooth_l1_map(ab, target).flatten().tolist() == [0.25, 1.0, 13.0]
    assert smooth_l1_map(ab, target, delta=4.0)[..., -1].item() == 10.0


def test_rebalanced_cross_entropy_is_zero_for_gray_and_linear_in_weights() -> None:
    ab = torch.stack([torch.full((2, 3, 3), 4.9), torch.full((2, 3, 3), 30.0)])
    logits, ones = torch.randn(2, 313, 3, 3, generator=torch.Generator().manual_seed(0)), torch.ones(313)
    loss = rebalanced_cross_entropy(logits, ab, ones)
    assert not loss[0].any()
    assert (loss[1] > 0).all()
    torch.testing.assert_close(rebalanced_cross_entropy(logits, ab, 3 * ones), 3 * loss)


def test_grid_cross_entropy_targets_top_left_pixel_of_each_cell() -> None:
    ab = torch.zeros(1, 2, 8, 8)
    ab[..., ::4, ::4] = 50.0
    logits = torch.zeros(1, 529, 2, 2)
    logits[:, grid_index(ab)[0, 0, 0]] = 100.0
    assert grid_cross_entropy(logits, ab, stride=4) == 0


def test_rebalanced_cross_entropy_weights_pixels_by_bin_if_any_is_colorful() -> None:
    ab = torch.zeros(1, 2, 3, 3)
    ab[..., 1, 1] = 30.0
    logits = torch.randn(1, 313, 3, 3, generator=torch.Generator().manual_seed(0))
    weights = 1 + torch.rand(313, generator=torch.Generator().manual_seed(1))
    plain = rebalanced_cross_entropy(logits, ab, torch.ones(313))
    nearest = nearest_bin(ab[0].flatten(1).T).view(1, 3, 3)
    assert (plain > 0).all()
    torch.testing.assert_close(rebalanced_cross_entropy(logits, ab, weights), plain * weights[nearest])


def test_bilinear_cross_entropy_is_minimal_at_bilinear_weights() -> None:
    ab = torch.tensor([13.0, -7.0]).view(1, 2, 1, 1)
    index, share = bilinear_bins(ab)
    truth = torch.full((1, 313, 1, 1), -20.0).scatter(1, index, share.log())
    entropy = -(share * share.log()).sum()
    assert math.isclose(bilinear_cross_entropy(truth, ab), entropy, rel_tol=1e-4)
    assert bilinear_cross_entropy(torch.zeros(1, 313, 1, 1), ab) > entropy

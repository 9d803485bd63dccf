"""Losses on color edges, compared with values computed by hand."""

import pytest
import torch
from torch import Tensor

from colorzoo.losses.edges import color_error, edge_error, edge_maps, masked_error, widened


def step(height: float, side: int = 8) -> Tensor:
    """Return ab ``(1, 2, side, side)``: a rises by ``height`` in the middle, b is flat."""
    ab = torch.zeros(1, 2, side, side)
    ab[:, 0, :, side // 2 :] = height
    return ab


def full_mask(side: int = 8) -> Tensor:
    return torch.ones(1, 1, side, side)


def test_edge_maps_of_a_110_unit_step_have_slope_one_half() -> None:
    signed = edge_maps(step(-110.0))
    assert signed[0, 0, 4].tolist() == pytest.approx([0, 0, 0, -0.5, -0.5, 0, 0, 0], abs=1e-6)
    assert signed[:, 1:].abs().max() == 0


def test_masked_error_averages_over_the_mask() -> None:
    one, other = torch.full((2, 3, 4, 4), 2.0), torch.zeros(2, 3, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, :, :, :2] = 1
    one[0, :, :, 2:] = 99
    assert masked_error(one, other, mask).tolist() == [12, 0]
    assert color_error(torch.full((1, 2, 2, 2), 55.0), torch.zeros(1, 2, 2, 2), full_mask(2)) == 0.5


def test_edge_error_of_a_step_is_averaged_over_all_columns() -> None:
    found = edge_error(step(110.0, 16), step(0.0, 16), full_mask(16))
    assert float(found) == pytest.approx(0.25 * 2 / 16, rel=1e-5)


def test_widened_dilates_mask_by_reach() -> None:
    for reach in [0, 1, 2]:
        mask = torch.zeros(1, 1, 9, 9)
        mask[..., 4, 4] = 1
        grown = widened(mask, reach)
        assert grown.shape == mask.shape
        assert grown.sum() == (2 * reach + 1) ** 2
        assert grown[..., 4 - reach, 4 + reach] == 1

"""Likely colors of the regions of drawings."""

import pytest
import torch

from colorzoo.drawing.region_colors import DISTINCT_TEMPERATURE, distinct_colors, near_colors


@pytest.mark.parametrize("count", [2, 3, 9])
def test_distinct_colors_are_sorted_by_the_shares_that_include_near_classes(count: int) -> None:
    """The likeliest class (0.4) is alone; two near classes have 0.54 together."""
    colors = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 0.1, 0], [0, 1, 0]])
    log_probabilities = DISTINCT_TEMPERATURE * torch.tensor([0.4, 0.28, 0.26, 0.06]).log()
    found, shares = distinct_colors(log_probabilities, colors, near_colors(colors, 0.5), count)
    assert shares.tolist() == pytest.approx([0.54, 0.4, 0.06][:count])
    assert found[0].tolist() == pytest.approx([1, 0.1 * 0.26 / 0.54, 0])
    assert found[1].tolist() == [0, 0, 0]

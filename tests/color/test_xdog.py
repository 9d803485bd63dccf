"""Sketch extractors on small sizes and under autocast; tests/parity compares XDoG with the public code."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from colorzoo.color import xdog
from colorzoo.color.sketch import color_edges, difference_lines, drawn_lines, rgb_to_gray


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 64)])
def test_xdog_supports_images_smaller_than_the_blur(size: tuple[int, int]) -> None:
    sketch = xdog(torch.full((2, 1, *size), 0.5), (0.3, 0.5))
    assert sketch.shape == (2, 1, *size)
    assert (sketch == 1).all()  # a flat gray is paper


@pytest.mark.parametrize(
    "extract", [lambda rgb: xdog(rgb_to_gray(rgb)), color_edges, difference_lines, drawn_lines]
)
def test_sketch_extractors_ignore_autocast(extract: Callable[[Tensor], Tensor]) -> None:
    rgb = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = extract(rgb)
    assert torch.equal(inside, extract(rgb))

"""XDoG on small sizes and under autocast; tests/parity compares it with the public implementation."""

import pytest
import torch

from colorzoo.color import xdog


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 64)])
def test_xdog_supports_images_smaller_than_the_blur(size: tuple[int, int]) -> None:
    sketch = xdog(torch.full((2, 1, *size), 0.5), (0.3, 0.5))
    assert sketch.shape == (2, 1, *size)
    assert (sketch == 1).all()  # a flat gray is paper


def test_xdog_ignores_autocast() -> None:
    gray = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = xdog(gray)
    assert torch.equal(inside, xdog(gray))

"""Resampling of maps that arrive in bands."""

from __future__ import annotations

import pytest
import torch

from colorzoo.inference.full_size import BandShrinker, shrink_luma


@pytest.mark.parametrize("rows", [1, 7, 43, 4000])
@pytest.mark.parametrize(
    ("whole", "size"),
    [
        ((400, 600), (64, 96)),
        ((333, 517), (256, 397)),
        ((300, 300), (300, 200)),
        ((5, 9), (3, 9)),
        ((3000, 3), (8, 2)),  # torch repeats the first row where the result is one pixel wide
    ],
)
def test_shrinking_in_bands_equals_shrinking_the_whole(
    whole: tuple[int, int], size: tuple[int, int], rows: int
) -> None:
    luma = 100 * torch.rand(1, 1, *whole, generator=torch.Generator().manual_seed(0))
    shrinker = BandShrinker(whole, size)
    for first in range(0, whole[0], rows):
        shrinker.add(luma[0, 0, first : first + rows])
    assert (shrinker.result() - shrink_luma(luma, size)).abs().max() < 1e-3


def test_shrinking_a_strip_of_a_million_rows_needs_little_memory() -> None:
    shrinker = BandShrinker((1_000_000, 1), (1024, 1))
    for _ in range(4):
        shrinker.add(torch.full((250_000, 1), 50.0))
    assert (shrinker.result() - 50).abs().max() < 1e-3

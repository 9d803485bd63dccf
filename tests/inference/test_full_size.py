"""Resampling of maps in bands, and the lightness of full-size results."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.inference import full_size
from colorzoo.inference.full_size import FullLightness, compose_image, shrink_lightness


def test_full_lightness_shrinks_bands_like_the_whole_map(monkeypatch: pytest.MonkeyPatch) -> None:
    for whole, size in [
        ((400, 600), (64, 96)),
        ((333, 517), (256, 397)),
        ((300, 300), (300, 200)),
        ((5, 9), (3, 9)),
        ((3000, 3), (8, 2)),  # torch repeats the first row where the result is one pixel wide
    ]:
        full = FullLightness(np.random.default_rng(0).random(whole, dtype=np.float32))
        expected = shrink_lightness(full.whole(), size)
        for rows in [1, 7, 43, 4000]:
            monkeypatch.setattr(full_size, "BAND_PIXELS", rows * whole[1])
            assert (full.shrunk(size) - expected).abs().max() < 1e-3


def test_join_keeps_lightness_near_black_in_16_bit_and_float_results() -> None:
    for chroma in [3.0, 10.0, 60.0]:
        generator = torch.Generator().manual_seed(0)
        lightness = 100 * torch.rand(80, 120, generator=generator) ** 3  # most of it dark
        ab = chroma * torch.randn(2, 80, 120, generator=generator)
        for made in (
            compose_image(lightness, ab, depth=16) / np.float32(65535),
            compose_image(lightness, ab),
        ):
            kept = rgb_to_lab(torch.from_numpy(made).permute(2, 0, 1))
            assert (kept[0] - lightness).abs().max() < 0.01
            assert kept[1:].abs().mean() > 1


def test_full_lightness_pixel_indexing_equals_indexing_the_whole_map() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    rows, columns = torch.tensor([0, 19, 7]), torch.tensor([29, 0, 11])
    for shift in (None, lambda light, first, last: light + torch.arange(first, last)[:, None]):
        light = FullLightness(levels, shift)
        assert torch.equal(light[rows, columns], light.whole()[0, 0][rows, columns])

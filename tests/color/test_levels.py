"""Lookup tables of levels, compared with the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.color import linear_rgb_to_rgb

from colorzoo.color import rgb_to_lab
from colorzoo.color.levels import lightness_of_levels, write_levels


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_lightness_of_levels_equals_rgb_to_lab(kind: type, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    levels = (generator.random(shape) * top).astype(kind)
    rgb = torch.from_numpy(levels.astype(np.float32) / np.float32(top))
    rgb = rgb.expand(3, -1, -1) if rgb.ndim == 2 else rgb.permute(2, 0, 1)
    assert (lightness_of_levels(levels) - rgb_to_lab(rgb)[0]).abs().max() < 1e-3


def test_write_levels_rounds_linear_rgb_to_nearest_level() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = 1.2 * torch.rand(3, 200, 300, generator=generator) ** 3 - 0.05
    true = linear_rgb_to_rgb(linear.double().clamp(0, 1)).permute(1, 2, 0).numpy()
    for kind, most in ((np.uint8, 0.002), (np.uint16, 0.01)):
        out = np.empty(true.shape, kind)
        write_levels(linear, out)
        apart = np.abs(out - np.rint(true * np.iinfo(kind).max))
        assert apart.max() <= 1
        assert (apart > 0).mean() < most


def test_write_levels_restores_every_8_bit_level() -> None:
    stored = np.arange(256)
    encoded = stored / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    out = np.empty((1, 256, 3), np.uint8)
    write_levels(torch.from_numpy(linear).float().expand(3, 1, -1), out)
    assert (out[0] == stored[:, None]).all()

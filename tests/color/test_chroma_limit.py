"""The table of the greatest chroma against the search for each color."""

from __future__ import annotations

import torch

from colorzoo.color import in_gamut, lab_to_rgb_in_gamut, reduce_chroma
from colorzoo.color.chroma_limit import fit_chroma, greatest
from colorzoo.color.gamut import linear_rgb_in_gamut
from colorzoo.color.linear import lab_to_linear_rgb, luma_to_luminance, luminance_of
from colorzoo.color.oklab import ChromaPath

TOLERANCE = 5e-5


def outside(count: int, deviation: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return linear colors outside sRGB and their lightness."""
    generator = torch.Generator().manual_seed(seed)
    luma = 100 * torch.rand(count, generator=generator)
    ab = deviation * torch.randn(2, count, generator=generator)
    linear = lab_to_linear_rgb(torch.cat([luma[None], ab]), dim=0)
    chosen = (linear.amin(dim=0) < -1e-4) | (linear.amax(dim=0) > 1 + 1e-4)
    return linear[:, chosen], luma[chosen]


def searched(linear: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
    """Bisect each color's own way in double precision."""
    path = ChromaPath(linear.double(), luma_to_luminance(luma.double()))
    low, high = torch.zeros_like(luma).double(), torch.ones_like(luma).double()
    for _ in range(40):
        middle = (low + high) / 2
        color = path.at(middle)
        fits = (color.amin(dim=0) >= -TOLERANCE) & (color.amax(dim=0) <= 1 + TOLERANCE)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return path.at(low).float()


def levels(linear: torch.Tensor) -> torch.Tensor:
    """Return sRGB in units of 255."""
    linear = linear.clamp(0, 1)
    bright = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return 255 * torch.where(linear > 0.0031308, bright, 12.92 * linear)


def test_the_table_gives_what_a_search_gives() -> None:
    for deviation in (25, 60):
        linear, luma = outside(40_000, deviation)
        found, true = fit_chroma(linear, luma, TOLERANCE), searched(linear, luma)
        apart = (levels(found) - levels(true)).abs().amax(dim=0)
        assert apart.mean() < 0.005
        assert apart.quantile(0.995) < 0.25
        assert (
            apart[luma > 8].max() < 1.0 or (apart[luma > 8] > 1).sum() <= 2
        )  # blues that leave and come back


def test_no_result_lies_outside_and_luminance_stays() -> None:
    linear, luma = outside(40_000, 80, seed=1)
    found = fit_chroma(linear, luma, TOLERANCE)
    assert found.min() >= -TOLERANCE
    assert found.max() <= 1 + TOLERANCE
    assert (luminance_of(found) - luma_to_luminance(luma)).abs().max() < 1e-5


def test_the_greatest_chroma_is_on_a_face() -> None:
    generator = torch.Generator().manual_seed(0)
    luma, hue = (
        5 + 90 * torch.rand(500, generator=generator),
        6.28 * torch.rand(500, generator=generator) - 3.14,
    )
    most = greatest(luma, hue)
    assert (most > 0.01).all()
    assert (most < 0.72).all()


def test_black_white_and_what_lies_beyond_become_gray() -> None:
    lab = torch.tensor([[0.0, 100, 104, -3], [30, -40, 20, 10], [-20, 30, 40, -50]]).view(3, 4, 1)
    shown = lab_to_rgb_in_gamut(lab)
    assert shown.isfinite().all()
    spread = (shown.amax(dim=0) - shown.amin(dim=0)).flatten()
    assert (spread < 0.01).all()


def test_a_band_and_single_colors_agree() -> None:
    generator = torch.Generator().manual_seed(3)
    lab = torch.cat(
        [100 * torch.rand(1, 60, 50, generator=generator), 60 * torch.randn(2, 60, 50, generator=generator)]
    )
    together = linear_rgb_in_gamut(lab)
    alone = torch.cat([linear_rgb_in_gamut(row) for row in lab.split(1, dim=1)], dim=1)
    assert (together - alone).abs().max() < 1e-5
    assert in_gamut(reduce_chroma(lab)).all()

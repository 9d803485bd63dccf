"""Chroma reduction, lightness changes and snapping."""

import math

import numpy as np
import pytest
import torch
from coloraide import Color as Base
from coloraide.spaces.ipt import IPT
from gamut_tables import compute_tables, max_chroma

from colorzoo.color import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.color.lab import (
    TABLES,
    at_lightness,
    fit_chroma,
    in_gamut,
    lab_to_linear_rgb,
    lightness_to_luminance,
    luminance_of,
    mix_with_gray,
    reduce_chroma,
    to_oklab,
)


class Color(Base):
    """Colors with IPT, a space of straight hue lines like JzAzBz."""


Color.register(IPT())

GENERATOR = torch.Generator().manual_seed(0)
RANDOM_LAB = torch.cat(
    [
        100 * torch.rand(1, 1, 40, 25, generator=GENERATOR),
        220 * torch.rand(1, 2, 40, 25, generator=GENERATOR) - 110,
    ],
    dim=1,
)


def chroma(lab: torch.Tensor) -> torch.Tensor:
    return lab[:, 1:].norm(dim=1)


def lab_hue(lab: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(torch.atan2(lab[:, 2], lab[:, 1]))


TO_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
TO_OKLAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


def oklab_hue(lab: torch.Tensor) -> torch.Tensor:
    """Compute Oklab's hue in double precision, also of colors outside sRGB."""
    linear = lab_to_linear_rgb(lab.double()).movedim(1, 0).flatten(1)
    cones = TO_CONES @ linear
    _, a, b = TO_OKLAB @ (cones.sign() * cones.abs().pow(1 / 3))
    return torch.rad2deg(torch.atan2(b, a)).view(lab[:, 0].shape)


def hue_difference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return ((one - other + 180) % 360 - 180).abs()


def test_at_lightness_preserves_hue() -> None:
    """Hue is measured in spaces that the mapping does not use; CIE Lab would turn it by up to 26 degrees."""
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(3, 1000, 1, generator=generator)
    lightness = 15 + 75 * torch.rand(1, 1000, 1, generator=generator)
    chosen = rgb_to_lab(rgb)
    moved = at_lightness(chosen, lightness)
    assert in_gamut(moved).all()
    torch.testing.assert_close(moved[:1], lightness)
    strength = [lab[1:].norm(dim=0).flatten() for lab in (chosen, moved)]
    assert (strength[1] <= strength[0] + 0.1).all()
    seen = (strength[0] > 10) & (strength[1] > 5)
    assert seen.sum() > 900
    more = torch.cat([moved[:1], moved[1:] * (1 + 0.3 / strength[1].clamp(min=1)).view(1, -1, 1)])
    fits = in_gamut(more).flatten() & (more[1:].norm(dim=0).flatten() < strength[0])
    assert fits[strength[1] > 5].float().mean() < 0.01  # only input chroma or sRGB limits the chroma
    shown = lab_to_rgb(moved)
    for space in ("jzazbz", "ipt"):
        hues = [
            torch.tensor([hue_in(space, color) for color in colors[:, :, 0].T]) for colors in (rgb, shown)
        ]
        assert hue_difference(*hues)[seen].max() < 4.0, space


def hue_in(space: str, rgb: torch.Tensor) -> float:
    _, across, up = Color("srgb", rgb.tolist()).convert(space).coords()
    return math.degrees(math.atan2(up, across))


def raised(lab: torch.Tensor) -> torch.Tensor:
    """Raise the lightness of colors with negative channels to the lowest value without."""
    found = lab.double()
    for step in (0.5 ** torch.arange(30)).tolist():  # add 150, 75, ... while a channel stays negative
        higher = found + torch.tensor([300 * step, 0, 0]).view(3, 1, 1)
        negative = (lab_to_linear_rgb(higher) < -1e-4).any(dim=1, keepdim=True)
        found = torch.where(negative, higher, found)
    return found


def test_reduce_chroma_preserves_lightness_and_hue() -> None:
    reduced = reduce_chroma(RANDOM_LAB)
    assert torch.equal(reduced[:, :1], RANDOM_LAB[:, :1])
    assert (chroma(reduced) <= chroma(RANDOM_LAB) + 0.1).float().mean() > 0.99  # Lab and Oklab chroma differ
    outside = ~in_gamut(RANDOM_LAB)[:, 0] & (chroma(reduced) > 5)
    turned = hue_difference(oklab_hue(reduced), oklab_hue(raised(RANDOM_LAB)))[outside]
    assert turned.max() < 0.5
    in_lab = hue_difference(lab_hue(reduced), lab_hue(RANDOM_LAB))[outside]
    assert in_lab.max() > 10  # hue lines of Lab are not straight


@pytest.mark.parametrize("factor", [2.0, 3.0, 10.0])
def test_reduce_chroma_keeps_the_hue_of_very_saturated_colors(factor: float) -> None:
    saturated = reduce_chroma(RANDOM_LAB)
    lab = saturated * torch.tensor([1, factor, factor]).view(3, 1, 1)
    reduced = reduce_chroma(lab)
    is_colorful = chroma(saturated) > 20
    assert hue_difference(lab_hue(reduced), lab_hue(lab))[is_colorful].max() < 30
    assert (chroma(reduced) > 0.5 * chroma(saturated))[is_colorful].all()


@pytest.mark.parametrize("ab", [(49.0, -72.0), (31.0, -48.0), (-20.0, -20.0), (17.0, 9.0), (60.0, 45.0)])
def test_reduce_chroma_returns_similar_colors_for_similar_lightness(ab: tuple[float, float]) -> None:
    """The hue of dark blues without a color at their lightness changes by 4 degrees per unit of L."""
    lightness = torch.arange(4, 40, 0.5)
    lab = torch.stack([lightness, *(torch.full_like(lightness, value) for value in ab)])[..., None]
    steps = reduce_chroma(lab)[1:, :, 0].diff(dim=1).norm(dim=0)
    assert steps.max() < 3


def test_reduce_chroma_returns_colors_in_gamut_that_survive_rgb_round_trip() -> None:
    reduced = reduce_chroma(RANDOM_LAB)
    assert in_gamut(reduced).all()
    back = rgb_to_lab(lab_to_rgb_in_gamut(RANDOM_LAB))
    torch.testing.assert_close(back, reduced, atol=0.3, rtol=0)  # a third of an 8-bit level in dark colors


def test_reduce_chroma_is_idempotent_and_preserves_colors_in_srgb() -> None:
    reduced = reduce_chroma(RANDOM_LAB)
    assert torch.equal(reduce_chroma(reduced), reduced)
    inside = in_gamut(RANDOM_LAB).expand_as(RANDOM_LAB)
    assert inside.any()
    assert not inside.all()
    assert torch.equal(reduced[inside], RANDOM_LAB[inside])


def test_reduce_chroma_returns_gray_for_lightness_above_100() -> None:
    lab = torch.tensor([120.0, 30, -30]).view(3, 1, 1)
    assert reduce_chroma(lab).flatten().tolist() == [120.0, 0.0, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gamut_mapping_keeps_values_that_are_not_finite_to_their_pixel(value: float) -> None:
    lab = RANDOM_LAB.clone()
    lab[0, 1, 3, 5] = value
    finite = RANDOM_LAB.clone()
    finite[0, :, 3, 5] = 50
    for mapped in (reduce_chroma, lab_to_rgb_in_gamut):
        found = mapped(lab)
        assert found[0, 1:, 3, 5].isnan().all()
        found[..., 3, 5] = mapped(finite)[..., 3, 5]
        assert torch.equal(found, mapped(finite))


def test_reduce_chroma_has_finite_gradients() -> None:
    lab = RANDOM_LAB.clone().requires_grad_()
    reduce_chroma(lab).square().sum().backward()
    assert lab.grad.isfinite().all()
    assert lab.grad[:, 1:].any()


TOLERANCE = 5e-5


def colors_outside(count: int, deviation: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return linear colors outside sRGB and their lightness."""
    generator = torch.Generator().manual_seed(seed)
    lightness = 100 * torch.rand(count, generator=generator)
    ab = deviation * torch.randn(2, count, generator=generator)
    linear = lab_to_linear_rgb(torch.cat([lightness[None], ab]), dim=0)
    chosen = (linear.amin(dim=0) < -1e-4) | (linear.amax(dim=0) > 1 + 1e-4)
    return linear[:, chosen], lightness[chosen]


def bisected(linear: torch.Tensor, lightness: torch.Tensor) -> torch.Tensor:
    """Bisect the path of each color in double precision."""
    oklab, luminance = to_oklab(linear.double()), lightness_to_luminance(lightness.double())
    gray = to_oklab(luminance.expand(3, -1))
    low, high = torch.zeros_like(lightness).double(), torch.ones_like(lightness).double()
    for _ in range(40):
        middle = (low + high) / 2
        color = mix_with_gray(oklab, gray, luminance, middle)
        fits = (color.amin(dim=0) >= -TOLERANCE) & (color.amax(dim=0) <= 1 + TOLERANCE)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    return mix_with_gray(oklab, gray, luminance, low).float()


def levels(linear: torch.Tensor) -> torch.Tensor:
    """Return sRGB in units of 255."""
    linear = linear.clamp(0, 1)
    bright = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return 255 * torch.where(linear > 0.0031308, bright, 12.92 * linear)


def test_fit_chroma_agrees_with_bisection() -> None:
    for deviation in (25, 60):
        linear, lightness = colors_outside(40_000, deviation)
        found = fit_chroma(linear, lightness, lightness_to_luminance(lightness), TOLERANCE)
        true = bisected(linear, lightness)
        apart = (levels(found) - levels(true)).abs().amax(dim=0)
        assert apart.mean() < 0.005
        assert apart.quantile(0.995) < 0.25
        # the path of some blues leaves and re-enters the gamut
        assert (apart[lightness > 8] > 1).sum() <= 2


def test_max_chroma_lies_on_the_gamut_boundary() -> None:
    generator = torch.Generator().manual_seed(0)
    lightness = 5 + 90 * torch.rand(500, generator=generator)
    hue = 6.28 * torch.rand(500, generator=generator) - 3.14
    most = max_chroma(lightness, hue)
    for more, inside in ((0.0, 500), (1.3e-4, 0)):
        s = (most + more).double()
        oklab = torch.stack([torch.ones_like(s), s * hue.cos(), s * hue.sin()])
        linear = torch.linalg.inv(TO_CONES) @ (torch.linalg.inv(TO_OKLAB) @ oklab) ** 3
        linear = linear * lightness_to_luminance(lightness) / luminance_of(linear)
        fits = (linear.amin(dim=0) > -1e-7) & (linear.amax(dim=0) < 1 + 1e-7)
        assert int(fits.sum()) == inside


def test_stored_tables_match_their_computation() -> None:
    with np.load(TABLES) as stored:
        for name, computed in compute_tables().items():
            apart = np.abs(stored[name].astype(float) - computed)
            # other processors can round differently, which moves a bisection by its last step
            assert apart.max() <= 1, name
            assert (apart == 0).mean() > 0.99, name

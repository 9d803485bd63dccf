"""CIE Lab, linear sRGB and sRGB: conversions and gamut mapping.

CIE Lab uses the illuminant D65 and the 2 degree observer. sRGB is defined by IEC 61966-2-1. Conversions
always run in float32, because kornia's error under bfloat16 autocast is several CIE units. This module
implements Lab to linear sRGB because kornia clips the result, and gamut mapping needs values outside [0, 1].
kornia is imported inside functions because importing it takes 0.25 s and inference does not need it.

Gamut mapping reduces chroma at constant CIE lightness and constant Oklab hue (Ottosson 2020). CIE Lab hue is
unsuitable, because blue turns violet when its chroma is reduced. Scaling linear RGB scales all Oklab
components equally, so restoring the luminance Y keeps the hue.

A dark color with a negative channel does not exist at its lightness, and its Oklab hue changes by several
degrees with each unit of L. Its hue is therefore the hue of the same ab at the lowest lightness without
negative channels, so that neighboring pixels of equal ab and nearly equal lightness get similar colors.

Chroma is expressed as s, the Oklab chroma divided by the Oklab lightness. For each lightness and hue, a
table contains a lower and an upper bound of the largest s inside sRGB. `fit_chroma` searches between the
bounds with two linear interpolations. ``tests/color/gamut_tables.py`` computes the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# XYZ relative to the white point (0.95047, 1, 1.08883) to linear sRGB, rows R, G, B
_XYZ_TO_RGB = (
    (3.0799803023, -1.5371515163, -0.5428213080),
    (-0.9212477523, 1.8759900015, 0.0452473395),
    (0.0528904611, -0.2040413384, 1.1512320120),
)
# inverse matrix, rows X, Y, Z
_RGB_TO_XYZ = (
    (0.4339463634, 0.3762138731, 0.1898250339),
    (0.2126710000, 0.7151600000, 0.0721690000),
    (0.0177566746, 0.1094688795, 0.8727046462),
)
LUMINANCE_WEIGHTS = _RGB_TO_XYZ[1]
_CUBIC_FROM = 0.2068966
_SLOPE = 1 / 7.787  # slope of the linear segment below `_CUBIC_FROM`

Matrix = tuple[tuple[float, ...], ...]
# linear sRGB to cone responses, and their cube roots to Oklab; see https://bottosson.github.io/posts/oklab
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def _inverse(matrix: Matrix) -> Matrix:
    return tuple(tuple(map(float, row)) for row in np.linalg.inv(np.array(matrix)))


_FROM_CONES, _FROM_OKLAB = _inverse(_TO_CONES), _inverse(_TO_OKLAB)
_FROM_CONES_AND_LUMINANCE = (*_FROM_CONES, tuple(np.array(LUMINANCE_WEIGHTS) @ np.array(_FROM_CONES)))

_TOLERANCE = 1e-4  # in linear RGB; colors on the faces of the RGB cube count as inside
# constants of the search in `at_lightness`
_FARTHEST = 4.0  # upper search bound, relative to the chroma of the color; dark colors have small chroma
_ROUNDS, _PARTS = 4, 8  # search precision: 1/4096 of the upper bound, which is 1/1024 of the chroma
_TINY_CONE = 1e-9

TABLES = Path(__file__).parent / "tables" / "gamut.npz"
"""File that ``tests/color/gamut_tables.py`` writes."""
# constants of the table of bounds and of `fit_chroma`
LIGHTNESS_CELLS, HUE_CELLS = 128, 1024  # number of table cells along each axis
S_STEP = 2**-13  # unit of s in the stored table; sRGB reaches 0.71
_MARGIN = 2e-3  # s inside a cell can exceed the values at its corners by this amount
_BEYOND = 4.0  # upper clamp in units of the interval; reached only by very dark colors, due to the tolerance
_LEAST = 1e-3  # lower clamp in the same units
_TINY = 1e-12

AB_RANGE = 140  # of the table of lowest lightnesses; the largest |a| or |b| of sRGB is 108


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab.

    Examples:
        >>> rgb_to_lab(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        >>> rgb_to_lab(red).flatten().round().tolist()
        [53.0, 80.0, 67.0]

    Args:
        rgb: ``(..., 3, H, W)``, floating point in [0, 1].

    Returns:
        ``(..., 3, H, W)`` float32: L in [0, 100], a and b in CIE units.

    Raises:
        TypeError: The tensor has an integer type.
        ValueError: The third axis from the end does not have 3 channels.
    """
    import kornia.color

    check_channels(rgb, "rgb", "in [0, 1]")
    with torch.autocast(rgb.device.type, enabled=False):
        lab: Tensor = kornia.color.rgb_to_lab(rgb.float())
    return lab


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert CIE Lab to sRGB.

    Examples:
        >>> lab_to_rgb(torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        clip: Whether to clip each channel to [0, 1], which shifts the hue of colors outside sRGB. To reduce
            the chroma instead, use `lab_to_rgb_in_gamut`. If False, values above 1 are kept, and negative
            linear values become 0.

    Returns:
        ``(..., 3, H, W)`` float32.
    """
    import kornia.color

    check_channels(lab, "lab", "in CIE units")
    with torch.autocast(lab.device.type, enabled=False):
        linear = lab_to_linear_rgb(lab.float()).clamp(0, 1 if clip else None)
        rgb: Tensor = kornia.color.linear_rgb_to_rgb(linear)
    return rgb


def lightness_to_rgb(lightness: Tensor) -> Tensor:
    """Convert L ``(B, 1, H, W)`` in [0, 100] to gray sRGB ``(B, 3, H, W)`` in [0, 1].

    Examples:
        >>> lightness_to_rgb(torch.full((2, 1, 4, 4), 50.0)).shape
        torch.Size([2, 3, 4, 4])
    """
    return lab_to_rgb(F.pad(lightness, (0, 0, 0, 0, 0, 2)))


def lab_to_linear_rgb(lab: Tensor, *, dim: int = -3, least_z: float = 0.0) -> Tensor:
    """Convert CIE Lab to linear sRGB.

    Args:
        lab: float32 tensor with 3 channels on axis ``dim``: L in [0, 100], a and b in CIE units.
        dim: Channel axis, counted from the end.
        least_z: Lower bound of f(Z) = (L + 16) / 116 - b / 200 in the CIE Lab formula. scikit-image and the
            training code of the papers use 0. Minus infinity disables the bound, as in OpenCV.

    Returns:
        float32 tensor of the same shape. Colors outside sRGB have values outside [0, 1].
    """
    lightness, a, b = lab.unbind(dim=dim)
    fy = (lightness + 16) * (1 / 116)
    fz = fy.sub(b, alpha=1 / 200).clamp(min=least_z)
    xyz = [_inverse_f(f) for f in (fy.add(a, alpha=1 / 500), fy, fz)]
    return torch.stack(weighted_sums(xyz, _XYZ_TO_RGB), dim=dim)


def linear_rgb_to_lab(linear: Tensor) -> Tensor:
    """Convert linear sRGB ``(3, N)`` float32 to CIE Lab ``(3, N)``."""
    x, y, z = map(_f, weighted_sums(linear, _RGB_TO_XYZ))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def luminance_of(linear: Tensor) -> Tensor:
    """Return the luminance Y ``(N,)`` of linear sRGB ``(3, N)``."""
    return weighted_sums(linear, (LUMINANCE_WEIGHTS,))[0]


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance Y in [0, 1] to L in [0, 100]."""
    return _f(luminance) * 116 - 16


def lightness_to_luminance(lightness: Tensor) -> Tensor:
    """Convert L in [0, 100] to luminance Y in [0, 1]."""
    return _inverse_f((lightness + 16) / 116)


def weighted_sums(planes: Sequence[Tensor] | Tensor, rows: Sequence[Sequence[float]]) -> list[Tensor]:
    """Return weighted sums of three channels, one sum for each row of three weights.

    The function is three times faster than a matrix product.
    """
    first, second, third = planes
    return [(first * a).add(second, alpha=b).add(third, alpha=c) for a, b, c in rows]


def check_channels(color: Tensor, name: str, values: str) -> None:
    """Raise an error unless ``color`` is a floating point tensor ``(..., 3, H, W)``."""
    if not color.is_floating_point():
        raise TypeError(f"{name} must be a floating point tensor {values}, got {color.dtype}")
    if color.ndim < 3 or color.shape[-3] != 3:
        raise ValueError(f"{name} must have shape (..., 3, H, W), got {tuple(color.shape)}")


def _f(ratio: Tensor) -> Tensor:
    # the function f of CIE Lab, inverse of `_inverse_f`; exp2 and log2 take a third of the time of pow
    cubic = ratio.clamp(min=_CUBIC_FROM**3)
    return torch.exp2(torch.log2(cubic) / 3) + (ratio - cubic) / _SLOPE


def _inverse_f(f: Tensor) -> Tensor:
    # the linear segment continues below `_CUBIC_FROM`; `torch.where` would take six times as long
    cubic = f.clamp(min=_CUBIC_FROM)
    return (cubic**3).add(f - cubic, alpha=_SLOPE)


def in_gamut(lab: Tensor, *, tolerance: float = _TOLERANCE) -> Tensor:
    """Return whether each color lies inside sRGB.

    Examples:
        >>> in_gamut(torch.tensor([50.0, 100.0, -100.0]).view(3, 1, 1))
        tensor([[[False]]])

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        tolerance: Maximum distance of a linear RGB value from [0, 1].

    Returns:
        ``(..., 1, H, W)`` bool.
    """
    with torch.autocast(lab.device.type, enabled=False):
        linear = lab_to_linear_rgb(lab.float().movedim(-3, 0), dim=0)
        return within_cube(linear, tolerance).unsqueeze(-3)


def reduce_chroma(lab: Tensor) -> Tensor:
    """Reduce the chroma of out-of-gamut colors at constant CIE lightness and Oklab hue.

    Examples:
        >>> vivid = torch.tensor([50.0, 100.0, -100.0]).view(3, 1, 1)
        >>> float(reduce_chroma(vivid)[0, 0, 0].round())
        50.0

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32. Colors inside sRGB do not change. Colors with a lightness outside [0, 100]
        become gray.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        # store one plane per channel; three values per pixel would take more than twice the time
        pixels = planes.flatten(1).clone()
        linear = lab_to_linear_rgb(pixels, dim=0)
        outside = (~within_cube(linear, _TOLERANCE)).nonzero().squeeze(-1)
        if outside.numel():
            lightness = pixels[0, outside]
            fitted_linear = _fitted(pixels[:, outside], linear[:, outside])
            fitted_ab = linear_rgb_to_lab(fitted_linear)[1:]
            possible = (lightness >= 0) & (lightness <= 100)
            pixels[1:, outside] = torch.where(possible, fitted_ab, 0.0)
        return pixels.view_as(planes).movedim(0, -3)


def linear_rgb_in_gamut(lab: Tensor) -> Tensor:
    """Convert CIE Lab to linear sRGB and reduce the chroma of out-of-gamut colors in one pass.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32, in [0, 1] up to the tolerance of `in_gamut`. Each channel is contiguous.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        pixels = planes.flatten(1)
        linear = lab_to_linear_rgb(pixels, dim=0)
        outside = (~within_cube(linear, _TOLERANCE)).nonzero().squeeze(-1)
        if outside.numel():
            fitted = _fitted(pixels.index_select(1, outside), linear.index_select(1, outside))
            linear = linear.index_copy(1, outside, fitted)
        return linear.view_as(planes).movedim(0, -3)


def lab_to_rgb_in_gamut(lab: Tensor) -> Tensor:
    """Convert CIE Lab to sRGB and reduce the chroma of out-of-gamut colors.

    Examples:
        >>> lab_to_rgb_in_gamut(torch.tensor([50.0, 100.0, -100.0]).view(3, 1, 1)).shape
        torch.Size([3, 1, 1])

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32 in [0, 1].
    """
    import kornia.color

    check_channels(lab, "lab", "in CIE units")
    with torch.autocast(lab.device.type, enabled=False):
        rgb: Tensor = kornia.color.linear_rgb_to_rgb(linear_rgb_in_gamut(lab).clamp(0, 1))
    return rgb


def at_lightness(lab: Tensor, lightness: Tensor) -> Tensor:
    """Set the lightness of colors at constant Oklab hue.

    The result has the largest chroma inside sRGB that does not exceed the CIE chroma of the input.

    Examples:
        >>> lab = rgb_to_lab(torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1))
        >>> at_lightness(lab, torch.full((1, 1, 1), 80.0)).flatten().round().tolist()
        [80.0, 26.0, 17.0]

    Args:
        lab: ``(..., 3, H, W)``: colors inside sRGB.
        lightness: ``(..., 1, H, W)``: the new lightness; values outside [0, 100] are clamped.

    Returns:
        ``(..., 3, H, W)`` float32 Lab with the new lightness.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        pixels = planes.flatten(1)  # (3, N)
        target = lightness.float().clamp(0, 100).flatten()  # (N,)
        luminance = lightness_to_luminance(target)
        # scaling linear RGB to the new luminance keeps the Oklab hue, but the color can leave sRGB
        linear = lab_to_linear_rgb(pixels, dim=0)
        luminance_ratio = luminance / luminance_of(linear).clamp(min=1e-6)  # finite for black
        scaled = to_oklab(linear * luminance_ratio)
        # mixing with gray of the new luminance reduces the chroma at constant Oklab hue
        gray = to_oklab(luminance.expand(3, -1))
        max_chroma = torch.linalg.vector_norm(pixels[1:], dim=0)
        # the largest share of each color inside sRGB and within the maximum chroma; each round tests seven
        # shares at once, where bisection to the same precision requires three times as many rounds
        share = torch.zeros_like(luminance)
        step = _FARTHEST
        multiples = torch.arange(1, _PARTS, device=luminance.device)[:, None]  # (7, 1)
        for _ in range(_ROUNDS):
            step /= _PARTS
            candidates = share + step * multiples  # (7, N), ascending
            mixed = mix_with_gray(scaled, gray, luminance, candidates)
            chroma = torch.linalg.vector_norm(linear_rgb_to_lab(mixed)[1:], dim=0)
            is_valid = within_cube(mixed, _TOLERANCE / 2) & (chroma <= max_chroma)
            valid_so_far = is_valid.int().cumprod(dim=0)  # 0 from the first invalid candidate on
            share = share + step * valid_so_far.sum(dim=0)
        mixed_lab = linear_rgb_to_lab(mix_with_gray(scaled, gray, luminance, share))
        return torch.cat([target[None], mixed_lab[1:]]).view_as(planes).movedim(0, -3)


def to_oklab(linear: Tensor) -> Tensor:
    """Convert linear sRGB ``(3, N)`` to Oklab ``(3, N)``."""
    cones = linear.new_tensor(_TO_CONES) @ linear
    return linear.new_tensor(_TO_OKLAB) @ (cones.sign() * cones.abs().clamp(min=_TINY_CONE).pow(1 / 3))


def mix_with_gray(oklab: Tensor, gray: Tensor, luminance: Tensor, share: Tensor) -> Tensor:
    """Mix colors with gray at constant Oklab hue and luminance.

    Args:
        oklab: ``(3, N)`` colors in Oklab, inside or outside sRGB.
        gray: ``(3, N)`` gray of this luminance in Oklab.
        luminance: ``(N,)`` luminance Y of gray and of the mixed colors in [0, 1].
        share: ``(..., N)`` fraction of the color: 0 gives gray, 1 the color.

    Returns:
        ``(3, ..., N)`` linear sRGB.
    """
    shape = (3, *[1] * (share.ndim - 1), share.shape[-1])
    mixed = gray.view(shape) + share * (oklab - gray).view(shape)
    cones = (oklab.new_tensor(_FROM_OKLAB) @ mixed.flatten(1)) ** 3
    linear = (oklab.new_tensor(_FROM_CONES) @ cones).view_as(mixed)
    return linear * (luminance / luminance_of(linear).clamp(min=_TINY_CONE))


def _fitted(lab: Tensor, linear: Tensor) -> Tensor:
    """Reduce the chroma of out-of-gamut colors, given as Lab and linear sRGB ``(3, N)``."""
    lightness, ab = lab[0].clamp(0, 100), lab[1:]
    # beyond the table of lowest lightnesses, reduce the chroma at constant CIE hue first
    ab = ab * (AB_RANGE / ab.abs().amax(dim=0).clamp(min=AB_RANGE))
    negative = linear.amin(dim=0) < -_TOLERANCE
    raised = lab_to_linear_rgb(torch.cat([_lowest_lightness(ab)[None], ab]), dim=0)
    luminance = lightness_to_luminance(lightness)
    raised = raised * (luminance / luminance_of(raised).clamp(min=_TINY))
    linear = torch.where(negative, raised, linear)
    fits = within_cube(linear, _TOLERANCE / 2)
    return torch.where(fits, linear, fit_chroma(linear, lightness, luminance, _TOLERANCE / 2))


def _lowest_lightness(ab: Tensor) -> Tensor:
    """Return the lowest lightness ``(N,)`` at which ab ``(2, N)`` has no negative channel."""
    *_, table = _tables(ab.device)
    # NaN has no cell; the result is NaN anyway
    a, b = (ab.detach() + AB_RANGE).nan_to_num(0.0).clamp(0, 2 * AB_RANGE - 1e-3)
    column, row = a.to(torch.int32), b.to(torch.int32)
    columns = 2 * AB_RANGE + 1  # of the table
    index = row * columns + column
    below = index + columns
    # bilinear interpolation between four table entries
    across, down = a - column, b - row
    upper = torch.lerp(table.index_select(0, index), table.index_select(0, index + 1), across)
    lower = torch.lerp(table.index_select(0, below), table.index_select(0, below + 1), across)
    return torch.lerp(upper, lower, down)


def fit_chroma(linear: Tensor, lightness: Tensor, luminance: Tensor, tolerance: float) -> Tensor:
    """Map out-of-gamut colors to the boundary of sRGB at constant luminance and Oklab hue.

    The chroma of the input has no effect, so the chroma of a color inside sRGB would increase. The module
    docstring describes the search.

    Args:
        linear: ``(3, N)`` linear sRGB of out-of-gamut colors, with values outside [0, 1].
        lightness: ``(N,)`` L of the colors in [0, 100].
        luminance: ``(N,)`` luminance Y of this lightness.
        tolerance: Maximum distance of a linear RGB value from [0, 1].

    Returns:
        ``(3, N)`` linear sRGB in [-tolerance, 1 + tolerance].
    """
    # the signed cube root with exp2 and log2 takes a third of the time of pow
    cone_roots = [
        torch.copysign(torch.exp2(torch.log2(cone.abs().clamp(min=_TINY_CONE)) / 3), cone)
        for cone in weighted_sums(linear, _TO_CONES)
    ]
    a, b = weighted_sums(cone_roots, _TO_OKLAB[1:])
    inverse_chroma = (a * a + b * b).clamp(min=_TINY).rsqrt()
    cosine, sine = a * inverse_chroma, b * inverse_chroma  # of the hue

    # bounds of the ratio s at which the color leaves sRGB, from a table of cells of lightness and hue
    row = (lightness.detach() * (LIGHTNESS_CELLS / 100)).to(torch.int32).clamp(max=LIGHTNESS_CELLS - 1)
    hue = torch.atan2(b.detach(), a.detach())  # from -pi to pi
    column = (hue * (HUE_CELLS / math.tau) + HUE_CELLS / 2).to(torch.int32).clamp(0, HUE_CELLS - 1)
    cell = row * HUE_CELLS + column
    low_bounds, high_bounds, _ = _tables(lightness.device)
    low, high = low_bounds.index_select(0, cell), high_bounds.index_select(0, cell)

    # first interpolation: estimate the s at which the curve from low to high leaves sRGB
    inner = on_curve(cosine, sine, low, luminance)
    outer = on_curve(cosine, sine, high, luminance)
    estimated_s = low + _crossing(inner, outer, tolerance) * (high - low)
    # second interpolation: cut the line from the inner to the estimated color at the boundary
    estimate = on_curve(cosine, sine, estimated_s, luminance)
    fraction = _crossing(inner, estimate, tolerance)
    planes = [start + fraction * (end - start) for start, end in zip(inner, estimate, strict=True)]
    return torch.stack(planes).clamp(-tolerance, 1 + tolerance)


def _crossing(inner: Sequence[Tensor], outer: Sequence[Tensor], tolerance: float) -> Tensor:
    """Return the ``(N,)`` fraction of the line between two colors where the line leaves sRGB."""
    shares = []
    for start, end in zip(inner, outer, strict=True):
        step = end - start + _TINY
        shares.append(torch.maximum((1 + tolerance - start) / step, (-tolerance - start) / step))
    return torch.minimum(torch.minimum(shares[0], shares[1]), shares[2]).clamp(_LEAST, _BEYOND)


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Load the tables of `TABLES`.

    The tables are cached for each device, because copying them to a GPU waits for earlier work of the GPU.

    Returns:
        Lower and upper bound of the largest s inside sRGB for each cell of lightness and hue, and the lowest
        lightness without negative channels for integer values of a and b.
    """
    with np.load(TABLES) as stored:
        lowest = torch.from_numpy(stored["lowest_lightness"]).flatten()
        corners = torch.from_numpy(stored["max_chroma"])[None].float() * S_STEP
    low = (-F.max_pool2d(-corners, 2, stride=1) - _MARGIN).clamp(min=0).flatten()
    high = (F.max_pool2d(corners, 2, stride=1) + _MARGIN).flatten()
    return low.to(device), high.to(device), lowest.to(device)


def on_curve(cosine: Tensor, sine: Tensor, s: Tensor, luminance: Tensor) -> list[Tensor]:
    """Return the linear sRGB planes of colors with a hue, a ratio s of chroma to lightness, and a luminance.

    Args:
        cosine: Cosine ``(N,)`` of the Oklab hue.
        sine: Sine ``(N,)`` of the Oklab hue.
        s: Oklab chroma ``(N,)``, divided by the Oklab lightness.
        luminance: Luminance Y ``(N,)`` in [0, 1].
    """
    # cube-rooted cone responses, divided by the Oklab lightness, whose weight is 1
    cone_roots = [1 + s * (a_weight * cosine + b_weight * sine) for _, a_weight, b_weight in _FROM_OKLAB]
    cones = [root**3 for root in cone_roots]
    *linear, own = weighted_sums(cones, _FROM_CONES_AND_LUMINANCE)
    scale = luminance / own.clamp(min=_TINY_CONE)
    return [plane * scale for plane in linear]


def within_cube(linear: Tensor | Sequence[Tensor], tolerance: float) -> Tensor:
    """Return whether linear sRGB values are in [0, 1], up to a tolerance."""
    red, green, blue = linear
    lowest = torch.minimum(torch.minimum(red, green), blue)
    highest = torch.maximum(torch.maximum(red, green), blue)
    within: Tensor = (lowest >= -tolerance) & (highest <= 1 + tolerance)
    return within

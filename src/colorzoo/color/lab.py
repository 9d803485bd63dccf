"""Conversion between CIE Lab, linear sRGB and sRGB.

CIE Lab uses the illuminant D65 and the 2 degree observer. sRGB is defined by IEC 61966-2-1. Conversions
always run in float32, because kornia has an error of several units under bfloat16 autocast. Lab to linear
sRGB is implemented here because kornia clips the result, and gamut mapping needs values outside [0, 1].
kornia is imported inside functions because importing it takes 0.25 s and inference does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence

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
            the chroma instead, use `lab_to_rgb_in_gamut`. If False, values above 1 are kept; negative linear
            values become 0, because the transfer function is not defined for negative values.

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
        lab: float32 with 3 channels on the axis ``dim``: L in [0, 100], a and b in CIE units.
        dim: Channel axis, counted from the end.
        least_z: Lower bound of f(Z). scikit-image and the papers' training code use 0. OpenCV has no bound,
            which corresponds to minus infinity.

    Returns:
        float32 of the same shape; values outside [0, 1] for colors outside sRGB.
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
    """Return weighted sums of three planes, one for each row of weights.

    This is three times faster than a matrix product.
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

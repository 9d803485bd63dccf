"""The map from CIE Lab to linear sRGB, not clipped, which kornia does not offer.

Everything that asks what sRGB can show needs values outside [0, 1], so the map is written out here
(IEC 61966-2-1, D65).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# XYZ in shares of the white point (0.95047, 1, 1.08883) to linear sRGB, rows R, G, B
_XYZ_TO_RGB = (
    (3.0799803023, -1.5371515163, -0.5428213080),
    (-0.9212477523, 1.8759900015, 0.0452473395),
    (0.0528904611, -0.2040413384, 1.1512320120),
)
# and its inverse, rows X, Y, Z
_RGB_TO_XYZ = (
    (0.4339463634, 0.3762138731, 0.1898250339),
    (0.2126710000, 0.7151600000, 0.0721690000),
    (0.0177566746, 0.1094688795, 0.8727046462),
)
LUMINANCE_WEIGHTS = _RGB_TO_XYZ[1]
_CUBIC_FROM = 0.2068966
_SLOPE = 1 / 7.787  # of the straight part below


def lab_to_linear_rgb(lab: Tensor, *, dim: int = -3, least_z: float = 0.0) -> Tensor:
    """Convert CIE Lab to linear sRGB.

    Args:
        lab: float32 with 3 channels on the axis ``dim``: L in [0, 100], a and b in CIE units.
        dim: Axis of the channels, from the end.
        least_z: Cone response of Z from which on it counts: no light has a negative one, and scikit-image and
            the papers' training code cut there. OpenCV does not: that is minus infinity.

    Returns:
        float32 of the same shape; values outside [0, 1] belong to colors that sRGB cannot show.
    """
    luma, a, b = lab.unbind(dim=dim)
    fy = (luma + 16) * (1 / 116)
    fz = fy.sub(b, alpha=1 / 200).clamp(min=least_z)
    xyz = [_uncone(cone) for cone in (fy.add(a, alpha=1 / 500), fy, fz)]
    return torch.stack([weighed(xyz, row) for row in _XYZ_TO_RGB], dim=dim)


def linear_rgb_to_lab(linear: Tensor) -> Tensor:
    """Convert linear sRGB to CIE Lab, the inverse of `lab_to_linear_rgb`.

    Args:
        linear: float32 ``(3, N)``.

    Returns:
        ``(3, N)``: L in [0, 100] for colors of sRGB, a and b in CIE units.
    """
    x, y, z = (_cone(weighed(linear, row)) for row in _RGB_TO_XYZ)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def luminance_of(linear: Tensor) -> Tensor:
    """Return Y ``(N,)`` of linear sRGB ``(3, N)``."""
    return weighed(linear, LUMINANCE_WEIGHTS)


def weighed(planes: Sequence[Tensor] | Tensor, weights: Sequence[float]) -> Tensor:
    """Return the weighted sum of three planes; a product of matrices takes three times as long."""
    return (planes[0] * weights[0]).add(planes[1], alpha=weights[1]).add(planes[2], alpha=weights[2])


def luminance_to_luma(luminance: Tensor) -> Tensor:
    """Return L in [0, 100] of Y in [0, 1]."""
    return _cone(luminance) * 116 - 16


def luma_to_luminance(luma: Tensor) -> Tensor:
    """Return Y in [0, 1] of L in [0, 100]."""
    return _uncone((luma + 16) / 116)


def _cone(share: Tensor) -> Tensor:
    # as `_uncone`; the root by its logarithm takes a third of the time of a power
    cubic = share.clamp(min=_CUBIC_FROM**3)
    return torch.exp2(torch.log2(cubic) / 3) + (share - cubic) / _SLOPE


def _uncone(cone: Tensor) -> Tensor:
    # the straight part goes on from where the cubic one begins: to choose by `where` takes six times as long
    cubic = cone.clamp(min=_CUBIC_FROM)
    return (cubic**3).add(cone - cubic, alpha=_SLOPE)

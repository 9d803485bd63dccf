"""What sRGB can show: a test for it, and chroma reduction.

The Lab -> linear sRGB map is written out here (IEC 61966-2-1, D65) because the search below needs linear
values that are not clipped, which kornia does not offer.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TOLERANCE = 1e-4  # in linear RGB; the cube's own faces count as inside
_STEPS = 12  # bisection to 1/4096 of the chroma, well below one level of 8 bits

_XYZ_TO_RGB = (
    (3.2404813432005266, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965682, 1.8759900014898907, 0.0415559265582928),
    (0.0556466391351772, -0.2040413383665112, 1.0573110696453443),
)
_WHITE = (0.95047, 1.0, 1.08883)


def in_gamut(lab: Tensor, *, tolerance: float = _TOLERANCE) -> Tensor:
    """Say which colors sRGB can show.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        tolerance: How far outside [0, 1] a linear RGB value may lie.

    Returns:
        ``(..., 1, H, W)`` bool.
    """
    with torch.autocast(lab.device.type, enabled=False):
        return _fits(lab.float().movedim(-3, 0), tolerance).unsqueeze(-3)


def reduce_chroma(lab: Tensor) -> Tensor:
    """Scale a and b of colors outside sRGB until they fit; lightness and hue stay.

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32. Colors inside sRGB are returned unchanged. At a lightness outside
        [0, 100] nothing fits, and the color becomes gray.
    """
    with torch.autocast(lab.device.type, enabled=False):
        planes = lab.float().movedim(-3, 0)
        # flat planes throughout: rows of three values per pixel take more than twice the time
        pixels = planes.flatten(1).clone()
        outside = (~_fits(pixels, _TOLERANCE)).nonzero().squeeze(-1)
        luma, ab = pixels[:1, outside], pixels[1:, outside]
        low, high = torch.zeros_like(luma), torch.ones_like(luma)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            fits = _fits(torch.cat([luma, ab * middle]), _TOLERANCE)
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        pixels[1:, outside] = ab * low
        return pixels.view_as(planes).movedim(0, -3)


def _fits(planes: Tensor, tolerance: float) -> Tensor:
    """Return ``(...)`` bool for ``(3, ...)`` Lab colors."""
    lowest, highest = _lab_to_linear_rgb(planes).aminmax(dim=0)
    fits: Tensor = (lowest >= -tolerance) & (highest <= 1 + tolerance)
    return fits


def _lab_to_linear_rgb(planes: Tensor) -> Tensor:
    """Return linear sRGB, not clipped, of ``(3, ...)`` Lab colors."""
    luma, a, b = planes
    fy = (luma + 16) / 116
    cone = torch.stack([fy + a / 500, fy, fy - b / 200])
    xyz = torch.where(cone > 0.2068966, cone * cone * cone, (cone - 16 / 116) / 7.787)
    matrix = xyz.new_tensor(_XYZ_TO_RGB) * xyz.new_tensor(_WHITE)
    linear: Tensor = torch.tensordot(matrix, xyz, dims=1)
    return linear

"""The map from CIE Lab to linear sRGB, not clipped, which kornia does not offer.

Everything that asks what sRGB can show needs values outside [0, 1], so the map is written out here
(IEC 61966-2-1, D65).
"""

from __future__ import annotations

import torch
from torch import Tensor

_XYZ_TO_RGB = (
    (3.2404813432005266, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965682, 1.8759900014898907, 0.0415559265582928),
    (0.0556466391351772, -0.2040413383665112, 1.0573110696453443),
)
_WHITE = (0.95047, 1.0, 1.08883)
_CUBIC_FROM = 0.2068966


def lab_to_linear_rgb(lab: Tensor) -> Tensor:
    """Convert CIE Lab to linear sRGB.

    Args:
        lab: ``(..., 3, H, W)`` float32: L in [0, 100], a and b in CIE units.

    Returns:
        ``(..., 3, H, W)`` float32; values outside [0, 1] belong to colors that sRGB cannot show.
    """
    luma, a, b = lab.unbind(dim=-3)
    fy = (luma + 16) / 116
    fz = (fy - b / 200).clamp(min=0)  # no light has a negative Z; scikit-image and the papers' code agree
    cone = torch.stack([fy + a / 500, fy, fz], dim=-3)
    xyz = torch.where(cone > _CUBIC_FROM, cone**3, (cone - 16 / 116) / 7.787)
    matrix = xyz.new_tensor(_XYZ_TO_RGB) * xyz.new_tensor(_WHITE)
    return torch.einsum("rc,...chw->...rhw", matrix, xyz)

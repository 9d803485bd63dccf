"""What networks that take color points read: lightness or colors, and the mask of the points."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.guidance import Points
from colorzoo.networks.hint_unet import STRIDE
from colorzoo.networks.padding import pad_to_multiple, pad_with_zeros

AB_SCALE = 110.0
_DEFAULT_LUMA = 60.0  # of points that come without a lightness


def point_colors(points: Points) -> Tensor:
    """Return the colors of points as RGB ``(B, 3, H, W)`` in [-1, 1], as painters of sketches read them."""
    luma = torch.full_like(points.mask, _DEFAULT_LUMA) if points.luma is None else points.luma
    return 2 * lab_to_rgb(torch.cat([luma, points.ab], dim=1)) - 1


def hint_input(luma: Tensor, points: Points, mask_center: float) -> tuple[Tensor, Tensor]:
    """Normalize and pad as the papers of the family do.

    Args:
        luma: ``(B, 1, H, W)`` in [0, 100].
        points: Hints of the same size.
        mask_center: Subtracted from the hint mask.

    Returns:
        The input of a `HintUNet`, ``(B, 4, H', W')``, and the padded hints, ``(B, 3, H', W')``.
    """
    hints = torch.cat([points.ab / AB_SCALE * points.mask, points.mask], dim=1)
    hints = pad_with_zeros(hints, STRIDE)
    gray = pad_to_multiple((luma - 50) / 100, STRIDE)
    return torch.cat([gray, hints[:, :2], hints[:, 2:] - mask_center], dim=1), hints

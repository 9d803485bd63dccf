"""What networks of the Zhang 2017 family read: lightness, hint colors and hint mask."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.guidance import Points
from colorzoo.networks.hint_unet import STRIDE
from colorzoo.networks.padding import pad_to_multiple, pad_with_zeros

AB_SCALE = 110.0


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

"""Drawing a table of pictures: one row per picture, one titled column per view of it."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.guidance import Guidance, Points
from colorzoo.metrics.psnr import to_8bit

HINT_MARGIN = 1
"""Pixels of dark frame around a hint, so that it shows on any gray."""

_TITLE_HEIGHT = 14
_GAP = 2


def gray_picture(luma: Tensor) -> Tensor:
    """Return ``(B, 3, H, W)`` in [0, 1] for lightness ``(B, 1, H, W)`` in [0, 100]."""
    return lab_to_rgb(torch.cat([luma, torch.zeros_like(luma), torch.zeros_like(luma)], dim=1))


def hint_picture(luma: Tensor, points: Points) -> Tensor:
    """Draw points as colored squares on the gray picture.

    Args:
        luma: ``(B, 1, H, W)`` in [0, 100].
        points: Hints of the same size.

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    size = 2 * HINT_MARGIN + 1
    framed = torch.nn.functional.max_pool2d(points.mask, size, stride=1, padding=HINT_MARGIN)
    # A fixed medium lightness: a color given on black or white would not be seen.
    color = lab_to_rgb(torch.cat([torch.full_like(luma, 60.0), points.ab], dim=1))
    dark = gray_picture(luma) * (1 - framed)
    return torch.where(points.mask > 0, color, dark)


def guidance_picture(luma: Tensor, guidance: Guidance) -> Tensor | None:
    """Return a picture of the guidance, or None where there is nothing to see in it."""
    if guidance.points is None or not bool(guidance.points.mask.any()):
        return None
    return hint_picture(luma, guidance.points)


def draw_table(columns: dict[str, Tensor]) -> Image.Image:
    """Paste pictures into one titled table.

    Args:
        columns: ``(B, 3, H, W)`` in [0, 1] by title, all of one size.
    """
    first = next(iter(columns.values()))
    rows, _, height, width = first.shape
    size = (len(columns) * (width + _GAP) + _GAP, _TITLE_HEIGHT + rows * (height + _GAP))
    table = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(table)
    for number, (title, pictures) in enumerate(columns.items()):
        left = _GAP + number * (width + _GAP)
        draw.text((left, 1), title, fill="black")
        levels = to_8bit(pictures).byte().permute(0, 2, 3, 1).cpu().numpy()
        for row, picture in enumerate(levels):
            table.paste(Image.fromarray(picture), (left, _TITLE_HEIGHT + row * (height + _GAP)))
    return table

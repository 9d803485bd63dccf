"""Preprocessing for sketch models, and upsampling of their predicted lightness."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from colorzoo.color import lightness_to_rgb
from colorzoo.inference.full_size import BicubicUpsampler, bands

PHOTO_NOTE = "this looks like a photo or a painting instead of a sketch; lines were extracted from it first"
BLANK_NOTE = "no lines were found in the sketch; the colors are arbitrary"

_BINARY = 0.97  # minimum fraction of pixels near white or black in a sketch that needs no cleaning
_NEAR = 0.1  # maximum distance of these pixels from white or black
_MOST_MIDTONES = 0.22  # maximum fraction in cleaned line art; samples have up to 0.16, paintings 0.3 and more
_FEWEST_INK = 1e-4  # minimum fraction of line pixels
_PAPER = 75.0  # minimum lightness of paper


class Sketch(NamedTuple):
    """Input of a sketch model.

    Attributes:
        lines: Sketch ``(1, 1, h, w)`` in [0, 1] with black lines (0) on white paper (1).
        notes: Notes for the user.
    """

    lines: Tensor
    notes: tuple[str, ...]


def draw_sketch(lightness: Tensor) -> Sketch:
    """Convert any image to a clean sketch.

    A clean sketch is not changed. Scanned line art is normalized to white paper and black lines. A photo or a
    painting is converted to lines with XDoG.

    Args:
        lightness: ``(1, 1, h, w)`` lightness in [0, 100].
    """
    from colorzoo.color.sketch import clean_line_art, xdog  # imported here: photo models do not use them

    gray = lightness_to_rgb(lightness)[:, :1]
    lines, notes = gray, tuple[str, ...]()
    if _share((gray < _NEAR) | (gray > 1 - _NEAR)) < _BINARY:
        clean = clean_line_art(gray)
        if _share((clean > 0.15) & (clean < 0.85)) > _MOST_MIDTONES:
            lines, notes = xdog(gray), (PHOTO_NOTE,)
        else:
            lines = xdog(clean)
    blank = _share(lines < 0.5) < _FEWEST_INK
    return Sketch(lines, (*notes, BLANK_NOTE) if blank else notes)


def is_line_art(lightness: Tensor) -> bool:
    """Return whether an image is line art on light paper.

    Args:
        lightness: ``(1, 1, h, w)`` lightness in [0, 100].
    """
    return _share(lightness > _PAPER) > 0.5 and not draw_sketch(lightness).notes  # neither a photo nor blank


def upsample_predicted_lightness(lightness: Tensor, small: Tensor, painted: Tensor) -> Tensor:
    """Upsample a predicted lightness map to the size of the sketch, with sharp lines.

    The difference between the sketch and its small copy is added to the upsampled lightness.

    Args:
        lightness: ``(1, 1, H, W)`` of the sketch in [0, 100].
        small: ``(1, 1, h, w)`` lightness of the sketch at the size of the network input.
        painted: ``(1, 1, h, w)`` predicted lightness.
    """
    if lightness.shape == painted.shape:
        return painted
    height, width = lightness.shape[-2:]
    enlarged = BicubicUpsampler(torch.cat([painted, -small], dim=1)[0], (height, width))
    answer = lightness.clone()
    for first, last in bands(height, width):  # scans have a hundred million pixels
        answer[0, 0, first:last] += enlarged.rows(first, last).sum(0)
    return answer.clamp_(0, 100)


def _share(pixels: Tensor) -> float:
    return float(pixels.float().mean())

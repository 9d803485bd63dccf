"""Pictures for models that read sketches, and their paintings at full size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from colorzoo.color import clean_line_art, lab_to_rgb, xdog
from colorzoo.inference.resample import BicubicUpsampler
from colorzoo.tasks import ColoringModel

PHOTO_NOTE = "this looks like a photo or a painting, not like a sketch; its lines were drawn first"
BLANK_NOTE = "no line was found in the sketch; the model has nothing to hold on to"

_BINARY = 0.97  # share of pixels near paper or ink in a sketch that is taken as it is
_NEAR = 0.1
_MOST_MIDTONES = 0.22  # of cleaned line art; those of the pack have up to 0.16, paintings 0.3 and more
_FEWEST_INK = 1e-4  # share of the pixels
_PAPER = 75.0  # lightness
_BAND = 64  # rows


class Sketch(NamedTuple):
    """What a model sees.

    Attributes:
        lines: ``(1, 1, h, w)`` in [0, 1], paper 1, ink 0.
        notes: What the user should know.
    """

    lines: Tensor
    notes: tuple[str, ...]


def draw_sketch(luma: Tensor) -> Sketch:
    """Make a sketch as models know them, whatever the picture is.

    A clean sketch stays as it is. Scanned line art gets white paper and black lines. From a photo or a
    painting lines are drawn first (XDoG).

    Args:
        luma: ``(1, 1, h, w)`` lightness in [0, 100].
    """
    gray = lab_to_rgb(torch.cat([luma, torch.zeros_like(luma), torch.zeros_like(luma)], dim=1))[:, :1]
    if _share((gray < _NEAR) | (gray > 1 - _NEAR)) >= _BINARY:
        return _with_notes(gray, ())
    clean = clean_line_art(gray)
    if _share((clean > 0.15) & (clean < 0.85)) > _MOST_MIDTONES:
        return _with_notes(xdog(gray), (PHOTO_NOTE,))
    return _with_notes(xdog(clean), ())


def looks_drawn(luma: Tensor) -> bool:
    """Whether a picture is line art on light paper, which models for drawings are made for.

    Args:
        luma: ``(1, 1, h, w)`` lightness in [0, 100].
    """
    return _share(luma > _PAPER) > 0.5 and not draw_sketch(luma).notes  # neither a photo nor blank


def model_input(model: ColoringModel, luma: Tensor) -> Tensor:
    """Return what a model reads of a picture: its lightness ``(1, 1, h, w)`` itself, or a sketch of it."""
    return draw_sketch(luma).lines if model.input_kind == "sketch" else luma


def painted_luma(luma: Tensor, seen: Tensor, painted: Tensor) -> Tensor:
    """Return the lightness of a painting at the size of its sketch.

    Enlarged, and with the difference between the sketch and what the network saw of it, so that lines are as
    sharp as they were drawn.

    Args:
        luma: ``(1, 1, H, W)`` of the sketch in [0, 100].
        seen: ``(1, 1, h, w)``, the same at the network's size.
        painted: ``(1, 1, h, w)`` of the painting.
    """
    if luma.shape == painted.shape:
        return painted
    height, width = luma.shape[-2:]
    enlarged = BicubicUpsampler(torch.cat([painted, -seen], dim=1)[0], (height, width))
    answer = luma.clone()
    for first in range(0, height, _BAND):  # a band at a time: scans have a hundred million pixels
        answer[0, 0, first : first + _BAND] += enlarged.rows(first, min(first + _BAND, height)).sum(0)
    return answer.clamp_(0, 100)


def _with_notes(lines: Tensor, notes: tuple[str, ...]) -> Sketch:
    blank = _share(lines < 0.5) < _FEWEST_INK
    return Sketch(lines, (*notes, BLANK_NOTE) if blank else notes)


def _share(pixels: Tensor) -> float:
    return float(pixels.float().mean())

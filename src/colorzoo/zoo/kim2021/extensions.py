"""What the embedded add-ons have and the paper has not; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.losses.edges import color_error

_SOUND = 2e-4  # squared error of ab / 110 below which a picture lacks nothing: 1.6 CIE units


@dataclass(frozen=True)
class Extensions:
    """Extensions of E and of its losses.

    Attributes:
        read_luma: Let E read lightness too.
        reach: Pixels from a scribble within which E changes maps; None: everywhere, as in the paper.
        propagation: Radius in pixels within which the final colors are drawn from beyond the strokes, see
            `Propagation`; 0: not at all.
        edge_band: Pixels by which L_edge (and the color term) reach beyond the scribbles.
        edge_scales: Sizes of the picture at which L_edge compares, each half of the one before.
        relative: Divide the losses of each picture by what its first result lacks, as decibels do, so that a
            picture with weak colors counts as much as one with strong ones.
        color_weight: Of the squared color error near the scribbles.
        hold_weight: Of the squared change of color away from them.
    """

    read_luma: bool = False
    reach: int | None = None
    propagation: int = 0
    edge_band: int = 0
    edge_scales: int = 1
    relative: bool = False
    color_weight: float = 0.0
    hold_weight: float = 0.0


def picture_weights(lost: Tensor, relative: bool) -> Tensor:
    """Return the factor ``(B,)`` of each picture's losses from what its first result lacks, ``(B,)``."""
    return 1 / (lost + _SOUND) if relative else torch.ones_like(lost)


def color_terms(
    found: Tensor, truth: Tensor, first: Tensor, near: Tensor, relative: bool
) -> tuple[Tensor, Tensor]:
    """Return the color error near the scribbles, and the change of color away from them.

    Args:
        found: ``(B, 2, H, W)`` ab after the scribbles.
        truth: True ab.
        first: ab before the scribbles.
        near: ``(B, 1, H, W)``, 1 near the scribbles.
        relative: See `Extensions`.
    """
    weight = picture_weights(color_error(first, truth, near), relative)
    color = (color_error(found, truth, near) * weight).mean()
    return color, (color_error(found, first, 1 - near) * weight).mean()

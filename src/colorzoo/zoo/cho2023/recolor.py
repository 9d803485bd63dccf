"""Regions in colors that no picture has, so that the painter learns to obey (not in the paper)."""

from __future__ import annotations

from torch import Tensor

from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.users.regions import region_means
from colorzoo.zoo.cho2023.hints import look_up_hints
from colorzoo.zoo.cho2023.network import SEGMENTS


def recolor_answered(rgb: Tensor, index: Tensor, given: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Move the regions that a user answers to random mean colors; shading within them stays.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        given: ``(B, N)`` in {0, 1}, which regions are answered.
        seeds: ``(B,)``.
        share: Of the pictures that are changed.

    Returns:
        ``(B, 3, H, W)`` in [0, 1]; where it was clamped the mean is not quite the color that was drawn.
    """
    if not share:
        return rgb
    means, _ = region_means(index, rgb, SEGMENTS)
    draws = draw_uniform(picture_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    moved = given * (draws[:, :1] < share)
    shift = look_up_hints(index, draws[:, 1:].view(-1, SEGMENTS, 3) - means, moved).color
    return (rgb + shift).clamp(0, 1)

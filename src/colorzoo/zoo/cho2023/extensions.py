"""Additions to GuidingPainter in `cho2023_small`; all off in the paper's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from colorzoo.guidance.color_statistics import region_means
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Natural, Share
from colorzoo.zoo.cho2023.network import SEGMENTS, look_up_hints

_INK = 0.5  # level below which a pixel of a sketch is ink
_SMALLEST = 1 / 1000  # of the picture; smaller pieces are merged with the nearest one
_KEPT = 7 / 8  # probability in training that a user colors one more segment

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Extensions:
    """Additions to GuidingPainter.

    Attributes:
        segmenter_side: Largest shorter side in pixels of the sketches for f, whose logits are enlarged: a
            narrow f that was trained on small pictures then sees whole shapes.
        pieces: Propose the regions that lines enclose instead of whole segments (`cut_segments`).
        needs: Factors of segments, see `cut_segments`; measured on training pictures.
        hint_residual: Start the painting from the hints (`as_residual`).
        recolored: Share of the pictures of stage ``painter`` whose hinted regions get random colors
            (`recolor_hinted`).
    """

    segmenter_side: Natural | None = None
    pieces: bool = False
    needs: tuple[float, ...] = ()
    hint_residual: bool = False
    recolored: Share = 0.0


def cut_segments(segments: Tensor, sketch: Tensor, most: int, needs: Sequence[float] = ()) -> Tensor:
    """Divide segments into the regions that lines enclose, the most useful hint first.

    A narrow f separates ground, body and lines, but not one sleeve from the other; the lines of the sketch
    do. Only hints are finer: g reads f's own segments. Pieces are the connected parts of each segment between
    the lines, ordered by area times the factor of their segment. All ink is one piece, the last: nobody is
    asked for the color of lines before all else has one.

    Args:
        segments: ``(B, 1, H, W)`` int64, the model's, the most useful first.
        sketch: ``(B, 1, H, W)`` in [0, 1], paper 1, ink 0.
        most: Largest number of pieces; others are merged with the nearest one.
        needs: A factor for each segment: the error of g without a hint. By default 7/8 of the factor of the
            segment before.

    Returns:
        The piece of each pixel, ``(B, 1, H, W)`` int64.
    """
    pairs = zip(segments[:, 0].cpu().numpy(), sketch[:, 0].detach().cpu().numpy() < _INK, strict=True)
    pieces = [_cut(index, ink, most, needs) for index, ink in pairs]
    return torch.from_numpy(np.stack(pieces))[:, None].to(segments.device)


def _cut(segments: Labels, ink: NDArray[np.bool_], most: int, needs: Sequence[float]) -> Labels:
    labels = np.zeros(segments.shape, np.int64)
    weights: list[float] = []
    for rank, number in enumerate(np.unique(segments)):
        found, _ = ndimage.label((segments == number) & ~ink)
        inside = found > 0
        labels[inside] = found[inside] + len(weights)
        need = needs[number] if needs else _KEPT**rank
        weights += [float(area) * need for area in np.bincount(found[inside])[1:]]
    if ink.any():
        labels[ink] = len(weights) + 1
        weights.append(0.0)
    return _ranked(labels, np.array(weights), most)


def _ranked(labels: Labels, weights: NDArray[np.float64], most: int) -> Labels:
    """Number pieces by weight, and merge those that are too small or too many with the nearest one.

    A piece of weight 0, ink, is always kept.
    """
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-weights, kind="stable")
    last = [piece for piece in order if weights[piece] == 0]
    large = [piece for piece in order if weights[piece] and areas[piece] >= _SMALLEST * labels.size]
    kept = [*large[: most - len(last)], *last] or list(order[:1])
    numbers = np.full(len(weights) + 1, -1)
    numbers[np.array(kept) + 1] = np.arange(len(kept))
    ranked = numbers[labels]
    nearest = ndimage.distance_transform_edt(ranked < 0, return_distances=False, return_indices=True)
    joined: Labels = ranked[tuple(nearest)]
    return joined


def recolor_hinted(rgb: Tensor, index: Tensor, given: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Shift hinted regions to random mean colors, so that g learns to follow unusual hints; shading stays.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        given: ``(B, N)`` in {0, 1}, 1 for hinted regions.
        seeds: ``(B,)``, seeds of the pictures.
        share: Share of the pictures that are changed.

    Returns:
        ``(B, 3, H, W)`` in [0, 1]; clamping may change a mean a little.
    """
    if not share:
        return rgb
    means, _ = region_means(index, rgb, SEGMENTS)
    draws = draw_uniform(picture_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    moved = given * (draws[:, :1] < share)
    shift = look_up_hints(index, draws[:, 1:].view(-1, SEGMENTS, 3) - means, moved).color
    return (rgb + shift).clamp(0, 1)

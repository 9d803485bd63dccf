"""Segments cut into what lines enclose (not in the paper).

A narrow f that trained for half an hour tells ground, body and lines apart, but not a sleeve from the other.
Lines do: what they enclose is asked for piece by piece. g sees f's own segments; only hints are finer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_INK = 0.5  # level below which a pixel of a sketch is ink
_SMALLEST = 1 / 1000  # of the picture; smaller pieces join the nearest one
_KEPT = 7 / 8  # as often as training asks for a segment after the one before it

Labels = NDArray[np.int64]


def cut_segments(segments: Tensor, sketch: Tensor, most: int, needs: Sequence[float] = ()) -> Tensor:
    """Return the piece of each pixel, ``(B, 1, H, W)`` int64, numbered from the most wanted on.

    Pieces are the connected parts of each segment between the lines; all ink is one piece. They are ordered
    by area times how much their segment needs a color.

    Args:
        segments: ``(B, 1, H, W)`` int64, the model's, the most wanted first.
        sketch: ``(B, 1, H, W)`` in [0, 1], paper 1, ink 0.
        most: Largest number of pieces; others join the nearest one.
        needs: A factor for each segment and, last, for ink: how wrong g paints them when nobody tells. By
            default a segment counts 7/8 as much as the one before it, ink least.
    """
    pairs = zip(segments[:, 0].cpu().numpy(), sketch[:, 0].detach().cpu().numpy() < _INK, strict=True)
    pieces = [_cut(index, ink, most, needs) for index, ink in pairs]
    return torch.from_numpy(np.stack(pieces))[:, None].to(segments.device)


def _cut(segments: Labels, ink: NDArray[np.bool_], most: int, needs: Sequence[float]) -> Labels:
    labels = np.zeros(segments.shape, np.int64)
    weights: list[float] = []
    numbers = np.unique(segments)
    for rank, number in enumerate(numbers):
        found, count = ndimage.label((segments == number) & ~ink)
        inside = found > 0
        labels[inside] = found[inside] + len(weights)
        need = needs[number] if needs else _KEPT**rank
        weights += [float(area) * need for area in np.bincount(found[inside], minlength=count + 1)[1:]]
    if ink.any():
        labels[ink] = len(weights) + 1
        weights.append(float(ink.sum()) * (needs[-1] if needs else _KEPT ** len(numbers)))
    return _ranked(labels, np.array(weights), most)


def _ranked(labels: Labels, weights: NDArray[np.float64], most: int) -> Labels:
    """Number pieces by weight, and give those that are too small or too many to the nearest piece kept."""
    areas = np.bincount(labels.ravel(), minlength=len(weights) + 1)[1:]
    order = np.argsort(-weights, kind="stable")
    kept = [piece for piece in order if areas[piece] >= _SMALLEST * labels.size][:most] or list(order[:1])
    numbers = np.full(len(weights) + 1, -1)
    numbers[np.array(kept) + 1] = np.arange(len(kept))
    ranked = numbers[labels]
    nearest = ndimage.distance_transform_edt(ranked < 0, return_distances=False, return_indices=True)
    joined: Labels = ranked[tuple(nearest)]
    return joined

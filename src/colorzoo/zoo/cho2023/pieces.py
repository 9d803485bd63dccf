"""Segments cut into what lines enclose (not in the paper).

A narrow f that trained for half an hour tells ground, body and lines apart, but not a sleeve from the other.
Lines do: what they enclose is asked for piece by piece. g sees f's own segments; only hints are finer.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_INK = 0.5  # level below which a pixel of a sketch is ink
_SMALLEST = 1 / 1000  # of the picture; smaller pieces join the nearest one
_KEPT = 7 / 8  # how much less a segment counts than the one before it: as often as training asks for it

Labels = NDArray[np.int64]


def cut_segments(segments: Tensor, sketch: Tensor, most: int) -> Tensor:
    """Return the piece of each pixel, ``(B, 1, H, W)`` int64, numbered from the most wanted on.

    Pieces are the connected parts of each segment between the lines; all ink is one piece. They are ordered
    by area, which counts 7/8 as much from one segment of the model to the next.

    Args:
        segments: ``(B, 1, H, W)`` int64, the model's, the most wanted first.
        sketch: ``(B, 1, H, W)`` in [0, 1], paper 1, ink 0.
        most: Largest number of pieces; others join the nearest one.
    """
    pairs = zip(segments[:, 0].cpu().numpy(), sketch[:, 0].detach().cpu().numpy() < _INK, strict=True)
    pieces = [_cut(index, ink, most) for index, ink in pairs]
    return torch.from_numpy(np.stack(pieces))[:, None].to(segments.device)


def _cut(segments: Labels, ink: NDArray[np.bool_], most: int) -> Labels:
    labels = np.zeros(segments.shape, np.int64)
    weights: list[float] = []
    for rank, number in enumerate(np.unique(segments)):
        found, count = ndimage.label((segments == number) & ~ink)
        inside = found > 0
        labels[inside] = found[inside] + len(weights)
        areas = np.bincount(found[inside], minlength=count + 1)[1:]
        weights += [float(area) * _KEPT**rank for area in areas]
    if ink.any():
        labels[ink] = len(weights) + 1
        weights.append(float(ink.sum()) * _KEPT ** len(np.unique(segments)))
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

"""Whitening and coloring (section 3.1), inside labels too, and labels that are merged for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.networks.style import nearest_labels, usable_labels

Labels = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Integer label maps ``(H, W)`` of each content and of each style, at any size larger than the features."""

LabelMap = NDArray[np.integer]

_CUT = 1e-5  # smaller eigenvalues count as zero


def recolor(content: Tensor, style: Tensor, labels: Labels | None = None) -> Tensor:
    """Give features the mean and the covariance of other features.

    Args:
        content: ``(B, C, h, w)``.
        style: ``(B, C, h', w')``.
        labels: With label maps each usable label is transformed alone; other places keep their features.
    """
    if labels is None:
        return whiten_and_color(content.flatten(2), style.flatten(2)).view(content.shape)
    found = content.clone()
    for index, (ours, theirs) in enumerate(zip(*labels, strict=True)):
        here, there = nearest_labels(ours, content.shape[-2:]), nearest_labels(theirs, style.shape[-2:])
        for label in usable_labels(ours, theirs):
            inside, source = here == label, there == label
            if inside.any() and source.any():  # a small label may vanish at this size
                parts = content[index][:, inside][None], style[index][:, source][None]
                found[index][:, inside] = whiten_and_color(*parts)[0]
    return found


def whiten_and_color(content: Tensor, style: Tensor) -> Tensor:
    """Return ``(B, C, N)`` with the mean and the covariance of ``(B, C, M)``.

    The identity is added to the covariance of the content, as published, and not to that of the style.
    """
    centered, _, covariance = _statistics(content)
    _, mean, wanted = _statistics(style)
    identity = torch.eye(content.shape[1], dtype=covariance.dtype, device=content.device)
    matrix = _matrix_power(wanted, 0.5) @ _matrix_power(covariance + identity, -0.5)
    return torch.baddbmm(mean, matrix.to(content.dtype), centered)


def merge_labels(
    content: LabelMap, style: LabelMap, ranking: LabelMap, least_share: float = 0.02
) -> tuple[LabelMap, LabelMap]:
    """Bring the labels of two pictures together, for labels of a segmentation network.

    Small labels are merged within each map (`merge_small`). Then labels of the content that the style lacks
    become their best substitute in the style, and labels of the style that the content now lacks the best one
    that both have. A label without substitute stays.

    Args:
        content: ``(H, W)``.
        style: ``(H', W')``.
        ranking: ``(N, labels)``, best substitute of each label first.
        least_share: See `merge_small`.
    """
    content, style = (merge_small(each, ranking, least_share) for each in (content, style))
    ours, theirs = set(np.unique(content).tolist()), set(np.unique(style).tolist())
    content = _replaced(content, dict.fromkeys(ours - theirs, theirs), ranking)
    ours = set(np.unique(content).tolist())
    return content, _replaced(style, dict.fromkeys(theirs - ours, ours & theirs), ranking)


def merge_small(labels: LabelMap, ranking: LabelMap, least_share: float = 0.02) -> LabelMap:
    """Replace each label of less than a share of the pixels by its best substitute that has at least that."""
    names, counts = np.unique(labels, return_counts=True)
    small = counts / labels.size < least_share
    large = set(names[~small].tolist())
    return _replaced(labels, {int(label): large for label in names[small]}, ranking)


def _replaced(labels: LabelMap, allowed: dict[int, set[int]], ranking: LabelMap) -> LabelMap:
    """Replace labels, all at once, by the first of their column of the ranking that is allowed."""
    found = labels.copy()
    for label, candidates in allowed.items():
        best = next((each for each in ranking[:, label].tolist() if each in candidates), label)
        found[labels == label] = best
    return found


def _statistics(flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``(B, C, N)`` about its mean, the mean, and the covariance in float64."""
    mean = flat.mean(dim=2, keepdim=True)
    centered = flat - mean
    covariance = centered @ centered.transpose(1, 2) / max(1, flat.shape[2] - 1)
    return centered, mean, covariance.double()


def _matrix_power(covariance: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    scaled = torch.where(values > _CUT, values.clamp(min=_CUT) ** power, 0.0)
    raised: Tensor = (vectors * scaled.unsqueeze(1)) @ vectors.transpose(1, 2)
    return raised

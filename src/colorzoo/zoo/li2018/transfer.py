"""Whitening and coloring (section 3.1), inside labels too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colorzoo.networks.style import nearest_labels, power_of, usable_labels

Labels = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Integer label maps ``(H, W)`` of each content and of each style, at any size larger than the features."""


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
    matrix = power_of(wanted, 0.5) @ power_of(covariance + identity, -0.5)
    return torch.baddbmm(mean, matrix.to(content.dtype), centered)


def _statistics(flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``(B, C, N)`` about its mean, the mean, and the covariance in float64."""
    mean = flat.mean(dim=2, keepdim=True)
    centered = flat - mean
    covariance = centered @ centered.transpose(1, 2) / max(1, flat.shape[2] - 1)
    return centered, mean, covariance.double()

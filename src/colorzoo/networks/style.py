"""Covariance statistics and label maps for style transfer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

VGG19_LAYERS = {
    f"features.{index}": f"conv{name}"
    for index, name in zip(
        (0, 2, 5, 7, 10, 12, 14, 16, 19),
        ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1"),
        strict=True,
    )
}
"""Map from layer names of torchvision's vgg19 to layer names in the authors' checkpoints.

The map contains the layers up to relu4_1.
"""

_CUT = 1e-5  # smallest eigenvalue that is used
_FEWEST_PIXELS, _LARGEST_RATIO = 10, 100  # minimum pixels of a label, maximum area ratio


def power_of(covariance: Tensor, power: float) -> Tensor:
    """Raise symmetric matrices ``(B, C, C)`` to a power through their eigenvalues.

    Eigenvalues up to 1e-5 are replaced with 0 in the result.
    """
    values, vectors = torch.linalg.eigh(covariance)
    # clamp first: the gradient of a root of a negative number is NaN even where torch.where discards it
    scaled = torch.where(values > _CUT, values.clamp(min=_CUT) ** power, 0.0)
    return (vectors * scaled.unsqueeze(1)) @ vectors.mT


def covariance_of(flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Center features and compute their mean and covariance.

    Args:
        flat: ``(B, C, N)``.

    Returns:
        Centered features ``(B, C, N)``, mean ``(B, C, 1)`` and covariance ``(B, C, C)``.
    """
    mean = flat.mean(dim=2, keepdim=True)
    centered = flat - mean
    return centered, mean, centered @ centered.mT / max(1, flat.shape[2] - 1)


def transform_by_label(
    transform: Callable[[Tensor, Tensor], Tensor],
    content: Tensor,
    style: Tensor,
    labels: tuple[Tensor, Tensor],
    *,
    fewest: int = 1,
) -> Tensor:
    """Transform the content features separately for each label that content and style share.

    A label is used if `usable_labels` returns it. Features at positions with other labels do not change.

    Args:
        transform: Function that maps content ``(1, C, N)`` and style ``(1, C, M)`` to ``(1, C, N)``, such as
            whitening and coloring.
        content: ``(C, h, w)``.
        style: ``(C, h', w')``.
        labels: Integer label maps ``(H, W)`` and ``(H', W')`` of content and style, at least as large as the
            features.
        fewest: Minimum number of feature positions of a label. A small label can lose all positions at the
            resolution of the features.
    """
    content_labels = nearest_labels(labels[0], content.shape[-2:])
    style_labels = nearest_labels(labels[1], style.shape[-2:])
    transformed = content.clone()
    for label in usable_labels(*labels):
        content_mask = content_labels == label
        style_mask = style_labels == label
        if min(content_mask.sum(), style_mask.sum()) < fewest:
            continue
        label_content, label_style = content[:, content_mask], style[:, style_mask]
        transformed[:, content_mask] = transform(label_content[None], label_style[None])[0]
    return transformed


def usable_labels(content: Tensor, style: Tensor) -> list[int]:
    """Return the labels that content and style share with sufficient areas.

    A label must have more than 10 pixels in each label map, and its two areas must differ by a factor below
    100.
    """
    found = []
    for label in torch.unique(content).tolist():
        few, many = sorted(int((each == label).sum()) for each in (content, style))
        if few > _FEWEST_PIXELS and many < _LARGEST_RATIO * few:
            found.append(int(label))
    return found


def nearest_labels(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Downsample a label map ``(H, W)`` to ``size`` by nearest neighbor."""
    reduced = F.interpolate(labels[None, None].double(), size=tuple(size), mode="nearest-exact")
    return reduced[0, 0].to(labels.dtype)

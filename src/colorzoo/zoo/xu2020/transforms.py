"""What moves the statistics of one feature map to those of another: AdaIN, WCT and their label-wise form.

Formulas of Xu et al. 2020, sec. 3.1 (AdaIN: Huang and Belongie 2017; WCT: Li et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-5
_CUT = 1e-5  # eigenvalues below count as none
_FEWEST_PIXELS, _LARGEST_RATIO = 10, 100  # a label needs more pixels, and less disproportion, in both maps

TransformName = Literal["adain", "wct"]
Transform = Callable[[Tensor, Tensor, float], Tensor]
"""Content map, style map and alpha in, the content map with the statistics of the style out."""


class Moments(NamedTuple):
    """Mean and deviation of each channel.

    Attributes:
        mean: ``(B, C, 1, 1)`` float32.
        std: ``(B, C, 1, 1)`` float32, of the unbiased variance plus 1e-5.
    """

    mean: Tensor
    std: Tensor


def moments(maps: Tensor) -> Moments:
    """Return the moments of ``(B, C, H, W)`` over all pixels, of which there must be at least two."""
    if maps.requires_grad or maps.device.type != "cpu" or torch.compiler.is_compiling():
        variance, mean = torch.var_mean(maps.float(), dim=(2, 3), keepdim=True)
        return Moments(mean, (variance + EPSILON).sqrt())
    return _moments_on_cpu(maps)


def _moments_on_cpu(maps: Tensor) -> Moments:
    """Read the moments off the kernel of group normalization, 20 times as fast as ``var_mean`` there.

    It sees the map with channels first: for channels last it subtracts squares, which a map that hardly
    varies does not survive.
    """
    batch, channels, height, width = maps.shape
    count = height * width
    one = torch.ones(channels)
    inputs = maps.contiguous(), one, torch.zeros_like(one), batch, channels, count, channels, EPSILON
    _, mean, scale = torch.native_group_norm(*inputs)
    biased = (scale.double() ** -2 - EPSILON).clamp(min=0)
    std = (biased * (count / (count - 1)) + EPSILON).sqrt().float()
    return Moments(mean[:, :, None, None], std[:, :, None, None])


def match_moments(
    content: Tensor, style: Moments, alpha: Tensor | float = 1.0, own: Moments | None = None
) -> Tensor:
    """Give a content map the moments of a style, item by item.

    Args:
        content: ``(B, C, H, W)``.
        style: Moments of ``B`` items.
        alpha: 1 takes the style, 0 leaves the content as it is; a number, or ``(B, 1, 1, 1)``.
        own: Moments of the content, where it is part of a larger map; by default they are computed.
    """
    own = moments(content) if own is None else own
    scale = alpha * style.std / own.std + (1 - alpha)
    middle = alpha * style.mean + (1 - alpha) * own.mean
    if content.dtype != torch.float32:  # one pass; rounding is that of the map itself
        shift = middle - own.mean * scale
        return torch.addcmul(shift.to(content.dtype), content, scale.to(content.dtype))
    # centered first: in a map that hardly varies the scale is large, and would enlarge what rounding left
    return torch.addcmul(middle, content - own.mean, scale)


def adain(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """Apply adaptive instance normalization to ``(B, C, H, W)``; the style may have another size."""
    return match_moments(content, moments(style), alpha)


def wct(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """Apply the whitening and coloring transform to ``(B, C, H, W)``; the style may have another size.

    The identity is added to both covariances, and the result keeps the range of the content map.
    """
    flat = content.flatten(2).float()
    centered, _, content_covariance = _covariance(flat)
    _, style_mean, style_covariance = _covariance(style.flatten(2).float())
    matrix = _matrix_power(style_covariance, 0.5) @ _matrix_power(content_covariance, -0.5)
    moved = matrix @ centered + style_mean
    moved = moved.clamp(flat.amin((1, 2), keepdim=True), flat.amax((1, 2), keepdim=True))
    blended = alpha * moved + (1 - alpha) * flat
    return blended.view(content.shape).to(content.dtype)


TRANSFORMS: Mapping[TransformName, Transform] = {"adain": adain, "wct": wct}


def by_label(
    transform: Transform, content: Tensor, style: Tensor, alpha: float, *, labels: tuple[Tensor, Tensor]
) -> Tensor:
    """Apply a transform inside each label; pixels of labels that are not usable keep their features.

    Args:
        transform: `adain` or `wct`.
        content: ``(1, C, h, w)``.
        style: ``(1, C, h', w')``.
        alpha: See `match_moments`.
        labels: Integer maps ``(H, W)`` and ``(H', W')`` of content and style, at any larger size.
    """
    inside = nearest_labels(labels[0], content.shape[-2:]).flatten()
    source = nearest_labels(labels[1], style.shape[-2:]).flatten()
    answer, flat, style_flat = content.flatten(2).clone(), content.flatten(2), style.flatten(2)
    for label in usable_labels(*labels):
        here, there = inside == label, source == label
        if here.sum() > 1 and there.sum() > 1:  # reducing a label map may lose the little that there was
            moved = transform(flat[:, :, here].unsqueeze(-1), style_flat[:, :, there].unsqueeze(-1), alpha)
            answer[:, :, here] = moved.squeeze(-1)
    return answer.view(content.shape)


def usable_labels(content: Tensor, style: Tensor) -> list[int]:
    """Return the labels with more than 10 pixels in both maps, and less than 100 times as many in one."""
    found = []
    for label in torch.unique(content).tolist():
        here, there = int((content == label).sum()), int((style == label).sum())
        enough = min(here, there) > _FEWEST_PIXELS
        if enough and max(here, there) < _LARGEST_RATIO * min(here, there):
            found.append(int(label))
    return found


def nearest_labels(labels: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Reduce a label map ``(H, W)`` to ``size`` by the pixel under the center of each cell."""
    reduced = F.interpolate(labels[None, None].float(), size=tuple(size), mode="nearest-exact")
    return reduced[0, 0].to(labels.dtype)


def _covariance(flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``(B, C, N)`` centered, its mean, and its covariance plus the identity."""
    mean = flat.mean(dim=2, keepdim=True)
    centered = flat - mean
    covariance = centered @ centered.transpose(1, 2) / max(1, flat.shape[2] - 1)
    return centered, mean, covariance + torch.eye(flat.shape[1], device=flat.device)


def _matrix_power(covariance: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    scaled = torch.where(values > _CUT, values.clamp(min=_CUT) ** power, 0.0)
    raised: Tensor = (vectors * scaled.unsqueeze(1)) @ vectors.transpose(1, 2)
    return raised

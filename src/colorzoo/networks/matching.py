"""Dense correspondence of two images: the feature network and cosine matching.

`WarpNet` is the correspondence network of Zhang et al. 2019 ("Deep Exemplar-based Video Colorization"), which
SPColor (Chen et al. 2023) also uses. It converts four feature maps of any backbone to one map with 256
channels at a quarter of the image size.

Global matching (He et al. 2018, Zhang et al. 2019) compares every position of one image with every position
of the other image. Class-wise matching (SPColor, eqs. 5 to 10) compares only positions of the same class, so
the cost decreases with the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import instance_norm, scaled_width

STRIDE = 4
"""Stride in pixels of the feature maps that are matched."""
VGG_CHANNELS = (128, 256, 512, 512)


class Matched(NamedTuple):
    """Matching result for each position of the first image.

    Attributes:
        values: ``(B, N, V)``, attention-weighted means of the values of matching positions; 0 without a
            match.
        similarity: ``(B, N)``, the largest cosine in [-1, 1]; 0 without a match.
    """

    values: Tensor
    similarity: Tensor


def match(
    query: Tensor,
    key: Tensor,
    values: Tensor,
    labels: tuple[Tensor, Tensor] | None = None,
    *,
    tau: float = 0.01,
) -> Matched:
    """Match each position with positions of the same class by cosine similarity.

    Each position receives the mean of the values, weighted by the softmax of cosine / ``tau``. Before the
    comparison, the mean feature of the class is subtracted, separately for each image. If an image contains
    only one position of a class, its centered features are 0, and so are all of its cosines. A single query
    therefore receives the mean of the values. A single key provides its values to all queries.

    Args:
        query: ``(B, N, C)`` features of the image that receives values.
        key: ``(B, M, C)`` features of the image that provides values.
        values: ``(B, M, V)`` values to transfer, such as colors.
        labels: Integer classes ``(B, N)`` and ``(B, M)``; positions with a negative class have no match. None
            selects global matching, which treats each image as one class.
        tau: Softmax temperature; values near 0 assign each position the values of its best match.

    Returns:
        Values and similarities in float32.
    """
    with torch.autocast(query.device.type, enabled=False):  # rounding would change matches
        query, key, values = query.float(), key.float(), values.float()
        if labels is None:
            return _attend(query, key, values, tau)
        # match the positions of each class separately
        matched_values = values.new_zeros(*query.shape[:2], values.shape[2])
        similarity = values.new_zeros(query.shape[:2])
        for image, (query_labels, key_labels) in enumerate(zip(*labels, strict=True)):
            is_matched = torch.isin(query_labels, key_labels) & (query_labels >= 0)
            for label in query_labels[is_matched].unique().tolist():
                in_query, in_key = query_labels == label, key_labels == label
                class_match = _attend(
                    query[image, in_query][None], key[image, in_key][None], values[image, in_key][None], tau
                )
                matched_values[image, in_query] = class_match.values[0]
                similarity[image, in_query] = class_match.similarity[0]
        return Matched(matched_values, similarity)


def best_matches(query: Tensor, key: Tensor) -> Tensor:
    """Return the index ``(B, N)`` of the key with the largest cosine for each query, as in `match`.

    The first of several equal keys is returned. A weighted mean of their positions could lie between them.

    Args:
        query: ``(B, N, C)`` features.
        key: ``(B, M, C)`` features.
    """
    with torch.autocast(query.device.type, enabled=False):  # rounding would change matches
        scores = _directions(query.float()) @ _directions(key.float()).transpose(1, 2)
        return scores.argmax(dim=2)


def _attend(query: Tensor, key: Tensor, values: Tensor, tau: float) -> Matched:
    """Match ``(B, N, C)`` with ``(B, M, C)`` without classes."""
    scores = (_directions(query) / tau) @ _directions(key).transpose(1, 2)
    return Matched(torch.softmax(scores, dim=2) @ values, scores.amax(dim=2) * tau)


def _directions(features: Tensor) -> Tensor:
    """Center features and normalize them to unit length; zero vectors do not change."""
    return F.normalize(features - features.mean(dim=1, keepdim=True), dim=2)


class WarpNet(nn.Module):
    """Correspondence network: four branches, three residual blocks and two linear projections.

    Args:
        channels: Channels of the four input maps at strides 2, 4, 8 and 16.
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, channels: Sequence[int] = VGG_CHANNELS, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256 = (scaled_width(base, width) for base in (64, 128, 256))
        tap2, tap3, tap4, tap5 = channels
        self.branches = nn.ModuleList(
            [
                _Branch(tap2, c128, c64, stride=2),
                _Branch(tap3, c128, c64),
                _Branch(tap4, c256, c64, scales=(1, 2)),
                _Branch(tap5, c256, c64, scales=(2, 2)),
            ]
        )
        self.residual = nn.Sequential(*(_Residual(4 * c64) for _ in range(3)))
        self.theta = nn.Linear(4 * c64, 4 * c64)
        self.phi = nn.Linear(4 * c64, 4 * c64)

    def forward(self, hooks: Sequence[Tensor]) -> Tensor:
        """Fuse four feature maps into one map at a quarter of the image size.

        Args:
            hooks: Feature maps at H/2, H/4, H/8 and H/16, normalized by `unit_features`.

        Returns:
            ``(B, C, H/4, W/4)``; C is 256 at width 1.
        """
        maps = [branch(hook) for branch, hook in zip(self.branches, hooks, strict=True)]
        # The size at stride 16 was rounded down: replicate borders of the last map. The first missing row is
        # added at the top, the first missing column at the left, further ones at the bottom and the right.
        rows = maps[0].shape[2] - maps[3].shape[2]
        columns = maps[0].shape[3] - maps[3].shape[3]
        if rows or columns:
            top, left = min(1, rows), min(1, columns)
            maps[3] = F.pad(maps[3], (left, columns - left, top, rows - top), mode="replicate")
        return self.residual(torch.cat(maps, dim=1))

    def warp(
        self,
        target: Tensor,
        reference: Tensor,
        values: Tensor,
        labels: tuple[Tensor, Tensor] | None = None,
        *,
        tau: float = 0.01,
    ) -> Matched:
        """Warp values from the reference to the target.

        Args:
            target: ``(B, C, h, w)``, output of `forward` for the target image.
            reference: ``(B, C, h', w')``, output of `forward` for the reference.
            values: ``(B, V, h', w')``, values of the reference, such as colors.
            labels: Classes ``(B, 1, h, w)`` and ``(B, 1, h', w')``; None matches globally.
            tau: Softmax temperature; see `match`.

        Returns:
            The result of `match` as maps: values ``(B, V, h, w)`` and similarity ``(B, 1, h, w)``.
        """
        query, key = self.theta(_rows(target)), self.phi(_rows(reference))
        flat_labels = None if labels is None else (labels[0].flatten(1), labels[1].flatten(1))
        matched = match(query, key, _rows(values), flat_labels, tau=tau)
        batch, _, channels = matched.values.shape
        height, width = target.shape[-2:]
        warped = matched.values.transpose(1, 2).reshape(batch, channels, height, width)
        return Matched(warped, matched.similarity.view(batch, 1, height, width))


def unit_features(hooks: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """L2-normalize each map ``(B, C, h, w)`` over its channels."""
    return tuple(F.normalize(hook, dim=1) for hook in hooks)


class _Branch(nn.Module):
    """Two convolutions with instance normalization, PReLU and nearest-neighbor upsampling."""

    def __init__(
        self,
        in_channels: int,
        middle: int,
        out_channels: int,
        *,
        stride: int = 1,
        scales: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        self.scales = scales
        self.conv1 = _conv(in_channels, middle)
        self.prelu1 = nn.PReLU()
        self.conv2 = _conv(middle, out_channels, stride=stride)
        self.prelu2 = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = _nearest(self.prelu1(instance_norm(self.conv1(x))), self.scales[0])
        return _nearest(self.prelu2(instance_norm(self.conv2(x))), self.scales[1])


class _Residual(nn.Module):
    """Residual block with a PReLU shared by both activations."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.conv2 = _conv(channels, channels)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(instance_norm(self.conv1(x)))
        return self.prelu(instance_norm(self.conv2(inner)) + x)


def _conv(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, padding_mode="reflect")


def _nearest(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else F.interpolate(x, scale_factor=times)


def _rows(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)

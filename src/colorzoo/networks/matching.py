"""Dense correspondence of two images: the feature network and cosine matching.

`WarpNet` is the correspondence network of Zhang et al. 2019 ("Deep Exemplar-based Video Colorization"), which
SPColor (Chen et al. 2023) shares. It converts four feature maps of any backbone to one map with 256 channels
at a quarter of the image size.

Global matching (He et al. 2018, Zhang et al. 2019) compares every position of one image with every position
of the other image. Class-wise matching (SPColor, eqs. 5 to 10) compares only positions of the same class, so
the cost falls with the number of classes. Positions are sorted by class, classes of similar size are padded
to a common size and multiplied as one batch, and the full similarity matrix is never computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from colorzoo.networks.blocks import instance_norm, scaled_width

STRIDE = 4
"""Stride of the matched map in pixels."""
VGG_CHANNELS = (128, 256, 512, 512)
_EXACT_ABOVE = 256  # sizes up to this are padded to powers of two, larger sizes to multiples of it
_SMALLEST = 16
_NOTHING = 2**62  # sort key larger than that of every pair of sizes


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
    """Match positions of the same class by the cosine of their class-centered features.

    Args:
        query: ``(B, N, C)`` features of the image that receives values.
        key: ``(B, M, C)`` features of the image that provides values.
        values: ``(B, M, V)``.
        labels: Integer classes ``(B, N)`` and ``(B, M)``; positions with a negative class have no match. None
            selects global matching, where each image is one class.
        tau: Softmax temperature; towards 0 each position takes the values of its best match.

    Returns:
        Values and similarities in float32. A position that is alone in its class equals the class mean, so
        its cosines are 0: a single key provides its values to all queries, and a single query receives the
        mean value.
    """
    with torch.autocast(query.device.type, enabled=False):  # rounding would change matches
        query, key, values = query.float(), key.float(), values.float()
        if labels is None:
            return _attend(query, key, values, tau)
        return _match_classes(query, key, values, labels, tau)


class _Plan(NamedTuple):
    """Groups of classes that are multiplied as one batch.

    Attributes:
        queries: ``(n,)`` int64, positions of the first images sorted by group; positions not listed have no
            match.
        keys: ``(k,)`` int64, positions of the second images, sorted by group.
        groups: Class sizes of each group: ``(G,)`` for the first and ``(G,)`` for the second images.
    """

    queries: Tensor
    keys: Tensor
    groups: list[tuple[Tensor, Tensor]]


def _match_classes(
    query: Tensor, key: Tensor, values: Tensor, labels: tuple[Tensor, Tensor], tau: float
) -> Matched:
    batch, places, _ = query.shape
    plan = _plan(*labels)
    ours = _take(query, plan.queries, [int(sizes.sum()) for sizes, _ in plan.groups])
    lengths = [int(sizes.sum()) for _, sizes in plan.groups]
    theirs, given = _take(key, plan.keys, lengths), _take(values, plan.keys, lengths)
    learns = torch.is_grad_enabled() and (query.requires_grad or key.requires_grad)
    rows = []
    for a, b, v, (few, many) in zip(ours, theirs, given, plan.groups, strict=True):
        if learns:  # recomputation in the backward pass costs less than storing all normalized features
            rows.append(checkpoint(_match_group, a, b, v, few, many, tau, use_reentrant=False))
        else:
            rows.append(_match_group(a, b, v, few, many, tau))
    gathered = query.new_zeros(batch * places, values.shape[-1] + 1)
    if rows:
        gathered = gathered.index_copy(0, plan.queries, torch.cat(rows))
    gathered = gathered.view(batch, places, -1)
    return Matched(gathered[..., :-1], gathered[..., -1])


def _take(features: Tensor, places: Tensor, lengths: list[int]) -> tuple[Tensor, ...]:
    rows = features.flatten(0, 1).index_select(0, places)
    return torch.split(rows, lengths)


def _match_group(
    query: Tensor, key: Tensor, values: Tensor, query_sizes: Tensor, key_sizes: Tensor, tau: float
) -> Tensor:
    """Match a group of classes; return ``(n, V + 1)``, values and similarity of each position.

    Args:
        query: ``(n, C)``, positions sorted by class.
        key: ``(k, C)``.
        values: ``(k, V)``.
        query_sizes: ``(G,)``, number of positions of each class.
        key_sizes: ``(G,)``.
        tau: Temperature.
    """
    ours, theirs = _Padding.of(query_sizes), _Padding.of(key_sizes)
    matched = _attend(ours.pad(query), theirs.pad(key), theirs.pad(values), tau, ours, theirs)
    return ours.cut(torch.cat([matched.values, matched.similarity[..., None]], dim=2))


class _Padding(NamedTuple):
    """Padding of the classes of a group to the largest class; a single class is not copied.

    Attributes:
        sizes: ``(G, 1, 1)``, number of positions of each class.
        rows: ``(G, P)`` int64, row indices of the positions; padding repeats the last row of the class.
        inside: ``(G, P, 1)`` bool, False in the padding; None without padding.
    """

    sizes: Tensor
    rows: Tensor
    inside: Tensor | None

    @classmethod
    def of(cls, sizes: Tensor) -> _Padding:
        steps = torch.arange(int(sizes.max()), device=sizes.device)
        starts = (sizes.cumsum(0) - sizes)[:, None]
        index = starts + torch.minimum(steps, sizes[:, None] - 1)
        inside = (steps < sizes[:, None])[..., None] if len(sizes) > 1 else None
        return cls(sizes[:, None, None], index, inside)

    def pad(self, rows: Tensor) -> Tensor:
        """Pad ``(n, C)`` to ``(G, P, C)``."""
        return rows[None] if self.inside is None else rows[self.rows]

    def cut(self, padded: Tensor) -> Tensor:
        """Remove the padding of ``(G, P, C)``: ``(n, C)``."""
        return padded[0] if self.inside is None else padded[self.inside[..., 0]]


def _attend(
    query: Tensor,
    key: Tensor,
    values: Tensor,
    tau: float,
    query_padding: _Padding | None = None,
    key_padding: _Padding | None = None,
) -> Matched:
    """Match ``(G, N, C)`` with ``(G, M, C)`` per class; padded keys are masked."""
    scores = (_directions(query, query_padding) / tau) @ _directions(key, key_padding).transpose(1, 2)
    if key_padding is not None and key_padding.inside is not None:
        scores = scores.masked_fill(~key_padding.inside.transpose(1, 2), -torch.inf)
    similarity = scores.amax(dim=2) * tau
    return Matched(torch.softmax(scores, dim=2) @ values, similarity)


def _directions(features: Tensor, padding: _Padding | None) -> Tensor:
    """Center the features of each class and normalize them to unit length; zeros stay zeros."""
    if padding is None or padding.inside is None:
        mean = features.mean(dim=1, keepdim=True)
    else:
        mean = (features * padding.inside).sum(dim=1, keepdim=True) / padding.sizes
    return F.normalize(features - mean, dim=2)


def _plan(target: Tensor, reference: Tensor) -> _Plan:
    """Sort positions ``(B, N)`` and ``(B, M)`` by class and group classes of similar size."""
    both = torch.cat([target, reference], dim=1).long()
    names, number = torch.unique(both, return_inverse=True)
    number = number + len(names) * torch.arange(len(both), device=both.device)[:, None]
    ours, theirs = (part.flatten() for part in number.split([target.shape[1], reference.shape[1]], dim=1))
    sizes = [torch.bincount(part, minlength=len(names) * len(both)) for part in (ours, theirs)]
    shared = (sizes[0] > 0) & (sizes[1] > 0) & (names >= 0).repeat(len(both))
    size_pair = torch.where(shared, _size_class(sizes[0]) << 32 | _size_class(sizes[1]), _NOTHING)
    order = size_pair.argsort(stable=True)[: int(shared.sum())]
    ranks = torch.arange(len(order), device=order.device)
    rank = torch.full_like(size_pair, len(size_pair)).index_copy(0, order, ranks)
    lengths = torch.unique_consecutive(size_pair[order], return_counts=True)[1].tolist()
    few, many = (size[order] for size in sizes)
    both_sizes = zip(torch.split(few, lengths), torch.split(many, lengths), strict=True)
    groups = list(both_sizes) if lengths else []
    # sorted by class rank; positions of unshared classes are dropped
    queries, keys = (
        rank[part].argsort(stable=True)[: int(sizes.sum())] for part, sizes in ((ours, few), (theirs, many))
    )
    return _Plan(queries, keys, groups)


def _size_class(count: Tensor) -> Tensor:
    """Return the index of the padded size of a class; similar sizes have the same index."""
    power = count.clamp(min=_SMALLEST).double().log2().ceil().long()
    large = -(-count // _EXACT_ABOVE) + _EXACT_ABOVE  # above every power
    return torch.where(count <= _EXACT_ABOVE, power, large)


class WarpNet(nn.Module):
    """Correspondence network: four branches, three residual blocks and two linear projections.

    Args:
        channels: Channels of the four input maps at strides 2, 4, 8 and 16.
        width: Multiplier for its channel counts; 1.0 matches the published network.
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
        """Fuse the `unit_features` at H/2, H/4, H/8 and H/16 into one map ``(B, 4 * c64, H/4, W/4)``."""
        maps = [branch(hook) for branch, hook in zip(self.branches, hooks, strict=True)]
        maps[3] = _fit(maps[3], maps[0])
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
            values: ``(B, V, h', w')``.
            labels: Classes ``(B, 1, h, w)`` and ``(B, 1, h', w')``; None matches globally.
            tau: See `match`.

        Returns:
            Values ``(B, V, h, w)`` and similarity ``(B, 1, h, w)``.
        """
        rows = None if labels is None else (labels[0].flatten(1), labels[1].flatten(1))
        matched = match(self.theta(_rows(target)), self.phi(_rows(reference)), _rows(values), rows, tau=tau)
        size = target.shape[-2:]
        batch, _, channels = matched.values.shape
        warped = matched.values.transpose(1, 2).reshape(batch, channels, *size)
        return Matched(warped, matched.similarity.view(batch, 1, *size))


def unit_features(hooks: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """L2-normalize each map ``(B, C, h, w)`` over its channels."""
    return tuple(F.normalize(hook, dim=1) for hook in hooks)


class _Branch(nn.Module):
    """Two convolutions, each with instance normalization, PReLU and nearest-neighbor upsampling."""

    def __init__(
        self, fan_in: int, middle: int, fan_out: int, *, stride: int = 1, scales: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.scales = scales
        self.conv1 = _conv(fan_in, middle)
        self.prelu1 = nn.PReLU()
        self.conv2 = _conv(middle, fan_out, stride=stride)
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


def _conv(fan_in: int, fan_out: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, padding_mode="reflect")


def _nearest(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else F.interpolate(x, scale_factor=times)


def _fit(small: Tensor, like: Tensor) -> Tensor:
    """Pad a map whose size was rounded down at stride 16: one row and column before, the rest after."""
    missing = [wanted - there for wanted, there in zip(like.shape[-2:], small.shape[-2:], strict=True)]
    (top, bottom), (left, right) = ((min(1, gap), max(0, gap - 1)) for gap in missing)
    return F.pad(small, (left, right, top, bottom), mode="replicate") if any(missing) else small


def _rows(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)

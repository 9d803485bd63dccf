"""Correspondence of two pictures: the network that makes features, and matching by their cosine.

`WarpNet` is the correspondence network of Zhang et al. 2019 ("Deep Exemplar-based Video Colorization"), which
SPColor (Chen et al. 2023) shares: four feature maps of any backbone become one map of 256 channels at a
quarter of the picture's size.

Global matching (He et al. 2018, Zhang et al. 2019) compares every place of one picture with every place of
the other. Class-wise matching (SPColor, eqs. 5 to 10) compares only places of the same class, which is
cheaper the more classes there are: places are sorted by class once, classes of similar size are padded to the
larger one and multiplied together, and no product of two whole pictures is formed.
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
"""Pixels per place of the map, each way."""
VGG_CHANNELS = (128, 256, 512, 512)
_EXACT_ABOVE = 256  # sizes up to it are padded to powers of two, larger ones to multiples of it
_SMALLEST = 16
_NOTHING = 2**62  # sorts behind every pair of sizes


class Matched(NamedTuple):
    """Result of matching, for each place of the first picture.

    Attributes:
        values: ``(B, N, V)``, weighted means of the values of the matching places; 0 without a match.
        similarity: ``(B, N)``, the largest cosine, in [-1, 1]; 0 without a match.
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
    """Match places of the same class by the cosine of their features, less the mean of the class.

    Args:
        query: ``(B, N, C)`` features of the picture that gets values.
        key: ``(B, M, C)`` features of the picture with the values.
        values: ``(B, M, V)``.
        labels: Classes ``(B, N)`` and ``(B, M)``, integers of any size; places with a negative class match
            nothing. None is global matching: each picture is one class.
        tau: Temperature of the softmax; towards 0 each place takes the values of its best match.

    Returns:
        Values and similarities in float32. The only place of a class equals the mean of the class, so its
        cosines are 0: a single key gives its values to all queries, a single query takes the mean.
    """
    with torch.autocast(query.device.type, enabled=False):  # at tau 0.01 a rounding of 0.01 changes the match
        query, key, values = query.float(), key.float(), values.float()
        if labels is None:
            return _attend(query, key, values, tau)
        return _match_classes(query, key, values, labels, tau)


class _Plan(NamedTuple):
    """Groups of classes that are multiplied together.

    Attributes:
        queries: ``(n,)`` int64, places of the first pictures, sorted by group; all others match nothing.
        keys: ``(k,)`` int64, places of the second pictures, sorted likewise.
        groups: For each group the number of places of its classes: ``(G,)`` in the first and in the second
            pictures.
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
        if learns:  # recomputed in the backward pass: keeping all directions costs more than it saves
            rows.append(checkpoint(_match_group, a, b, v, few, many, tau, use_reentrant=False))
        else:
            rows.append(_match_group(a, b, v, few, many, tau))
    answer = query.new_zeros(batch * places, values.shape[-1] + 1)
    if rows:
        answer = answer.index_copy(0, plan.queries, torch.cat(rows))
    answer = answer.view(batch, places, -1)
    return Matched(answer[..., :-1], answer[..., -1])


def _take(features: Tensor, places: Tensor, lengths: list[int]) -> tuple[Tensor, ...]:
    rows = features.flatten(0, 1).index_select(0, places)
    return torch.split(rows, lengths)


def _match_group(
    query: Tensor, key: Tensor, values: Tensor, query_sizes: Tensor, key_sizes: Tensor, tau: float
) -> Tensor:
    """Match classes of similar size; return ``(n, V + 1)``, values and similarity of each place.

    Args:
        query: ``(n, C)``, the places of all classes, sorted by class.
        key: ``(k, C)``.
        values: ``(k, V)``.
        query_sizes: ``(G,)``, places of each class.
        key_sizes: ``(G,)``.
        tau: Temperature.
    """
    ours, theirs = _Padding.of(query_sizes), _Padding.of(key_sizes)
    matched = _attend(ours.pad(query), theirs.pad(key), theirs.pad(values), tau, ours, theirs)
    return ours.cut(torch.cat([matched.values, matched.similarity[..., None]], dim=2))


class _Padding(NamedTuple):
    """Padding of classes to the size of the largest; a single class is not copied.

    Attributes:
        sizes: ``(G, 1, 1)``, places of each class.
        rows: ``(G, P)`` int64, rows of the places; padding repeats the last one of the class.
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
    """Match ``(G, N, C)`` with ``(G, M, C)`` class by class; padded keys are masked."""
    scores = (_directions(query, query_padding) / tau) @ _directions(key, key_padding).transpose(1, 2)
    if key_padding is not None and key_padding.inside is not None:
        scores = scores.masked_fill(~key_padding.inside.transpose(1, 2), -torch.inf)
    similarity = scores.amax(dim=2) * tau
    return Matched(torch.softmax(scores, dim=2) @ values, similarity)


def _directions(features: Tensor, padding: _Padding | None) -> Tensor:
    """Return features minus their mean, at unit length; zeros stay zeros."""
    if padding is None or padding.inside is None:
        mean = features.mean(dim=1, keepdim=True)
    else:
        mean = (features * padding.inside).sum(dim=1, keepdim=True) / padding.sizes
    return F.normalize(features - mean, dim=2)


def _plan(target: Tensor, reference: Tensor) -> _Plan:
    """Sort places ``(B, N)`` and ``(B, M)`` by class, and group classes of similar size."""
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
    # in the order of their classes' ranks, without the places of classes that are not shared
    queries, keys = (
        rank[part].argsort(stable=True)[: int(sizes.sum())] for part, sizes in ((ours, few), (theirs, many))
    )
    return _Plan(queries, keys, groups)


def _size_class(count: Tensor) -> Tensor:
    """Return the index of the padded size of a class; similar sizes share one."""
    power = count.clamp(min=_SMALLEST).double().log2().ceil().long()
    large = -(-count // _EXACT_ABOVE) + _EXACT_ABOVE  # above every power
    return torch.where(count <= _EXACT_ABOVE, power, large)


class WarpNet(nn.Module):
    """Correspondence network: four branches, three residual blocks, and a linear layer for each picture.

    Args:
        channels: Channels of the four input maps, at strides 2, 4, 8 and 16.
        width: Multiplier of its own channel counts; 1.0 is the published network.
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

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        """Return ``(B, 4 * c64, H/4, W/4)`` for `unit_features` at H/2, H/4, H/8 and H/16."""
        maps = [branch(tap) for branch, tap in zip(self.branches, taps, strict=True)]
        maps[3] = _fit(maps[3], maps[0])
        joined: Tensor = self.residual(torch.cat(maps, dim=1))
        return joined

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
            target: ``(B, C, h, w)``, output of `forward` for the target.
            reference: ``(B, C, h', w')``, the same for the reference.
            values: ``(B, V, h', w')``.
            labels: Classes ``(B, 1, h, w)`` and ``(B, 1, h', w')``; None compares all places.
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


def unit_features(taps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Divide each place of each map ``(B, C, h, w)`` by the length of its features."""
    return tuple(F.normalize(tap, dim=1) for tap in taps)


class _Branch(nn.Module):
    """Two convolutions with instance normalization and PReLU, and nearest upsampling after each."""

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
    """Residual block whose two activations share their slope."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.conv2 = _conv(channels, channels)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(instance_norm(self.conv1(x)))
        activated: Tensor = self.prelu(instance_norm(self.conv2(inner)) + x)
        return activated


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

"""Matching of places in two pictures by the cosine of their features, inside classes or over all.

Global matching (He et al. 2018, Zhang et al. 2019) compares every place of one picture with every place of
the other. Class-wise matching (SPColor, Chen et al. 2023, eqs. 5 to 10) compares only places of the same
class, which costs less the more classes there are: places are sorted by class once, classes of like size are
padded to the larger one and multiplied together, and no product of two whole pictures is ever formed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

_EXACT_ABOVE = 256  # sizes up to it are padded to powers of two, larger ones to multiples of it
_SMALLEST = 16
_NOTHING = 2**62  # sorts behind every pair of sizes


class Matched(NamedTuple):
    """What matching gives each place of the first picture.

    Attributes:
        values: ``(B, N, V)``, means of the values of the places that it matches; 0 without a match.
        similarity: ``(B, N)``, its largest cosine, in [-1, 1]; 0 without a match.
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
    """Match places by the cosine of their features about the mean of their class.

    Args:
        query: ``(B, N, C)`` features of the picture that is given values.
        key: ``(B, M, C)`` features of the picture that has them.
        values: ``(B, M, V)``.
        labels: Classes ``(B, N)`` and ``(B, M)``, whole numbers of any size; places with a negative one match
            nothing. None takes each picture as one class: global matching.
        tau: Temperature of the softmax; towards 0 each place takes the values of its best match.

    Returns:
        Values and similarities in float32. A class with one place has no direction: its cosines are 0, so
        that a lone key gives its values to all and a lone query takes the mean.
    """
    with torch.autocast(query.device.type, enabled=False):  # at tau 0.01 a rounding of 0.01 changes the match
        query, key, values = query.float(), key.float(), values.float()
        if labels is None:
            return _attend(query, key, values, tau)
        return _match_classes(query, key, values, labels, tau)


class _Plan(NamedTuple):
    """Which places are multiplied with which.

    Attributes:
        queries: ``(n,)`` int64, places of the first pictures, those of one group together; others match
            nothing.
        keys: ``(k,)`` int64, places of the second pictures.
        groups: Of each group how many places each of its classes has: ``(G,)`` in the first and in the
            second.
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
        if learns:  # made again on the way back: keeping all directions costs more than it saves
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
    """Match classes of like size; return ``(n, V + 1)``, values and similarity of each place.

    Args:
        query: ``(n, C)``, the places of all classes, one class after the other.
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
    """How classes are padded to the size of the largest; nothing is moved if there is one class.

    Attributes:
        sizes: ``(G, 1, 1)``, places of each class.
        rows: ``(G, P)`` int64; padding repeats the class's last one.
        inside: ``(G, P, 1)`` bool, which places are no padding, or None if none is.
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
        """Return ``(G, P, C)`` of ``(n, C)``."""
        return rows[None] if self.inside is None else rows[self.rows]

    def cut(self, padded: Tensor) -> Tensor:
        """Return ``(n, C)`` of ``(G, P, C)``."""
        return padded[0] if self.inside is None else padded[self.inside[..., 0]]


def _attend(
    query: Tensor,
    key: Tensor,
    values: Tensor,
    tau: float,
    query_padding: _Padding | None = None,
    key_padding: _Padding | None = None,
) -> Matched:
    """Match ``(G, N, C)`` with ``(G, M, C)`` group by group; padded keys take no part."""
    scores = (_directions(query, query_padding) / tau) @ _directions(key, key_padding).transpose(1, 2)
    if key_padding is not None and key_padding.inside is not None:
        scores = scores.masked_fill(~key_padding.inside.transpose(1, 2), -torch.inf)
    similarity = scores.amax(dim=2) * tau
    return Matched(torch.softmax(scores, dim=2) @ values, similarity)


def _directions(features: Tensor, padding: _Padding | None) -> Tensor:
    """Return features about their mean, at unit length; a zero stays zero."""
    if padding is None or padding.inside is None:
        mean = features.mean(dim=1, keepdim=True)
    else:
        mean = (features * padding.inside).sum(dim=1, keepdim=True) / padding.sizes
    return F.normalize(features - mean, dim=2)


def _plan(target: Tensor, reference: Tensor) -> _Plan:
    """Sort places ``(B, N)`` and ``(B, M)`` by class, once; classes of like sizes come together."""
    both = torch.cat([target, reference], dim=1).long()
    names, number = torch.unique(both, return_inverse=True)
    number = number + len(names) * torch.arange(len(both), device=both.device)[:, None]
    ours, theirs = (part.flatten() for part in number.split([target.shape[1], reference.shape[1]], dim=1))
    sizes = [torch.bincount(part, minlength=len(names) * len(both)) for part in (ours, theirs)]
    shared = (sizes[0] > 0) & (sizes[1] > 0) & (names >= 0).repeat(len(both))
    kind = torch.where(shared, _size_class(sizes[0]) << 32 | _size_class(sizes[1]), _NOTHING)
    order = kind.argsort(stable=True)[: int(shared.sum())]
    rank = torch.full_like(kind, len(kind)).index_copy(0, order, torch.arange(len(order), device=kind.device))
    lengths = torch.unique_consecutive(kind[order], return_counts=True)[1].tolist()
    few, many = (size[order] for size in sizes)
    both_sizes = zip(torch.split(few, lengths), torch.split(many, lengths), strict=True)
    groups = list(both_sizes) if lengths else []
    return _Plan(_sorted(rank[ours], few), _sorted(rank[theirs], many), groups)


def _sorted(rank: Tensor, sizes: Tensor) -> Tensor:
    """Return the places in the order of their classes' ranks, without those of classes beyond the last."""
    return rank.argsort(stable=True)[: int(sizes.sum())]


def _size_class(count: Tensor) -> Tensor:
    power = count.clamp(min=_SMALLEST).double().log2().ceil().long()
    large = -(-count // _EXACT_ABOVE) + _EXACT_ABOVE  # above every power
    return torch.where(count <= _EXACT_ABOVE, power, large)

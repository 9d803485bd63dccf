"""Matching of places in two pictures by the cosine of their features, inside classes or over the whole picture.

Global matching (He et al. 2018, Zhang et al. 2019) compares every place of one picture with every place of the
other. Class-wise matching (SPColor, Chen et al. 2023, eqs. 5 to 10) compares only places of the same class,
which costs less the more classes there are: places are sorted by class once, classes of like size are padded to
the larger one and multiplied together, and no product of two whole pictures is ever formed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_EXACT_ABOVE = 256  # sizes up to it are padded to powers of two, larger ones to multiples of it
_SMALLEST = 16


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
        Values and similarities in float32. A class with one place has no direction: its cosines are 0, so that
        a lone key gives its values to all and a lone query takes the mean.
    """
    with torch.autocast(query.device.type, enabled=False):  # at tau 0.01 a rounding of 0.01 changes the match
        query, key, values = query.float(), key.float(), values.float()
        if labels is None:
            return _attend(query, key, values, tau)
        return _match_classes(query, key, values, labels, tau)


class _Segments(NamedTuple):
    """Places sorted by picture and class.

    Attributes:
        order: ``(B * N,)`` int64, the places in order.
        starts: ``(S,)`` int64, where each class of each picture begins in ``order``.
        counts: ``(S,)`` int64, how many places it has.
    """

    order: Tensor
    starts: Tensor
    counts: Tensor


class _Rows(NamedTuple):
    """The places of several classes, padded to the same number.

    Attributes:
        index: ``(G, P)`` int64, places.
        inside: ``(G, P, 1)`` bool, which of them are there, or None if all are.
        counts: ``(G, 1, 1)``, how many.
    """

    index: Tensor
    inside: Tensor | None
    counts: Tensor


def _match_classes(
    query: Tensor, key: Tensor, values: Tensor, labels: tuple[Tensor, Tensor], tau: float
) -> Matched:
    batch, places, channels = query.shape
    queries, keys, usable = _segments(*labels)
    flat_query, flat_key = query.reshape(-1, channels), key.reshape(-1, channels)
    flat_values = values.reshape(-1, values.shape[-1])
    where, found, best = [], [], []
    for group in _groups(queries.counts, keys.counts, usable):
        ours, theirs = _rows(queries, group), _rows(keys, group)
        matched = _attend(
            flat_query[ours.index], flat_key[theirs.index], flat_values[theirs.index], tau, ours, theirs
        )
        for parts, part in ((where, ours.index), (found, matched.values), (best, matched.similarity)):
            parts.append(part.flatten(0, 1) if ours.inside is None else part[ours.inside[..., 0]])
    answer = query.new_zeros(batch * places, values.shape[-1] + 1)
    if where:
        rows = torch.cat([torch.cat(found), torch.cat(best)[:, None]], dim=1)
        answer = answer.index_copy(0, torch.cat(where), rows)
    answer = answer.view(batch, places, -1)
    return Matched(answer[..., :-1], answer[..., -1])


def _attend(
    query: Tensor,
    key: Tensor,
    values: Tensor,
    tau: float,
    query_rows: _Rows | None = None,
    key_rows: _Rows | None = None,
) -> Matched:
    """Match ``(G, N, C)`` with ``(G, M, C)`` group by group; padded keys take no part."""
    scores = (_directions(query, query_rows) / tau) @ _directions(key, key_rows).transpose(1, 2)
    if key_rows is not None and key_rows.inside is not None:
        scores = scores.masked_fill(~key_rows.inside.transpose(1, 2), -torch.inf)
    similarity = scores.amax(dim=2) * tau
    return Matched(torch.softmax(scores, dim=2) @ values, similarity)


def _directions(features: Tensor, rows: _Rows | None) -> Tensor:
    """Return features about their mean, at unit length; a zero stays zero."""
    if rows is None or rows.inside is None:
        mean = features.mean(dim=1, keepdim=True)
    else:
        mean = (features * rows.inside).sum(dim=1, keepdim=True) / rows.counts
    return F.normalize(features - mean, dim=2)


def _segments(target: Tensor, reference: Tensor) -> tuple[_Segments, _Segments, Tensor]:
    """Sort both pictures by class; also return which of the classes ``(S,)`` both have."""
    batch = len(target)
    both = torch.cat([target, reference], dim=1).long()
    names, number = torch.unique(both, return_inverse=True)
    pictures = torch.arange(batch, device=both.device)[:, None]
    number = number + pictures * len(names)
    sides = number.split([target.shape[1], reference.shape[1]], dim=1)
    queries, keys = (_sorted(side.flatten(), batch * len(names)) for side in sides)
    usable = (queries.counts > 0) & (keys.counts > 0) & (names >= 0).repeat(batch)
    return queries, keys, usable


def _sorted(number: Tensor, count: int) -> _Segments:
    counts = torch.bincount(number, minlength=count)
    return _Segments(torch.argsort(number, stable=True), counts.cumsum(0) - counts, counts)


def _groups(ours: Tensor, theirs: Tensor, usable: Tensor) -> Iterator[Tensor]:
    """Yield the classes ``(G,)`` that are multiplied together: those of like size in both pictures."""
    classes = usable.nonzero()[:, 0]
    kind = _size_class(ours[classes]) << 32 | _size_class(theirs[classes])
    kinds, order = kind.sort(stable=True)
    sizes = torch.unique_consecutive(kinds, return_counts=True)[1].tolist()
    yield from classes[order].split(sizes)


def _size_class(count: Tensor) -> Tensor:
    power = count.clamp(min=_SMALLEST).double().log2().ceil().long()
    large = -(-count // _EXACT_ABOVE) + _EXACT_ABOVE  # above every power
    return torch.where(count <= _EXACT_ABOVE, power, large)


def _rows(segments: _Segments, group: Tensor) -> _Rows:
    counts = segments.counts[group][:, None]
    steps = torch.arange(int(counts.max()), device=group.device)
    index = segments.starts[group][:, None] + torch.minimum(steps, counts - 1)
    inside = (steps < counts)[..., None] if len(group) > 1 else None
    return _Rows(segments.order[index], inside, counts[..., None])

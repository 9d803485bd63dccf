"""From cached results to numbers with intervals, comparisons and interactions to a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import DataError
from colorzoo.evaluation.bootstrap import (
    Estimate,
    Reach,
    Weights,
    bootstrap_weights,
    difference,
    estimate,
    holm,
    interactions_to_target,
)
from colorzoo.evaluation.cache import Cache, Entry
from colorzoo.evaluation.methods import Method, truth_method
from colorzoo.evaluation.picture_list import Item
from colorzoo.evaluation.published import published_for
from colorzoo.evaluation.summary import Comparison, Evaluated, Row, Score, Summary, Table
from colorzoo.metrics.fid import frechet_distance


def summarize(
    evaluated: Evaluated, items: Sequence[Item], cache: Cache, compare: tuple[str, str] | None
) -> Summary:
    """Read the cache and compute all numbers.

    Args:
        evaluated: What was evaluated.
        items: Pictures that could be read.
        cache: Where every one of them has an entry for every method.
        compare: Two methods to compare.

    Raises:
        DataError: Not one picture could be evaluated.
    """
    entries = {method.name: _slim(method, items, cache) for method in evaluated.methods}
    reasons, gray = _judge(items, entries)
    kept = [not reason for reason in reasons]
    good = list(compress(items, kept))
    if not good:
        reason = next(iter(reasons), "none could be read")
        raise DataError(f"not one picture could be evaluated; the first: {reason}")
    tables = {
        (name, count): _table(evaluated, count, list(compress(found, kept)))
        for name, found in entries.items()
        for count in evaluated.counts[name]
    }
    weights = bootstrap_weights(len(good), evaluated.resamples, evaluated.protocol.seed)
    distances = _distances(evaluated, good, cache)
    return Summary(
        evaluated,
        tuple(good),
        tuple((item.name, reason) for item, reason in zip(items, reasons, strict=True) if reason),
        tuple(gray),
        tables,
        tuple(
            _row(evaluated, name, count, table, weights, distances) for (name, count), table in tables.items()
        ),
        _reaches(evaluated, tables, weights),
        compare,
        _comparisons(evaluated, tables, weights, compare),
        published_for(evaluated.protocol, evaluated.outputs, evaluated.deviation),
    )


def _slim(method: Method, items: Sequence[Item], cache: Cache) -> list[Entry]:
    """Return the entries of a method without what is large."""
    read = (cache.read(method.key, item.key) for item in items)
    return [replace(entry, features={}, thumbnails={}) for entry in read]


def _judge(items: Sequence[Item], entries: Mapping[str, Sequence[Entry]]) -> tuple[list[str], list[str]]:
    """Return why each item was not colored by some method (empty if it was), and the names of the gray ones.

    Names do not tell items apart: a target may be listed with several references.
    """
    reasons: list[str] = []
    gray: list[str] = []
    for item, found in zip(items, zip(*entries.values(), strict=True), strict=True):
        reasons.append(next((entry.skipped for entry in found if entry.skipped), ""))
        if not reasons[-1] and any(entry.gray for entry in found):
            gray.append(item.name)
    return reasons, gray


def _table(evaluated: Evaluated, count: int, entries: Sequence[Entry]) -> Table:
    keys = [
        output.key for measure in evaluated.measures if not measure.features for output in measure.outputs
    ]
    moments = {
        key: np.array([entry.moments[count][key] for entry in entries], dtype=np.float64) for key in keys
    }
    return Table(moments, np.array([entry.given[count] for entry in entries], dtype=np.int64))


def _distances(
    evaluated: Evaluated, items: Sequence[Item], cache: Cache
) -> dict[tuple[str, int, str], float]:
    """Return the Frechet distances from the truth, by method, interactions and key."""
    found: dict[tuple[str, int, str], float] = {}
    keys = [output.key for measure in evaluated.measures if measure.features for output in measure.outputs]
    if not keys:
        return found
    truth = _features(truth_method(), 0, keys, items, cache)
    for method in evaluated.methods:
        for count in evaluated.counts[method.name]:
            own = _features(method, count, keys, items, cache)
            for key in keys:
                found[method.name, count, key] = frechet_distance(own[key], truth[key])
    return found


def _features(
    method: Method, count: int, keys: Sequence[str], items: Sequence[Item], cache: Cache
) -> dict[str, NDArray[np.float32]]:
    entries = [cache.read(method.key, item.key) for item in items]
    return {key: np.stack([entry.features[count][key] for entry in entries]) for key in keys}


def _row(
    evaluated: Evaluated,
    name: str,
    count: int,
    table: Table,
    weights: Weights,
    distances: Mapping[tuple[str, int, str], float],
) -> Row:
    scores = {}
    for output in evaluated.outputs:
        if output.key in table.moments:
            moments = table.moments[output.key]
            exact, counted = (int((moments[:, place] > 0).sum()) for place in (-2, -1))
            left_out = int((~moments[:, -2:].any(1)).sum())
            found = estimate(moments, output.finish, weights)
            scores[output.key] = Score(found, counted, exact, left_out)
        else:
            distance = distances[name, count, output.key]
            scores[output.key] = Score(Estimate(distance), len(table.given), 0, 0)
    return Row(name, count, float(table.given.mean()), scores)


def _reaches(
    evaluated: Evaluated, tables: Mapping[tuple[str, int], Table], weights: Weights
) -> dict[str, Reach]:
    target = evaluated.protocol.target
    outputs = [m.outputs[0] for m in evaluated.measures if target is not None and m.name == target.metric]
    if target is None or not outputs:
        return {}
    found = {}
    for method in evaluated.methods:
        own = [tables[method.name, count] for count in evaluated.counts[method.name]]
        values = np.stack([outputs[0].finish(table.moments[outputs[0].key]) for table in own], axis=1)
        given = np.stack([table.given for table in own], axis=1)
        found[method.name] = interactions_to_target(values, given, target.value, weights)
    return found


def _comparisons(
    evaluated: Evaluated,
    tables: Mapping[tuple[str, int], Table],
    weights: Weights,
    compare: tuple[str, str] | None,
) -> tuple[Comparison, ...]:
    if compare is None:
        return ()
    one, other = compare
    rows = []
    for count in sorted({*evaluated.counts[one], *evaluated.counts[other]}):
        first, second = (_nearest(tables, evaluated.counts[name], name, count) for name in compare)
        for output in evaluated.outputs:
            if output.key in first.moments and not output.detail:
                pair = (first.moments[output.key], second.moments[output.key])
                rows.append((count, output, difference(*pair, output.finish, weights)))
    adjusted = holm([found.p_value for _, _, found in rows])
    return tuple(Comparison(*row, p) for row, p in zip(rows, adjusted, strict=True))


def _nearest(
    tables: Mapping[tuple[str, int], Table], counts: tuple[int, ...], name: str, count: int
) -> Table:
    """Return the table of a method; one that takes no such guidance has only its automatic result."""
    return tables[name, count if count in counts else counts[0]]

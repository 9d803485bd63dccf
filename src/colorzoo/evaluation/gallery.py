"""The pictures that a report shows: where the methods did worst and best."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from colorzoo.evaluation.cache import REFERENCE, TRUE_PICTURE, Cache
from colorzoo.evaluation.methods import PSEUDO, TRUTH, Method
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.picture_list import Item
from colorzoo.evaluation.summary import Summary

SHOWN = 5  # at each end


@dataclass(frozen=True)
class Exhibit:
    """One picture as all methods color it.

    Attributes:
        item: The picture.
        truth: Address of the true picture.
        reference: Address of the reference, empty if there was none.
        results: Method, address of the result, and the number by which pictures are ranked.
    """

    item: Item
    truth: str
    reference: str
    results: tuple[tuple[str, str, float], ...]


def ranking_output(summary: Summary) -> Output | None:
    """Return the number by which pictures are ranked: the first that says better or worse of one picture."""
    usable = (o for o in summary.evaluated.outputs if o.per_picture and o.better != "neither")
    return next(usable, None)


def worst_and_best(summary: Summary, cache: Cache) -> tuple[list[Exhibit], list[Exhibit]]:
    """Return the pictures on which the methods but truth and gray are worst and best in the mean."""
    output = ranking_output(summary)
    methods = summary.evaluated.methods
    judged = [method for method in methods if method.name not in PSEUDO] or list(methods)
    if output is None:
        return [], []
    values = np.mean([_values(summary, method, output) for method in judged], axis=0)
    values = np.where(np.isfinite(values), values, np.nan)
    order = np.argsort(values if output.better == "higher" else -values, kind="stable")
    order = order[: int(np.isfinite(values).sum())]  # pictures without a number sort last
    exhibits = [_exhibit(summary, cache, int(index), output) for index in _ends(order.tolist())]
    half = (len(exhibits) + 1) // 2
    return exhibits[:half], exhibits[half:][::-1]


def _ends(order: list[int]) -> list[int]:
    return order if len(order) <= 2 * SHOWN else order[:SHOWN] + order[-SHOWN:]


def _last(summary: Summary, method: Method) -> int:
    return summary.evaluated.counts[method.name][-1]


def _values(summary: Summary, method: Method, output: Output) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    table = summary.tables[method.name, _last(summary, method)]
    return np.asarray(output.finish(table.moments[output.key]))


def _exhibit(summary: Summary, cache: Cache, index: int, output: Output) -> Exhibit:
    item = summary.items[index]
    results, truth, reference = [], "", ""
    for method in summary.evaluated.methods:
        thumbnails = cache.read(method.key, item.key).thumbnails
        truth = truth or _address(thumbnails[TRUE_PICTURE])
        if REFERENCE in thumbnails:
            reference = _address(thumbnails[REFERENCE])
        if method.name == TRUTH:
            continue  # it has a column already
        value = float(_values(summary, method, output)[index])
        results.append((method.name, _address(thumbnails[_last(summary, method)]), value))
    return Exhibit(item, truth, reference, tuple(results))


def _address(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")

"""Summary of cached evaluation results: scores with intervals, and comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, product
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import DataError
from colorzoo.evaluation.cache import Cache, Entry
from colorzoo.evaluation.images import Item
from colorzoo.evaluation.measures import Measure
from colorzoo.evaluation.methods import BASELINES, Method, truth_method
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.seen import count_seen
from colorzoo.evaluation.statistics import (
    Difference,
    Distance,
    Estimate,
    Features,
    Groups,
    Weights,
    bootstrap_weights,
    difference,
    estimate,
    holm,
    jackknife,
)
from colorzoo.metrics.base import Better, Moments, Output, mean_of_moments, value_moments

SIGNIFICANT = 0.05
SEEN_MARK = "†"
"""Mark of methods that were trained on evaluated images."""


@dataclass(frozen=True)
class EvaluationSetup:
    """Setup of an evaluation.

    Attributes:
        protocol: Evaluation protocol.
        methods: Methods in the report.
        counts: Numbers of interactions by method name.
        measures: Measures of each result.
        deviation: Description of deviations from the protocol's images; empty without deviations.
        notes: Notes for the user.
        resamples: Number of bootstrap resamples.
        machine: Machine that ran the evaluation; see `colorzoo.evaluation.machine.describe_machine`.
        processes: Number of processes.
    """

    protocol: Protocol
    methods: tuple[Method, ...]
    counts: Mapping[str, tuple[int, ...]]
    measures: tuple[Measure, ...]
    deviation: str
    notes: tuple[str, ...]
    resamples: int
    machine: Mapping[str, Any]
    processes: int

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Definitions of the report columns of all measures."""
        return tuple(output for measure in self.measures for output in measure.outputs)

    def full_key(self, output: Output) -> str:
        """Return the key of a report column, followed by ``@`` and the protocol's resizing."""
        return f"{output.key}@{self.protocol.resize.key}"


@dataclass(frozen=True)
class Score:
    """Value of one method in one report column (see `Output`).

    Attributes:
        estimate: The value with its confidence interval.
        images: Number of images with a value.
        exact: Number of images with zero error. Their PSNR is infinite, so they are excluded from a mean in
            decibels.
        excluded: Number of images without a value, such as the CDR of a gray image.
    """

    estimate: Estimate
    images: int
    exact: int
    excluded: int

    @property
    def omitted(self) -> str:
        """Numbers of images that the mean does not include, such as ``3 exact``; empty without a mean."""
        numbers = {"exact": self.exact, "without value": self.excluded}
        return ", ".join(f"{count} {kind}" for kind, count in numbers.items() if count and self.images)


@dataclass(frozen=True)
class Row:
    """Scores of a method after a number of interactions.

    Attributes:
        method: Name of the method.
        count: Requested number of interactions.
        actual_interactions: Actual number of interactions, averaged over images.
        scores: Scores by key of the report column.
    """

    method: str
    count: int
    actual_interactions: float
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Comparison:
    """Difference between two methods in one report column.

    Attributes:
        count: Number of interactions.
        output: Compared report column.
        difference: Value of the first method minus value of the second method, on the same images.
        adjusted: p-value adjusted for multiple comparisons (Holm 1979).
    """

    count: int
    output: Output
    difference: Difference
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below `SIGNIFICANT`."""
        return bool(self.adjusted < SIGNIFICANT)

    @property
    def verdict(self) -> str:
        """Result of the significance test in words."""
        if np.isinf(self.difference.estimate.value):
            return "infinite difference"
        if np.isnan(self.adjusted):
            return "too few images"
        return "significant" if self.significant else "not significant"


@dataclass(frozen=True)
class Table:
    """Metric states (moments) of a method after a number of interactions, one row per image.

    Attributes:
        moments: ``(N, k)`` metric states of N images, by key of the report column.
        actual_interactions: ``(N,)`` actual numbers of interactions.
    """

    moments: Mapping[str, Moments]
    actual_interactions: NDArray[np.int64]

    def image_values(self, output: Output) -> NDArray[np.float64]:
        """Return the value ``(N,)`` of each image in a report column."""
        return output.finish(self.moments[output.key])


@dataclass(frozen=True)
class Summary:
    """All results of a report.

    Attributes:
        setup: Setup of the evaluation.
        items: The evaluated images.
        skipped: Name and reason for each skipped image.
        gray: Names of evaluated images whose ground truth has no color.
        seen: Number of evaluated images among the training images of a method, by method. Methods without
            such images are absent.
        tables: Metric states of each image, by method and number of interactions.
        rows: Scores by method and number of interactions.
        best: Names of the best methods, by key of the report column and number of interactions; see
            `best_methods`.
        compared: Names of the two compared methods, or None.
        comparisons: Differences between the two compared methods.
    """

    setup: EvaluationSetup
    items: tuple[Item, ...]
    skipped: tuple[tuple[str, str], ...]
    gray: tuple[str, ...]
    seen: Mapping[str, int]
    tables: Mapping[tuple[str, int], Table]
    rows: tuple[Row, ...]
    best: Mapping[tuple[str, int], frozenset[str]]
    compared: tuple[str, str] | None
    comparisons: tuple[Comparison, ...]

    def label(self, method: str) -> str:
        """Return the name of a method, with `SEEN_MARK` if it was trained on evaluated images."""
        return f"{method} {SEEN_MARK}" if method in self.seen else method

    @property
    def omits_images(self) -> bool:
        """Whether a mean does not include all images."""
        return any(score.omitted for row in self.rows for score in row.scores.values())

    @property
    def seen_notes(self) -> tuple[str, ...]:
        """Note for each method that was trained on evaluated images."""
        return tuple(
            f"{name} was trained on {count} of the {len(self.items)} images. Its results are not results on "
            f"unseen images, and are marked with {SEEN_MARK}."
            for name, count in self.seen.items()
        )

    @property
    def gray_notes(self) -> tuple[str, ...]:
        """Note on images with gray ground truth; empty without such images."""
        if not self.gray:
            return ()
        return (
            f"{len(self.gray)} image(s) have no color; all colors count as errors and CDR is not computed: "
            f"{', '.join(self.gray[:5])}",
        )


class Resampling(NamedTuple):
    """Bootstrap resamples of the images.

    Attributes:
        weights: ``(R, G)`` result of `bootstrap_weights` for G groups.
        groups: ``(N,)`` index of the group of each image: images with one name, or frames of one clip.
    """

    weights: Weights
    groups: Groups


def summarize(
    setup: EvaluationSetup, items: Sequence[Item], cache: Cache, compare: tuple[str, str] | None
) -> Summary:
    """Compute the scores of all methods from the cached results of single images.

    Args:
        setup: Setup of the evaluation.
        items: The readable images.
        cache: Cache with an entry for each image and method.
        compare: Names of two methods to compare, or None.

    Raises:
        DataError: No image could be evaluated.
    """
    all_entries = {method.name: _small_entries(method, items, cache) for method in setup.methods}
    reasons = [_skip_reason(image_entries) for image_entries in zip(*all_entries.values(), strict=True)]
    if all(reasons):
        first_error = reasons[0] if reasons else "all are unreadable"
        raise DataError(f"no image could be evaluated; first error: {first_error}")
    is_evaluated = [not reason for reason in reasons]
    evaluated_items = tuple(compress(items, is_evaluated))
    entries = {name: list(compress(found, is_evaluated)) for name, found in all_entries.items()}
    tables = {}
    for name, method_entries in entries.items():
        for count in setup.counts[name]:
            tables[name, count] = _table(setup, count, method_entries)
    resampling = _resampling(setup, evaluated_items)
    distances = _distances(setup, evaluated_items, resampling, cache)
    rows = tuple(
        _row(setup, name, count, table, resampling, distances) for (name, count), table in tables.items()
    )
    seen = _seen_counts(setup.methods, evaluated_items)
    skipped = tuple((item.name, reason) for item, reason in zip(items, reasons, strict=True) if reason)
    entries_by_image = zip(*entries.values(), strict=True)
    is_gray = [any(entry.gray for entry in image_entries) for image_entries in entries_by_image]
    return Summary(
        setup=setup,
        items=evaluated_items,
        skipped=skipped,
        gray=tuple(item.name for item in compress(evaluated_items, is_gray)),
        seen=seen,
        tables=tables,
        rows=rows,
        best=best_methods(setup.outputs, rows, {*BASELINES, *seen}),
        compared=compare,
        comparisons=() if compare is None else _comparisons(setup, tables, resampling, compare),
    )


def _skip_reason(entries: Iterable[Entry]) -> str:
    """Return the reason why a method could not evaluate an image; empty if all methods evaluated it."""
    return next((entry.skipped for entry in entries if entry.skipped), "")


def _seen_counts(methods: Sequence[Method], items: Sequence[Item]) -> dict[str, int]:
    """Return the number of training images among the items by method, without methods that have none."""
    counts = {method.name: count_seen(method.about, items) for method in methods}
    return {name: count for name, count in counts.items() if count}


def _resampling(setup: EvaluationSetup, items: Sequence[Item]) -> Resampling:
    """Draw the bootstrap resamples of images; the groups have the order of the images."""
    unique_groups = dict.fromkeys(item.group for item in items)
    numbers = {group: number for number, group in enumerate(unique_groups)}
    weights = bootstrap_weights(len(numbers), setup.resamples, setup.protocol.seed)
    return Resampling(weights, np.array([numbers[item.group] for item in items]))


def _small_entries(method: Method, items: Sequence[Item], cache: Cache) -> list[Entry]:
    """Return the cached results of a method, without features and thumbnails, which are large."""
    return [replace(cache.read(method.key, item.key), features={}, thumbnails={}) for item in items]


def _table(setup: EvaluationSetup, count: int, entries: Sequence[Entry]) -> Table:
    keys = [output.key for measure in setup.measures if not measure.features for output in measure.outputs]
    moments = {
        key: np.array([entry.moments[count][key] for entry in entries], dtype=np.float64) for key in keys
    }
    return Table(moments, np.array([entry.actual_interactions[count] for entry in entries], dtype=np.int64))


def _distances(
    setup: EvaluationSetup, items: Sequence[Item], resampling: Resampling, cache: Cache
) -> dict[tuple[str, int, str], Score]:
    """Return set distances such as FID by method, number of interactions and output key."""
    functions: dict[str, Distance] = {}
    for measure in setup.measures:
        if measure.distance is not None:
            functions |= {output.key: measure.distance for output in measure.outputs}
    if not functions:
        return {}
    score = _score_clips if setup.protocol.layout == "clips" else _score_set
    truth = _features(truth_method(), 0, functions, items, cache)
    scores = {}
    for method in setup.methods:
        for count in setup.counts[method.name]:
            own = _features(method, count, functions, items, cache)
            for key, distance in functions.items():
                scores[method.name, count, key] = score(distance, own[key], truth[key], resampling)
    return scores


def _score_set(distance: Distance, own: Features, truth: Features, resampling: Resampling) -> Score:
    """Return the distance between the features of all images."""
    return Score(jackknife(distance, own, truth, resampling.groups), len(own), 0, 0)


def _score_clips(distance: Distance, own: Features, truth: Features, resampling: Resampling) -> Score:
    """Return the mean over clips of the distance between the frames of a clip."""
    weights, groups = resampling
    clips = [groups == clip for clip in range(int(groups.max()) + 1)]
    values = [distance(own[frames], truth[frames]) for frames in clips]
    found = estimate(np.array([value_moments(value) for value in values]), mean_of_moments, weights)
    excluded = sum(int(frames.sum()) for frames, value in zip(clips, values, strict=True) if np.isnan(value))
    return Score(found, len(groups) - excluded, 0, excluded)


def _features(
    method: Method, count: int, keys: Iterable[str], items: Sequence[Item], cache: Cache
) -> dict[str, NDArray[np.float32]]:
    entries = [cache.read(method.key, item.key) for item in items]
    return {
        key: np.array([entry.features[count][key] for entry in entries], dtype=np.float32) for key in keys
    }


def _row(
    setup: EvaluationSetup,
    name: str,
    count: int,
    table: Table,
    resampling: Resampling,
    distances: Mapping[tuple[str, int, str], Score],
) -> Row:
    scores = {}
    for output in setup.outputs:
        if output.key in table.moments:
            scores[output.key] = _score(table.moments[output.key], output, resampling)
        else:
            scores[output.key] = distances[name, count, output.key]
    return Row(name, count, float(table.actual_interactions.mean()), scores)


def _score(moments: Moments, output: Output, resampling: Resampling) -> Score:
    exact, counted = (moments[:, -2:] > 0).sum(0).tolist()
    excluded = int((~moments[:, -2:].any(1)).sum())
    return Score(estimate(moments, output.finish, *resampling), counted, exact, excluded)


def best_methods(
    outputs: Sequence[Output], rows: Sequence[Row], excluded: Collection[str] = BASELINES
) -> dict[tuple[str, int], frozenset[str]]:
    """Return the best methods for each pair of a report column and a number of interactions.

    Values are rounded to the decimals of the column before the comparison, so several methods can be best.

    Args:
        outputs: Report columns.
        rows: Scores of all methods.
        excluded: Names of methods that cannot be best; by default the baselines ``truth`` and ``gray``.
    """
    best = {}
    for output, count in product(outputs, {row.count for row in rows}):
        values = {
            row.method: round(row.scores[output.key].estimate.value, output.digits)
            for row in rows
            if row.count == count and row.method not in excluded
        }
        best[output.key, count] = _best_names(values, output.better)
    return best


def _best_names(values: Mapping[str, float], better: Better) -> frozenset[str]:
    """Return the names with the best finite value; empty if fewer than two values are finite."""
    finite = {name: value for name, value in values.items() if isfinite(value)}
    if better == "neither" or len(finite) < 2:
        return frozenset()
    best = max(finite.values()) if better == "higher" else min(finite.values())
    return frozenset(name for name, value in finite.items() if value == best)


def _comparisons(
    setup: EvaluationSetup,
    tables: Mapping[tuple[str, int], Table],
    resampling: Resampling,
    compare: tuple[str, str],
) -> tuple[Comparison, ...]:
    """Compare two methods for each number of interactions and report column.

    Columns without values per image, such as FID, and detail columns are not compared.
    """
    # a method without guidance has only an automatic result, and all other methods have the same counts
    guided_counts = [setup.counts[method] for method in compare if any(setup.counts[method])]
    compared_counts = guided_counts[0] if guided_counts else (0,)
    weights, groups = resampling
    rows: list[tuple[int, Output, Difference]] = []
    for count in compared_counts:
        first, second = (_moments_of(setup, tables, method, count) for method in compare)
        for output in setup.outputs:
            key = output.key
            if output.detail or key not in first:
                continue
            row_difference = difference(first[key], second[key], output.finish, weights, groups)
            rows.append((count, output, row_difference))
    # the adjustment depends on the number of all comparisons
    adjusted_p_values = holm([row_difference.p_value for _, _, row_difference in rows])
    return tuple(
        Comparison(count, output, row_difference, adjusted)
        for (count, output, row_difference), adjusted in zip(rows, adjusted_p_values, strict=True)
    )


def _moments_of(
    setup: EvaluationSetup, tables: Mapping[tuple[str, int], Table], method: str, count: int
) -> Mapping[str, Moments]:
    """Return the moments of a method after a number of interactions.

    A method that does not accept the guidance of the simulated user has only an automatic result.
    """
    automatic = tables[method, setup.counts[method][0]]
    return tables.get((method, count), automatic).moments

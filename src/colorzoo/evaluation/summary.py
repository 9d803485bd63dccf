"""Summary of cached evaluation results: scores with intervals, and comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress, product
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import DataError
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.images import Item
from colorzoo.evaluation.measures import Measure, SampleMeasure, sample_measures
from colorzoo.evaluation.methods import BASELINES, Method, truth_method
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.seen import count_seen
from colorzoo.evaluation.statistics import (
    Difference,
    Distance,
    Estimate,
    Groups,
    Weights,
    bootstrap_weights,
    curve_estimates,
    difference,
    estimate,
    holm,
    jackknife,
)
from colorzoo.metrics.base import Moments, Output, mean_of_moments, value_moments

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
        samples: Number of samples of each image by methods that sample; 1 compares no samples.
        repeats: Number of simulated users for each image.
        columns: Columns of the tables for papers; see `colorzoo.evaluation.tables.table_columns`. Empty for
            all report columns.
        goals: Pairs of metric name and value whose number of interactions is reported.
        deviation: Description of deviations from the protocol's images; empty without deviations.
        notes: Notes for the user.
        resamples: Number of bootstrap resamples.
        machine: Machine that ran the evaluation; see `colorzoo.evaluation.run.describe_machine`.
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
    samples: int = 1
    repeats: int = 1
    columns: tuple[str, ...] = ()
    goals: tuple[tuple[str, float], ...] = ()

    @cached_property
    def sample_measures(self) -> tuple[SampleMeasure, ...]:
        """Measures of several samples of each image."""
        return sample_measures(self.measures, self.samples) if self.samples > 1 else ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Definitions of the report columns of all measures."""
        measures: tuple[Measure | SampleMeasure, ...] = (*self.measures, *self.sample_measures)
        return tuple(output for measure in measures for output in measure.outputs)

    def find_output(self, name: str) -> Output:
        """Return the first report column of a metric name, or the column whose key starts with ``name``.

        Raises:
            DataError: The report has no such column.
        """
        for measure in self.measures:
            if measure.name == name:
                return measure.outputs[0]
        for output in self.outputs:
            if output.key.startswith(name):
                return output
        known = ", ".join(measure.name for measure in self.measures)
        raise DataError(f"the metric must be one of the report ({known}), got {name!r}")

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
        methods: Names of the two methods.
        count: Number of interactions.
        output: Compared report column.
        difference: Value of the first method minus value of the second method, on the same images.
        adjusted: p-value adjusted for multiple comparisons (Holm 1979).
    """

    methods: tuple[str, str]
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
class CurveValue:
    """Value of the curve of a method over numbers of interactions.

    Attributes:
        method: Name of the method.
        output: Report column.
        goal: Value to reach; None for the area under the curve.
        estimate: Area under the curve, or number of interactions at which the curve reaches the goal; see
            `curve_estimates`.
    """

    method: str
    output: Output
    goal: float | None
    estimate: Estimate


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
        comparisons: Differences between pairs of methods.
        curves: Areas under the curves over interactions, and numbers of interactions for the goals.
    """

    setup: EvaluationSetup
    items: tuple[Item, ...]
    skipped: tuple[tuple[str, str], ...]
    gray: tuple[str, ...]
    seen: Mapping[str, int]
    tables: Mapping[tuple[str, int], Table]
    rows: tuple[Row, ...]
    best: Mapping[tuple[str, int], frozenset[str]]
    comparisons: tuple[Comparison, ...]
    curves: tuple[CurveValue, ...] = ()

    def label(self, method: str) -> str:
        """Return the name of a method, with `SEEN_MARK` if it was trained on evaluated images."""
        return f"{method} {SEEN_MARK}" if method in self.seen else method

    def pair_label(self, comparison: Comparison) -> str:
        """Return the names of two compared methods, such as ``mine minus gray``; see `label`."""
        return " minus ".join(map(self.label, comparison.methods))

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


def summarize(
    setup: EvaluationSetup, items: Sequence[Item], cache: Cache, compare: Sequence[tuple[str, str]]
) -> Summary:
    """Compute the scores of all methods from the cached results of single images.

    Args:
        setup: Setup of the evaluation.
        items: The readable images.
        cache: Cache with an entry for each image and method.
        compare: Pairs of names of methods to compare.

    Raises:
        DataError: No image could be evaluated.
    """
    # read the entries without features and thumbnails, which are large
    all_entries = {}
    for method in setup.methods:
        stored = (cache.read(method.key, item.key) for item in items)
        all_entries[method.name] = [replace(entry, features={}, thumbnails={}) for entry in stored]
    # select the images that all methods evaluated
    reasons = []
    for image_entries in zip(*all_entries.values(), strict=True):
        reasons.append(next((entry.skipped for entry in image_entries if entry.skipped), ""))
    if all(reasons):
        first_error = reasons[0] if reasons else "all are unreadable"
        raise DataError(f"no image could be evaluated; first error: {first_error}")
    is_evaluated = [not reason for reason in reasons]
    skipped = tuple((item.name, reason) for item, reason in zip(items, reasons, strict=True) if reason)
    items = tuple(compress(items, is_evaluated))
    entries = {name: list(compress(found, is_evaluated)) for name, found in all_entries.items()}
    # collect the metric states of each method after each number of interactions
    with_features = {
        output.key for measure in setup.measures if measure.features for output in measure.outputs
    }
    keys = [output.key for output in setup.outputs if output.key not in with_features]
    tables = {}
    for name, method_entries in entries.items():
        for count in setup.counts[name]:
            states = {key: [entry.moments[count][key] for entry in method_entries] for key in keys}
            tables[name, count] = Table(
                {key: np.array(values, dtype=np.float64) for key, values in states.items()},
                np.array([entry.actual_interactions[count] for entry in method_entries], dtype=np.int64),
            )
    # draw the bootstrap resamples of groups of images; groups are numbered in the order of the images
    numbers = {group: number for number, group in enumerate(dict.fromkeys(item.group for item in items))}
    groups = np.array([numbers[item.group] for item in items])
    weights = bootstrap_weights(len(numbers), setup.resamples, setup.protocol.seed)
    # compute the scores
    distances = _distances(setup, items, weights, groups, cache)
    rows = []
    for (name, count), table in tables.items():
        scores = {}
        for output in setup.outputs:
            if output.key not in table.moments:
                scores[output.key] = distances[name, count, output.key]
                continue
            moments = table.moments[output.key]
            exact, counted = (moments[:, -2:] > 0).sum(0).tolist()
            excluded = int((~moments[:, -2:].any(1)).sum())
            value = estimate(moments, output.finish, weights, groups)
            scores[output.key] = Score(value, counted, exact, excluded)
        rows.append(Row(name, count, float(table.actual_interactions.mean()), scores))
    # find the methods that were trained on evaluated images, and the gray images
    seen = count_seen({method.name: method.about for method in setup.methods}, items)
    entries_by_image = zip(*entries.values(), strict=True)
    is_gray = [any(entry.gray for entry in image_entries) for image_entries in entries_by_image]
    return Summary(
        setup=setup,
        items=items,
        skipped=skipped,
        gray=tuple(item.name for item in compress(items, is_gray)),
        seen=seen,
        tables=tables,
        rows=tuple(rows),
        best=best_methods(setup.outputs, rows, {*BASELINES, *seen}),
        comparisons=_comparisons(setup, tables, groups, compare),
        curves=_curve_values(setup, tables, weights, groups),
    )


def _distances(
    setup: EvaluationSetup, items: Sequence[Item], weights: Weights, groups: Groups, cache: Cache
) -> dict[tuple[str, int, str], Score]:
    """Return set distances such as FID by method, number of interactions and output key.

    Args:
        setup: Setup of the evaluation.
        items: The evaluated images.
        weights: ``(R, G)`` result of `bootstrap_weights` for G groups.
        groups: ``(N,)`` index of the group of each image: images with one name, or frames of one clip.
        cache: Cache with an entry for each image and method.
    """
    functions: dict[str, Distance] = {}
    for measure in setup.measures:
        if measure.distance is not None:
            functions |= {output.key: measure.distance for output in measure.outputs}
    if not functions:
        return {}
    clips = [groups == clip for clip in range(int(groups.max()) + 1)]
    truth = _features(truth_method(), 0, functions, items, cache)
    scores = {}
    for method in setup.methods:
        for count in setup.counts[method.name]:
            own = _features(method, count, functions, items, cache)
            for key, distance in functions.items():
                if setup.protocol.layout != "clips":
                    value = jackknife(distance, own[key], truth[key], groups)
                    scores[method.name, count, key] = Score(value, len(items), 0, 0)
                    continue
                # mean over clips of the distance between the frames of a clip
                values = [distance(own[key][frames], truth[key][frames]) for frames in clips]
                states = np.array([value_moments(value) for value in values])
                undefined = compress(clips, np.isnan(values))
                excluded = sum(int(frames.sum()) for frames in undefined)
                mean = estimate(states, mean_of_moments, weights)
                scores[method.name, count, key] = Score(mean, len(items) - excluded, 0, excluded)
    return scores


def _features(
    method: Method, count: int, keys: Iterable[str], items: Sequence[Item], cache: Cache
) -> dict[str, NDArray[np.float32]]:
    entries = [cache.read(method.key, item.key) for item in items]
    return {
        key: np.array([entry.features[count][key] for entry in entries], dtype=np.float32) for key in keys
    }


def best_methods(
    outputs: Sequence[Output], rows: Sequence[Row], excluded: Collection[str] = BASELINES
) -> dict[tuple[str, int], frozenset[str]]:
    """Return the best methods for each pair of a report column and a number of interactions.

    Values are rounded to the decimals of the column before the comparison, so several methods can be best. No
    method is best if fewer than two values are finite.

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
        finite = {name: value for name, value in values.items() if isfinite(value)}
        if output.better == "neither" or len(finite) < 2:
            best[output.key, count] = frozenset[str]()
            continue
        top = max(finite.values()) if output.better == "higher" else min(finite.values())
        best[output.key, count] = frozenset(name for name, value in finite.items() if value == top)
    return best


def _comparisons(
    setup: EvaluationSetup,
    tables: Mapping[tuple[str, int], Table],
    groups: Groups,
    compare: Sequence[tuple[str, str]],
) -> tuple[Comparison, ...]:
    """Compare pairs of methods for each number of interactions and report column.

    Columns without values per image, such as FID, and detail columns are not compared.
    """
    rows: list[tuple[tuple[str, str], int, Output, Difference]] = []
    for pair in compare:
        # a method without guidance has only an automatic result, and all other methods have the same counts
        guided_counts = [setup.counts[method] for method in pair if any(setup.counts[method])]
        for count in guided_counts[0] if guided_counts else (0,):
            first, second = (
                tables[method, count if (method, count) in tables else setup.counts[method][0]].moments
                for method in pair
            )
            for output in setup.outputs:
                key = output.key
                if not output.detail and key in first:
                    found = difference(first[key], second[key], output.finish, groups)
                    if found.images:  # images with two values
                        rows.append((pair, count, output, found))
    # the adjustment depends on the number of all comparisons of the report
    adjusted_p_values = holm([found.p_value for *_, found in rows])
    return tuple(Comparison(*row, adjusted) for row, adjusted in zip(rows, adjusted_p_values, strict=True))


def _curve_values(
    setup: EvaluationSetup, tables: Mapping[tuple[str, int], Table], weights: Weights, groups: Groups
) -> tuple[CurveValue, ...]:
    """Return the areas and goals of the methods with several numbers of interactions."""
    goals: dict[str, list[float]] = {}
    for name, goal in setup.goals:
        goals.setdefault(setup.find_output(name).key, []).append(goal)
    found = []
    for output in setup.outputs:
        for method, counts in setup.counts.items():
            states = {count: tables[method, count].moments.get(output.key) for count in counts}
            # a number of interactions can have no value, such as the error near points without points
            known = {
                count: moments
                for count, moments in states.items()
                if moments is not None and moments[:, -2:].any()
            }
            if output.detail or output.better == "neither" or len(known) < 2:
                continue
            wanted = goals.get(output.key, [])
            area, needed = curve_estimates(
                known, output.finish, weights, groups, wanted, is_higher_better=output.better == "higher"
            )
            found.append(CurveValue(method, output, None, area))
            for goal, number in zip(wanted, needed, strict=True):
                found.append(CurveValue(method, output, goal, number))
    return tuple(found)

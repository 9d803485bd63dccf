"""Measures of results: the metrics of `colorzoo.metrics`, picture by picture, and their numbers in reports.

A metric sums its states over pictures. An evaluation keeps the states of each picture apart, as moments (see
`colorzoo.evaluation.statistics`), so that the bootstrap can draw pictures again.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.machine import this_machine
from colorzoo.evaluation.pictures import Truth
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.statistics import Distance
from colorzoo.guidance import Guidance
from colorzoo.metrics.base import Better, ColorMetric, Output, mean_of_moments, value_moments
from colorzoo.metrics.cdr import cluster_discrepancy, clusters_name
from colorzoo.metrics.edges import band_psnr, edge_band
from colorzoo.metrics.named import (
    MetricName,
    abbreviations,
    all_metrics,
    inputs_of,
    named_metric,
    parse_name,
    suggestion,
)
from colorzoo.simulation import ColoredPicture, bled_edges
from colorzoo.weights.files import sha256_of

Values = list[list[float]]
"""Moments of each number of a measure."""

RUNS = 3  # of which the median time is taken
REACH = 16  # pixels from a scribble within which colors may change


class Bleeding:
    """Color bleeding of a method without interactions, computed once for all its results.

    Args:
        first: The method's result without interactions.
        truth: The truth.
    """

    def __init__(self, first: ColoredPicture, truth: Truth) -> None:
        self.first, self._truth = first, truth

    @cached_property
    def edges(self) -> Tensor:
        """``(1, 1, H, W)`` thinned edges where colors bled."""
        return bled_edges(self.first.ab, self._truth.ab)

    @cached_property
    def cdr(self) -> float:
        """Cluster Discrepancy Ratio of the first result, mean over a and b."""
        return float(cluster_discrepancy(self.first.ab[0], self._truth.clusters).nanmean())


@dataclass(frozen=True)
class Cost:
    """Size of a model, and the work that a result needs.

    Attributes:
        parameters: Number of parameters of the model.
        again: Makes the result again.
    """

    parameters: int
    again: Callable[[], object]

    def seconds(self) -> float:
        """Return the median wall seconds of `RUNS` more results; the first result was the warm-up."""
        spent = []
        for _ in range(RUNS):
            start = time.perf_counter()
            self.again()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
        return statistics.median(spent)


@dataclass(frozen=True)
class MeasuredPicture:
    """A result and its truth.

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
        truth: The truth.
        bleeding: Color bleeding in the method's first result.
        guidance: Guidance that the result was made with.
        cost: Its cost; None if no network made it.
    """

    rgb: Tensor
    ab: Tensor
    truth: Truth
    bleeding: Bleeding
    guidance: Guidance = field(default_factory=Guidance)
    cost: Cost | None = None


@dataclass(frozen=True)
class Measure:
    """A measurement, which may give several numbers.

    Attributes:
        name: Name in protocols and ``--metrics``.
        outputs: The numbers.
        run: Returns the moments of each number.
        distance: The number of a whole set, from features of its results and truths, which are the "moments";
            None if moments add up.
        cost: True if random weights give the same numbers.
    """

    name: str
    outputs: tuple[Output, ...]
    run: Callable[[MeasuredPicture], Values]
    distance: Distance | None = None
    cost: bool = False

    @property
    def features(self) -> bool:
        """True if the "moments" are features, from which only the whole set gives a number."""
        return self.distance is not None


_INPUTS: Mapping[str, Callable[[MeasuredPicture], Any]] = {
    "rgb": lambda result: result.rgb,
    "target": lambda result: result.truth.rgb,
    "ab": lambda result: result.ab,
    "target_ab": lambda result: result.truth.ab,
    "edges": lambda result: result.bleeding.edges,
    "truths": lambda result: [result.truth.clusters],
    "reference_rgb": lambda result: result.truth.reference,
    "reference_ab": lambda result: result.truth.reference_ab,
    "labels": lambda result: None if result.truth.label is None else torch.tensor([result.truth.label]),
}
"""Inputs of metrics by name; None for what a picture does not have."""


def metric_measure(name: str, metric: ColorMetric, mark: str = "") -> Measure:
    """Return the measure of a metric.

    A picture without one of the inputs that the metric requires has no value.

    Args:
        name: Name in protocols.
        metric: The metric.
        mark: See `ColorMetric.outputs`.
    """
    outputs = metric.outputs(mark)
    inputs = {key: needed for key, needed in inputs_of(metric).items() if key in _INPUTS}

    def run(result: MeasuredPicture) -> Values:
        truth, nothing = result.truth, [value_moments(float("nan")) for _ in outputs]
        if metric.needs_color and truth.is_gray:
            return nothing
        given = {key: _INPUTS[key](result) for key in inputs}
        if any(needed and given[key] is None for key, needed in inputs.items()):
            return nothing
        if (shared := outputs[0].key) not in truth.kept:
            truth.kept[shared] = metric.shared_inputs(given)
        return metric.picture_moments(given | truth.kept[shared])

    return Measure(name, outputs, run, metric.distance if metric.of_whole_set else None)


def own_measures() -> Mapping[str, Callable[[], Measure]]:
    """Return the constructors, by name, of measures that are no metrics.

    They compare with a method's first result, or say what a result costs.
    """
    return {
        "psnr_k7_gain": partial(_psnr_gain_measure, "k7", "K=7", 7),
        "psnr_kfull_gain": partial(_psnr_gain_measure, "kfull", "K=Full", None),
        "cdr_gain": lambda: _mean_measure(
            "cdr_gain", f"cdr_{clusters_name()}_gain", "Gain, CDR", "higher", _cdr_gain, digits=4
        ),
        "drift": lambda: _mean_measure(
            "drift", "drift_beyond_16_px_mean", "Drift beyond 16 px", "lower", _drift, digits=3
        ),
        "seconds": _seconds_measure,
        "parameters": lambda: _cost_measure(
            Output("parameters_millions", "Parameters", "M", "lower", mean_of_moments, 2),
            lambda cost: cost.parameters / 1e6,
        ),
    }


def _seconds_measure() -> Measure:
    threads = torch.get_num_threads()
    key = f"seconds_{threads}-thread{'s' if threads > 1 else ''}_median{RUNS}_mean"
    return _cost_measure(Output(key, "Time", "s", "lower", mean_of_moments), Cost.seconds)


def _cost_measure(output: Output, function: Callable[[Cost], float]) -> Measure:
    """Return the measure of a function of a result's cost; the measure has its output's name."""

    def run(result: MeasuredPicture) -> Values:
        return [value_moments(float("nan") if result.cost is None else function(result.cost))]

    return Measure(output.key.partition("_")[0], (output,), run, cost=True)


def _mean_measure(
    name: str,
    key: str,
    title: str,
    better: Better,
    function: Callable[[MeasuredPicture], Tensor],
    *,
    digits: int,
) -> Measure:
    """Return the measure of a function of a result that is no metric: it compares with the first result."""
    output = Output(key, title, "dB" if "psnr" in key else "", better, mean_of_moments, digits)
    return Measure(name, (output,), lambda result: [value_moments(float(function(result)))])


def _psnr_gain_measure(name: str, title: str, kernel_size: int | None) -> Measure:
    """PSNR in a band minus that of the method's own result without interactions."""

    def gain(result: MeasuredPicture) -> Tensor:
        band = edge_band(result.bleeding.edges, kernel_size)
        before = band_psnr(result.bleeding.first.rgb, result.truth.rgb, band)
        return band_psnr(result.rgb, result.truth.rgb, band) - before

    key = f"psnr_rgb_float_{name}_gain"
    return _mean_measure(f"psnr_{name}_gain", key, f"Gain, PSNR {title}", "higher", gain, digits=3)


def _cdr_gain(result: MeasuredPicture) -> Tensor:
    if result.truth.is_gray or not result.bleeding.edges.any():
        return torch.tensor(torch.nan)
    return cluster_discrepancy(result.ab[0], result.truth.clusters).nanmean() - result.bleeding.cdr


def _drift(result: MeasuredPicture) -> Tensor:
    """Return the mean distance in ab from the first result, more than `REACH` pixels from every scribble."""
    if result.guidance.scribbles is None:
        return torch.tensor(0.0)
    near = edge_band(result.guidance.scribbles.mask, 2 * REACH + 1) > 0
    moved = torch.linalg.vector_norm(result.ab - result.bleeding.first.ab, dim=1, keepdim=True)
    drift: Tensor = moved[~near].mean()  # NaN if no pixel is so far away
    return drift


def named_measure(name: str, weights: Path | None = None, device: torch.device | str = "cpu") -> Measure:
    """Return a measure by name.

    Args:
        name: One of `list_metrics`; that of a metric may name a network and its weight file, see
            `colorzoo.metrics.named`.
        weights: The weight file, in place of one in the name.
        device: Device of the network.

    Raises:
        DataError: There is no such measure.
        WeightsError: The network of the metric is missing.
    """
    own = own_measures()
    if name in own:
        return own[name]()
    wanted = parse_name(name)
    if weights is not None and not weights.is_file():
        raise WeightsError(f"no file {str(weights)!r}, given by --weights for the metric {wanted.base}")
    file = wanted.weights if weights is None else weights
    metric = named_metric(MetricName(wanted.base, wanted.network, file))
    for network in metric.children():
        network.to(device)
    mark = "" if file is None else f"_weights-{sha256_of(file)[:8]}"
    return metric_measure(wanted.base, metric, mark)


def list_metrics() -> list[str]:
    """Return the names of all measures."""
    shown = [name for name, found in all_metrics().items() if found.kind.outputs is not ColorMetric.outputs]
    return sorted([*own_measures(), *shown])


def _require_known(name: str) -> None:
    base, known = _base(name), list_metrics()
    if base not in known:
        raise DataError(f"unknown metric {base!r}; {suggestion(base, known)}")


def _base(name: str) -> str:
    base = name.partition("=")[0].partition(":")[0]
    return abbreviations().get(base, base)


def choose_measures(
    protocol: Protocol, metrics: tuple[str, ...] | None, weights: Mapping[str, str], device: torch.device
) -> tuple[list[Measure], tuple[str, ...]]:
    """Open the metrics of a protocol, or those that the user names.

    A metric of the protocol without its network is left out with a note; one that the user named is an error.

    Args:
        protocol: The protocol.
        metrics: Names in place of the protocol's; ``fid:resnet18`` or ``lpips:vgg`` name the network, too.
        weights: Weight files by metric.
        device: Device of the networks.

    Returns:
        The measures and the notes.

    Raises:
        DataError: There is no such metric.
        WeightsError: The network of a metric that the user named is missing.
    """
    wanted = tuple(dict.fromkeys(abbreviations().get(name, name) for name in metrics or protocol.metrics))
    for name in wanted:
        _require_known(name)
    measures, notes = [], []
    for name in wanted:
        file = weights.get(_base(name))
        try:
            measures.append(named_measure(name, None if file is None else Path(file), device))
        except WeightsError as error:
            if metrics is not None:
                raise
            # reports are passed on and need not contain the user's name
            notes.append(f"{name} is left out: {error}".replace(str(Path.home()), "~"))
    if not measures:
        raise DataError("no metric is left to measure; name some with --metrics")
    if any(measure.name == "seconds" for measure in measures):
        notes.append(
            f"seconds are wall time on {this_machine(device).label} with {torch.get_num_threads()} thread(s) "
            f"of torch, for each picture the median of {RUNS} runs after a warm-up"
        )
    return measures, tuple(notes)

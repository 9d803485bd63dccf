"""Per-image measures of results, computed with the metrics of `colorzoo.metrics`.

A metric sums its states over images. An evaluation stores the states of each image as moments (see
`colorzoo.evaluation.statistics`), so that the bootstrap can resample images.
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
from colorzoo.evaluation.images import Truth
from colorzoo.evaluation.machine import this_machine
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
from colorzoo.simulation import ColorizedImage, bled_edges
from colorzoo.weights.files import sha256_of

Values = list[list[float]]
"""Moments of each number of a measure."""

RUNS = 3  # the cost is the median time of these runs
SCRIBBLE_RADIUS = 16  # pixels from a scribble within which colors may change


class Bleeding:
    """Color bleeding of a method without interactions, computed once for all its results.

    Args:
        first: The method's result without interactions.
        truth: The truth.
    """

    def __init__(self, first: ColorizedImage, truth: Truth) -> None:
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
    """Size of a model, and the function that repeats its result.

    Attributes:
        parameters: Number of parameters of the model.
        again: Function that computes the result again.
    """

    parameters: int
    again: Callable[[], object]

    def seconds(self) -> float:
        """Return the median wall time in seconds of `RUNS` more runs; the first run was the warm-up."""
        spent = []
        for _ in range(RUNS):
            start = time.perf_counter()
            self.again()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
        return statistics.median(spent)


@dataclass(frozen=True)
class MeasuredImage:
    """A result and its truth.

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
        truth: The truth.
        bleeding: Color bleeding in the method's first result.
        guidance: Guidance of the result.
        cost: Cost of the result; None without a network.
    """

    rgb: Tensor
    ab: Tensor
    truth: Truth
    bleeding: Bleeding
    guidance: Guidance = field(default_factory=Guidance)
    cost: Cost | None = None


@dataclass(frozen=True)
class Measure:
    """Measure of a result, with one or several outputs.

    Attributes:
        name: Name in protocols and ``--metrics``.
        outputs: Outputs of the measure.
        run: Function that returns the moments of each output.
        distance: Distance between two sets, computed from features that are stored in place of moments; None
            for measures of single images.
        cost: Whether random weights give the same values.
    """

    name: str
    outputs: tuple[Output, ...]
    run: Callable[[MeasuredImage], Values]
    distance: Distance | None = None
    cost: bool = False

    @property
    def features(self) -> bool:
        """Whether the measure stores features, from which a distance between image sets is computed."""
        return self.distance is not None


_INPUTS: Mapping[str, Callable[[MeasuredImage], Any]] = {
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
"""Inputs of metrics by name; None for what an image does not have."""


def metric_measure(name: str, metric: ColorMetric, suffix: str = "") -> Measure:
    """Return the measure of a metric.

    An image that lacks an input of the metric has no value.

    Args:
        name: Name in protocols.
        metric: The metric.
        suffix: See `ColorMetric.outputs`.
    """
    outputs = metric.outputs(suffix)
    inputs = {key: needed for key, needed in inputs_of(metric).items() if key in _INPUTS}

    def run(result: MeasuredImage) -> Values:
        truth, no_value = result.truth, [value_moments(float("nan")) for _ in outputs]
        if metric.needs_color and truth.is_gray:
            return no_value
        values = {key: _INPUTS[key](result) for key in inputs}
        if any(needed and values[key] is None for key, needed in inputs.items()):
            return no_value
        if (shared := outputs[0].key) not in truth.metric_inputs:
            truth.metric_inputs[shared] = metric.shared_inputs(values)
        return metric.image_moments(values | truth.metric_inputs[shared])

    return Measure(name, outputs, run, metric.distance if metric.of_whole_set else None)


def own_measures() -> Mapping[str, Callable[[], Measure]]:
    """Return the constructors, by name, of measures that are not metrics.

    These measures compare with the first result of a method, or measure its cost.
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
    """Return a measure of the cost of a result, named like its output."""

    def run(result: MeasuredImage) -> Values:
        return [value_moments(float("nan") if result.cost is None else function(result.cost))]

    return Measure(output.key.partition("_")[0], (output,), run, cost=True)


def _mean_measure(
    name: str,
    key: str,
    title: str,
    better: Better,
    function: Callable[[MeasuredImage], Tensor],
    *,
    digits: int,
) -> Measure:
    """Return a measure that averages a function of a result over images."""
    output = Output(key, title, "dB" if "psnr" in key else "", better, mean_of_moments, digits)
    return Measure(name, (output,), lambda result: [value_moments(float(function(result)))])


def _psnr_gain_measure(name: str, title: str, kernel_size: int | None) -> Measure:
    """Gain in PSNR in a band around edges over the result of the method without interactions."""

    def gain(result: MeasuredImage) -> Tensor:
        band = edge_band(result.bleeding.edges, kernel_size)
        before = band_psnr(result.bleeding.first.rgb, result.truth.rgb, band)
        return band_psnr(result.rgb, result.truth.rgb, band) - before

    key = f"psnr_rgb_float_{name}_gain"
    return _mean_measure(f"psnr_{name}_gain", key, f"Gain, PSNR {title}", "higher", gain, digits=3)


def _cdr_gain(result: MeasuredImage) -> Tensor:
    if result.truth.is_gray or not result.bleeding.edges.any():
        return torch.tensor(torch.nan)
    return cluster_discrepancy(result.ab[0], result.truth.clusters).nanmean() - result.bleeding.cdr


def _drift(result: MeasuredImage) -> Tensor:
    """Return the mean ab distance from the first result, outside `SCRIBBLE_RADIUS` pixels of scribbles."""
    if result.guidance.scribbles is None:
        return torch.tensor(0.0)
    near = edge_band(result.guidance.scribbles.mask, 2 * SCRIBBLE_RADIUS + 1) > 0
    distance = torch.linalg.vector_norm(result.ab - result.bleeding.first.ab, dim=1, keepdim=True)
    drift: Tensor = distance[~near].mean()  # NaN if all pixels are near
    return drift


def named_measure(name: str, weights: Path | None = None, device: torch.device | str = "cpu") -> Measure:
    """Return a measure by name.

    Args:
        name: A name of `list_metrics`; the name of a metric may include a network and its weight file, see
            `colorzoo.metrics.named`.
        weights: Weight file, which overrides a file in the name.
        device: Device of the network.

    Raises:
        DataError: The measure does not exist.
        WeightsError: The network of the metric is missing.
    """
    own = own_measures()
    if name in own:
        return own[name]()
    parsed = parse_name(name)
    if weights is not None and not weights.is_file():
        raise WeightsError(f"--weights of the metric {parsed.base} must be a file, got {str(weights)!r}")
    file = parsed.weights if weights is None else weights
    metric = named_metric(MetricName(parsed.base, parsed.network, file))
    for network in metric.children():
        network.to(device)
    suffix = "" if file is None else f"_weights-{sha256_of(file)[:8]}"
    return metric_measure(parsed.base, metric, suffix)


def list_metrics() -> list[str]:
    """Return the names of all measures."""
    names = [name for name, found in all_metrics().items() if found.kind.outputs is not ColorMetric.outputs]
    return sorted([*own_measures(), *names])


def _base(name: str) -> str:
    base = name.partition("=")[0].partition(":")[0]
    return abbreviations().get(base, base)


def choose_measures(
    protocol: Protocol, metrics: tuple[str, ...] | None, weights: Mapping[str, str], device: torch.device
) -> tuple[list[Measure], tuple[str, ...]]:
    """Open the metrics of a protocol, or the metrics that the user selected.

    If the network of a metric is missing, a metric of the protocol is skipped with a note. A metric that the
    user selected raises an error.

    Args:
        protocol: The protocol.
        metrics: Names that override the protocol; ``fid:resnet18`` and ``lpips:vgg`` select a network.
        weights: Weight files by metric.
        device: Device of the networks.

    Returns:
        The measures and the notes.

    Raises:
        DataError: A metric does not exist.
        WeightsError: The network of a metric that the user selected is missing.
    """
    names = tuple(dict.fromkeys(abbreviations().get(name, name) for name in metrics or protocol.metrics))
    for name in names:
        base, known = _base(name), list_metrics()
        if base not in known:
            raise DataError(f"unknown metric {base!r}; {suggestion(base, known)}")
    measures, notes = [], []
    for name in names:
        file = weights.get(_base(name))
        try:
            measures.append(named_measure(name, None if file is None else Path(file), device))
        except WeightsError as error:
            if metrics is not None:
                raise
            # reports are published and must not contain the home folder
            notes.append(f"{name} was skipped: {error}".replace(str(Path.home()), "~"))
    if not measures:
        raise DataError("all metrics of the protocol were skipped; select others with --metrics")
    if any(measure.name == "seconds" for measure in measures):
        notes.append(
            f"seconds are wall time on {this_machine(device).label} with {torch.get_num_threads()} thread(s) "
            f"of torch, for each image the median of {RUNS} runs after a warm-up"
        )
    return measures, tuple(notes)

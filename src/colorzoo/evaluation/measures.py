"""Per-image measures of results, computed with the metrics of `colorzoo.metrics`.

A metric sums its states over images. An evaluation stores the states of each image (moments), so that the
bootstrap can resample images (see `colorzoo.evaluation.statistics`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from colorzoo._machine import hide_home, source_digest
from colorzoo.color import rgb_to_lab
from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.images import Truth
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.statistics import Distance, Features
from colorzoo.guidance import Guidance
from colorzoo.metrics.base import Better, ColorMetric, Output, mean_of_moments, no_finish, value_moments
from colorzoo.metrics.cdr import cluster_discrepancy, clusters_name
from colorzoo.metrics.edges import band_psnr, edge_band
from colorzoo.metrics.feature_networks import without_downloads
from colorzoo.metrics.fid import FID, KID, frechet_distance, kernel_distance
from colorzoo.metrics.named import all_metrics, inputs_of, named_metric, parse_name
from colorzoo.metrics.perceptual import MeanLPIPS
from colorzoo.metrics.video import histogram_consistency, level_histograms
from colorzoo.simulation import SessionResult
from colorzoo.simulation.scribbles import bled_edges

Values = list[list[float]]
"""Metric states (moments) of one image, with a list for each output of a measure."""

SCRIBBLE_RADIUS = 16  # pixels; colors may change within this distance from a scribble
REGION_TOLERANCE = 10.0
"""Maximum color difference of a region in `region_accuracy`, in CIE units (CIE76), a project choice."""
CLIP_MEASURE = "cdc"
COSTS = ("parameters", "gflops", "seconds")
"""Measures of the computation: parameters, multiplications and additions, and time of a result."""
NEAR_RADIUS = 16
"""Distance in pixels from a color point up to which a pixel is near; a project choice."""


class Bleeding:
    """Color bleeding in a method's result before the first interaction.

    Args:
        first: The method's result without interactions.
        truth: The ground truth.
    """

    def __init__(self, first: SessionResult, truth: Truth) -> None:
        self.first, self._truth = first, truth

    @cached_property
    def edges(self) -> Tensor:
        """``(1, 1, H, W)`` mask of true color edges missing from the result; one pixel wide."""
        return bled_edges(self.first.ab, self._truth.ab)

    @cached_property
    def cdr(self) -> float:
        """Cluster Discrepancy Ratio of the result without interactions, averaged over a and b."""
        return float(cluster_discrepancy(self.first.ab[0], self._truth.clusters).nanmean())


@dataclass(frozen=True)
class MeasuredImage:
    """Result of a method, with its ground truth.

    Attributes:
        rgb: ``(1, 3, H, W)`` result in [0, 1].
        ab: ``(1, 2, H, W)`` result in CIE units.
        truth: The ground truth.
        bleeding: Color bleeding in the method's result before the first interaction.
        guidance: Guidance with which the method computed the result.
        cost: Number of parameters, number of floating-point operations and seconds; see `COSTS`.
    """

    rgb: Tensor
    ab: Tensor
    truth: Truth
    bleeding: Bleeding
    guidance: Guidance = field(default_factory=Guidance)
    cost: Callable[[str], float] = field(default=lambda _: float("nan"))


@dataclass(frozen=True)
class Measure:
    """Measure of a result, with one or several numbers in the report.

    Attributes:
        name: Name in protocols and ``--metrics``.
        outputs: Definitions of the report columns, one column for each number.
        run: Function that computes the metric states (moments) of each column from a result. If ``distance``
            is set, the function computes image features instead.
        distance: Function that computes the distance between two image sets from their features, as for FID;
            None for measures of single images.
        version: Hash of the source of a metric that does not belong to colorzoo. The cache depends on it.
        metric: Metric of `colorzoo.metrics`, or None.
    """

    name: str
    outputs: tuple[Output, ...]
    run: Callable[[MeasuredImage], Values]
    distance: Distance | None = None
    version: str = ""
    metric: Metric | None = None

    @property
    def features(self) -> bool:
        """Whether the measure stores image features instead of metric states."""
        return self.distance is not None


@dataclass(frozen=True)
class SampleMeasure:
    """Measure of several samples of an image, with one or several numbers in the report.

    Attributes:
        outputs: Definitions of the report columns.
        run: Function that computes the metric states (moments) of each column from the samples. A method that
            does not sample has one sample.
    """

    outputs: tuple[Output, ...]
    run: Callable[[Sequence[MeasuredImage]], Values]


_INPUTS: Mapping[str, Callable[[MeasuredImage], Any]] = {
    "rgb": lambda result: result.rgb,
    "preds": lambda result: result.rgb,
    "target": lambda result: result.truth.rgb,
    "ab": lambda result: result.ab,
    "target_ab": lambda result: result.truth.ab,
    "edges": lambda result: result.bleeding.edges,
    "truths": lambda result: [result.truth.clusters],
    "reference_rgb": lambda result: result.truth.reference,
    "reference_ab": lambda result: result.truth.reference_ab,
    "labels": lambda result: None if result.truth.label is None else torch.tensor([result.truth.label]),
}
"""Functions by input name; each function returns a metric input, or None if an image lacks the input."""


@cache
def own_measures() -> dict[str, Measure]:
    """Return the measures that are not metrics, by name.

    These measures compare a result with the method's result before the first interaction, the regions of a
    drawing with the ground truth, or the frames of a clip with each other.
    """
    mean = mean_of_moments
    psnr_gain_7 = Output("psnr_rgb_float_k7_gain", "Gain, PSNR K=7", "dB", "higher", mean)
    psnr_gain_full = Output("psnr_rgb_float_kfull_gain", "Gain, PSNR K=Full", "dB", "higher", mean)
    cdr_gain = Output(f"cdr_{clusters_name()}_gain", "Gain, CDR", "", "higher", mean, digits=4)
    drift = Output("drift_beyond_16_px_mean", "Drift beyond 16 px", "", "lower", mean)
    accuracy = Output("region_area_within_de10", "Region accuracy", "", "higher", mean)
    consistency = Output("cdc_rgb_8bit_1-2-4", "CDC", "", "lower", no_finish, digits=6, per_image=False)

    costs = {
        "parameters": Output("parameters_millions", "Parameters", "M", "neither", mean, 1, detail=True),
        "gflops": Output("gflops_mean", "GFLOPs", "", "neither", mean, 1, detail=True),
        "seconds": Output("seconds_mean", "Time", "s", "neither", mean, detail=True),
    }
    near = Output(f"ab_rmse_within_{NEAR_RADIUS}_px_mean", "ab RMSE near points", "", "lower", mean, 2)
    far = Output(f"ab_rmse_beyond_{NEAR_RADIUS}_px_mean", "ab RMSE far from points", "", "lower", mean, 2)

    # the distance of a clip is the color distribution consistency (CDC) of the histograms of its frames
    def frame_histograms(result: MeasuredImage) -> Values:
        return [level_histograms(result.rgb[:, None]).flatten().tolist()]

    def clip_consistency(histograms: Features, _: Features) -> float:
        frames = torch.from_numpy(histograms).double().view(1, len(histograms), 3, -1)
        return float(histogram_consistency(frames))

    measures = [
        _image_measure("psnr_k7_gain", psnr_gain_7, partial(_psnr_gain, kernel_size=7)),
        _image_measure("psnr_kfull_gain", psnr_gain_full, partial(_psnr_gain, kernel_size=None)),
        _image_measure("cdr_gain", cdr_gain, _cdr_gain),
        _image_measure("drift", drift, _drift),
        _image_measure("region_accuracy", accuracy, _region_accuracy),
        _image_measure("ab_rmse_near", near, partial(_ab_rmse_by_distance, is_near=True)),
        _image_measure("ab_rmse_far", far, partial(_ab_rmse_by_distance, is_near=False)),
        *(_image_measure(cost, output, partial(_cost, name=cost)) for cost, output in costs.items()),
        Measure(CLIP_MEASURE, (consistency,), run=frame_histograms, distance=clip_consistency),
    ]
    return {measure.name: measure for measure in measures}


def _image_measure(name: str, output: Output, function: Callable[[MeasuredImage], Tensor]) -> Measure:
    """Return a measure that averages ``function`` over images."""
    return Measure(name, (output,), lambda result: [value_moments(float(function(result)))])


def _psnr_gain(result: MeasuredImage, kernel_size: int | None) -> Tensor:
    """Return the PSNR gain from interactions, in a band around edges."""
    band = edge_band(result.bleeding.edges, kernel_size)
    before = band_psnr(result.bleeding.first.rgb, result.truth.rgb, band)
    return band_psnr(result.rgb, result.truth.rgb, band) - before


def _cdr_gain(result: MeasuredImage) -> Tensor:
    if result.truth.is_gray or not result.bleeding.edges.any():
        return torch.tensor(torch.nan)
    return cluster_discrepancy(result.ab[0], result.truth.clusters).nanmean() - result.bleeding.cdr


def _drift(result: MeasuredImage) -> Tensor:
    """Return the mean ab change since the first result, over pixels far from any scribble."""
    if result.guidance.scribbles is None:
        return torch.tensor(0.0)
    near = edge_band(result.guidance.scribbles.mask, 2 * SCRIBBLE_RADIUS + 1) > 0
    distance = torch.linalg.vector_norm(result.ab - result.bleeding.first.ab, dim=1, keepdim=True)
    return distance[~near].mean()  # NaN if all pixels are near


def _cost(result: MeasuredImage, name: str) -> Tensor:
    return torch.tensor(result.cost(name))


def _ab_rmse_by_distance(result: MeasuredImage, is_near: bool) -> Tensor:
    """Return the ab RMSE over the pixels near a color point, without the points, or over all other pixels.

    The value is NaN without such pixels.
    """
    points = result.guidance.points
    mask = torch.zeros_like(result.ab[:, :1]) if points is None else points.mask
    is_point_near = edge_band(mask, 2 * NEAR_RADIUS + 1) > 0
    chosen = is_point_near & (mask == 0) if is_near else ~is_point_near
    errors = (result.ab - result.truth.ab).square().mean(dim=1, keepdim=True)
    return errors[chosen].mean().sqrt()


def _region_accuracy(result: MeasuredImage) -> Tensor:
    """Return the fraction of the area whose region has a mean color near the true mean color.

    The limit is `REGION_TOLERANCE`. The value is NaN for an image without drawn lines.
    """
    regions = result.truth.regions
    if regions is None:
        return torch.tensor(torch.nan)
    colors = torch.stack([regions.colors(rgb).T for rgb in (result.rgb, result.truth.rgb)])
    found, true = rgb_to_lab(colors[..., None])[..., 0]
    near = torch.linalg.vector_norm(found - true, dim=0) <= REGION_TOLERANCE
    return (regions.areas * near).sum() / regions.areas.sum()


def named_measure(name: str, device: torch.device | str = "cpu") -> Measure:
    """Return a measure by name.

    The value is NaN for an image without a required input of the metric, such as a class label. A third-party
    metric, which defines no report columns, is computed for each image, and its values are averaged.

    Args:
        name: A name from `list_metrics`, optionally with a network and a weight file; see
            `colorzoo.metrics.named`.
        device: Device of the metric's network.

    Raises:
        DataError: The measure does not exist.
        WeightsError: The weights of the metric's network are missing.
    """
    own = own_measures()
    if name in own:
        return own[name]
    metric = named_metric(name)
    name, *_ = parse_name(name)
    outputs: tuple[Output, ...] = ()
    if isinstance(metric, ColorMetric):
        outputs = metric.outputs
        for network in metric.children():  # measures do not use the states
            network.to(device)
    else:
        metric.to(device)
    if isinstance(metric, FID):
        set_distance = kernel_distance if isinstance(metric, KID) else frechet_distance
        return Measure(name, outputs, lambda result: metric.features(result.rgb).tolist(), set_distance)
    # without report columns: the value of `compute`
    has_columns = bool(outputs)
    if not has_columns:
        better: dict[bool | None, Better] = {True: "higher", False: "lower", None: "neither"}
        direction = better[metric.higher_is_better]
        outputs = (Output(name, name.rpartition(".")[2], "", direction, mean_of_moments),)

    def run(result: MeasuredImage) -> Values:
        no_values = [value_moments(float("nan")) for _ in outputs]
        if result.truth.is_gray and isinstance(metric, ColorMetric) and metric.needs_color:
            return no_values
        inputs = {}
        for argument, is_required in inputs_of(metric).items():
            if argument in _INPUTS:
                inputs[argument] = _INPUTS[argument](result)
                if is_required and inputs[argument] is None:
                    return no_values
        metric.reset()
        if isinstance(metric, ColorMetric) and has_columns:
            metric.update(**inputs)
            return metric.moments()
        try:
            metric.update(**inputs)
            return [value_moments(float(metric.compute()))]
        except Exception as error:  # a third-party metric may raise any exception
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DataError(f"the metric {name} must compute one number for an image ({reason})") from error

    # the cache depends on the source of a metric that does not belong to colorzoo
    module, version = type(metric).__module__, ""
    if not module.startswith("colorzoo."):
        version = source_digest(module.partition(".")[0])
    return Measure(name, outputs, run, version=version, metric=metric)


def list_metrics() -> list[str]:
    """Return the names of all measures that ``colorzoo evaluate`` can compute.

    Examples:
        >>> "psnr" in list_metrics()
        True
    """
    return sorted([*own_measures(), *all_metrics()])


def sample_measures(measures: Sequence[Measure], count: int) -> tuple[SampleMeasure, ...]:
    """Return the measures of several samples: values over the samples, and their diversity.

    For each column of ``measures`` with a value per image and a direction, the columns are the best value,
    the mean and the standard deviation over the samples. The diversity is the mean distance between two
    samples of an image in CIE units, and in LPIPS if ``measures`` contains LPIPS.

    Args:
        measures: Measures of single results.
        count: Number of samples.
    """
    found = []
    for measure in measures:
        columns = [
            index
            for index, output in enumerate(measure.outputs)
            if not measure.features and output.better != "neither" and not output.detail
        ]
        outputs: list[Output] = []
        for output in (measure.outputs[index] for index in columns):
            own = replace(output, finish=mean_of_moments)
            outputs += [
                replace(own, key=f"{own.key}_best_of_{count}", title=f"{own.title}, best of {count}"),
                replace(own, key=f"{own.key}_mean_of_{count}", title=f"{own.title}, mean of {count}"),
                replace(own, key=f"{own.key}_sd_of_{count}", title=f"{own.title}, SD", better="neither"),
            ]
        if outputs:
            found.append(SampleMeasure(tuple(outputs), partial(_over_samples, measure, columns)))
    key, title = f"ab_diversity_of_{count}", f"Diversity of {count}"
    output = Output(key, title, "CIE", "neither", mean_of_moments)
    found.append(SampleMeasure((output,), partial(_diversity, None)))
    for measure in measures:
        if isinstance(measure.metric, MeanLPIPS):
            key = f"{measure.outputs[0].key.removesuffix('_mean')}_diversity_of_{count}"
            output = Output(key, f"LPIPS diversity of {count}", "", "neither", mean_of_moments)
            found.append(SampleMeasure((output,), partial(_diversity, measure.metric)))
    return tuple(found)


def _over_samples(measure: Measure, columns: Sequence[int], samples: Sequence[MeasuredImage]) -> Values:
    """Return the moments of the best value, the mean and the standard deviation of each column."""
    runs = [measure.run(sample) for sample in samples]
    found: Values = []
    for index in columns:
        output = measure.outputs[index]
        values = np.array([float(output.finish(np.array(run[index]))) for run in runs])
        if np.isnan(values).any():  # undefined for the true image, and so for all samples
            found += [value_moments(float("nan"))] * 3
            continue
        best = values.max() if output.better == "higher" else values.min()
        is_finite = np.isfinite(values).all()
        spread = 0.0 if len(values) < 2 else float(values.std(ddof=1)) if is_finite else float("nan")
        found += [value_moments(float(value)) for value in (best, values.mean(), spread)]
    return found


def _diversity(lpips: MeanLPIPS | None, samples: Sequence[MeasuredImage]) -> Values:
    """Return the moments of the mean distance between two samples; 0 for one sample.

    The distance is LPIPS, or the mean ab distance in CIE units if ``lpips`` is None.
    """
    distances = []
    for one, other in combinations(samples, 2):
        if lpips is None:
            distances.append(float(torch.linalg.vector_norm(one.ab - other.ab, dim=1).mean()))
        else:
            lpips.reset()
            lpips.update(one.rgb, other.rgb)
            distances.append(float(lpips.mean()))
    return [value_moments(float(np.mean(distances)) if distances else 0.0)]


def choose_measures(
    protocol: Protocol, metrics: Sequence[str] | None, device: torch.device
) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Build the measures of a protocol, or the measures selected by the user.

    A protocol metric with missing network weights is skipped with a note, and the networks of FID and LPIPS
    are not downloaded. The networks of metrics that the user selected are downloaded.

    Args:
        protocol: The protocol.
        metrics: Names of metrics that replace the metrics of the protocol. ``fid:resnet18`` and ``lpips:vgg``
            select a network.
        device: Device of the networks.

    Returns:
        The measures, and a note for each skipped metric.

    Raises:
        DataError: A metric does not exist.
        WeightsError: Network weights are missing for a metric selected by the user.
    """
    names = list(dict.fromkeys(metrics or protocol.metrics))  # without repeated names
    if CLIP_MEASURE in names and protocol.layout != "clips":
        raise DataError(f"the metric {CLIP_MEASURE} requires a protocol for clips, such as davis-video")
    for name in names:
        if name not in own_measures():
            parse_name(name)  # raises an error for an unknown name before networks are downloaded
    measures, notes = [], []
    for name in names:
        try:
            with nullcontext() if metrics else without_downloads():
                measures.append(named_measure(name, device))
        except WeightsError as error:
            if metrics:
                raise
            notes.append(hide_home(f"{name} was skipped: {error}"))
    if not measures:
        raise DataError("all metrics of the protocol were skipped. Select other metrics with --metrics.")
    return tuple(measures), tuple(notes)

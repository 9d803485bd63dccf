"""Measures of results: the metrics of `colorzoo.metrics`, picture by picture, and their numbers in reports.

A metric sums its states over pictures. An evaluation keeps the states of each picture apart, as moments (see
`colorzoo.evaluation.statistics`), so that the bootstrap can draw pictures again.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.pictures import Truth
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.statistics import (
    Better,
    Output,
    absolute_mean,
    area_under_curve,
    decibels_of_mean,
    mean,
    no_finish,
    root_mean,
    value_moments,
)
from colorzoo.guidance import Guidance
from colorzoo.metrics.ab_error import AbAUC
from colorzoo.metrics.appearance import DeltaColorfulness
from colorzoo.metrics.base import PictureMean, Ratio
from colorzoo.metrics.cdr import ClusterDiscrepancyRatio, cluster_discrepancy
from colorzoo.metrics.classification import ClassifierAccuracy
from colorzoo.metrics.edges import band_psnr, edge_band
from colorzoo.metrics.named import ABBREVIATIONS, MetricName, inputs_of, named_metric, parse_name, suggestion
from colorzoo.metrics.psnr import AB_SPAN, MeanDecibels, PooledMSE
from colorzoo.simulation import ColoredPicture, bled_edges
from colorzoo.weights.files import sha256_of

if TYPE_CHECKING:
    from colorzoo.metrics import FID, BandLPIPS, ContextualSimilarity, MeanLPIPS

Values = list[list[float]]
"""Moments of each number of a measure."""

RUNS = 3  # of which the median time is taken
REACH = 16  # pixels from a scribble within which colors may change
_SHORT_NAMES = {name: short for short, name in ABBREVIATIONS.items()}  # used by protocols


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
        features: True if the "moments" are features, from which only the whole set gives a number.
        cost: True if random weights give the same numbers.
    """

    name: str
    outputs: tuple[Output, ...]
    run: Callable[[MeasuredPicture], Values]
    features: bool = False
    cost: bool = False


_INPUTS: Mapping[str, Callable[[MeasuredPicture], Any]] = {
    "rgb": lambda result: result.rgb,
    "target": lambda result: result.truth.rgb,
    "ab": lambda result: result.ab,
    "target_ab": lambda result: result.truth.ab,
    "edges": lambda result: result.bleeding.edges,
    "truths": lambda result: [result.truth.clusters],
    "color_weights": lambda result: result.truth.color_weights,
    "reference_ab": lambda result: result.truth.reference_ab,
    "labels": lambda result: torch.tensor([result.truth.label]),
}


def metric_measure(
    name: str, metric: Metric, *outputs: Output, where: Callable[[MeasuredPicture], bool] | None = None
) -> Measure:
    """Return the measure of a metric.

    Args:
        name: Name in protocols.
        metric: The metric.
        outputs: Its numbers, in the order of `picture_moments`.
        where: Selects the results that have a value; by default all.
    """
    inputs = [key for key in inputs_of(metric) if key in _INPUTS]

    def run(result: MeasuredPicture) -> Values:
        if where is not None and not where(result):
            return [value_moments(float("nan"))] * len(outputs)
        return picture_moments(metric, {key: _INPUTS[key](result) for key in inputs})

    return Measure(name, outputs, run)


def picture_moments(metric: Metric, given: Mapping[str, object]) -> Values:
    """Measure one picture.

    Args:
        metric: The metric; its states are lost.
        given: Arguments of its ``update``.

    Returns:
        The moments of each number of the metric.
    """
    metric.reset()
    metric.update(**given)
    match metric:
        case MeanDecibels():
            return [[float(metric.total), float(metric.exact), float(metric.count)]]
        case PictureMean() | Ratio():
            return [[float(metric.total), 0.0, float(metric.count)]]
        case PooledMSE():
            return [[float(metric.total), 0.0, float(metric.values)]]
        case ClusterDiscrepancyRatio():
            a, b, both = _sums(metric.total, metric.count)
            return [both, a, b]
        case ClassifierAccuracy():
            return _sums(metric.hits, metric.count.expand_as(metric.hits))
        case DeltaColorfulness():
            return [[float(total), 0.0, float(metric.count)] for total in (metric.distance, metric.total)]
        case AbAUC():
            return [[*histogram.tolist(), 0.0, 1.0] for histogram in (metric.raw, metric.rebalanced)]
    raise NotImplementedError(f"picture_moments does not support {type(metric).__name__}")


def _sums(totals: Tensor, counts: Tensor) -> Values:
    pairs = zip(totals.tolist(), counts.tolist(), strict=True)
    return [[float(total), 0.0, float(count)] for total, count in pairs]


def _db(key: str, title: str) -> Output:
    return Output(key, title, "dB", "higher", mean, 2)


def _pooled_db(key: str, title: str, peak: float) -> Output:
    return Output(key, title, "dB", "higher", decibels_of_mean(peak), 2)


_NAMED: Mapping[str, tuple[Output, ...]] = {
    "psnr": (_db("psnr_rgb_8bit_mean", "PSNR"),),
    "psnr_float": (_db("psnr_rgb_float_mean", "PSNR (float)"),),
    "psnr_pooled": (_pooled_db("psnr_rgb_8bit_pooled", "PSNR (pooled)", 1.0),),
    "psnr_ab": (_db("psnr_ab220_mean", "PSNR of ab"),),
    "psnr_ab_pooled": (_pooled_db("psnr_ab220_pooled", "PSNR of ab (pooled)", AB_SPAN),),
    "ab_rmse": (Output("ab_rmse_mean", "ab RMSE", "", "lower", mean, 2),),
    "ab_rmse_pooled": (Output("ab_rmse_pooled", "ab RMSE (pooled)", "", "lower", root_mean, 2),),
    "ssim": (Output("ssim_rgb_gauss11_mean", "SSIM", "", "higher", mean),),
    "cf": (Output("cf_hasler_mean", "Colorfulness", "", "neither", mean, 1),),
    "delta_cf": (
        Output("cf_hasler_distance_mean", "Delta CF (per picture)", "", "lower", mean, 1),
        Output("cf_hasler_distance_of_means", "Delta CF (of means)", "", "lower", absolute_mean, 1, False),
    ),
    "auc": (
        Output("auc_ab150_pooled", "AuC", "", "higher", area_under_curve),
        Output("auc_ab150_rebalanced_pooled", "AuC (rebalanced)", "", "higher", area_under_curve),
    ),
    "psnr_k7": (_db("psnr_rgb_float_k7_mean", "PSNR K=7"),),
    "psnr_kfull": (_db("psnr_rgb_float_kfull_mean", "PSNR K=Full"),),
    "band_share": (Output("band_share_k7_mean", "Share of the band", "", "neither", mean),),
    "gray_gain": (_db("psnr_rgb_8bit_over_gray_mean", "PSNR over gray"),),
    "cf_share": (Output("cf_hasler_share", "Colorfulness, share", "", "neither", mean),),
    "neutral_chroma": (Output("chroma_where_neutral5", "Chroma on neutral", "", "lower", mean),),
    "right_hue": (Output("hue35_where_chroma15", "Right hue", "", "higher", mean),),
}


def plain_measures() -> Mapping[str, Callable[[], Measure]]:
    """Return the constructors of the measures without a network, by name."""
    return {name: partial(_named_measure, name) for name in _NAMED} | {
        "cdr": _cdr_measure,
        "psnr_k7_gain": partial(_psnr_gain_measure, "k7", "K=7", 7),
        "psnr_kfull_gain": partial(_psnr_gain_measure, "kfull", "K=Full", None),
        "cdr_gain": lambda: _mean_measure(
            "cdr_gain", f"cdr_slic250_exact_{_release()}_gain", "Gain, CDR", "higher", _cdr_gain, digits=4
        ),
        "drift": lambda: _mean_measure(
            "drift", "drift_beyond_16_px_mean", "Drift beyond 16 px", "lower", _drift, digits=3
        ),
        "histogram_intersection": lambda: metric_measure(
            "histogram_intersection",
            named_metric("histogram_intersection"),
            Output("hist_ab529_reference_mean", "Histogram int.", "", "higher", mean),
            where=lambda result: result.truth.reference is not None,
        ),
        "seconds": _seconds_measure,
        "parameters": lambda: _cost_measure(
            Output("parameters_millions", "Parameters", "M", "lower", mean, 2),
            lambda cost: cost.parameters / 1e6,
        ),
    }


def _seconds_measure() -> Measure:
    threads = torch.get_num_threads()
    key = f"seconds_{threads}-thread{'s' if threads > 1 else ''}_median{RUNS}_mean"
    return _cost_measure(Output(key, "Time", "s", "lower", mean), Cost.seconds)


def _cost_measure(output: Output, function: Callable[[Cost], float]) -> Measure:
    """Return the measure of a function of a result's cost; the measure has its output's name."""

    def run(result: MeasuredPicture) -> Values:
        return [value_moments(float("nan") if result.cost is None else function(result.cost))]

    return Measure(output.key.partition("_")[0], (output,), run, cost=True)


def _named_measure(name: str) -> Measure:
    return metric_measure(name, named_metric(name), *_NAMED[name])


def _cdr_measure() -> Measure:
    """Cluster Discrepancy Ratio; its key names the release of scikit-image, on which the labels depend."""
    keys = (("cdr", "CDR"), ("cdr_a", "CDR of a"), ("cdr_b", "CDR of b"))
    outputs = (
        Output(f"{key}_slic250_exact_{_release()}_mean", title, "", "higher", mean, detail=key != "cdr")
        for key, title in keys
    )
    # the edges of a gray picture are noise of the file format
    return metric_measure("cdr", named_metric("cdr"), *outputs, where=lambda result: not result.truth.is_gray)


def _release() -> str:
    return f"skimage{version('scikit-image')}"


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
    output = Output(key, title, "dB" if "psnr" in key else "", better, mean, digits)
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


NetworkMeasure = Callable[[str, Path | None, torch.device], Measure]
"""Constructor of a measure with a network: from the network's name (or ""), its weight file and a device."""


def network_measures() -> Mapping[str, NetworkMeasure]:
    """Return the constructors of the measures with a network, by name."""
    return {
        "accuracy": _accuracy,
        "contextual": _contextual,
        "fid": _fid,
        "lpips": partial(_lpips, "lpips", where="", title="LPIPS"),
        "lpips_k7": partial(_lpips, "lpips_k7", where="_k7", title="LPIPS K=7"),
    }


def _suffix(weights: Path | None) -> str:
    """Return the end of a key for a user's weight file."""
    return "" if weights is None else f"_weights-{sha256_of(weights)[:8]}"


def _lpips(
    name: str, net: str, weights: Path | None, device: torch.device, *, where: str, title: str
) -> Measure:
    metric = cast("MeanLPIPS | BandLPIPS", named_metric(MetricName(name, net, weights)))
    metric.network.to(device)
    output = Output(f"lpips_{metric.net}_v0.1{where}{_suffix(weights)}_mean", title, "", "lower", mean)
    return metric_measure(name, metric, output)


def _fid(name: str, weights: Path | None, device: torch.device) -> Measure:
    metric = cast("FID", named_metric(MetricName("fid", name, weights)))
    metric.inception.to(device)
    output = Output(f"{metric.key}{_suffix(weights)}", "FID", "", "lower", no_finish, 2, per_picture=False)
    return Measure("fid", (output,), lambda result: [metric.features(result.rgb)[0].tolist()], features=True)


def _accuracy(name: str, weights: Path | None, device: torch.device) -> Measure:
    metric = cast(ClassifierAccuracy, named_metric(MetricName("accuracy", name, weights)))
    cast(nn.Module, metric.classify).to(device)
    outputs = (
        Output(f"{key}{_suffix(weights)}_mean", f"Top-{k}", "", "higher", mean)
        for key, k in zip(metric.keys, metric.best, strict=True)
    )
    return metric_measure("accuracy", metric, *outputs, where=lambda result: result.truth.label is not None)


def _contextual(layer: str, weights: Path | None, device: torch.device) -> Measure:
    from colorzoo.metrics.exemplar import contextual_similarity

    metric = cast("ContextualSimilarity", named_metric(MetricName("contextual", layer, weights)))
    network = metric.network.to(device)
    key = f"{metric.key}{_suffix(weights)}_mean"

    def run(result: MeasuredPicture) -> Values:
        truth = result.truth
        if truth.reference is None:
            return [value_moments(float("nan"))]
        if key not in truth.kept:  # once for all methods
            truth.kept[key] = network(truth.reference)
        maps = network(result.rgb), truth.kept[key]
        return [value_moments(float(contextual_similarity(*maps, bandwidth=metric.bandwidth)))]

    return Measure("contextual", (Output(key, "Contextual sim.", "", "higher", mean),), run)


def list_metrics() -> list[str]:
    """Return the names of all metrics."""
    return sorted([*plain_measures(), *network_measures()])


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
    wanted = tuple(dict.fromkeys(_SHORT_NAMES.get(name, name) for name in metrics or protocol.metrics))
    plain, with_network = plain_measures(), network_measures()
    for name in wanted:
        base = name.partition("=")[0].partition(":")[0]
        if base not in with_network and name not in plain:
            raise DataError(f"unknown metric {name!r}; {suggestion(base, list_metrics())}")
    measures, notes = [], []
    for name in wanted:
        try:
            measures.append(plain[name]() if name in plain else _open(name, weights, device))
        except WeightsError as error:
            if metrics is not None:
                raise
            # reports are passed on and need not contain the user's name
            notes.append(f"{name} is left out: {error}".replace(str(Path.home()), "~"))
    if not measures:
        raise DataError("no metric is left to measure; name some with --metrics")
    if any(measure.name == "seconds" for measure in measures):
        notes.append(
            f"seconds are wall time on {_name_of(device)} with {torch.get_num_threads()} thread(s) of torch, "
            f"for each picture the median of {RUNS} runs after a warm-up"
        )
    return measures, tuple(notes)


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {platform.machine()}"


def _open(name: str, weights: Mapping[str, str], device: torch.device) -> Measure:
    wanted = parse_name(name)
    file = weights.get(wanted.base)
    if file is not None and not Path(file).is_file():
        raise WeightsError(f"no file {file!r}, given by --weights for the metric {wanted.base}")
    path = wanted.weights if file is None else Path(file)
    return network_measures()[wanted.base](wanted.network, path, device)

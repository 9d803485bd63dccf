"""What is measured through a network: its name, its preprocessing and a file of one's own stay in the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from colorzoo.evaluation.measures import Measure, Shown, has_reference, metric_measure
from colorzoo.evaluation.moments import Values
from colorzoo.evaluation.outputs import Output, mean, no_finish, value_moments
from colorzoo.evaluation.picture_list import Truth, file_sha256
from colorzoo.metrics import FID, BandLPIPS, ClassifierAccuracy, ContextualSimilarity, MeanLPIPS
from colorzoo.metrics.contextual import contextual_similarity
from colorzoo.metrics.named import MetricName, named_metric

Maker = Callable[[str, Path | None, torch.device], Measure]


def learned_measures() -> Mapping[str, Maker]:
    """Return what makes the measures that need a network: of its name, or "", its file and the device."""
    return {
        "lpips": partial(_lpips, "lpips", where="", title="LPIPS"),
        "lpips_k7": partial(_lpips, "lpips_k7", where="_k7", title="LPIPS K=7"),
        "fid": _fid,
        "accuracy": _accuracy,
        "contextual": _contextual,
    }


def _tail(weights: Path | None) -> str:
    """Return what a file of one's own adds to a key."""
    return "" if weights is None else f"_weights-{file_sha256(weights)[:8]}"


def _lpips(
    name: str, trunk: str, weights: Path | None, device: torch.device, *, where: str, title: str
) -> Measure:
    metric = cast(MeanLPIPS | BandLPIPS, named_metric(MetricName(name, trunk, weights)))
    metric.network.to(device)
    output = Output(f"lpips_{metric.net}_v0.1{where}{_tail(weights)}_mean", title, "", "lower", mean)
    return metric_measure(name, metric, output)


def _fid(name: str, weights: Path | None, device: torch.device) -> Measure:
    metric = cast(FID, named_metric(MetricName("fid", name, weights)))
    metric.inception.to(device)
    output = Output(f"{metric.key}{_tail(weights)}", "FID", "", "lower", no_finish, 2, per_picture=False)

    def run(shown: Shown) -> Values:
        return [metric.features(shown.rgb)[0].tolist()]

    return Measure("fid", (output,), run, features=True)


def _accuracy(name: str, weights: Path | None, device: torch.device) -> Measure:
    metric = cast(ClassifierAccuracy, named_metric(MetricName("accuracy", name, weights)))
    cast(nn.Module, metric.classify).to(device)
    outputs = (
        Output(f"{key}{_tail(weights)}_mean", f"Top-{k}", "", "higher", mean)
        for key, k in zip(metric.keys, metric.best, strict=True)
    )
    return metric_measure("accuracy", metric, *outputs, where=lambda shown: shown.truth.label is not None)


def _contextual(layer: str, weights: Path | None, device: torch.device) -> Measure:
    metric = cast(ContextualSimilarity, named_metric(MetricName("contextual", layer, weights)))
    network = metric.network.to(device)
    key = f"{metric.key}{_tail(weights)}_mean"
    output = Output(key, "Contextual sim.", "", "higher", mean)

    def reference_maps(truth: Truth) -> torch.Tensor:
        if key not in truth.kept:  # once for all methods
            truth.kept[key] = network(truth.reference)
        return truth.kept[key]

    def run(shown: Shown) -> Values:
        if not has_reference(shown):
            return [value_moments(float("nan"))]
        maps = network(shown.rgb), reference_maps(shown.truth)
        return [value_moments(float(contextual_similarity(*maps, bandwidth=metric.bandwidth)))]

    return Measure("contextual", (output,), run)

"""What is measured through a network: its name, its preprocessing and a file of one's own stay in the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from colorzoo.errors import WeightsError
from colorzoo.evaluation.measures import Measure, Shown, Values
from colorzoo.evaluation.outputs import Output, mean, no_finish, value_moments
from colorzoo.evaluation.pictures import Truth, file_sha256
from colorzoo.metrics.band import band_mean, edge_band
from colorzoo.metrics.classify import classifier_network, rank_of, require_labels
from colorzoo.metrics.contextual import contextual_similarity, vgg19_maps
from colorzoo.metrics.features import feature_network
from colorzoo.metrics.frozen import Frozen
from colorzoo.metrics.perceptual import Net, lpips_network, to_signed
from colorzoo.metrics.psnr import to_8bit

Maker = Callable[[str, Path | None, torch.device], Measure]
_TRUNKS: Mapping[str, Net] = {"alex": "alex", "vgg": "vgg", "squeeze": "squeeze"}


def learned_measures() -> Mapping[str, tuple[str, Maker]]:
    """Return the measures that need a network: name -> its usual network, and what makes the measure."""
    return {
        "lpips": ("alex", partial(_lpips, "lpips", band=False)),
        "lpips_k7": ("alex", partial(_lpips, "lpips_k7", band=True)),
        "fid": ("inception-v3", _fid),
        "accuracy": ("resnet101.tv_in1k", _accuracy),
        "contextual": ("relu4_2", _contextual),
    }


def _tail(weights: Path | None) -> str:
    """Return what a file of one's own adds to a key."""
    return "" if weights is None else f"_weights-{file_sha256(weights)[:8]}"


def _lpips(name: str, trunk: str, weights: Path | None, device: torch.device, *, band: bool) -> Measure:
    if trunk not in _TRUNKS:
        raise WeightsError(f"LPIPS has no trunk {trunk!r}; expected one of {', '.join(_TRUNKS)}")
    network = lpips_network(_TRUNKS[trunk], weights, spatial=band).to(device)
    where, title = ("_k7", "LPIPS K=7") if band else ("", "LPIPS")
    output = Output(f"lpips_{trunk}_v0.1{where}{_tail(weights)}_mean", title, "", "lower", mean)

    def run(shown: Shown) -> Values:
        distance = network(to_signed(shown.rgb), to_signed(shown.truth.rgb))
        value = band_mean(distance, edge_band(shown.bleeding.edges)) if band else distance
        return [value_moments(float(value.flatten()))]

    return Measure(name, (output,), run)


def _fid(name: str, weights: Path | None, device: torch.device) -> Measure:
    found = feature_network(name, weights)
    network = Frozen(found.network, found.dimension).to(device)
    key = f"fid_{found.name}_{found.preprocessing}{_tail(weights)}"
    output = Output(key, "FID", "", "lower", no_finish, 2, per_picture=False)

    def run(shown: Shown) -> Values:
        return [network(to_8bit(shown.rgb) / 255)[0].tolist()]

    return Measure("fid", (output,), run, features=True)


def _accuracy(name: str, weights: Path | None, device: torch.device) -> Measure:
    found = classifier_network(name, weights)
    assert isinstance(found.network, torch.nn.Module)
    network = Frozen(found.network).to(device)
    tail = f"{found.name}_{found.preprocessing}{_tail(weights)}"
    ranks = (1, 5)
    outputs = tuple(Output(f"top{k}_{tail}_mean", f"Top-{k}", "", "higher", mean) for k in ranks)

    def run(shown: Shown) -> Values:
        if shown.truth.label is None:
            return [value_moments(float("nan"))] * 2
        labels = torch.tensor([shown.truth.label])
        scores = network(shown.rgb)
        require_labels(labels, 1, scores.shape[1])
        rank = int(rank_of(scores, labels.to(scores.device)))
        return [value_moments(float(rank < k)) for k in ranks]

    return Measure("accuracy", outputs, run)


def _contextual(layer: str, weights: Path | None, device: torch.device) -> Measure:
    found = vgg19_maps(layer, weights)
    network = Frozen(found.network, found.dimension).to(device)
    key = f"cx_{found.name}_{found.preprocessing}_h0.5{_tail(weights)}_mean"
    output = Output(key, "Contextual sim.", "", "higher", mean)

    def reference_maps(truth: Truth) -> torch.Tensor | None:
        if truth.reference is not None and key not in truth.kept:
            truth.kept[key] = network(truth.reference)
        return truth.kept.get(key)

    def run(shown: Shown) -> Values:
        reference = reference_maps(shown.truth)
        if reference is None:
            return [value_moments(float("nan"))]
        return [value_moments(float(contextual_similarity(network(shown.rgb), reference)))]

    return Measure("contextual", (output,), run)

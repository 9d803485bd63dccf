"""Metrics by name, as ``--metrics`` of training and of ``colorzoo evaluate`` take them.

A name may contain the network of a metric, and a file with its weights: ``fid:resnet18.a1_in1k``,
``lpips:vgg=vgg16.pth``, ``lpips=alexnet.pth``.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from colorzoo import metrics
from colorzoo.errors import DataError, WeightsError


@dataclass(frozen=True)
class MetricSpec:
    """Construction of a named metric.

    Attributes:
        metric: Its class in `colorzoo.metrics`.
        options: Keyword arguments of the class.
        network: Its default network; empty for a metric without a network.
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    network: str = ""


SPECS: Mapping[str, MetricSpec] = {
    "psnr": MetricSpec("MeanPSNR"),
    "psnr_float": MetricSpec("MeanPSNR", {"eight_bit": False}),
    "psnr_pooled": MetricSpec("PooledPSNR"),
    "psnr_ab": MetricSpec("MeanAbPSNR"),
    "psnr_ab_pooled": MetricSpec("PooledAbPSNR"),
    "psnr_k7": MetricSpec("BandPSNR", {"kernel_size": 7}),
    "psnr_kfull": MetricSpec("BandPSNR", {"kernel_size": None}),
    "band_share": MetricSpec("BandShare"),
    "ab_rmse": MetricSpec("MeanAbRMSE"),
    "ab_rmse_pooled": MetricSpec("PooledAbRMSE"),
    "auc": MetricSpec("AbAUC"),
    "ssim": MetricSpec("MeanSSIM"),
    "colorfulness": MetricSpec("Colorfulness"),
    "delta_colorfulness": MetricSpec("DeltaColorfulness"),
    "colorfulness_share": MetricSpec("ColorfulnessShare"),
    "gray_gain": MetricSpec("GrayGain"),
    "neutral_chroma": MetricSpec("NeutralChroma"),
    "right_hue": MetricSpec("RightHue"),
    "cdr": MetricSpec("ClusterDiscrepancyRatio"),
    "histogram_intersection": MetricSpec("HistogramIntersection"),
    "lpips": MetricSpec("MeanLPIPS", network="alex"),
    "lpips_k7": MetricSpec("BandLPIPS", {"kernel_size": 7}, network="alex"),
    "fid": MetricSpec("FID", network="inception-v3"),
    "accuracy": MetricSpec("ClassifierAccuracy", network="resnet101.tv_in1k"),
    "contextual": MetricSpec("ContextualSimilarity", network="relu4_2"),
    "color_consistency": MetricSpec("ColorConsistency"),
    "warping_error": MetricSpec("WarpingError"),
    "chroma_flicker": MetricSpec("ChromaFlicker"),
}
ABBREVIATIONS: Mapping[str, str] = {
    "cf": "colorfulness",
    "cf_share": "colorfulness_share",
    "delta_cf": "delta_colorfulness",
}
"""Short names, used in protocols and tables of papers."""


@dataclass(frozen=True)
class MetricName:
    """A parsed metric name.

    Attributes:
        base: The metric's name in `SPECS`.
        network: Name of the network; empty for the default one.
        weights: The network's weight file.
    """

    base: str
    network: str = ""
    weights: Path | None = None

    @property
    def key(self) -> str:
        """Name in a collection and in logs, with the network but without the weight file."""
        # torch allows no dots in the names of modules
        return f"{self.base}_{self.network}".replace(".", "-") if self.network else self.base


def parse_name(name: str) -> MetricName:
    """Parse ``NAME[:NETWORK][=FILE]``.

    Raises:
        DataError: There is no such metric, or it has no network.
        WeightsError: There is no such file.
    """
    words, _, file = name.partition("=")
    base, _, network = words.partition(":")
    base = ABBREVIATIONS.get(base, base)
    if base not in SPECS:
        raise DataError(f"unknown metric {base!r}; {suggestion(base, SPECS)}")
    if (network or file) and not SPECS[base].network:
        raise DataError(f"the metric {base} has no network; write {base!r}, not {name!r}")
    if file and not Path(file).is_file():
        raise WeightsError(f"no file {file!r}, given as the weights of the metric {base}")
    return MetricName(base, network, Path(file) if file else None)


def suggestion(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Return the end of an error for an unknown name: the similar names, or all of them."""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"


def named_metric(name: str | MetricName) -> Metric:
    """Build a metric by its name.

    Examples:
        >>> named_metric("psnr")
        MeanPSNR()

    Args:
        name: ``NAME[:NETWORK][=FILE]``.

    Raises:
        DataError: There is no such metric.
        WeightsError: The weights of its network are missing.
    """
    wanted = parse_name(name) if isinstance(name, str) else name
    spec = SPECS[wanted.base]
    network = (wanted.network or spec.network, wanted.weights) if spec.network else ()
    metric: Metric = getattr(metrics, spec.metric)(*network, **spec.options)
    return metric


def picture_metrics(names: Sequence[str]) -> MetricCollection:
    """Build a collection of metrics by their names.

    Examples:
        >>> scores = picture_metrics(("psnr", "ssim"))
        >>> truth = torch.rand(2, 3, 16, 16)
        >>> scores.update(rgb=0.9 * truth, target=truth)
        >>> scores.compute().keys()
        dict_keys(['psnr', 'ssim'])

    Pass it every input of its metrics by keyword (see `inputs_of` and `docs/metrics.md`)::

        scores = picture_metrics(("psnr", "ssim", "lpips:vgg"))
        scores.update(rgb=result, target=truth)

    Args:
        names: ``NAME[:NETWORK][=FILE]`` each.

    Returns:
        The metrics by name, without compute groups: torchmetrics would share the states of metrics whose
        values agree on the first batch.

    Raises:
        DataError: There is no such metric, or one is named twice.
        WeightsError: The weights of a network are missing.
    """
    wanted = [parse_name(name) for name in names]
    keys = [each.key for each in wanted]
    if len(set(keys)) < len(keys):
        raise DataError(f"a metric is named twice among {', '.join(names)}")
    return MetricCollection({each.key: named_metric(each) for each in wanted}, compute_groups=False)


def inputs_of(metric: Metric | type[Metric]) -> dict[str, bool]:
    """Return the names of the arguments of ``update``; True for those that are required."""
    parameters = inspect.signature(metric.update).parameters
    return {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in parameters.items()
        if name != "self"
    }


def numbers_of(name: str, answer: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the values of a metric by their names in logs.

    A single value gets the name of the metric; several keep their own names, such as ``cdr_a``. The number of
    pictures that were left out is dropped.
    """
    if isinstance(answer, Tensor):
        return {name: answer}
    values = {key: value for key, value in answer.items() if key != "left_out"}
    return {name: next(iter(values.values()))} if len(values) == 1 else values

"""Metrics by name: the names that ``--metrics`` of training and of ``colorzoo evaluate`` share.

A name may say which network a metric looks through, and where its weights are: ``fid:resnet18.a1_in1k``,
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
class Recipe:
    """How a named metric is built.

    Attributes:
        metric: Its class in `colorzoo.metrics`.
        options: Keyword arguments of the class.
        network: What it looks through where the name does not say; empty for a metric without a network.
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    network: str = ""


RECIPES: Mapping[str, Recipe] = {
    "psnr": Recipe("MeanPSNR"),
    "psnr_float": Recipe("MeanPSNR", {"eight_bit": False}),
    "psnr_pooled": Recipe("PooledPSNR"),
    "psnr_ab": Recipe("MeanAbPSNR"),
    "psnr_ab_pooled": Recipe("PooledAbPSNR"),
    "psnr_k7": Recipe("BandPSNR", {"kernel_size": 7}),
    "psnr_kfull": Recipe("BandPSNR", {"kernel_size": None}),
    "band_share": Recipe("BandShare"),
    "ab_rmse": Recipe("MeanAbRMSE"),
    "ab_rmse_pooled": Recipe("PooledAbRMSE"),
    "auc": Recipe("AbAUC"),
    "ssim": Recipe("MeanSSIM"),
    "colorfulness": Recipe("Colorfulness"),
    "delta_colorfulness": Recipe("DeltaColorfulness"),
    "colorfulness_share": Recipe("ColorfulnessShare"),
    "gray_gain": Recipe("GrayGain"),
    "neutral_chroma": Recipe("NeutralChroma"),
    "right_hue": Recipe("RightHue"),
    "cdr": Recipe("ClusterDiscrepancyRatio"),
    "histogram_intersection": Recipe("HistogramIntersection"),
    "lpips": Recipe("MeanLPIPS", network="alex"),
    "lpips_k7": Recipe("BandLPIPS", {"kernel_size": 7}, network="alex"),
    "fid": Recipe("FID", network="inception-v3"),
    "accuracy": Recipe("ClassifierAccuracy", network="resnet101.tv_in1k"),
    "contextual": Recipe("ContextualSimilarity", network="relu4_2"),
    "color_consistency": Recipe("ColorConsistency"),
    "warping_error": Recipe("WarpingError"),
}
ABBREVIATIONS: Mapping[str, str] = {
    "cf": "colorfulness",
    "cf_share": "colorfulness_share",
    "delta_cf": "delta_colorfulness",
}
"""What protocols and tables of papers write."""


@dataclass(frozen=True)
class MetricName:
    """A name taken apart.

    Attributes:
        base: The metric's name among `RECIPES`.
        network: The network that the name asks for; empty for the usual one.
        weights: The network's weight file.
    """

    base: str
    network: str = ""
    weights: Path | None = None

    @property
    def key(self) -> str:
        """The name in a collection and in logs: the file is left out, the network is not."""
        # torch takes no dots in the names of modules
        return f"{self.base}_{self.network}".replace(".", "-") if self.network else self.base


def parse_name(name: str) -> MetricName:
    """Take ``NAME[:NETWORK][=FILE]`` apart.

    Raises:
        DataError: There is no such metric, or it has no network.
        WeightsError: There is no such file.
    """
    words, _, file = name.partition("=")
    base, _, network = words.partition(":")
    base = ABBREVIATIONS.get(base, base)
    if base not in RECIPES:
        raise DataError(f"unknown metric {base!r}; {suggestion(base, RECIPES)}")
    if (network or file) and not RECIPES[base].network:
        raise DataError(f"the metric {base} looks through no network, so {name!r} cannot name one")
    if file and not Path(file).is_file():
        raise WeightsError(f"no file {file!r}, which the metric {base} should take its weights from")
    return MetricName(base, network, Path(file) if file else None)


def suggestion(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Return the end of an error: the names near to a wrong one, or all."""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"


def named_metric(name: str | MetricName) -> Metric:
    """Build a metric by its name.

    Args:
        name: ``NAME[:NETWORK][=FILE]``.

    Raises:
        DataError: There is no such metric.
        WeightsError: Its network's weights are not here.
    """
    wanted = parse_name(name) if isinstance(name, str) else name
    recipe = RECIPES[wanted.base]
    network = (wanted.network or recipe.network, wanted.weights) if recipe.network else ()
    metric: Metric = getattr(metrics, recipe.metric)(*network, **recipe.options)
    return metric


def picture_metrics(names: Sequence[str]) -> MetricCollection:
    """Build a collection of metrics by their names.

    Hand it every input that its metrics ask for, by keyword (see `inputs_of` and `docs/metrics.md`)::

        scores = picture_metrics(("psnr", "ssim", "lpips:vgg"))
        scores.update(rgb=result, target=truth)

    Args:
        names: ``NAME[:NETWORK][=FILE]`` each.

    Returns:
        The metrics by name. They never share states: metrics that agree on the first batch would be taken
        for one otherwise.

    Raises:
        DataError: There is no such metric, or one is named twice.
        WeightsError: The weights of a network are not here.
    """
    wanted = [parse_name(name) for name in names]
    keys = [each.key for each in wanted]
    if len(set(keys)) < len(keys):
        raise DataError(f"a metric is named twice among {', '.join(names)}")
    return MetricCollection({each.key: named_metric(each) for each in wanted}, compute_groups=False)


def inputs_of(metric: Metric | type[Metric]) -> dict[str, bool]:
    """Return the names of what ``update`` takes, and whether it must be given."""
    parameters = inspect.signature(metric.update).parameters
    return {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in parameters.items()
        if name != "self"
    }


def numbers_of(name: str, answer: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the numbers of a metric's answer by the names that logs use.

    One number has the name under which it was asked for; of several each has its own, such as ``cdr_a``.
    How many pictures had no value is left out.
    """
    if isinstance(answer, Tensor):
        return {name: answer}
    values = {key: value for key, value in answer.items() if key != "left_out"}
    return {name: next(iter(values.values()))} if len(values) == 1 else values

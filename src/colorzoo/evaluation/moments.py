"""The moments of a result: what one picture leaves in the states of a metric.

A metric adds these states up over pictures; an evaluation keeps them apart, so that the bootstrap can draw
pictures again. What is measured is said once, in `colorzoo.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torchmetrics import Metric

from colorzoo.metrics.ab_error import AbAUC
from colorzoo.metrics.cdr import ClusterDiscrepancyRatio
from colorzoo.metrics.classify import ClassifierAccuracy
from colorzoo.metrics.colorful import DeltaColorfulness
from colorzoo.metrics.look import Ratio
from colorzoo.metrics.mean import PictureMean
from colorzoo.metrics.psnr import MeanDecibels, PooledMSE

Values = list[list[float]]


def one_picture(metric: Metric, given: Mapping[str, object]) -> Values:
    """Measure one picture.

    Args:
        metric: Its states are lost.
        given: What its ``update`` takes.

    Returns:
        The moments of each of the metric's numbers, see `colorzoo.evaluation.outputs`.
    """
    metric.reset()
    metric.update(**given)
    read = next(read for kind, read in _READERS if isinstance(metric, kind))
    return read(metric)


def _decibels(metric: MeanDecibels) -> Values:
    return [[float(metric.total), float(metric.exact), float(metric.count)]]


def _mean(metric: PictureMean) -> Values:
    return [[float(metric.total), 0.0, float(metric.count)]]


def _pooled(metric: PooledMSE) -> Values:
    return [[float(metric.total), 0.0, float(metric.values)]]


def _ratio(metric: Ratio) -> Values:
    return [[float(metric.total), 0.0, float(metric.count)]]


def _discrepancy(metric: ClusterDiscrepancyRatio) -> Values:
    a, b, both = _counted(metric.total, metric.count)
    return [both, a, b]


def _accuracy(metric: ClassifierAccuracy) -> Values:
    return _counted(metric.hits, metric.count.expand_as(metric.hits))


def _delta_colorfulness(metric: DeltaColorfulness) -> Values:
    return [[float(total), 0.0, float(metric.count)] for total in (metric.distance, metric.total)]


def _curves(metric: AbAUC) -> Values:
    return [[*histogram.tolist(), 0.0, 1.0] for histogram in (metric.raw, metric.rebalanced)]


def _counted(totals: Tensor, counts: Tensor) -> Values:
    pairs = zip(totals.tolist(), counts.tolist(), strict=True)
    return [[float(total), 0.0, float(count)] for total, count in pairs]


# The first kind that fits; each gives its numbers in the order of the outputs of a measure.
_READERS: tuple[tuple[type[Metric], Callable[..., Values]], ...] = (
    (MeanDecibels, _decibels),
    (PictureMean, _mean),
    (PooledMSE, _pooled),
    (Ratio, _ratio),
    (ClusterDiscrepancyRatio, _discrepancy),
    (ClassifierAccuracy, _accuracy),
    (DeltaColorfulness, _delta_colorfulness),
    (AbAUC, _curves),
)

"""Metric selection by name, for ``--metrics`` in training and for ``colorzoo evaluate``.

The metrics are the `colorzoo.metrics.base.ColorMetric` subclasses with ``names`` in the modules of
`colorzoo.metrics`.

A name may include the network of the metric and a weight file: ``fid:resnet18.a1_in1k``,
``lpips:vgg=vgg16.pth``, ``lpips=alexnet.pth``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from colorzoo import metrics
from colorzoo.errors import DataError, WeightsError
from colorzoo.metrics.base import ColorMetric


@dataclass(frozen=True)
class NamedMetric:
    """Metric class and constructor options that a metric name selects.

    Attributes:
        kind: Metric class.
        options: Keyword arguments of the constructor.
    """

    kind: type[ColorMetric]
    options: Mapping[str, Any]


@cache
def all_metrics() -> Mapping[str, NamedMetric]:
    """Return a dict that maps all metric names to their class and constructor options.

    Raises:
        ValueError: Two classes define the same name.
    """
    found: dict[str, NamedMetric] = {}
    for kind in _metric_classes():
        for name, options in kind.names.items():
            if name in found:
                raise ValueError(f"{kind.__name__} and {found[name].kind.__name__} are both named {name!r}")
            found[name] = NamedMetric(kind, options)
    return found


def _metric_classes() -> Iterable[type[ColorMetric]]:
    for found in pkgutil.iter_modules(metrics.__path__, prefix=f"{metrics.__name__}."):
        for value in vars(importlib.import_module(found.name)).values():
            own = inspect.isclass(value) and value.__module__ == found.name
            if own and issubclass(value, ColorMetric) and "names" in vars(value):
                yield value


@dataclass(frozen=True)
class MetricName:
    """Parts of a metric name.

    Attributes:
        base: Metric name, a key of `all_metrics`.
        network: Name of the network; empty for the default network.
        weights: Weight file of the network, or None.
    """

    base: str
    network: str
    weights: Path | None

    @property
    def key(self) -> str:
        """Name in collections and logs, with the network but without the weight file."""
        # torch does not allow dots in module names
        return f"{self.base}_{self.network}".replace(".", "-") if self.network else self.base


def parse_name(name: str) -> MetricName:
    """Split ``NAME[:NETWORK][=FILE]`` into metric name, network and weight file.

    Raises:
        DataError: The metric does not exist or has no network.
        WeightsError: The weight file does not exist.
    """
    words, _, file = name.partition("=")
    base, _, network = words.partition(":")
    known = all_metrics()
    if base not in known:
        raise DataError(f"metric must be one of {', '.join(sorted(known))}, got {base!r}")
    if (network or file) and not known[base].kind.default_network:
        raise DataError(f"the metric {base} does not use a network. Replace {name!r} with {base!r}.")
    if file and not Path(file).is_file():
        raise WeightsError(f"weight file {file!r} of the metric {base} does not exist")
    return MetricName(base, network, Path(file) if file else None)


def named_metric(name: str | MetricName) -> ColorMetric:
    """Build a metric by name.

    Examples:
        >>> named_metric("psnr")
        MeanPSNR()

    Args:
        name: ``NAME[:NETWORK][=FILE]``.

    Raises:
        DataError: The metric does not exist.
        WeightsError: The weights of the metric's network are missing.
    """
    parsed = parse_name(name) if isinstance(name, str) else name
    found = all_metrics()[parsed.base]
    default = found.kind.default_network
    network = (parsed.network or default, parsed.weights) if default else ()
    return found.kind(*network, **found.options)


def image_metrics(names: Sequence[str]) -> MetricCollection:
    """Build a `torchmetrics.MetricCollection` from metric names.

    Examples:
        >>> scores = image_metrics(("psnr", "ssim"))
        >>> truth = torch.rand(2, 3, 16, 16)
        >>> scores.update(rgb=0.9 * truth, target=truth)
        >>> scores.compute().keys()
        dict_keys(['psnr', 'ssim'])

    Pass the inputs of all metrics to ``update`` by keyword; see `inputs_of` and `docs/metrics.md`.

    Args:
        names: Metric names ``NAME[:NETWORK][=FILE]``.

    Returns:
        The metrics, with their names as keys. Compute groups are disabled, because torchmetrics would share
        the states of metrics with equal values for the first batch.

    Raises:
        DataError: A metric does not exist or is listed twice.
        WeightsError: The weights of a metric's network are missing.
    """
    parsed = [parse_name(name) for name in names]
    keys = [each.key for each in parsed]
    if len(set(keys)) < len(keys):
        raise DataError(f"each metric must be listed once, got {', '.join(names)}")
    return MetricCollection({each.key: named_metric(each) for each in parsed}, compute_groups=False)


def inputs_of(metric: Metric | type[Metric]) -> dict[str, bool]:
    """Return a dict that maps each argument of ``update`` to whether it is required."""
    parameters = inspect.signature(metric.update).parameters
    return {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in parameters.items()
        if name != "self"
    }


def numbers_of(name: str, result: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a dict that maps the logged names of a metric to its values.

    A single value is logged under ``name``. Several values are logged under their keys in ``result``, such as
    ``cdr_a``. The number of excluded images is omitted.

    Args:
        name: Name of the metric.
        result: Output of the metric's ``compute``.
    """
    if isinstance(result, Tensor):
        return {name: result}
    values = {key: value for key, value in result.items() if key != "excluded"}
    return {name: next(iter(values.values()))} if len(values) == 1 else values

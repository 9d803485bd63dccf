"""Metric selection by name, for ``--metrics`` in training and for ``colorzoo evaluate``.

The named metrics are the `colorzoo.metrics.base.ColorMetric` subclasses with ``names`` in the modules of
`colorzoo.metrics`, and the metrics of installed packages: an entry point in the group ``colorzoo.metrics``
names a `torchmetrics.Metric` class. A name with a dot is the import path of a `torchmetrics.Metric` class.

A name may include the network of the metric and a weight file: ``fid:resnet18.a1_in1k``,
``lpips:vgg=vgg16.pth``, ``lpips=alexnet.pth``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from colorzoo import metrics
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.metrics.base import ColorMetric

ENTRY_POINT_GROUP = "colorzoo.metrics"
METRIC_INPUTS = frozenset(
    (
        "rgb",
        "preds",
        "target",
        "ab",
        "target_ab",
        "edges",
        "truths",
        "reference_rgb",
        "reference_ab",
        "labels",
    )
)
"""Argument names of ``update``; ``preds`` is the name of ``rgb`` in torchmetrics."""


@dataclass(frozen=True)
class NamedMetric:
    """Metric class and constructor options that a metric name selects.

    Attributes:
        kind: Metric class.
        options: Keyword arguments of the constructor.
    """

    kind: type[Metric]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default_network(self) -> str:
        """Name of the default network; empty for a metric without a network that users can select."""
        return self.kind.default_network if issubclass(self.kind, ColorMetric) else ""


@cache
def all_metrics() -> Mapping[str, NamedMetric]:
    """Return the class and the constructor options of each metric name.

    Invalid metrics of installed packages are skipped with a warning.

    Raises:
        ValueError: Two classes define the same name.
    """
    named: dict[str, NamedMetric] = {}
    # metrics of colorzoo: classes with names in the modules of `colorzoo.metrics`
    for module in pkgutil.iter_modules(metrics.__path__, prefix=f"{metrics.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            own = inspect.isclass(value) and value.__module__ == module.name
            if not (own and issubclass(value, ColorMetric) and "names" in vars(value)):
                continue
            for name, options in value.names.items():
                if name in named:
                    classes = f"{value.__name__} and {named[name].kind.__name__}"
                    raise ValueError(f"{classes} are both named {name!r}")
                named[name] = NamedMetric(value, options)
    # metrics of installed packages
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            if entry_point.name in named:
                raise DataError(f"the name {entry_point.name!r} is already used")
            named[entry_point.name] = NamedMetric(_metric_class(entry_point.value, entry_point.load))
        except DataError as error:
            warnings.warn(f"skipped the metric {entry_point.name}: {error}", UserWarning, stacklevel=2)
    return named


def _metric_class(path: str, load: Callable[[], object]) -> type[Metric]:
    """Import a metric class and check its inputs.

    Args:
        path: Import path for error messages.
        load: Function that imports the class.

    Raises:
        DataError: The class cannot be imported, is not a metric, or requires unknown inputs.
    """
    try:
        loaded = load()
    except Exception as error:  # a third-party module may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"the metric {path!r} cannot be imported ({reason})") from error
    if not (inspect.isclass(loaded) and issubclass(loaded, Metric)):
        raise DataError(f"the metric {path!r} must be a subclass of torchmetrics.Metric, got {loaded!r}")
    inputs = inputs_of(loaded)
    unknown = [name for name, required in inputs.items() if required and name not in METRIC_INPUTS]
    has_known_input = any(name in METRIC_INPUTS for name in inputs)
    if unknown or not has_known_input:
        found = ", ".join(unknown or inputs) or "no argument"
        raise DataError(
            f"the arguments of {path}.update must be among {', '.join(sorted(METRIC_INPUTS))}, got {found}"
        )
    return loaded


def find_metric(name: str) -> NamedMetric:
    """Return the class and options of a metric name or import path.

    Raises:
        DataError: The metric does not exist or is invalid.
    """
    if "." in name:
        return NamedMetric(_metric_class(name, partial(pkgutil.resolve_name, name)))
    known = all_metrics()
    if name not in known:
        if similar := get_close_matches(name, known):
            raise DataError(f"unknown metric {name!r}. Did you mean {' or '.join(similar)}?")
        raise DataError(
            f"metric must be one of {', '.join(sorted(known))}, or an import path such as package.Metric, "
            f"got {name!r}"
        )
    return known[name]


def parse_name(name: str) -> tuple[str, str, Path | None]:
    """Split ``NAME[:NETWORK][=FILE]`` into metric name, network and weight file.

    Returns:
        A key of `all_metrics` or an import path; the name of the network, or an empty string for the default
        network; and the weight file of the network, or None.

    Raises:
        DataError: The metric does not exist or has no network.
        WeightsError: The weight file does not exist.
    """
    words, _, file = name.partition("=")
    base, _, network = words.partition(":")
    found = find_metric(base)
    if (network or file) and not found.default_network:
        raise DataError(f"the metric {base} does not use a network. Replace {name!r} with {base!r}.")
    if file and not Path(file).is_file():
        raise WeightsError(f"weight file {file!r} of the metric {base} does not exist")
    return base, network, Path(file) if file else None


def named_metric(name: str) -> Metric:
    """Build a metric by name.

    Examples:
        >>> named_metric("psnr")
        MeanPSNR()

    Args:
        name: ``NAME[:NETWORK][=FILE]``, or the import path of a `torchmetrics.Metric` class.

    Raises:
        DataError: The metric does not exist or is invalid.
        WeightsError: The weights of the metric's network are missing.
    """
    base, network, weights = parse_name(name)
    metric = find_metric(base)
    arguments: tuple[object, ...] = ()
    if metric.default_network:
        arguments = (network or metric.default_network, weights)
    try:
        return metric.kind(*arguments, **metric.options)
    except ColorzooError:
        raise
    except Exception as error:  # a third-party class may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"the metric {base} cannot be created without arguments ({reason})") from error


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
        The metrics by name and network. Compute groups are disabled, because torchmetrics would share the
        states of metrics with equal values for the first batch.

    Raises:
        DataError: A metric does not exist or is listed twice.
        WeightsError: The weights of a metric's network are missing.
    """
    keys = []
    for name in names:
        base, network, _ = parse_name(name)
        key = base.rpartition(".")[2]
        # torch does not allow dots in module names
        keys.append(f"{key}_{network}".replace(".", "-") if network else key)
    if len(set(keys)) < len(names):
        raise DataError(f"each metric must be listed once, got {', '.join(names)}")
    return MetricCollection(
        {key: named_metric(name) for key, name in zip(keys, names, strict=True)}, compute_groups=False
    )


def inputs_of(metric: Metric | type[Metric]) -> dict[str, bool]:
    """Return a dict that maps each argument of ``update`` to whether it is required."""
    parameters = inspect.signature(metric.update).parameters
    return {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in parameters.items()
        if name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def numbers_of(name: str, result: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a dict that maps the logged names of a metric to its values.

    A single value is logged under ``name``. Several values are logged under their keys in ``result``, such as
    ``cdr_a``. The number of excluded images is omitted.

    Args:
        name: Name of the metric.
        result: Output of the metric's ``compute``.

    Raises:
        DataError: A tensor has several elements.
    """
    if isinstance(result, Tensor):
        if result.numel() != 1:
            raise DataError(f"the metric {name} must compute one number, got a tensor {tuple(result.shape)}")
        return {name: result}
    values = {key: value for key, value in result.items() if key != "excluded"}
    return {name: next(iter(values.values()))} if len(values) == 1 else values

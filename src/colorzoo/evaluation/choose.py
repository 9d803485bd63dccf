"""Choosing the metrics of an evaluation by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.measures import Measure, plain_measures
from colorzoo.evaluation.protocol import Protocol
from colorzoo.metrics.named import ABBREVIATIONS, parse_name, suggestion

_AS_IN_PROTOCOLS = {name: short for short, name in ABBREVIATIONS.items()}
LEARNED = ("accuracy", "contextual", "fid", "lpips", "lpips_k7")


def list_metrics() -> list[str]:
    """Return the names of all metrics."""
    return sorted([*plain_measures(), *LEARNED])


def choose_measures(
    protocol: Protocol, metrics: tuple[str, ...] | None, weights: Mapping[str, str], device: torch.device
) -> tuple[list[Measure], tuple[str, ...]]:
    """Open the metrics of a protocol, or those that the user names.

    A metric of the protocol whose network is not here is left out with a note; one that the user named is an
    error then.

    Args:
        protocol: Names its metrics.
        metrics: Names in their place; ``fid:resnet18`` or ``lpips:vgg`` names the network too.
        weights: Weight files by metric.
        device: Where networks run.

    Returns:
        The measures and the notes.

    Raises:
        DataError: Unknown metric.
        WeightsError: A network that the user named is not here.
    """
    wanted = tuple(dict.fromkeys(_AS_IN_PROTOCOLS.get(name, name) for name in metrics or protocol.metrics))
    for name in wanted:
        _check(name)
    measures, notes = [], []
    for name in wanted:
        try:
            measures.append(_open(name, weights, device))
        except WeightsError as error:
            if metrics is not None:
                raise
            # reports are passed on: they need not name the user
            notes.append(f"{name} is left out: {error}".replace(str(Path.home()), "~"))
    if not measures:
        raise DataError("no metric is left to measure; name some with --metrics")
    return measures, tuple(notes)


def _check(name: str) -> None:
    base = name.partition("=")[0].partition(":")[0]
    if base not in LEARNED and name not in plain_measures():
        raise DataError(f"unknown metric {name!r}; {suggestion(base, list_metrics())}")


def _open(name: str, weights: Mapping[str, str], device: torch.device) -> Measure:
    if name in plain_measures():
        return plain_measures()[name]()
    from colorzoo.evaluation.learned import learned_measures  # imports feature networks

    wanted = parse_name(name)
    file = weights.get(wanted.base)
    if file is not None and not Path(file).is_file():
        raise WeightsError(f"no file {file!r}, which --weights names for the metric {wanted.base}")
    path = wanted.weights if file is None else Path(file)
    return learned_measures()[wanted.base](wanted.network, path, device)

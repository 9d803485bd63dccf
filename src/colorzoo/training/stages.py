"""Stages of training, frozen layers, and the model that training starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from colorzoo.errors import WeightsError


@dataclass(frozen=True)
class Stage:
    """One stage of a paper's training.

    Examples:
        >>> Stage(trains=("model.network.*",), leaves=("*.trunk.*",)).trained("model.network.head.weight")
        True

    Attributes:
        trains: Shell-style patterns of the names of the parameters that it trains (``model.network.*``); all
            others are frozen.
        leaves: Patterns of those among them that stay frozen.
    """

    trains: tuple[str, ...] = ("*",)
    leaves: tuple[str, ...] = ()

    def trained(self, name: str) -> bool:
        """Return whether the stage trains a parameter of this name."""
        return _matches(name, self.trains) and not _matches(name, self.leaves)


EVERYTHING = Stage()


@dataclass(frozen=True)
class Start:
    """The trained model that a training starts from.

    Examples:
        >>> Start("zhang2017_local_small").weights
        'default'

    Attributes:
        model: Its registered name.
        weights: Its weights, see `create_model`.
    """

    model: str
    weights: str = "default"

    @classmethod
    def of(cls, given: Start | Mapping[str, Any] | str | None) -> Start | None:
        """Return a start that is given as such, as the model's name, or as a mapping (from a checkpoint)."""
        if given is None or isinstance(given, Start):
            return given
        return cls(given) if isinstance(given, str) else cls(**given)


def freeze(module: nn.Module, stage: Stage) -> None:
    """Freeze all parameters that the stage does not train; those frozen before stay frozen."""
    for name, parameter in module.named_parameters():
        if not stage.trained(name):
            parameter.requires_grad_(False)


def hold_frozen(module: nn.Module) -> None:
    """Put every layer whose parameters are all frozen into evaluation mode.

    Frozen normalizations then keep their statistics in any mode of the module.
    """
    for layer in module.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            layer.training = False


def require_frozen(trained: bool, use: str, convert: str) -> None:
    """Refuse a training over frozen features of published weights, if these are random.

    Args:
        trained: Whether weights were loaded.
        use: What the training does with the features, for the message: ``"Name2018 compares ..."``.
        convert: Arguments of ``colorzoo weights convert`` that make the file to begin with.

    Raises:
        WeightsError: None were loaded.
    """
    if not trained:
        raise WeightsError(
            f"{use}, which stays frozen: convert it by `colorzoo weights convert {convert} "
            "features.safetensors` and give --init_from features.safetensors."
        )


def untrained_parts(module: nn.Module) -> Iterator[str]:
    """Yield the names of the models inside a model whose weights are random."""
    for name, part in module.named_modules():
        if name and getattr(part, "trained", True) is False:
            yield f"{name} ({type(part).__name__})"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)

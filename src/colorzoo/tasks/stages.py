"""Stages of training as data: what a stage trains, what stays frozen, and what training begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from colorzoo.errors import WeightsError

if TYPE_CHECKING:
    from colorzoo.tasks.base import ColorizationModule
    from colorzoo.tasks.coloring import ColoringModel

M = TypeVar("M", bound="ColoringModel")


@dataclass(frozen=True)
class Stage:
    """One stage of a paper's training.

    Attributes:
        trains: Shell-style patterns of the names of the parameters it trains; all others are frozen.
        leaves: Patterns of those among them that it leaves alone.
    """

    trains: tuple[str, ...] = ("*",)
    leaves: tuple[str, ...] = ()

    def trained(self, name: str) -> bool:
        """Say whether the stage trains a parameter of this name."""
        return _matches(name, self.trains) and not _matches(name, self.leaves)


EVERYTHING = Stage()


@dataclass(frozen=True)
class Start:
    """The trained model that a training begins with.

    Attributes:
        model: Its registered name.
        weights: Which of its weights, as `create_model` takes them.
    """

    model: str
    weights: str = "default"

    @classmethod
    def of(cls, given: Start | Mapping[str, Any] | str | None) -> Start | None:
        """Return the start that a constructor was given: typed, by the model's name, or from a checkpoint."""
        if given is None or isinstance(given, Start):
            return given
        return cls(given) if isinstance(given, str) else cls(**given)


def freeze(module: nn.Module, stage: Stage) -> None:
    """Let only what the stage trains take gradients; what was frozen before stays frozen."""
    for name, parameter in module.named_parameters():
        if not stage.trained(name):
            parameter.requires_grad_(False)


def hold_frozen(module: nn.Module) -> None:
    """Put every layer into evaluation mode that has parameters of which none is trained.

    So frozen normalizations keep their statistics, whatever mode the module is in.
    """
    for layer in module.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            layer.training = False


def trained_source(start: Start, purpose: str, **settings: Any) -> ColorizationModule:
    """Create the model that another one starts from or stands on.

    Args:
        start: Which model, with which weights.
        purpose: What a message calls the use, such as ``"trunk"``.
        **settings: Of the model.

    Raises:
        WeightsError: It has no trained weights on this machine.
    """
    from colorzoo.factory import create_model

    return _trained(create_model, start, purpose, settings)


def trained_lender(start: Start, purpose: str, **settings: Any) -> ColoringModel:
    """Create the model of which another one borrows layers: as `trained_source`, it need not train itself."""
    from colorzoo.factory import create_inference_model

    return _trained(create_inference_model, start, purpose, settings)


def _trained(create: Callable[..., M], start: Start, purpose: str, settings: Mapping[str, Any]) -> M:
    if torch.get_default_device().type == "meta":  # shapes alone are wanted: there is nothing to load
        return create(start.model, None, **settings)
    model = create(start.model, start.weights, **settings)
    if not model.trained:
        raise WeightsError(
            f"{purpose}={start.model!r} has no trained weights on this machine; `colorzoo weights fetch "
            f"{start.model}` gets the authors', or name another model."
        )
    return model


def untrained_parts(module: nn.Module) -> Iterator[str]:
    """Yield the names of the models inside a module whose weights are random."""
    for name, part in module.named_modules():
        if name and getattr(part, "trained", True) is False:
            yield f"{name} ({type(part).__name__})"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)

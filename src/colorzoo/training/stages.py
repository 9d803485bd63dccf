"""Training stages and frozen layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from colorzoo.errors import ColorzooError, WeightsError


@dataclass(frozen=True)
class Stage:
    """Stage of a paper's training procedure, in which a subset of the parameters is trained.

    Examples:
        >>> Stage(trains=("model.network.*",), leaves=("*.trunk.*",)).trained("model.network.head.weight")
        True

    Attributes:
        trains: Shell-style patterns of parameter names (``model.network.*``); all other parameters are
            frozen.
        leaves: Patterns of frozen parameters within ``trains``.
        complete: Whether the model can colorize after the stage. If False and the training starts from random
            weights, the model counts as untrained after the stage, and a later stage trains its other parts.
    """

    trains: tuple[str, ...] = ("*",)
    leaves: tuple[str, ...] = ()
    complete: bool = True

    def trained(self, name: str) -> bool:
        """Return True if the stage trains the named parameter."""
        return _matches(name, self.trains) and not _matches(name, self.leaves)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


EVERYTHING = Stage()


def freeze(module: nn.Module, stage: Stage) -> None:
    """Freeze all parameters that the stage does not train."""
    for name, parameter in module.named_parameters():
        if not stage.trained(name):
            parameter.requires_grad_(False)


def require_matching_patterns(module: nn.Module, stage: Stage) -> None:
    """Check that each pattern of a stage matches at least one parameter.

    Raises:
        ColorzooError: A pattern matches no parameter.
    """
    names = [name for name, _ in module.named_parameters()]
    for pattern in (*stage.trains, *stage.leaves):
        if not any(fnmatchcase(name, pattern) for name in names):
            similar = get_close_matches(pattern, names, 1, cutoff=0)
            task = type(module).__name__
            raise ColorzooError(
                f"patterns of a stage must match parameters of {task}, such as {similar[0]}, got {pattern}"
            )


def set_frozen_layers_to_eval(module: nn.Module) -> None:
    """Set each part of a module whose parameters are all frozen to evaluation mode.

    Frozen networks then keep the running statistics of their BatchNorm layers and use no dropout, even in
    layers without parameters.
    """
    for part in module.children():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
        else:
            set_frozen_layers_to_eval(part)


def require_frozen(trained: bool, use: str, convert: str) -> None:
    """Raise `WeightsError` if a frozen feature network has random weights.

    Args:
        trained: Whether weights were loaded into the feature network.
        use: Start of the error message: a clause that ends with the feature network, such as ``"Li2018 trains
            the decoders of a VGG-19"``.
        convert: Arguments of ``colorzoo weights convert`` that create the weight file.
    """
    if not trained:
        raise WeightsError(
            f"{use}, which is frozen and has random weights. Run `colorzoo weights convert {convert} "
            "features.safetensors` and set --init_from features.safetensors."
        )


def untrained_submodels(module: nn.Module) -> Iterator[str]:
    """Yield the names and classes of submodels with random weights."""
    for name, part in module.named_modules():
        if name and getattr(part, "trained", True) is False:
            yield f"{name} ({type(part).__name__})"

"""Training stages, frozen layers and initial weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import Tensor, nn

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


@dataclass(frozen=True)
class Start:
    """Trained model whose layers initialize the matching layers of a new model.

    Examples:
        >>> Start("zhang2017_local_small").weights
        'default'

    Attributes:
        model: Registered name of the model.
        weights: Weights of the model, as in the argument ``weights`` of `create_model`.
    """

    model: str
    weights: str = "default"


def copy_layers(layers: Mapping[str, Tensor], network: nn.Module, source: nn.Module, kind: str) -> None:
    """Copy layers of the model in ``--model.start`` into a network; other layers are unchanged.

    Args:
        layers: Copied tensors with the parameter names of ``network``; empty if the source lacks the layers.
        network: The network that is initialized.
        source: The model or network that contains the layers.
        kind: Kind of the required model for the error message, such as ``"Local Hints"``.

    Raises:
        ColorzooError: There are no layers, or a shape differs.
    """
    state = network.state_dict()
    fits = all(key in state and value.shape == state[key].shape for key, value in layers.items())
    if not (layers and fits):
        raise ColorzooError(
            f"--model.start must name a {kind} model that has the same width as the model to train, but "
            f"the layers of {type(source).__name__} differ"
        )
    network.load_state_dict({**state, **layers})


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

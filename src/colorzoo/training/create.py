"""Create registered models with their tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colorzoo.factory import create_task
from colorzoo.training.module import ColorizationModule
from colorzoo.weights.sharing import shared_weights


def create_model(
    name: str, weights: str | Path | None = "default", *, offline: bool = False, **hparams: Any
) -> ColorizationModule:
    """Create a registered model with its task, in evaluation mode.

    Examples:
        >>> model = create_model("zhang2017_local_small")
        >>> model(torch.full((1, 1, 32, 48), 50.0)).ab.shape
        torch.Size([1, 2, 32, 48])

    Args:
        name: Registered name or alias; `list_models` lists them. ``hf-hub:OWNER/NAME`` is a model of the
            Hugging Face Hub, see `from_pretrained`.
        weights: ``"default"``: the weights that ship inside the package, else the authors' (fetched once),
            and if neither can be had the model stays untrained and a warning says how to get them.
            ``"published"``: the authors', or an error. None: random. Anything else: the path of a weight
            file or checkpoint.
        offline: Open no connection.
        **hparams: Settings of the model by name (``width=0.25``), or whole groups of them.

    Returns:
        The LightningModule; its ``model`` is the plain `ColoringModel`, its ``trained`` whether it has
        weights.

    Raises:
        UnknownModelError: No such model; the message names the nearest ones.
        WeightsError: The weights are missing, broken or of another model.
    """
    return create_task(name, weights, kind=ColorizationModule, offline=offline, **hparams)


def from_pretrained(source: str | Path, *, offline: bool = False, **hparams: Any) -> ColorizationModule:
    """Load a model that `ColoringModel.save_pretrained` has written, in evaluation mode.

    Examples:
        >>> folder = create_model("zhang2017_local_small").save_pretrained("mine")
        >>> from_pretrained(folder)(torch.full((1, 1, 32, 48), 50.0)).ab.shape
        torch.Size([1, 2, 32, 48])

    Args:
        source: The folder, or a repository of the Hugging Face Hub as ``hf-hub:OWNER/NAME``, with an optional
            ``@REVISION``. Its file is fetched once into the cache of the Hub.
        offline: Open no connection.
        **hparams: See `create_model`.

    Raises:
        WeightsError: It cannot be found or fetched, is broken, or names no model.
        UnknownModelError: The package with its model is not installed.
    """
    name, weights = shared_weights(source, offline=offline)
    return create_model(name, weights, offline=offline, **hparams)

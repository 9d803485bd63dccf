"""Create registered models with their tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colorzoo.factory import create_task
from colorzoo.training.module import ColorizationModule


def create_model(
    name: str, weights: str | Path | None = "default", *, offline: bool = False, **hparams: Any
) -> ColorizationModule:
    """Create a registered model with its task, in evaluation mode.

    Examples:
        >>> model = create_model("zhang2017_local_small")
        >>> model(torch.full((1, 1, 32, 48), 50.0)).ab.shape
        torch.Size([1, 2, 32, 48])

    Args:
        name: Registered name or alias; `list_models` lists them. ``hf-hub:OWNER/NAME`` (with an optional
            ``@REVISION``) is a repository of the Hugging Face Hub with ``model.safetensors``, as
            ``colorzoo weights pack`` writes it.
        weights: ``"default"``: the authors' weights in the cache, else those that ship inside the package,
            else the authors' (fetched once), and if none can be had the model stays untrained and a warning
            says how to get them.
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

"""Creation of registered models wrapped in their LightningModules (tasks)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colorzoo.factory import create_task
from colorzoo.training.module import ColorizationModule


def create_model(
    name: str, weights: str | Path | None = "default", *, offline: bool = False, **hparams: Any
) -> ColorizationModule:
    """Return the LightningModule ("task") of a registered model, in evaluation mode.

    Examples:
        >>> model = create_model("zhang2017_local_small")
        >>> model(torch.full((1, 1, 32, 48), 50.0)).ab.shape
        torch.Size([1, 2, 32, 48])

    Args:
        name: Registered name or alias; `list_models` lists them. ``hf-hub:OWNER/NAME`` (with an optional
            ``@REVISION``) selects a repository of the Hugging Face Hub with a ``model.safetensors`` that
            ``colorzoo weights convert`` wrote.
        weights: ``"default"`` loads the authors' weights from the cache. If they are not in the cache, it
            loads the weights in the package or, for a model without such weights, downloads the authors'
            weights. If no weights are available, the model has random weights and a warning explains how to
            get trained weights. ``"published"`` requires the authors' weights. None selects random weights.
            Any other value is the path of a weight file or checkpoint.
        offline: Do not open network connections.
        **hparams: Model settings by name (``width=0.25``), or dataclasses of settings.

    Returns:
        The LightningModule. Its attribute ``model`` is the `ColoringModel`; ``trained`` is False for random
        weights.

    Raises:
        UnknownModelError: The model is not registered; the message suggests similar names.
        WeightsError: The weights are missing or damaged, or belong to another model.
    """
    return create_task(name, weights, kind=ColorizationModule, offline=offline, **hparams)

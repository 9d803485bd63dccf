"""Creation of registered models as LightningModules (tasks)."""

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
        name: Name or alias from `list_models`. ``hf-hub:OWNER/NAME`` (with an optional ``@REVISION``)
            selects a Hugging Face Hub repository with a ``model.safetensors`` written by
            `ColoringModel.push_to_hub` or ``colorzoo weights convert``.
        weights: ``"default"`` loads the authors' weights from the cache, else the weights in the package. For
            a model without weights in the package, it downloads the authors' weights. If no weights are
            available, the model has random weights and a warning explains how to get trained weights.
            ``"published"`` requires the authors' weights. None selects random weights. Any other value is the
            path of a weight file, a checkpoint or a folder of `ColoringModel.save_pretrained`.
        offline: Whether to disable network connections.
        **hparams: Settings of the model and the task by name (``width=0.25``).

    Returns:
        The LightningModule. Its attribute ``model`` is the `ColoringModel`; ``trained`` is False for random
        weights.

    Raises:
        UnknownModelError: The model is not registered; the message suggests similar names.
        WeightsError: The weights are missing, damaged or from another model.
    """
    return create_task(name, weights, kind=ColorizationModule, offline=offline, **hparams)

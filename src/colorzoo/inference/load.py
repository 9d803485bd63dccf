"""Loading of models for inference."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from torch import nn

from colorzoo.errors import ColorzooError, UntrainedWarning, WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.model import ColoringModel, coloring_model
from colorzoo.registry import model_card
from colorzoo.weights.catalog import find_weights

_UNTRAINED = (
    "{} is untrained: its weights are random. "
    "Set --allow-untrained (Python: allow_untrained=True) to colorize with random weights."
)


def load_model(
    model: str | nn.Module,
    weights: str | Path | None,
    settings: dict[str, Any],
    *,
    allow_untrained: bool,
) -> ColoringModel:
    """Load a registered model, or wrap a custom module.

    Args:
        model: Registered name or custom module.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
            Ignored for a custom module.
        settings: Settings of a registered model; must be empty for a custom module.
        allow_untrained: Whether to accept random weights.

    Raises:
        WeightsError: The weights are missing or untrained.
        ColorzooError: The model or a setting is unknown, or a custom module is not a coloring model.
    """
    if isinstance(model, nn.Module):
        if settings:
            raise ColorzooError(
                f"'model' must be a registered name if {', '.join(settings)} is set, got a module "
                f"({type(model).__name__})"
            )
        loaded = coloring_model(model)
        if not (loaded.trained or allow_untrained):
            raise WeightsError(_UNTRAINED.format(type(model).__name__))
        return loaded
    card = model_card(model)
    file, why_no_file = find_weights(card, weights)  # downloads the file if necessary
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrainedWarning)  # the error below contains the reason
        loaded = create_coloring_model(model, file, **settings)
    if loaded.trained or allow_untrained:
        return loaded
    if why_no_file:
        reason = f"{model} is untrained here: {why_no_file}"
    elif loaded.untrained_reason:  # the file contains only a part of the weights
        reason = loaded.untrained_reason
    else:  # weights=None requests random weights
        raise WeightsError(_UNTRAINED.format(model))
    if not card.weights:  # the user cannot download or train them
        reason += "; allow_untrained=True (--allow-untrained) colorizes with random weights"
    raise WeightsError(reason)

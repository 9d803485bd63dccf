"""Models with their weights, for coloring."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.model import ColoringModel, coloring_model
from colorzoo.registry import list_models, load_model_class, load_task_class, model_card
from colorzoo.settings import known_settings
from colorzoo.weights.choice import ModelChoice, choose_model

_UNTRAINED = (
    "{} is untrained, its weights are random; "
    "it is not used for coloring unless you pass allow_untrained=True (--allow-untrained)."
)


@dataclass(frozen=True)
class LoadedModel:
    """A model that can color.

    Attributes:
        name: Registered name, or class of a module of the user's own.
        model: The model.
        choice: Registered model and weights; None for a module of the user's own.
    """

    name: str
    model: ColoringModel
    choice: ModelChoice | None


def load_model(
    model: str | ModelChoice | nn.Module | None,
    weights: str | Path | None,
    settings: dict[str, Any],
    *,
    fast: bool,
    allow_untrained: bool,
) -> LoadedModel:
    """Load a model, or take one that is loaded.

    Args:
        model: See `Colorizer`.
        weights: See `Colorizer`.
        settings: Settings that the user chose.
        fast: See `Colorizer`.
        allow_untrained: See `Colorizer`.

    Raises:
        ColorzooError: See `Colorizer`.
    """
    if isinstance(model, nn.Module):
        name = type(model).__name__
        if settings:
            raise ColorzooError(f"{name} is built already; {', '.join(settings)} is for a model by name.")
        loaded, reason = LoadedModel(name, coloring_model(model), None), _UNTRAINED.format(name)
    else:
        choice = model
        if not isinstance(choice, ModelChoice):
            choice = choose_model(choice, weights=weights, fast=fast, create=create_coloring_model)
        created, reason = _create(choice, _known(choice.name, settings))
        loaded = LoadedModel(choice.name, created, choice)
    if not (loaded.model.trained or allow_untrained):
        raise ColorzooError(reason)
    return loaded


def _known(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings that the user chose, if the model has all of them."""
    card = model_card(name)
    unknown = settings.keys() - known_settings(load_model_class(card))
    for setting in unknown and unknown - known_settings(load_task_class(card)):
        having = [
            other for other in list_models() if setting in known_settings(load_task_class(model_card(other)))
        ]
        raise ColorzooError(f"{name} has no {setting}; models that do: {', '.join(having) or 'none'}.")
    return settings


def _create(choice: ModelChoice, settings: dict[str, Any]) -> tuple[ColoringModel, str]:
    """Return a registered model and, for the error if it is untrained, the reason."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = create_coloring_model(choice.name, choice.file, **settings)
    others = [w for w in caught if "untrained" not in str(w.message)]
    for other in others:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    reasons = [choice.untrained, *(str(w.message) for w in caught if w not in others)]
    # where weights cannot be had, how to get them is the one thing to say
    told = [reason.replace(", its weights are random: ", " here: ") for reason in reasons if reason]
    if told and not model_card(choice.name).weights:  # a new paper, which cannot be tried otherwise
        told.append("allow_untrained=True (--allow-untrained) colors with random ones")
    return model, "; ".join(told) or _UNTRAINED.format(choice.name)

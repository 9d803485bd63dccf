"""Selection and loading of models for inference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from colorzoo.capabilities import EncodesReference, FindsClasses
from colorzoo.errors import ColorzooError, UntrainedWarning
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance, Recipe
from colorzoo.model import ColoringModel, coloring_model
from colorzoo.registry import model_card
from colorzoo.weights.choice import USES, ModelChoice, choose_model
from colorzoo.weights.load import model_of_file

_UNTRAINED = (
    "{} is untrained: its weights are random. "
    "Pass allow_untrained=True (--allow-untrained) to colorize with random weights."
)


def load_model(
    model: str | ModelChoice | nn.Module | None,
    weights: str | Path | None,
    settings: dict[str, Any],
    *,
    fast: bool,
    allow_untrained: bool,
) -> tuple[ColoringModel, ModelChoice | None]:
    """Load a registered model, or wrap a custom module.

    Args:
        model: See `Colorizer`.
        weights: See `Colorizer`.
        settings: Settings that the user set.
        fast: See `Colorizer`.
        allow_untrained: See `Colorizer`.

    Returns:
        The model, and its registered name and weights as a `ModelChoice` (None for a custom module).

    Raises:
        ColorzooError: See `Colorizer`.
    """
    choice: ModelChoice | None = None
    if isinstance(model, nn.Module):
        name = type(model).__name__
        if settings:
            raise ColorzooError(
                f"{', '.join(settings)} requires the name of a registered model, got a module ({name})."
            )
        loaded, reason = coloring_model(model), ""
    else:
        choice = model if isinstance(model, ModelChoice) else choose_model(model, weights=weights, fast=fast)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UntrainedWarning)  # the error below contains the reason
            loaded = create_coloring_model(choice.name, choice.file, **settings)
        name, reason = choice.name, loaded.untrained_reason
        if choice.untrained:
            reason = f"{choice.name} is untrained here: {choice.untrained}"
        if reason and not model_card(choice.name).weights:  # a new paper has no weights yet
            reason += "; allow_untrained=True (--allow-untrained) colorizes with random weights"
    if not (loaded.trained or allow_untrained):
        raise ColorzooError(reason or _UNTRAINED.format(name))
    return loaded, choice


def choose_for_guidance(
    model: str | None,
    guidance: Guidance | Recipe,
    weights: str | Path | None = "default",
    *,
    references: Sequence[object] = (),
    fast: bool = False,
) -> ModelChoice:
    """Select a model by name, recipe or weight file; otherwise select the default model.

    Args:
        model: Registered name, or None.
        guidance: Guidance or recipe that the model must support.
        weights: See `choose_model`.
        references: Reference images or paths that are not part of the guidance.
        fast: See `choose_model`.

    Raises:
        ColorzooError: See `choose_model`.
    """
    if model is None and isinstance(guidance, Recipe):
        model = guidance.model
    name = model or model_of_file(weights)
    kinds = ("exemplar", *guidance.kinds()) if references else guidance.kinds()
    actions = {area.action for area in guidance.areas} if isinstance(guidance, Recipe) else set()
    if "color" in actions:
        kinds = (*kinds, "points")  # the colors of areas are passed to the model as points
    if "thing" in actions:
        kinds = (*kinds, "boxes", "scribbles")
    uses = tuple(use for kind in dict.fromkeys(kinds) for use in USES if use == kind)
    return choose_model(name, uses, weights, fast=fast, able=ability_for(references, guidance))


def ability_for(references: Sequence[object], guidance: object = None) -> type | None:
    """Return the capability that a model needs for references and guidance, or None.

    A capability is an optional protocol in `colorzoo.capabilities`. Recipes with classes but without label
    images require `FindsClasses`. Several references, or a reference with a strength ``alpha``, require
    `EncodesReference`.

    Args:
        references: Reference images or paths.
        guidance: Recipe or other guidance.
    """
    recipe = guidance if isinstance(guidance, Recipe) else Recipe()
    if "classes" in recipe.kinds() and len(recipe.classes.label_files) < 2:
        return FindsClasses
    mixes = len(references) > 1 or ("exemplar" in recipe.extra and recipe.exemplar.alpha is not None)
    return EncodesReference if mixes else None

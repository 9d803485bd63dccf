"""`create_model`: a registered name and weights in, a module out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from colorzoo.card import ModelCard
from colorzoo.errors import WeightsError
from colorzoo.registry import list_models, load_class, load_inference_class, model_card
from colorzoo.settings import flatten_arguments, known_settings, nest_arguments, plain_arguments
from colorzoo.tasks.coloring import ColoringModel
from colorzoo.tasks.provenance import Provenance
from colorzoo.weights import (
    ResolvedWeights,
    apply_weights,
    load_state_dict_file,
    model_of_file,
    resolve_weights,
)
from colorzoo.weights.first_use import on_trial
from colorzoo.weights.load import read_provenance

if TYPE_CHECKING:
    from colorzoo.tasks import ColorizationModule

M = TypeVar("M", bound=ColoringModel)


def create_model(
    name: str, weights: str | Path | None = "default", *, offline: bool = False, **hparams: Any
) -> ColorizationModule:
    """Create a registered model in evaluation mode.

    Args:
        name: Registered name or alias; `list_models` lists them.
        weights: ``"default"``: the weights that ship inside the package, else the authors' (fetched once),
            and if neither can be had the model stays untrained and a warning says how to get them.
            ``"published"``: the authors', or an error. None: random. Anything else: the path of a weight
            file or checkpoint.
        offline: Open no connection.
        **hparams: Settings of the model by name (``width=0.25``), or whole groups of them.

    Returns:
        The module; ``module.trained`` says whether it has weights.

    Raises:
        UnknownModelError: No such model; the message names the nearest ones.
        WeightsError: The weights are missing, broken or of another model.
    """
    card = model_card(name)
    model_class: type[ColorizationModule] = load_class(card)
    return _create(card, model_class, resolve_weights(card, weights, offline=offline), hparams)


def create_inference_model(
    name: str, weights: str | Path | None = "default", *, offline: bool = False, **hparams: Any
) -> ColoringModel:
    """Create a registered model that is only to color, without Lightning where its paper can do without.

    Args:
        name: As of `create_model`.
        weights: As of `create_model`.
        offline: As of `create_model`.
        **hparams: As of `create_model`.

    Returns:
        A model that answers as that of `create_model` does; where the settings speak of training, as those of
        a checkpoint do, it is that one.

    Raises:
        UnknownModelError: As `create_model`.
        WeightsError: As `create_model`.
    """
    card = model_card(name)
    found = resolve_weights(card, weights, offline=offline)
    light: type[ColoringModel] = load_inference_class(card)
    known = known_settings(light)
    if not {*(found.hparams if found else ()), *hparams} <= known:
        model_class: type[ColoringModel] = load_class(card)
        return _create(card, model_class, found, hparams)
    # what a card says beyond that is of training, such as the width of a discriminator
    needed = {name: value for name, value in card.hparams.items() if name in known}
    return _create(replace(card, hparams=needed), light, found, hparams)


def _create(
    card: ModelCard, model_class: type[M], found: ResolvedWeights | None, hparams: Mapping[str, Any]
) -> M:
    """Build a model of a card and load the weights that were found for it."""
    known = known_settings(model_class)
    if found is not None and (foreign := [key for key in found.hparams if key not in known]):
        raise WeightsError(
            f"{found.path} does not fit {card.name}, which has no {', '.join(foreign)}: it belongs to "
            f"{model_of_file(found.path) or 'another model'}; name that as the model."
        )
    settings = {**card.hparams, **(found.hparams if found else {}), **hparams}
    model = build_model(model_class, settings)
    if found is not None:
        # with settings of the user's own a sound file may not fit, which says nothing of the file
        with nullcontext() if hparams else on_trial(found):
            _fill(model, found)
        model.trained = True
    return model.eval()


def _fill(model: ColoringModel, found: ResolvedWeights) -> None:
    """Load a weight file into a model."""
    state_dict = load_state_dict_file(found.path, sha256=found.unchecked)
    if not found.published:
        state_dict = {**model.borrowed_weights(), **state_dict}
        model.provenance = Provenance.of(read_provenance(found.path))
    apply_weights(model, state_dict, name=str(found.path), published=found.published)


def build_model(model_class: type[M], settings: Mapping[str, Any]) -> M:
    """Build a model with random weights from settings named with or without their group.

    Raises:
        ColorzooError: The class knows no such setting.
    """
    # in a context of its own: where the command line is building a model that asks for this one, Lightning
    # would take that one's arguments for ours
    return Context().run(model_class, **nest_arguments(model_class, settings))


def card_of(model: ColorizationModule) -> ModelCard | None:
    """Return the card of a model: of its class, with its settings, the one with the most; else None."""
    settings = flatten_arguments(type(model), model.hparams)
    cards = [model_card(name) for name in list_models()]
    fitting = [card for card in cards if load_class(card) is type(model) and _has(settings, card.hparams)]
    return max(fitting, key=lambda card: len(card.hparams), default=None)


def _has(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    plain = plain_arguments(wanted)
    return all(settings.get(key) == value for key, value in plain.items())

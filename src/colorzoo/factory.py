"""Functions that create registered models and load their weights.

`colorzoo.training.create` adds the LightningModules.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Set
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from colorzoo.card import ModelCard
from colorzoo.console import first_words
from colorzoo.errors import ColorzooError, UntrainedWarning, WeightsError
from colorzoo.model import ColoringModel, coloring_model
from colorzoo.options import constructor_arguments, constructor_parameters
from colorzoo.registry import load_model_class, load_task_class, model_card
from colorzoo.weights import read_weights
from colorzoo.weights.catalog import (
    ResolvedWeights,
    entry_without_hash,
    hub_weights,
    listed_record,
    missing_weights_advice,
    resolve_weights,
)
from colorzoo.weights.hub import HUB
from colorzoo.weights.load import Provenance, is_safetensors, model_of_file

if TYPE_CHECKING:
    from colorzoo.networks.exemplar_features import BorrowedTrunk, Trunk

M = TypeVar("M", bound=nn.Module)


def create_task(
    name: str, weights: str | Path | None = "default", *, kind: type[M], offline: bool = False, **hparams: Any
) -> M:
    """Create the task (LightningModule) of a registered model, in evaluation mode.

    Args:
        name: Registered name, alias or Hugging Face repository; see `create_model`.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        kind: Class of the task, or a base class. Type checkers use this class as the return type.
        offline: Whether to use only local files.
        **hparams: Settings of the model and the task, by name.

    Raises:
        UnknownModelError: The model is not registered.
        WeightsError: The weights are missing or damaged, or belong to another model.
        ColorzooError: A setting is unknown or out of range.
        TypeError: The task of the model is not a ``kind``.
    """
    if name.startswith(HUB):
        name, weights = hub_weights(name, weights, offline=offline)
    card = model_card(name)
    task_class = load_task_class(card)
    file = resolve_weights(card, weights, offline=offline)
    if file is not None:
        file = _match_published(card, file, constructor_parameters(task_class).keys())
    stored = _stored_settings(card, file, task_class)
    settings = {**card.hparams, **stored, **hparams}
    task: nn.Module = _create(task_class, settings, file)
    if not isinstance(task, kind):
        raise TypeError(f"the task of {card.name} must be a {kind.__name__}, got {type(task).__name__}")
    return task


def create_coloring_model(
    name: str,
    weights: str | Path | ResolvedWeights | None = "default",
    *,
    offline: bool = False,
    **hparams: Any,
) -> ColoringModel:
    """Create a registered model without its LightningModule; Lightning is not imported.

    Examples:
        >>> type(create_coloring_model("zhang2017_local_small", weights=None)).__name__
        'LocalHints'

    Args:
        name: Registered name, alias or Hugging Face repository; see `create_model`.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        offline: Whether to use only local files.
        **hparams: Model settings by name; settings that affect only training are ignored.

    Returns:
        ``create_model(...).model``.

    Raises:
        UnknownModelError: The model is not registered.
        WeightsError: The weights are missing or damaged, or belong to another model.
        ColorzooError: A setting is unknown to both the model and the task.
    """
    if name.startswith(HUB):
        name, weights = hub_weights(name, weights, offline=offline)
    card = model_card(name)
    model_class: type[ColoringModel] = load_model_class(card)
    file: ResolvedWeights | None
    if isinstance(weights, ResolvedWeights):
        file = weights
    else:
        file = resolve_weights(card, weights, offline=offline)
    stored_settings = {} if file is None else file.hparams
    if file is not None and file.entry is None and stored_settings:  # the card does not list the file
        known = constructor_parameters(model_class).keys()
        if stored_settings.keys() - known:
            # the task class imports Lightning, so it is loaded only for settings that the model does not have
            task_settings = constructor_parameters(load_task_class(card)).keys()
            file = _match_published(card, file, known | task_settings)
    settings: dict[str, Any] = {}
    if card.hparams or stored_settings or hparams:  # otherwise the class need not be inspected
        # join the settings of the card, the file and the caller, without settings that only training uses
        known = constructor_parameters(model_class).keys()
        unknown = hparams.keys() - known
        if unknown:  # the task class imports Lightning, so it is loaded only if necessary
            unknown -= constructor_parameters(load_task_class(card)).keys()
        if unknown:
            raise ColorzooError(
                f"{card.name} has no setting {', '.join(map(repr, sorted(unknown)))}; its settings are "
                f"{', '.join(sorted(known)) or 'none'}"
            )
        merged = {**card.hparams, **_stored_settings(card, file, model_class), **hparams}
        settings = {key: value for key, value in merged.items() if key in known}
    return _create(model_class, settings, file)


def create_backbone(
    name: str, setting: str, weights: str | None = "default", **settings: Any
) -> ColoringModel:
    """Create a registered model that another model uses as a pretrained backbone.

    No weights are loaded if the default device of torch is the meta device.

    Args:
        name: Registered name of the backbone.
        setting: Name of the setting that selects the backbone, such as ``"trunk"``, for the error message.
        weights: ``"default"``, ``"published"``, or the path of a weight file; see `create_model`.
        **settings: Settings of the backbone by name.

    Raises:
        WeightsError: The backbone has no trained weights on this machine.
    """
    if is_meta():
        return create_coloring_model(name, None, **settings)
    backbone = create_coloring_model(name, weights, **settings)
    return require_trained(backbone, f"{setting}={name!r}", name)


def build_trunk(name: str, width: float) -> Trunk:
    """Build the frozen feature network with which a model compares images to references.

    Args:
        name: ``"vgg19"``, or the registered name of a model with the network of ``zhang2016``.
        width: Multiplier for the channel counts of VGG-19; other networks ignore this argument.

    Raises:
        WeightsError: The registered model has no trained weights on this machine.
    """
    from colorzoo.networks.exemplar_features import VGGTrunk  # only exemplar models need the module

    return VGGTrunk(width) if name == "vgg19" else borrowed_trunk(name)


def borrowed_trunk(name: str) -> BorrowedTrunk:
    """Build a frozen feature network from a model with the network of ``zhang2016``.

    Args:
        name: Registered name of the model.

    Raises:
        WeightsError: The model has no trained weights on this machine.
    """
    from colorzoo.networks.exemplar_features import BorrowedTrunk

    return BorrowedTrunk(create_backbone(name, "features", offline=True).network)


def is_meta() -> bool:
    """Return whether the default device of torch is the meta device."""
    return torch.get_default_device().type == "meta"


def require_trained(model: M, subject: str, name: str) -> M:
    """Return a model unchanged, or raise an error if its weights are random.

    Args:
        model: Model to check.
        subject: Start of the error message, such as ``"trunk='zhang2016'"``.
        name: Registered name of the model, for the download command in the error message.

    Raises:
        WeightsError: The weights are random.
    """
    if not model.trained:
        raise WeightsError(
            f"{subject} has no trained weights on this machine. {missing_weights_advice(model_card(name))}"
        )
    return model


def build_model(model_class: type[M], settings: Mapping[str, Any]) -> M:
    """Create a model or a task with random weights.

    Args:
        model_class: Class of the model or task.
        settings: Constructor arguments by name, such as ``width``.

    Raises:
        ColorzooError: A setting is unknown to the class.
    """
    # LightningCLI stores the arguments of its task in a context variable, and Lightning applies them to every
    # module that is created in the meantime. A new context hides the variable.
    arguments = constructor_arguments(model_class, settings) if settings else {}
    return Context().run(model_class, **arguments)


def _create(model_class: type[M], settings: Mapping[str, Any], file: ResolvedWeights | None) -> M:
    """Create a model or a task in evaluation mode; load its weights and training record from a file.

    Raises:
        WeightsError: The weight file stores settings, and the model cannot be built.
    """
    try:
        created: Any = build_model(model_class, settings)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ColorzooError) or file is None or not file.hparams:
            raise
        raise WeightsError(
            f"the settings in {file.path} do not match {model_class.__name__}: {first_words(error)}"
        ) from error
    if file is not None:
        content = read_weights(file.path)
        created.load_weights(content.state_dict, name=str(file.path), published=file.published)
        if reason := content.untrained_reason(type(created).__name__):
            network = coloring_model(created)
            network.trained, network.untrained_reason = False, reason
            warnings.warn(reason, UntrainedWarning, stacklevel=3)
        record = created.provenance if file.published else Provenance.of(content.provenance)
        created.provenance = record if file.entry is None else listed_record(record, file.entry)
    model: M = created.eval()
    return model


def _match_published(card: ModelCard, found: ResolvedWeights, known: Set[str]) -> ResolvedWeights:
    """Mark a Lightning checkpoint as published by the authors if it has no known setting."""
    if found.entry is not None or found.hparams.keys() & known:
        return found
    entry = entry_without_hash(card, found.path)
    return found if entry is None else replace(found, entry=entry, hparams=entry.hparams)


def _stored_settings(card: ModelCard, file: ResolvedWeights | None, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a weight file that a class of models or tasks has.

    If a file without a model name, such as a checkpoint, stores at least one known setting, unknown settings
    are ignored, because checkpoints also store settings of other task classes. They are also ignored if the
    class has no settings. In a file with a model name, settings of the task are ignored, because earlier
    versions also stored settings that only training uses. Other unknown settings are an error.

    Raises:
        WeightsError: The file belongs to another model or version of colorzoo, or a value is out of range.
    """
    if file is None:
        return {}
    known = constructor_parameters(kind).keys()
    stored = {key: value for key, value in file.hparams.items() if key in known}
    unknown = [key for key in file.hparams if key not in known]
    if unknown:
        # the name in a checkpoint can be the model that the task extends
        owner = model_of_file(file.path) if is_safetensors(file.path) else None
        if owner == card.name:  # the task class imports Lightning, so it is loaded only if necessary
            unknown = [key for key in unknown if key not in constructor_parameters(load_task_class(card))]
        can_ignore = owner is None and (stored or not known)
        if unknown and not can_ignore:
            if owner == card.name:
                advice = "The file was written by another version of colorzoo. Convert its source again."
            else:
                advice = f"The file belongs to {owner or 'another model'}. Use that model."
            raise WeightsError(
                f"{file.path} does not match {card.name}: the model has no setting {', '.join(unknown)}. "
                + advice
            )
    try:
        constructor_arguments(kind, stored)  # only checks the values; the arguments are not needed here
    except ColorzooError as error:
        raise WeightsError(
            f"{file.path} does not match {card.name}: {error}. Set --model to the model of this file."
        ) from error
    return stored

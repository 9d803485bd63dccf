"""Initial weights of a training: the option ``--init_from``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from colorzoo.errors import ColorzooError, UnknownModelError, WeightsError
from colorzoo.factory import create_task, require_trained
from colorzoo.files import sha256_of
from colorzoo.options import constructor_parameters
from colorzoo.registry import all_cards, card_of, load_task_class, model_card
from colorzoo.training.module import ColorizationModule
from colorzoo.weights import read_weights
from colorzoo.weights.catalog import ResolvedWeights, listed_record, missing_weights_advice, resolve_weights
from colorzoo.weights.load import UNTRAINED, Provenance


def load_initial_weights(task: ColorizationModule, source: str) -> None:
    """Load initial weights into a task.

    Weights of the same model are loaded unchanged. `ColorizationModule.filter_weights` converts weights of
    another model; layers that the models do not share keep their weights.

    Examples:
        >>> task = colorzoo.create_model("zhang2016", None, width=0.25)
        >>> load_initial_weights(task, "zhang2017_local_small")

    Args:
        task: The task.
        source: A weight file or checkpoint, a tag from the model card, or the name of a registered model.

    Raises:
        WeightsError: The weights do not exist or do not match the model.
        ColorzooError: The weights of another model do not match the model.
    """
    # find the file, and the settings on the card of a registered model
    card_settings: Mapping[str, Any] = {}
    card, tag, is_named = card_of(type(task), task.hparams), source, False
    try:
        card, tag, is_named = model_card(source), "default", True
        card_settings = card.hparams
    except UnknownModelError:
        pass
    file: ResolvedWeights | None
    if card is None:
        file = ResolvedWeights(Path(source))
    elif (file := resolve_weights(card, tag)) is None:
        raise WeightsError(
            f"--init_from {source!r}: {card.name} has no weights on this machine. "
            + missing_weights_advice(card)
        )
    path, published = file.path, file.published
    content = read_weights(path)
    earlier = Provenance.of(None if published else content.provenance)
    if file.entry is not None:
        earlier = listed_record(earlier, file.entry)
    start = {"file": path.name, "sha256": sha256_of(path)}

    # find the model that the file contains; weight files store its name, and checkpoints its task class
    if not is_named and not published:
        cards = list(all_cards().values())
        found = [each for each in cards if each.name == content.stored.get("model")]
        found += [each for each in cards if each.task.endswith(f":{earlier.model}")]
        card = found[0] if found else card
    has_filter = type(task).filter_weights is not ColorizationModule.filter_weights
    source_class = type(task) if card is None else load_task_class(card)
    is_other = has_filter and not (issubclass(source_class, type(task)) or isinstance(task, source_class))
    mismatch: WeightsError | None = None
    if not is_other:
        # some settings change no shapes, so weights of another setting could be loaded
        defaults = {name: each.default for name, each in constructor_parameters(type(task.model)).items()}
        own = task.model.hparams
        stored = {**card_settings, **content.hparams, **file.hparams}
        for name in task.model.weight_settings if stored else ():
            expected = stored.get(name, defaults[name])
            if own[name] != expected:
                raise WeightsError(
                    f"{name} of --model must be {expected}, as in the weights of --init_from {source}, got "
                    f"{own[name]}. Change the setting or use other weights."
                )
        try:
            task.load_weights(content.state_dict, name=source, published=published)
        except WeightsError as error:
            if not has_filter or card is None:
                raise
            mismatch = error  # the model can have layers that the source lacks
        else:
            task.has_partial_weights = UNTRAINED in content.stored
    if is_other or mismatch:
        assert card is not None
        model = create_task(card.name, tag if is_named else path, kind=ColorizationModule)
        require_trained(model, f"--init_from {source!r}", card.name)
        weights, state = task.filter_weights(model), task.state_dict()
        if not weights:
            raise mismatch or ColorzooError(
                f"--init_from must be weights that {type(task).__name__} can use, got {type(model).__name__}"
            )
        for key, value in weights.items():
            if key not in state or state[key].shape != value.shape:
                shape = tuple(state[key].shape) if key in state else None
                raise mismatch or ColorzooError(
                    f"--init_from must be weights of a model with the width of {type(task).__name__}, but "
                    f"{key} has the shape {tuple(value.shape)} instead of {shape}"
                )
        earlier = model.provenance
        with torch.no_grad():  # not load_state_dict, which marks the model as trained
            for key, value in weights.items():
                state[key].copy_(value)
        start["model"] = card.name
    task.record_start(start, earlier)
    if not is_other:
        task.continue_from(earlier.stage)

"""The card says what the class is."""

from __future__ import annotations

import torch

from colorzoo.card import ModelCard
from colorzoo.factory import build_model
from colorzoo.registry import load_class
from colorzoo.tasks import ColorizationModule
from colorzoo.testing.models import require


def check_card_matches_class(card: ModelCard) -> None:
    """The class that the card names is a `ColorizationModule` as the card declares it."""
    found = load_class(card)
    require(issubclass(found, ColorizationModule), f"{card.task} is no ColorizationModule")
    declared = (frozenset(card.guidance), card.input, card.output)
    with torch.device("meta"):  # not the class alone: an add-on takes what its backbone takes
        model = build_model(found, card.hparams)
    actual = (model.accepts, model.input_kind, model.output_kind)
    require(declared == actual, f"{card.name}: the card says {declared}, the model {actual}")


def check_parameter_count(card: ModelCard) -> None:
    """The full-size model has as many parameters as the card states."""
    with torch.device("meta"):  # shapes without memory, so that a big network costs nothing
        model = build_model(load_class(card), card.hparams)
    count = sum(parameter.numel() for parameter in model.parameters())
    said = card.parameters
    require(count == said, f"{card.name}: the card says {said} parameters, found {count}")

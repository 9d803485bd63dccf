"""Capabilities: one module, methods with the meaning that it gives, and nothing that a task repeats."""

import inspect
from itertools import combinations, product
from typing import Any

import pytest
import torch

from colorzoo import Guidance, capabilities
from colorzoo.registry import list_models, load_model_class, load_task_class, model_card
from colorzoo.testing.models import sample_call, smoke_model
from colorzoo.training import ColorizationModule

METHODS = {
    kind: [name for name in vars(getattr(capabilities, kind)) if not name.startswith("_")]
    for kind in capabilities.__all__
    if inspect.isclass(getattr(capabilities, kind))
}


@pytest.mark.nightly
def test_models_take_the_arguments_of_each_protocol_and_tasks_repeat_none() -> None:
    cards = [model_card(name) for name in list_models()]
    for kind in METHODS.keys() - {"ProposesPoints"}:  # evaluation has one of its own
        protocol, names = getattr(capabilities, kind), METHODS[kind]
        offering = [model for model in map(load_model_class, cards) if all(hasattr(model, n) for n in names)]
        assert offering, kind
        for model, name in product(offering, names):
            if callable(method := getattr(protocol, name)):
                expected = list(inspect.signature(method).parameters)
                found = list(inspect.signature(getattr(model, name)).parameters)
                assert found[: len(expected)] == expected, model
    methods = {name for names in METHODS.values() for name in names}
    for task in map(load_task_class, cards):
        own = {name for kind in task.__mro__ if kind not in ColorizationModule.__mro__ for name in vars(kind)}
        assert own & methods == set(), task


@pytest.mark.parametrize("name", ["colorzoo2026", "zhang2017_local_small"])
@torch.inference_mode()
def test_an_edit_answers_every_combination_of_guidance_as_a_plain_call(name: str) -> None:
    card, size = model_card(name), (48, 64)
    model: Any = smoke_model(card).model
    lightness, every = sample_call(card, size)
    memory, answers = model.remember(), {}
    for count in range(len(card.guidance) + 1):
        for kinds in combinations(card.guidance, count):
            guidance = Guidance(**{kind: getattr(every, kind) for kind in kinds})
            answers[frozenset(kinds)] = model(lightness, guidance).ab
            found = model.edit(lightness, guidance, memory).ab
            assert (found - answers[frozenset(kinds)]).abs().max() < 1e-3, kinds
    full = answers[frozenset(card.guidance)]
    for kind in card.guidance:  # each kind says something beside all others
        assert (full - answers[frozenset(card.guidance) - {kind}]).abs().max() > 0.1, kind

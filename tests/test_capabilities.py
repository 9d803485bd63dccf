"""Capabilities: one module, methods with the meaning that it gives, and nothing that a task repeats."""

import ast
import inspect
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

import colorzoo
from colorzoo import Guidance, capabilities
from colorzoo.registry import list_models, load_model_class, load_task_class, model_card
from colorzoo.testing.models import sample_call, smoke_model
from colorzoo.training import ColorizationModule

ROOT = Path(colorzoo.__path__[0])
METHODS = {
    kind: [name for name in vars(getattr(capabilities, kind)) if not name.startswith("_")]
    for kind in capabilities.__all__
    if inspect.isclass(getattr(capabilities, kind))
}
MODELS = {load_model_class(model_card(name)) for name in list_models()}
TASKS = {load_task_class(model_card(name)) for name in list_models()}


def offering(kind: str) -> list[type]:
    return [model for model in MODELS if all(hasattr(model, name) for name in METHODS[kind])]


def test_protocols_that_are_asked_for_stand_in_one_module() -> None:
    asked = {
        (path.relative_to(ROOT).as_posix(), node.name)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(mark) == "runtime_checkable" for mark in node.decorator_list)
    }
    assert asked == {("capabilities.py", kind) for kind in METHODS}


@pytest.mark.parametrize("kind", sorted(METHODS.keys() - {"ProposesPoints"}))  # evaluation has one of its own
def test_models_take_the_arguments_of_the_protocol(kind: str) -> None:
    protocol = getattr(capabilities, kind)
    assert offering(kind)
    for model in offering(kind):
        for name in METHODS[kind]:
            if not callable(method := getattr(protocol, name)):
                continue
            expected = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(model, name)).parameters)[: len(expected)] == expected, (
                model
            )


@pytest.mark.parametrize(
    "task", sorted(TASKS, key=lambda task: task.__name__), ids=lambda task: task.__name__
)
def test_a_task_repeats_no_capability(task: type) -> None:
    names = {name for names in METHODS.values() for name in names}
    own = {name for kind in task.__mro__ if kind not in ColorizationModule.__mro__ for name in vars(kind)}
    assert own & names == set()


EDITING = [name for name in list_models() if load_model_class(model_card(name)) in offering("Edits")]


@pytest.mark.parametrize("name", EDITING)
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

"""Configurations of papers match the papers: learning rates, losses, stages, batch size, length."""

import math
from pathlib import Path
from typing import Any

import pytest

from colorzoo.card import ModelCard
from colorzoo.options import constructor_parameters
from colorzoo.registry import all_cards, load_task_class
from colorzoo.training.configs import config_folders
from training_recipes.recipe import Parsed, Recipe, parse, rate_at
from zoo import paper_modules

RECIPES = [recipe for module in paper_modules() for recipe in getattr(module, "RECIPES", ())]
# Not from a paper: small models and colorzoo2026 belong to this project, and overlays require a model.
OURS = ("cluster/", "colorzoo2026/", "colorzoo2026_drawing/", "data/", "loggers/", "sweeps/")
# Settings that differ from the defaults: weight files, other sizes, and settings that only training from
# scratch requires.
NO_DEFAULTS = {
    "antic2019/stable_frozen_64.yaml": {"encoder", "decoder", "nf_factor"},
    "chen2023/paper.yaml": {"segmenter_weights"},
    "iizuka2016/paper.yaml": {"normalization"},
    "kang2023/paper.yaml": {"pretrained"},
    "kang2023/tiny.yaml": {"size", "pretrained"},
    "larsson2016/paper.yaml": {"mean", "normalization"},
    "yun2023/s.yaml": {"width", "heads"},
    "yun2023/tiny.yaml": {"width", "heads"},
    "zhang2016/paper.yaml": {"neighbors"},
    "zhang2019/paper.yaml": {"last_kernel"},
}
# Arguments that select how the training starts and steps.
PROCEDURE = {"stage", "optimizer", "lr_scheduler", "discriminator_optimizer"}
PROCEDURE |= {"discriminator_lr_scheduler", "matching_lr"}


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: recipe.config)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Parsed]:
    return request.param, parse(request.param.config, tmp_path_factory.mktemp("recipe"))


def test_every_config_of_a_paper_has_a_recipe() -> None:
    folder = config_folders()[-1]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")}
    papers = {name for name in names if not name.startswith(OURS) and not name.endswith("tiny.yaml")}
    papers = {name for name in papers if "small" not in name}
    without = papers - {recipe.config for recipe in RECIPES}
    assert not without, f"add RECIPES to tests/zoo/test_NAME.py for {without}; see docs/paper.md"


@pytest.mark.nightly
def test_config_matches_the_recipe_of_its_paper(case: tuple[Recipe, Parsed]) -> None:
    recipe, parsed = case
    wanted = [(0, 0, recipe.rates), (0, -1, recipe.matching_rates), (1, 0, recipe.discriminator_rates)]
    for index, group, rates in wanted:
        for step, rate in (rates or {}).items():
            optimizer, scheduler = parsed.optimizers[index], parsed.schedulers[index]
            assert rate_at(optimizer, scheduler, step, group) == pytest.approx(rate, rel=1e-6), (index, step)
    optimizer = parsed.optimizers[0]
    options = optimizer.param_groups[0]
    betas = tuple(options.get("betas", recipe.betas))  # SGD has no betas
    found = (type(optimizer).__name__, betas, options["weight_decay"])
    assert found == (recipe.optimizer, recipe.betas, recipe.weight_decay)
    assert parsed.model.stage == recipe.stage
    for name, value in recipe.settings.items():
        assert is_same(parsed.settings[name], value), (name, parsed.settings[name], value)
    trainer = parsed.trainer
    assert parsed.data.global_batches == [recipe.batch]
    assert (trainer.max_epochs if trainer.max_epochs != -1 else None) == recipe.epochs
    assert (trainer.max_steps if trainer.max_steps != -1 else None) == recipe.steps


def is_same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple | list):  # YAML has lists
        return tuple(found) == tuple(wanted)
    return math.isclose(found, wanted, rel_tol=1e-5) if isinstance(wanted, float) else bool(found == wanted)


def defaults(kind: type) -> dict[str, Any]:
    """Return the default of every setting of a task, without the steps of a training."""
    parameters = constructor_parameters(kind).items()
    return {name: each.default for name, each in parameters if name not in PROCEDURE}


CARDS = [card for card in all_cards().values() if any(each.config == card.config for each in RECIPES)]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_task_defaults_match_the_recipe_of_the_paper(card: ModelCard) -> None:
    found = defaults(load_task_class(card))
    for recipe in (each for each in RECIPES if each.config == card.config):
        compared = recipe.settings.keys() & found.keys() - NO_DEFAULTS.get(recipe.config, set())
        assert {name for name in compared if not is_same(found[name], recipe.settings[name])} == set()


def test_recipes_state_settings_that_tasks_have() -> None:
    compared = {
        name
        for card in CARDS
        for recipe in RECIPES
        if recipe.config == card.config
        for name in recipe.settings.keys() & defaults(load_task_class(card)).keys()
    }
    assert len(compared) > 20


@pytest.mark.nightly
def test_config_of_a_card_equals_the_task_defaults(case: tuple[Recipe, Parsed]) -> None:
    """``create_model`` and custom tasks therefore use the values of the paper."""
    recipe, parsed = case
    if recipe.config not in {card.config for card in all_cards().values()}:
        return  # of a later stage
    found = defaults(type(parsed.model))
    other = {name for name, value in found.items() if not is_same(parsed.settings[name], value)}
    assert other == NO_DEFAULTS.get(recipe.config, set())


@pytest.mark.nightly
def test_trained_parameters_match_the_recipe(case: tuple[Recipe, Parsed]) -> None:
    recipe, parsed = case
    for name, parameter in parsed.model.named_parameters():
        if not name.startswith("discriminator."):
            assert parameter.requires_grad == recipe.trained(name), name
    first = {id(p) for group in parsed.optimizers[0].param_groups for p in group["params"]}
    trained = [p for n, p in parsed.model.named_parameters() if recipe.trained(n)]
    assert first == {id(parameter) for parameter in trained}


def test_rate_at_returns_scheduled_rates_without_stepping(tmp_path: Path) -> None:
    parsed = parse("zhang2016/small.yaml", tmp_path)
    rates = [rate_at(parsed.optimizers[0], parsed.schedulers[0], step) for step in (0, 99, 100, 3300, 6500)]
    assert rates == pytest.approx([1e-5, 1e-3, 1e-3, 5e-4, 0], abs=1e-9)

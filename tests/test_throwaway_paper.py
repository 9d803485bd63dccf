"""Adding a paper takes one folder and one configuration: the paper written here is found everywhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import colorzoo.zoo
from colorzoo.card import ModelCard
from colorzoo.registry import list_models, load_task_class, model_card, refresh
from colorzoo.testing import Check, contract_checks, sample_input
from colorzoo.testing.samples import write_sample_pictures
from colorzoo.testing.training import logged, write_overlay
from throwaway_paper import write_config, write_paper

NAME = "someone2030"
PACKAGE = f"colorzoo.zoo.{NAME}"


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put a paper into the zoo for the tests of this file; returns the folder of its configuration."""
    folder = tmp_path_factory.mktemp("throwaway")
    write_paper(folder / "zoo" / NAME, PACKAGE, NAME)
    write_config(folder / "configs", PACKAGE, NAME)
    zoo = list(colorzoo.zoo.__path__)
    colorzoo.zoo.__path__ = [*zoo, str(folder / "zoo")]
    refresh()
    yield folder / "configs"
    colorzoo.zoo.__path__ = zoo
    for module in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[module]
    refresh()


@pytest.fixture
def card(configs: Path) -> ModelCard:
    return model_card(NAME)


def test_it_is_listed(configs: Path) -> None:
    assert NAME in list_models("someone*", guidance="points")
    assert model_card(f"{NAME}_alias").name == NAME
    assert type(colorzoo.create_model(NAME, weights=None).model).__module__ == f"{PACKAGE}.model"


SLOW = {"two_processes_equal_one", "export", "onnx"}  # tests/test_contract.py runs them on a small model
CHECKS = [
    pytest.param(check, marks=pytest.mark.nightly if str(check) in SLOW else (), id=str(check))
    for check in contract_checks()
]


@pytest.mark.parametrize("check", CHECKS)
def test_it_passes_the_suite(check: Check, card: ModelCard, configs: Path) -> None:
    by_name = {str(check): check for check in contract_checks(configs)}
    by_name[str(check)](card)


def test_it_trains_and_predicts_from_the_command_line(card: ModelCard, configs: Path, tmp_path: Path) -> None:
    from colorzoo.cli.main import main

    write_sample_pictures(tmp_path / "pictures", count=12)
    config, overlay = configs / card.config, write_overlay(card, tmp_path, tmp_path / "pictures")
    arguments = ["--config", str(config), "--config", str(overlay)]
    assert main(["fit", *arguments]) == 0
    assert len(logged(tmp_path, "train/")) >= 2
    (checkpoint,) = tmp_path.rglob("last.ckpt")
    assert main(["predict", *arguments, "--ckpt_path", str(checkpoint)]) == 0

    model = load_task_class(card).load_from_checkpoint(checkpoint, weights_only=True).eval()
    assert model(sample_input("gray", (13, 7))).ab.shape == (1, 2, 13, 7)

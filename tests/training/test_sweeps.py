"""Sweep files of Weights & Biases: documented keys, parameters that are options of `fit`, and a start."""

import inspect
import json
import math
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.models import find_clusters
from harness import make_images
from lightning.pytorch import Trainer

from colorzoo.options import constructor_parameters
from colorzoo.registry import all_cards
from colorzoo.testing.training import logged, write_overlay
from colorzoo.training.command import run_command
from colorzoo.training.configs import config_folders, find_config

# wandb ships no schema; https://docs.wandb.ai/models/sweeps/define-sweep-configuration lists these keys
PARAMETER = {"values", "value", "min", "max", "probabilities", "distribution", "mu", "sigma", "q"}
REQUIRED = {"program", "command", "method", "metric", "parameters"}
OPTIONAL = {"name", "description", "project", "entity", "early_terminate", "run_cap"}
SWEEPS = sorted((config_folders()[0] / "sweeps").glob("*.yaml"))


def is_option(name: str, config: dict[str, Any]) -> bool:
    """Return whether a configuration can be changed by `fit --NAME`."""
    part, *rest = name.split(".")
    if part == "trainer":
        return rest[0] in inspect.signature(Trainer).parameters
    paths = {card.task.rpartition(":")[2]: card.task for card in all_cards().values()}
    module, _, task = paths[config["model"]["class_path"]].partition(":")
    return ".".join(rest) in constructor_parameters(getattr(import_module(module), task))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_file_has_documented_keys_and_options_of_fit(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    assert REQUIRED <= set(sweep) <= REQUIRED | OPTIONAL
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep["metric"]["name"].startswith("val/")
    assert all(set(each) <= PARAMETER for each in sweep["parameters"].values())
    words = sweep["command"]
    assert "${args}" in words
    assert words[:3] == ["colorzoo", "fit", "--config"]
    config = yaml.safe_load(find_config(words[3]).read_text())
    assert [name for name in sweep["parameters"] if not is_option(name, config)] == []


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 7), ("val", 3)):  # photos, and drawings with lines and classes
        make_images(root / split / "images" / "class", count, side=80)
        shutil.copytree(root / split / "images", root / split / "lines")
    return root


@pytest.mark.parametrize("position", [0, pytest.param(-1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_run_of_a_sweep_trains(
    path: Path, position: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = yaml.safe_load(path.read_text())
    variables = {"DATA": str(photos)}
    if "find_clusters" in path.read_text():  # the step that the sweep names
        variables["CLUSTERS"] = str(tmp_path / "clusters.safetensors")
        monkeypatch.setattr(sys, "argv", ["find_clusters", str(photos), "-o", variables["CLUSTERS"]])
        find_clusters.main()
    chosen = [f"--{name}={each['values'][position]}" for name, each in sweep["parameters"].items()]
    words: list[str] = []
    for word in sweep["command"][1:]:  # as the agent of wandb does
        replaced = re.sub(r"\$\{envvar:(\w+)\}", lambda found: variables[found[1]], word)
        words += chosen if word == "${args}" else [replaced]
    card = next(card for card in all_cards().values() if card.config == words[2])
    overlay = json.loads(write_overlay(card, tmp_path, photos).read_text())
    arguments = {
        key: each for key, each in overlay["data"]["init_args"].items() if key not in ("root", "labels")
    }
    short = {"data": {"init_args": arguments}, "trainer": overlay["trainer"]}  # the models are small already
    (tmp_path / "short.yaml").write_text(json.dumps(short))
    last = [word for word in words if not word.startswith("--trainer.max_steps")]  # not thousands of steps
    assert run_command([*last, "--config", str(tmp_path / "short.yaml")]) == 0
    losses = logged(tmp_path, "train/")
    assert losses
    assert all(map(math.isfinite, losses))
    assert logged(tmp_path, sweep["metric"]["name"])

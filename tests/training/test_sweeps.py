"""Sweep files of Weights & Biases: documented keys, and parameters that are options of `fit`."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch import Trainer

from colorzoo.registry import task_paths
from colorzoo.settings import constructor_parameters, setting_groups
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
    module, _, task = task_paths()[config["model"]["class_path"]].partition(":")
    *groups, setting = rest
    kind = getattr(import_module(module), task)
    return setting in constructor_parameters(setting_groups(kind)[groups[0]] if groups else kind)


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

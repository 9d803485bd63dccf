"""Sweep files of Weights & Biases: the documented keys, and parameters that `fit` has."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from lightning.pytorch import Trainer

from colorzoo.registry import task_paths
from colorzoo.settings import argument_types, setting_groups
from colorzoo.training.configs import config_folders, find_config

NUMBER = {"type": "number"}
# wandb ships no schema; https://docs.wandb.ai/models/sweeps/define-sweep-configuration lists these keys
PARAMETER = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "values": {"type": "array", "minItems": 1},
        "value": {},
        "min": NUMBER,
        "max": NUMBER,
        "probabilities": {"type": "array", "items": NUMBER},
        "distribution": {
            "enum": [
                *("constant", "categorical", "int_uniform", "uniform", "q_uniform", "log_uniform_values"),
                *("q_log_uniform_values", "inv_log_uniform_values", "normal", "q_normal", "log_normal"),
            ]
        },
        **dict.fromkeys(("mu", "sigma", "q"), NUMBER),
    },
    "oneOf": [{"required": ["values"]}, {"required": ["value"]}, {"required": ["min", "max"]}],
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["program", "command", "method", "metric", "parameters"],
    "properties": {
        "program": {"const": "colorzoo"},
        "command": {"type": "array", "items": {"type": "string"}, "contains": {"const": "${args}"}},
        "method": {"enum": ["grid", "random", "bayes"]},
        "metric": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "goal"],
            "properties": {
                "name": {"pattern": "^val/"},
                "goal": {"enum": ["minimize", "maximize"]},
                "target": NUMBER,
            },
        },
        "parameters": {"type": "object", "minProperties": 1, "additionalProperties": PARAMETER},
        **{key: {"type": "string"} for key in ("name", "description", "project", "entity")},
        "early_terminate": {},
        "run_cap": {"type": "integer"},
    },
}
SWEEPS = sorted((config_folders()[0] / "sweeps").glob("*.yaml"))


def is_option(name: str, config: dict[str, Any]) -> bool:
    """Return whether a configuration can be changed by `fit --NAME`."""
    part, *rest = name.split(".")
    if part == "trainer":
        return rest[0] in inspect.signature(Trainer).parameters
    module, _, task = task_paths()[config["model"]["class_path"]].partition(":")
    group, setting = rest
    return setting in argument_types(setting_groups(getattr(import_module(module), task))[group])


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_wandb_takes_the_file_and_fit_its_parameters(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    jsonschema.validate(sweep, SCHEMA)
    words = sweep["command"]
    assert words[:3] == ["colorzoo", "fit", "--config"]
    config = yaml.safe_load(find_config(words[3]).read_text())
    assert [name for name in sweep["parameters"] if not is_option(name, config)] == []

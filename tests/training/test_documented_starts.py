"""`--init_from NAME` as pages and configurations write it: the configuration builds that model's network."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from colorzoo import create_model
from colorzoo.factory import build_model
from colorzoo.registry import list_models, model_card

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"colorzoo fit --config (?:configs/)?(\S+\.yaml)[^\n`]*? --init_from (\w+)")
PLACES = (*ROOT.glob("docs/*.md"), *ROOT.glob("configs/*/*.yaml"), *ROOT.glob("notebooks/*.ipynb"))
STARTS = sorted({found for place in PLACES for found in COMMAND.findall(place.read_text(encoding="utf-8"))})
NAMED = [(config, name) for config, name in STARTS if name in list_models()]


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of all groups in one mapping, without optimizers and schedules."""
    groups = [value for value in settings.values() if isinstance(value, dict) and "class_path" not in value]
    plain = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    return plain | {name: value for group in groups for name, value in group.items()}


@pytest.mark.nightly
@pytest.mark.parametrize(("config", "name"), NAMED)
def test_a_documented_start_fits_its_configuration(config: str, name: str) -> None:
    model = yaml.safe_load((ROOT / "configs" / config).read_text(encoding="utf-8"))["model"]
    trained = create_model(name)
    module = importlib.import_module(model_card(name).task.partition(":")[0])
    built = build_model(getattr(module, model["class_path"]), flat(model["init_args"]))
    assert set(built.state_dict()) == set(trained.state_dict())


def test_the_pages_do_name_starts() -> None:
    configs = {config for config, _ in NAMED}
    assert {"zhang2017/local_small_finish.yaml", "su2020/small_instance.yaml"} <= configs

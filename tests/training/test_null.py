"""``null`` on the command line is None for every setting that may be None, also inside a group."""

from types import NoneType
from typing import get_args

import pytest
import yaml

from colorzoo.cli.main import main
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.settings import argument_types, setting_groups


def optional_settings(task: type) -> list[str]:
    """Return the settings of a task that may be None, those of groups as ``GROUP.SETTING``."""
    owners = {"": task} | {f"{group}.": kind for group, kind in setting_groups(task).items()}
    return [
        f"{prefix}{name}"
        for prefix, owner in owners.items()
        for name, hint in argument_types(owner).items()
        if NoneType in get_args(hint)
    ]


TASKS = {
    model_card(name).task: optional_settings(load_task_class(model_card(name))) for name in list_models()
}


@pytest.mark.parametrize("task", sorted(task for task, settings in TASKS.items() if settings))
def test_null_is_none_for_fit(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for setting in TASKS[task] for word in (f"--model.{setting}", "null")]
    path = task.replace(":", ".")
    assert main(["fit", "--model", path, *words, "--data", "FolderDataModule", "--print_config"]) == 0
    parsed = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    for setting in TASKS[task]:
        value = parsed
        for part in setting.split("."):
            value = value[part]
        assert value is None, setting

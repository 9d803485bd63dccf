"""Entry points of `torch.hub` in the root of the repository."""

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import torch

import colorzoo
from colorzoo.factory import create_coloring_model

ROOT = Path(__file__).parent.parent


@pytest.fixture
def hubconf(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("hubconf")


def test_torch_hub_lists_and_describes_every_registered_model(hubconf: ModuleType) -> None:
    # torch.hub.list and torch.hub.help, which read repositories on GitHub only, select these functions
    found = {name: each for name, each in vars(hubconf).items() if callable(each) and name[0] != "_"}
    assert sorted(found) == colorzoo.list_models()
    assert colorzoo.model_card("zhang2016").title in found["zhang2016"].__doc__


def test_torch_hub_loads_weights_and_settings() -> None:
    lightness = torch.linspace(0, 100, 2 * 32 * 40).reshape(2, 1, 32, 40)
    model = torch.hub.load(str(ROOT), "zhang2016_small", source="local")
    expected = create_coloring_model("zhang2016_small")
    assert model.trained
    with torch.inference_mode():
        assert model(lightness).ab.equal(expected(lightness).ab)
    narrow = torch.hub.load(str(ROOT), "zhang2016", None, source="local", width=0.125)
    assert not narrow.trained
    assert sum(each.numel() for each in narrow.parameters()) < 1e6


def test_torch_hub_checks_every_core_dependency(hubconf: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split(r"[^\w-]", line)[0].lower() for line in project["dependencies"]}
    owners = packages_distributions()
    assert {owners[name][0].lower().replace("_", "-") for name in hubconf.dependencies} == required


@pytest.mark.nightly
def test_torch_hub_imports_colorzoo_from_the_repository(tmp_path: Path) -> None:
    code = f"""
import sys, torch
model = torch.hub.load({str(ROOT)!r}, "gray", source="local")
print(sys.modules[type(model).__module__].__file__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": ""},
    )
    assert Path(done.stdout.strip()).is_relative_to(ROOT / "src")

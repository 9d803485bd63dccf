"""Rows, exit codes, JSON and discovery of ``benchmarks/``; nothing is timed."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks._common")


def test_every_module_of_the_package_is_found_and_can_run(harness) -> None:
    module = importlib.import_module("benchmarks.__main__")
    package = importlib.import_module("benchmarks")
    names = module.find_benchmarks(package)
    expected = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem[0] != "_"}
    assert set(names) == expected
    assert "inference" in names
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in names)

"""Discovery of the modules in ``benchmarks/``."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks._common")


def test_find_benchmarks_lists_every_module_with_a_run_function(harness) -> None:
    module = importlib.import_module("benchmarks.__main__")
    package = importlib.import_module("benchmarks")
    names = module.find_benchmarks(package)
    expected = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem[0] != "_"}
    assert set(names) == expected
    assert "inference" in names
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in names)

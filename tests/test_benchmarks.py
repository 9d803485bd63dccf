"""Rows, exit codes, JSON and discovery of ``benchmarks/``; nothing is timed."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
KEYS = ["claim", "ours", "reference", "ratio", "goal", "better", "where"]

FAKE = """
from benchmarks._common import Row, SkippedError, share_of, times_faster

def run(options):
    if options.data is None:
        raise SkippedError("give --data")
    return [times_faster("speed", 1.0, {reference}, 2.0, "here"), share_of("cost", 1.0, 100.0, 0.05, "here")]
"""


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks._common")


@pytest.fixture
def fakes(harness: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / "fake_benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "_private.py").touch()
    (folder / "good.py").write_text(FAKE.format(reference=3.0))
    (folder / "slow.py").write_text(FAKE.format(reference=1.5))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("fake_benchmarks")
    for name in [name for name in sys.modules if name.startswith("fake_benchmarks")]:
        del sys.modules[name]


@pytest.fixture
def main(harness: ModuleType):
    return importlib.import_module("benchmarks.__main__").main


def test_reached_goals_exit_0_and_are_written_as_json(main, fakes, tmp_path, capsys) -> None:
    target = tmp_path / "rows.json"
    assert main(["good", "--data", str(tmp_path), "--json", str(target)], fakes) == 0
    assert "BELOW" not in capsys.readouterr().out
    speed, cost = json.loads(target.read_text())
    assert list(speed) == KEYS
    assert (speed["ratio"], speed["better"]) == (3.0, "higher")
    assert (cost["ratio"], cost["better"]) == (0.01, "lower")


def test_one_row_below_its_goal_prints_below_and_exits_1(main, fakes, tmp_path, capsys) -> None:
    assert main(["--data", str(tmp_path)], fakes) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("BELOW") for line in lines] == [False, False, True, False]


def test_every_module_of_the_package_is_found_and_can_run(harness) -> None:
    module = importlib.import_module("benchmarks.__main__")
    package = importlib.import_module("benchmarks")
    names = module.find_benchmarks(package)
    expected = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem[0] != "_"}
    assert set(names) == expected
    assert "inference" in names
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in names)

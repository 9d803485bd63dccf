"""Templates of `colorzoo new-paper`."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from colorzoo.apps.cli.main import main
from colorzoo.apps.cli.new_paper import Guidance, Kind, paper_files
from colorzoo.testing import contract_checks
from throwaway_paper import FILES, install
from tiny_model import Refused

ROOT = Path(__file__).parents[3]
COPIED = ("configs", "src", "tests")


@pytest.fixture
def remove_package() -> Iterator[None]:
    """Remove the generated package from ``sys.modules``."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "smith2031"]:
        del sys.modules[name]


def test_generated_package_passes_fast_checks(
    remove_package: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line) for line in lines[:-1]] == [
        path for path in map(Path, lines[:-1]) if path.is_file() and "toy2030" not in path.read_text().lower()
    ]
    assert "pip install -e ./smith2031" in lines[-1]
    monkeypatch.syspath_prepend(tmp_path / "smith2031")
    from smith2031.card import CARDS

    assert CARDS[0].year == 2031
    for check in contract_checks(configs=tmp_path / "smith2031"):
        if str(check) in ("card_matches_class", "parameter_count", "guidance", "config", "gradients"):
            check(CARDS[0])


FAULTS = {  # of the generated model: code, faulty code and kind of paper
    "not causal": ("F.pad(features + previous, (2, 0))", "F.pad(features + previous, (1, 1))", "symbols"),
    "no temperature": ("self.temperature * noise", "noise", "symbols"),
    "one seed": ("self.generators(guidance, ", "self.generators(None, ", "symbols"),
    "no caption": ('guidance.get("text")', "None", "regression"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tests_of_the_template_detect_a_fault_of_the_model(
    fault: str, remove_package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct, faulty, kind = FAULTS[fault]
    files = paper_files("smith2031", zoo=False, guidance="text", kind=kind)  # type: ignore[arg-type]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "smith2031")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the faulty file can have the same size and time
    model = tmp_path / "smith2031" / "smith2031" / "model.py"
    assert run_losses(tmp_path) == []
    assert correct in model.read_text()
    model.write_text(model.read_text().replace(correct, faulty))
    assert len(run_losses(tmp_path)) > 0


def run_losses(folder: Path) -> list[str]:
    """Import the tests of the losses of the generated package, and return the names of the failed tests."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "smith2031"]:
        del sys.modules[name]
    tests = runpy.run_path(str(folder / "smith2031" / "test_smith2031.py"))
    failed = []
    for name, test in tests.items():
        if name.startswith("test_"):
            try:
                test()
            except AssertionError:
                failed.append(name)
    return failed


def test_docs_show_the_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("plain", "gan"):
        (tmp_path / kind).mkdir()
        monkeypatch.chdir(tmp_path / kind)
        assert main(["new-paper", "toy2030", *(["--kind", "gan"] if kind == "gan" else [])]) == 0
    assert {"card.py", "gan/task.py", "model.py", "pyproject.toml", "task.py", "tiny.yaml"} == FILES.keys()
    for name, text in FILES.items():
        folder, _, file = name.rpartition("/")
        (found,) = (tmp_path / (folder or "plain")).rglob(file)
        assert found.read_text() == text


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("guidance", get_args(Guidance))
def test_generated_modules_are_formatted_and_the_card_matches(
    guidance: Guidance, kind: Kind, tmp_path: Path
) -> None:
    for path, text in paper_files("smith2031", zoo=False, guidance=guidance, kind=kind).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        assert "{%" not in text
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if ruff is None:
        pytest.skip("ruff is not installed")
    options = [f"--config={tmp_path / 'smith2031' / 'pyproject.toml'}", "--no-cache", str(tmp_path)]
    for command in (["format", "--check"], ["check", "--select=E,F,I,W"]):
        done = subprocess.run([ruff, *command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize(  # each guidance and each kind; a package takes a minute
    ("guidance", "kind"),
    [("none", "regression"), ("points", "gan"), ("exemplar", "sampler"), ("text", "symbols")],
)
def test_all_tests_of_generated_package_pass(
    guidance: Guidance, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031", "--guidance", guidance, "--kind", kind]) == 0
    install(tmp_path / "smith2031", "smith2031.card")
    outcome = run_pytest(tmp_path / "smith2031", [ROOT / "src", tmp_path / "smith2031"])
    assert "test_contract[two_processes_equal_one-smith2031]" in outcome
    assert "test_loss" in outcome


@pytest.mark.nightly
@pytest.mark.timeout(1500)  # collects the whole suite
def test_all_tests_of_generated_zoo_papers_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (path for path in ROOT.iterdir() if path.name != ".git"):
        if path.name in COPIED:
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031", "--zoo"]) == 0
    assert main(["new-paper", "jones2031", "--zoo", "--kind", "gan"]) == 0
    assert main(["new-paper", "garcia2031", "--zoo", "--kind", "symbols", "--guidance", "text"]) == 0
    names = ("smith2031", "jones2031", "garcia2031")
    outcome = run_pytest(tmp_path, [tmp_path / "src"], "-k", " or ".join(names), "-m", "")
    for name in names:
        assert f"test_contract[two_processes_equal_one-{name}]" in outcome
        assert f"test_setting_changes_training_step[{name}-width]" in outcome
        assert f"tests/zoo/test_{name}.py::test_loss" in outcome


def run_pytest(folder: Path, path: list[Path], *words: str) -> str:
    """Run pytest in another process and return its report; fail if a test fails."""
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    return done.stdout


@pytest.mark.parametrize("kind", [[], ["--kind", "gan"]], ids=["plain", "gan"])
def test_generated_zoo_paper_imports_its_modules_from_the_zoo(
    kind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src/colorzoo/zoo").mkdir(parents=True)
    assert main(["new-paper", "smith2031", "--zoo", *kind]) == 0
    assert "python -m pytest -k smith2031" in capsys.readouterr().out
    task = Path("src/colorzoo/zoo/smith2031/task.py").read_text()
    assert "from colorzoo.zoo.smith2031.model import" in task
    assert "class Smith2031(" in task
    config = Path("configs/smith2031/tiny.yaml").read_text()
    assert "class_path: colorzoo.zoo.smith2031.task.Smith2031" in config


def test_existing_files_are_not_overwritten(here: Path, refused: Refused) -> None:
    Path("jones2031").mkdir()
    Path("jones2031/pyproject.toml").write_text("mine")
    for words in (["smith"], ["zhang2016"], ["smith2031", "--zoo"], ["jones2031"]):
        assert words[-1] in refused("new-paper", *words)
    assert sorted(path.name for path in here.rglob("*")) == ["jones2031", "pyproject.toml"]
    assert Path("jones2031/pyproject.toml").read_text() == "mine"

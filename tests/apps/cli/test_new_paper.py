"""Templates of `colorzoo new-paper`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorzoo.apps.cli.main import main
from colorzoo.testing import contract_checks
from knobs.knob import Knobs
from throwaway_paper import shown
from tiny_model import Refused
from training_recipes.recipe import Recipe

KINDS = pytest.mark.parametrize(
    "kind", [[], pytest.param(["--gan"], marks=pytest.mark.nightly)], ids=["plain", "gan"]
)


@pytest.fixture
def remove_package() -> Iterator[None]:
    """Remove the generated package from ``sys.modules``."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("smith2031", "test_smith2031")]:
        del sys.modules[name]


@KINDS
def test_generated_package_passes_its_checks(
    kind: list[str],
    remove_package: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031", *kind]) == 0
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
    assert pytest.main(["-q", "-p", "no:cacheprovider", "smith2031/test_smith2031.py"]) == 0


@KINDS
def test_generated_zoo_paper_has_knobs_and_a_recipe(
    kind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src/colorzoo/zoo").mkdir(parents=True)
    assert main(["new-paper", "smith2031", "--zoo", *kind]) == 0
    assert "python -m pytest -k smith2031" in capsys.readouterr().out.splitlines()[-1]
    task = Path("src/colorzoo/zoo/smith2031/task.py").read_text()
    assert "from colorzoo.zoo.smith2031.model import" in task
    assert "class Smith2031(" in task
    found: dict[str, object] = {}
    for file in ("tests/knobs/smith2031.py", "tests/training_recipes/smith2031.py"):
        exec(compile(Path(file).read_text(), file, "exec"), found)
    assert isinstance(found["KNOBS"]["smith2031"], Knobs)  # type: ignore[index]
    (recipe,) = found["RECIPES"]  # type: ignore[misc]
    assert isinstance(recipe, Recipe)
    written = Path("configs", recipe.config).read_text()
    if not kind:
        expected = shown("tiny.yaml", "colorzoo.zoo.smith2031", "smith2031")
        assert written == expected.replace("Toy2030", "Smith2031")


def test_existing_files_are_not_overwritten(here: Path, refused: Refused) -> None:
    Path("jones2031").mkdir()
    Path("jones2031/pyproject.toml").write_text("mine")
    for words in (["smith"], ["zhang2016"], ["smith2031", "--zoo"], ["jones2031"]):
        assert words[-1] in refused("new-paper", *words)
    assert sorted(path.name for path in here.rglob("*")) == ["jones2031", "pyproject.toml"]
    assert Path("jones2031/pyproject.toml").read_text() == "mine"

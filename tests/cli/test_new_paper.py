"""A new paper is written whole, and is what docs/paper.md shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorzoo.cli.main import main
from colorzoo.cli.new_paper import paper_files
from knobs.knob import Knobs
from throwaway_paper import FILES, shown
from training_recipes.recipe import Recipe


@pytest.mark.parametrize("file", FILES)
def test_the_page_shows_what_is_written(file: str) -> None:
    written = {path.name: text for path, text in paper_files("toy2030", zoo=False).items()}
    assert written[file] == FILES[file]


def test_a_package_of_its_own_is_written_and_its_contract_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-paper", "smith2031"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [Path(line) for line in said[:-1]] == [
        path for path in map(Path, said[:-1]) if path.is_file() and "toy2030" not in path.read_text()
    ]
    assert said[-1] == "Now: python -m pip install -e ./smith2031 && python -m pytest smith2031"
    monkeypatch.syspath_prepend(tmp_path / "smith2031")
    from smith2031.card import CARDS

    from colorzoo.testing import contract_checks

    assert CARDS[0].year == 2031
    for check in contract_checks(configs=tmp_path):
        if str(check) in ("card_matches_class", "parameter_count", "guidance", "config"):
            check(CARDS[0])


def test_a_paper_of_the_zoo_brings_the_rows_that_its_tests_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src/colorzoo/zoo").mkdir(parents=True)
    assert main(["new-paper", "smith2031", "--zoo"]) == 0
    task = Path("src/colorzoo/zoo/smith2031/task.py").read_text()
    assert "from colorzoo.zoo.smith2031.model import" in task
    found: dict[str, object] = {}
    for file in ("tests/knobs/smith2031.py", "tests/training_recipes/smith2031.py"):
        exec(compile(Path(file).read_text(), file, "exec"), found)
    assert found["KNOBS"] == {"smith2031": Knobs()}
    (recipe,) = found["RECIPES"]  # type: ignore[misc]
    assert isinstance(recipe, Recipe)
    assert Path("configs", recipe.config).read_text() == shown(
        "tiny.yaml", "colorzoo.zoo.smith2031", "smith2031"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smith"], "'smith' is no name of a paper; expected author and year"),
        (["zhang2016"], "zhang2016 is a model already"),
        (["smith2031", "--zoo"], "--zoo: src/colorzoo/zoo is not here"),
        (["jones2031"], "jones2031/tiny.yaml exists already"),
    ],
)
def test_nothing_is_written_over(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jones2031").mkdir()
    Path("jones2031/tiny.yaml").write_text("mine")
    assert main(["new-paper", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["jones2031", "tiny.yaml"]
    assert Path("jones2031/tiny.yaml").read_text() == "mine"

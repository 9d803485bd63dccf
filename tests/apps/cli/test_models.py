"""``colorzoo models`` with stub cards, and JSON output with the registered cards."""

import json
from pathlib import Path
from typing import Any

import pytest

from colorzoo import registry
from colorzoo.apps.cli.main import main
from colorzoo.card import ModelCard, Weights
from throwaway_paper import install, write_paper

KEYS = {"name", "aliases", "paper", "year", "guidance", "input", "output", "parameters", "weights"}


def card(name: str, **changes: Any) -> ModelCard:
    fixed = {
        "title": "T",
        "paper": "https://x",
        "year": 1999,
        "summary": "gray [in], color out",
        "task": "m:C",
    }
    return ModelCard(name, **{**fixed, "parameters": 2_150_000, **changes})


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the registered cards by three stubs; the last stub has no weights."""
    weights = {"default": Weights("0" * 64, 1, "MIT")}
    algorithm = {"parameters": 0, "limits": ("training",), "uses": {"automatic": ""}}
    cards = [
        card("doe1999", aliases=("doodle", "doe"), guidance=("points", "boxes"), weights=weights),
        card("roe2001_small", year=2001, input="sketch", output="rgb"),
        card("sum1998", **algorithm),
    ]
    monkeypatch.setattr(registry, "all_cards", lambda: {c.name: c for c in cards})


def names(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["models", "--json", *words]) == 0
    return [entry["name"] for entry in json.loads(capsys.readouterr().out)]


def test_models_json_contains_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == registry.list_models()
    assert all(entry.keys() >= KEYS for entry in entries)


@pytest.mark.usefixtures("zoo")
def test_models_are_filtered_by_pattern_alias_and_guidance(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys) == ["doe1999", "roe2001_small", "sum1998"]
    assert names(capsys, "*_small") == ["roe2001_small"]
    assert names(capsys, "doodle") == ["doe1999"]
    assert names(capsys, "--guidance", "points") == ["doe1999"]
    assert names(capsys, "roe2001_small", "--guidance", "points") == []


@pytest.mark.usefixtures("zoo")
def test_models_prints_nothing_without_match_and_suggests_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "zzz*"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["models", "doe1998"]) == 2
    assert "doe1999" in capsys.readouterr().err


CARDS_FILE = """from colorzoo.card import ModelCard

CARDS = (
    ModelCard(
        name="first2031",
        title="é", paper="", year=2031, summary="",
        model="updated_cards.model:TwoConvolutions",
        task="updated_cards.task:Toy2030",
    ),
    ModelCard(title="é", name="second2031", paper="", year=2031, summary="", hparams={"width": 4},
        model="updated_cards.model:TwoConvolutions", parameters=1, task="updated_cards.task:Toy2030"),
)
"""


def test_update_writes_the_number_of_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_paper(tmp_path / "updated_cards", "updated_cards", "first2031")
    file = tmp_path / "updated_cards" / "card.py"
    file.write_text(CARDS_FILE, encoding="utf-8")
    install(tmp_path, "updated_cards.card")
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()
    try:
        assert main(["models", "*2031", "--update"]) == 0
    finally:
        monkeypatch.undo()
        registry.refresh()
    expected = CARDS_FILE.replace("parameters=1,", "parameters=222,")
    expected = expected.replace('name="first2031"', 'parameters=442,\n        name="first2031"')
    assert file.read_text(encoding="utf-8") == expected
    assert "parameters=222 (second2031)" in capsys.readouterr().out
    registry.refresh()

"""``colorzoo models`` with stub cards, and JSON output with the registered cards."""

import json
from typing import Any

import pytest

from colorzoo import registry
from colorzoo.apps.cli.main import main
from colorzoo.card import ModelCard, Weights

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

"""``colorzoo models``, over made-up cards, and the shape of its JSON over the real ones."""

import json
from pathlib import Path

import pytest

from colorzoo import registry
from colorzoo.card import ModelCard, Weights
from colorzoo.cli.main import main

KEYS = {"name", "aliases", "paper", "year", "guidance", "input", "output", "parameters", "weights"}


def card(name: str, **changes: object) -> ModelCard:
    fixed = {
        "title": "T",
        "paper": "https://x",
        "year": 1999,
        "summary": "gray [in], color out",
        "task": "m:C",
    }
    return ModelCard(name=name, parameters=2_100_000, **(fixed | changes))


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two made-up models instead of the real ones."""
    cards = [
        card(
            "doe1999",
            aliases=("doodle",),
            guidance=("points",),
            weights={"default": Weights("0" * 64, 1, "MIT")},
        ),
        card("roe2001_small", year=2001),
    ]
    monkeypatch.setattr(registry, "all_cards", lambda: {c.name: c for c in cards})


def names(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["models", "--json", *words]) == 0
    return [entry["name"] for entry in json.loads(capsys.readouterr().out)]


def test_json_of_the_real_zoo_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == registry.list_models()
    assert all(entry.keys() >= KEYS for entry in entries)


@pytest.mark.usefixtures("zoo")
def test_models_are_chosen_by_pattern_alias_and_guidance(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys) == ["doe1999", "roe2001_small"]
    assert names(capsys, "*_small") == ["roe2001_small"]
    assert names(capsys, "doodle") == ["doe1999"]
    assert names(capsys, "--guidance", "points") == ["doe1999"]
    assert names(capsys, "roe2001_small", "--guidance", "points") == []


@pytest.mark.usefixtures("zoo")
def test_json_holds_whole_cards(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "doe1999", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry.keys() >= KEYS
    assert (entry["aliases"], entry["guidance"], entry["year"]) == (["doodle"], ["points"], 1999)
    assert entry["weights"]["default"]["license"] == "MIT"


@pytest.mark.usefixtures("zoo")
def test_a_pipe_gets_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["name", "aliases", "year"]
    assert first.split("  ")[0] == "doe1999"
    assert first.index("1999  ") < first.index("2.1 M") < first.index("gray [in]")
    assert second.index("2001  ") == head.index("year")


@pytest.mark.usefixtures("zoo")
def test_a_terminal_gets_a_frame(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "┏━" in out
    assert "gray [in]" in out  # not eaten as markup


@pytest.mark.usefixtures("zoo")
def test_no_match_and_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "zzz*"]) == 0
    assert capsys.readouterr() == ("", "colorzoo: no model matches\n")
    assert main(["models", "doe1998"]) == 2
    assert "did you mean doe1999" in capsys.readouterr().err


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["models"])
    assert list(tmp_path.iterdir()) == []

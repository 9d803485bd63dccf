"""``colorzoo weights fetch best``: table, confirmation and failures."""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace

import pytest

from colorzoo import registry
from colorzoo.card import ModelCard, Quality, Weights
from colorzoo.cli.main import main
from colorzoo.weights import weights_path
from colorzoo.weights.choice import all_defaults


@pytest.fixture
def zoo(card, entry, server, monkeypatch) -> dict[str, ModelCard]:
    """Return two models with published weights, one best for two uses, and one with embedded weights."""

    def model(name: str, ranks: dict[str, int], **weights: Weights) -> ModelCard:
        quality = tuple(Quality(use, rank, "") for use, rank in ranks.items())
        return replace(card(name, **weights), quality=quality)

    fetched = {"published": entry(server.url("absent"), server.url("good"), published=True)}
    other = {"published": entry(server.url("good"), published=True)}
    cards = [
        model("lee2099", {"automatic": 9, "points": 9}, **fetched),
        model("may2098", {"exemplar": 7, "automatic": 8}, **other),
        model("small2099", {"automatic": 1, "points": 1, "sketch": 1}, default=entry(file="x.safetensors")),
    ]
    monkeypatch.setattr(registry, "all_cards", lambda: {each.name: each for each in cards})
    return {each.name: each for each in cards}


@pytest.fixture
def fetch(capsys):
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["weights", "fetch", *words])
        return code, *capsys.readouterr()

    return call


def _terminal(monkeypatch, answer: str) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda text: asked.append(text) or answer)
    monkeypatch.setenv("COLUMNS", "200")
    return asked


def test_yes_fetches_the_best_of_each_use_once(zoo, fetch, server, payload: bytes) -> None:
    code, out, err = fetch("best", "--yes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["MODEL", "FOR", "SIZE", "LICENSE", "FROM", "STATE"]
    rest = ["0.3", "MB", "MIT", "127.0.0.1", "not", "downloaded"]
    assert lines[1].split() == ["lee2099", "automatic,", "points", *rest]
    assert lines[2].split() == ["may2098", "exemplar", *rest]
    paths = [weights_path(zoo[name], "published") for name in ("lee2099", "may2098")]
    assert lines[3:] == [str(path) for path in paths]
    assert [path.read_bytes() for path in paths] == [payload] * 2
    assert server.requests == ["absent", "good", "good"]
    assert all_defaults()["points"].model == "lee2099"
    code, out, _ = fetch("best")
    assert code == 0
    assert "all files are available" in out


def test_without_a_terminal_fetch_needs_yes(zoo, fetch, server) -> None:
    code, _, err = fetch("best")
    assert code == 2
    assert err == "colorzoo: error: confirmation requires a terminal; use --yes to download without it\n"
    assert server.requests == []


@pytest.mark.parametrize(("answer", "requests"), [("y", 1), (" YES", 1), ("", 0), ("n", 0)])
def test_a_terminal_asks_for_confirmation_once(
    zoo, fetch, server, monkeypatch, answer: str, requests: int
) -> None:
    asked = _terminal(monkeypatch, answer)
    assert fetch("exemplar")[0] == 0
    assert asked == ["download? [y/N] "]
    assert len(server.requests) == requests


@pytest.mark.parametrize("by_environment", [True, False])
def test_offline_lists_the_manual_downloads(zoo, fetch, server, monkeypatch, by_environment) -> None:
    if by_environment:
        monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    code, out, err = fetch("best", "--yes", *([] if by_environment else ["--offline"]))
    assert code == 2
    assert err.count("\n") == 1
    for name in ("lee2099", "may2098"):
        entry = zoo[name].weights["published"]
        assert all(url in out for url in entry.urls)
        assert f"  to {weights_path(zoo[name], 'published')}\n" in out
    assert "then run `colorzoo weights verify`" in out
    assert server.requests == []


def test_a_failed_download_does_not_stop_the_others(zoo, fetch, server, payload: bytes, monkeypatch) -> None:
    entry = replace(zoo["lee2099"].weights["published"], urls=(server.url("absent"),))
    gone = {**zoo, "lee2099": replace(zoo["lee2099"], weights={"published": entry})}
    monkeypatch.setattr(registry, "all_cards", lambda: gone)
    code, _, err = fetch("best", "--yes")
    assert code == 1
    assert "404" in err
    assert weights_path(zoo["may2098"], "published").read_bytes() == payload
    assert fetch("points", "--yes")[0] == 2, "all failed"

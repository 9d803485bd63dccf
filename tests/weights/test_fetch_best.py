"""``colorzoo weights fetch best``: downloaded files and failures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from colorzoo import registry
from colorzoo.apps.cli.main import main
from colorzoo.card import ModelCard, Quality, Weights
from colorzoo.weights import weight_file
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


def test_fetch_best_downloads_the_best_model_of_each_use_once(zoo, capsys, server, payload: bytes) -> None:
    paths = [weight_file(zoo[name], "published").path for name in ("lee2099", "may2098")]
    for _ in range(2):
        assert main(["weights", "fetch", "best"]) == 0
        assert capsys.readouterr() == ("".join(f"{path}\n" for path in paths), "")
    assert [path.read_bytes() for path in paths] == [payload] * 2
    assert server.requests == ["absent", "good", "good"]
    assert all_defaults()["points"].model == "lee2099"


def test_fetch_best_continues_after_failed_download(zoo, capsys, server, payload: bytes, monkeypatch) -> None:
    entry = replace(zoo["lee2099"].weights["published"], urls=(server.url("absent"),))
    cards = {**zoo, "lee2099": replace(zoo["lee2099"], weights={"published": entry})}
    monkeypatch.setattr(registry, "all_cards", lambda: cards)
    assert main(["weights", "fetch", "best"]) == 1
    assert "404" in capsys.readouterr().err
    assert weight_file(zoo["may2098"], "published").path.read_bytes() == payload
    assert main(["weights", "fetch", "points"]) == 2

"""No message takes the server's time or memory, and work ends with the pad that wanted it."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from pads import DirectPad, tiny_studio

from colorzoo.errors import GuidanceError
from colorzoo.guidance import BoxHint, PointHint, Recipe
from colorzoo.guidance.recipe import MAX_BOXES, MAX_POINTS
from colorzoo.studio.app import UPLOAD_GRACE
from colorzoo.studio.protocol import Limits, StudioError
from colorzoo.studio.sessions import SessionStore

PROTOCOL = Path(__file__).parents[2] / "docs" / "studio_protocol.md"

LONG_LISTS: list[
    dict[str, Any]
] = [  # of items that no recipe may have, so that reading one is a different error
    {"points": [None] * 100_000},
    {"scribbles": [None] * 20_000},
    {"scribbles": [{"path": [None] * 300_000}]},
    {"regions": [None] * 20_000},
    {"boxes": [None] * 3_000},
    {"areas": [None] * 20_000},
    {"divisions": [None] * 20_000},
    {"exemplar": {"more": [None] * 20_000}},
    {"classes": {"painted": [None] * 20_000}},
    {"classes": {"map": dict.fromkeys(map(str, range(50_000)))}},
]


@pytest.mark.parametrize("recipe", LONG_LISTS, ids=lambda recipe: next(iter(recipe)))
def test_long_lists_are_refused_before_their_items_are_read(pad: DirectPad, recipe: dict[str, Any]) -> None:
    pad.open()
    answer = pad.ask("color", recipe=recipe).body
    assert (answer["type"], answer["code"]) == ("error", "bad_recipe")
    assert "at most" in answer["message"]


PROMISES = [
    ("slower than 16 KB a second after ten seconds", "upload_rate", 16 * 1024),
    ("The id serves once, for ten minutes", "upload_seconds", 600),
    ("two others of this session", "uploads", 2),
    ("it is kept for five minutes", "download_seconds", 300),
    ("Without a pad it expires after an hour", "idle_seconds", 3600),
]


def test_the_limits_of_a_server_are_those_of_its_protocol(pad: DirectPad) -> None:
    page = PROTOCOL.read_text(encoding="utf-8")
    hello = re.search(r'"limits": (\{[^}]*\})', page)
    assert hello is not None
    assert json.loads(hello[1]) == Limits().to_dict() | {"points": MAX_POINTS} == pad.hello["limits"]
    for words, name, value in PROMISES:
        assert words in page
        assert getattr(Limits(), name) == value
    assert UPLOAD_GRACE == 10  # of "after ten seconds"


def test_64_pads_are_open_at_a_time() -> None:
    store = SessionStore(Limits())
    for _ in range(64):
        store.new().connected = True
    with pytest.raises(StudioError, match="64 pads are open here, the limit"):
        store.new()


def test_python_has_the_same_limits() -> None:
    assert len(Recipe(points=(PointHint(1, 2),) * MAX_POINTS).points) == MAX_POINTS
    with pytest.raises(GuidanceError, match=r"recipe\.points has 2,049 entries; at most 2,048 are allowed"):
        Recipe(points=(PointHint(1, 2),) * (MAX_POINTS + 1))
    with pytest.raises(GuidanceError, match=r"recipe\.boxes has 65 entries; at most 64 are allowed"):
        Recipe(boxes=(BoxHint(1, 2, 3, 4),) * (MAX_BOXES + 1))


def test_a_request_is_given_up_when_its_pad_has_gone() -> None:
    studio = tiny_studio()
    entered, gone, runs = threading.Event(), threading.Event(), []

    def wait_in_first_layer(layer: object, *_: object) -> None:
        runs.append(layer)
        entered.set()
        gone.wait(30)

    try:
        for layer in studio.pool.get(None).colorizer().model.modules():
            if not list(layer.children()):
                layer.register_forward_hook(wait_in_first_layer)
        pad = DirectPad(studio)
        pad.open()
        pad.send("color", recipe={})
        assert entered.wait(30)
        studio.disconnect(pad.session)
        gone.set()
        again = DirectPad(studio, pad.session.id)
        again.ask("model")  # waits for the same worker
        assert runs.count(runs[0]) == 2  # of these, one by the trial run for the message `model`
        assert len(runs) < 2 * len(set(runs))
    finally:
        gone.set()
        studio.close()

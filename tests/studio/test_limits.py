"""No message takes the server's time or memory, and work ends with the pad that wanted it."""

from __future__ import annotations

import threading
from typing import Any

from pads import DirectPad, tiny_studio

from colorzoo.studio.studio import Studio

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


def test_long_lists_are_refused_before_their_items_are_read(pad: DirectPad) -> None:
    for recipe in LONG_LISTS:
        pad.open()
        answer = pad.ask("color", recipe=recipe).body
        assert (answer["type"], answer["code"]) == ("error", "bad_recipe")
        assert "at most" in answer["message"]


def block_first_layer(studio: Studio) -> tuple[threading.Event, threading.Event, list[object]]:
    """Block the first layer of a prediction; return the events *entered* and *go on*, and all layers run."""
    entered, go_on, runs = threading.Event(), threading.Event(), []

    def wait_in_first_layer(layer: object, *_: object) -> None:
        runs.append(layer)
        entered.set()
        go_on.wait(30)

    for layer in studio.pool.get(None).model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(wait_in_first_layer)
    return entered, go_on, runs


def test_a_request_is_cancelled_when_its_pad_disconnects() -> None:
    studio = tiny_studio()
    entered, go_on, runs = block_first_layer(studio)
    try:
        pad = DirectPad(studio)
        pad.open()
        pad.send("color", recipe={})
        assert entered.wait(30)
        studio.disconnect(pad.session)
        go_on.set()
        again = DirectPad(studio, pad.session.id)
        again.ask("model")  # waits for the same session
        assert len(runs) == 1
    finally:
        go_on.set()
        studio.close()


def test_a_preview_is_cancelled_by_the_final_request(pad: DirectPad, studio: Studio) -> None:
    """Mouse-up must not wait for the preview of the drag."""
    pad.open()
    pad.ask("color", recipe={})
    entered, go_on, runs = block_first_layer(studio)
    preview = pad.send("color", recipe={"strength": 0.9}, quality="drag")
    assert entered.wait(30)
    final = pad.send("color", recipe={"strength": 0.8})
    go_on.set()
    answers = {message.body["re"]: message.type for message in (pad.next(), pad.next())}
    assert answers == {preview: "dropped", final: "colored"}
    assert len(runs) < 2 * len(set(runs))


def test_another_photo_clears_the_cache_of_stages(pad: DirectPad, studio: Studio) -> None:
    cache = studio.pool.cache
    pad.open()
    pad.ask("color", recipe={})
    used = cache.nbytes
    pad.open(name="second.png")
    assert cache.nbytes < used

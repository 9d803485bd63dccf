"""Limits of messages, and cancellation of requests."""

from __future__ import annotations

import threading
from typing import Any

from pads import DirectPad, tiny_studio

from colorzoo.apps.studio.studio import Studio

LONG_LISTS: list[
    dict[str, Any]
] = [  # lists of invalid items, which would raise a different error if they were parsed
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


def test_color_rejects_long_lists_before_parsing_their_items(pad: DirectPad) -> None:
    for recipe in LONG_LISTS:
        pad.open()
        reply = pad.call("color", recipe=recipe).body
        assert (reply["type"], reply["code"]) == ("error", "bad_recipe")
        assert "at most" in reply["message"]


def block_first_layer(studio: Studio) -> tuple[threading.Event, threading.Event, list[object]]:
    """Block the first layer of a prediction; return *entered*, *go on* and the executed layers."""
    entered, go_on, runs = threading.Event(), threading.Event(), []

    def wait_in_first_layer(layer: object, *_: object) -> None:
        runs.append(layer)
        entered.set()
        go_on.wait(30)

    for layer in studio.pool.get(None).model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(wait_in_first_layer)
    return entered, go_on, runs


def test_disconnect_cancels_running_requests() -> None:
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
        again.call("model")  # waits for the same session
        assert len(runs) == 1
    finally:
        go_on.set()
        studio.close()


def test_final_request_cancels_a_running_preview(pad: DirectPad, studio: Studio) -> None:
    """A final request must not wait for a drag preview."""
    pad.open()
    pad.call("color", recipe={})
    entered, go_on, runs = block_first_layer(studio)
    preview = pad.send("color", recipe={"strength": 0.9}, quality="drag")
    assert entered.wait(30)
    final = pad.send("color", recipe={"strength": 0.8})
    go_on.set()
    replies = {message.body["re"]: message.type for message in (pad.next(), pad.next())}
    assert replies == {preview: "dropped", final: "colored"}
    assert len(runs) < 2 * len(set(runs))


def test_open_clears_the_cache_of_the_previous_image(pad: DirectPad, studio: Studio) -> None:
    cache = studio.pool.cache
    pad.open()
    pad.call("color", recipe={})
    used = cache.currsize
    pad.open(name="second.png")
    assert cache.currsize < used

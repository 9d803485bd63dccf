"""The notebook widget."""

from __future__ import annotations

import base64
import queue
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from browser_pad import check
from IPython.core.formatters import DisplayFormatter
from pads import photo_file, pixels

from colorzoo.apps.studio import Pad, widget
from colorzoo.apps.studio.app import STATIC
from colorzoo.apps.studio.protocol import Message
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model

POINT = {"x": 20.0, "y": 30.0, "radius": 4.0, "color": "#c04020"}


class Page:
    """Fake widget page, which records messages from Python and sends requests."""

    def __init__(self, pad: Pad) -> None:
        self.pad, self.count = pad, 0
        self.skipped: list[str] = []  # kinds of messages
        self.inbox: queue.Queue[Message] = queue.Queue()
        pad.send = lambda content, buffers=None: self.inbox.put(
            Message(content, tuple(bytes(b) for b in buffers or ()))
        )
        self.post("ready")
        greeting = self.inbox.get(timeout=30)
        self.hello, self.files = greeting.body, greeting.buffers

    def post(self, kind: str, *buffers: bytes, **fields: Any) -> int:
        self.count += 1
        content = {"type": kind, "id": self.count, **fields}
        self.pad._handle_custom_msg(content, [memoryview(b) for b in buffers])
        return self.count

    def call(self, kind: str, *buffers: bytes, **fields: Any) -> Message:
        number = self.post(kind, *buffers, **fields)
        while (message := self.inbox.get(timeout=60)).body.get("re") != number:
            self.skipped.append(message.type)
        return message


def page_of(pad: Pad) -> Page:
    """Return a page that has opened the image offered by Python."""
    page = Page(pad)
    start = page.hello["start"]
    page.photo = page.call("open", upload=start["upload"], name=start["name"]).body
    return page


@pytest.fixture
def pad() -> Iterator[Pad]:
    made = Pad(gray_image(80, 96), model=Colorizer(tiny_model(), device="cpu", size=64))
    yield made
    made.close()


def test_widget_edits_update_the_recipe(pad: Pad) -> None:
    page = page_of(pad)
    reply = page.call("color", recipe={"image": page.photo["image"], "points": [POINT]})
    assert pixels(reply.buffers[0]).shape == (80, 96, 3)
    assert pad.recipe["points"] == [POINT]
    assert "recipe" not in page.skipped  # no echo


def test_suggested_versions_do_not_change_the_widget_recipe(pad: Pad) -> None:
    """The page requests small images of other colorings, which the user has not chosen."""
    page = page_of(pad)
    image = page.photo["image"]
    page.call("color", recipe={"image": image})
    reply = page.call("color", recipe={"image": image, "points": [POINT]}, quality="drag")
    assert reply.type == "colored"
    assert "points" not in pad.recipe


def test_setting_the_widget_recipe_updates_the_page(pad: Pad) -> None:
    page = page_of(pad)
    pad.recipe = {"points": [POINT]}
    pushed = page.inbox.get(timeout=10)
    assert (pushed.type, pushed.body["recipe"]["points"]) == ("recipe", [POINT])
    with pytest.raises((traitlets.TraitError, GuidanceError), match="points"):
        pad.recipe = {"points": [{"x": 1}]}
    assert pad.recipe["points"] == [POINT]


@pytest.mark.parametrize(
    ("recipe", "name"),
    [({"pionts": [POINT]}, "pionts"), ({"points": [{**POINT, "colour": "#fff"}]}, "colour")],
)
def test_widget_rejects_recipes_with_unknown_fields(pad: Pad, recipe: dict[str, Any], name: str) -> None:
    pad.recipe = {"points": [POINT]}
    with pytest.raises(GuidanceError, match=name):
        pad.recipe = recipe
    assert pad.recipe["points"] == [POINT]
    with pytest.raises(GuidanceError, match=name):
        Pad(gray_image(80, 96), model=Colorizer(tiny_model(), device="cpu", size=64), recipe=recipe)
    # the page has loaded a file with the field, and keeps the field
    page = page_of(pad)
    page.call("color", recipe={**recipe, "image": page.photo["image"]})
    assert name in str(pad.recipe)


def test_widget_displayed_again_keeps_image_and_recipe(pad: Pad) -> None:
    page = page_of(pad)
    page.call("color", recipe={"image": page.photo["image"], "points": [POINT]})
    again = Page(pad)
    assert again.hello["photo"]["width"] == 96
    assert again.hello["recipe"]["points"] == [POINT]


def test_widget_result_matches_the_colorizer_for_16_bits() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    array = gray_image(80, 96, np.uint16)
    pad = Pad(array, model=colorizer, recipe={"points": [POINT]})
    page_of(pad)
    assert np.array_equal(np.asarray(pad.result()), np.asarray(colorizer(array, pad.recipe)))
    pad.close()


def stored_image(pad: Pad) -> np.ndarray:
    """Return the image that a notebook stores for viewers without a kernel, such as GitHub."""
    data, _ = DisplayFormatter().format(pad)
    assert "application/vnd.jupyter.widget-view+json" in data
    png = data["image/png"]
    return pixels(png if isinstance(png, bytes) else base64.b64decode(png))


def test_notebooks_store_an_image_of_the_widget_result(pad: Pad) -> None:
    pad.recipe = {"points": [POINT]}
    assert np.array_equal(stored_image(pad), np.asarray(pad.result()))
    large = Pad(gray_image(60, 3000), model=Colorizer(tiny_model(), device="cpu", size=16))
    assert stored_image(large).shape[1] < 2000  # a notebook is a text file
    large.close()
    empty = Pad(model=Colorizer(tiny_model(), device="cpu", size=64))
    data, _ = DisplayFormatter().format(empty)
    assert "application/vnd.jupyter.widget-view+json" in data
    empty.close()


def test_widget_colorizes_an_image_opened_in_the_page(pad: Pad) -> None:
    page = page_of(pad)
    page.call("open", photo_file(50, 40), name="other.png")
    assert pad.result().size == (50, 40)


def test_widget_does_not_color_its_own_image_with_edits_of_a_closed_image(pad: Pad) -> None:
    page = page_of(pad)
    other = page.call("open", photo_file(96, 80, quality=1, kind="JPEG"), name="other.jpg").body
    page.call("color", recipe={"image": other["image"], "points": [POINT]})
    page.post("close")
    with pytest.raises(ColorzooError, match="closed"):
        pad.result()


def test_widget_without_an_image_has_no_result(tmp_path: Path) -> None:
    pad = Pad(model=Colorizer(tiny_model(), device="cpu", size=64))
    with pytest.raises(ColorzooError, match="no image"):
        pad.result()
    pad.close()
    with pytest.raises(ColorzooError, match="no such file"):
        Pad(tmp_path / "nothing.jpg")


@pytest.mark.browser
@pytest.mark.parametrize("bundled", [False, True])
def test_widget_module_renders_in_a_page(
    browser: Any, bundled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not bundled:
        monkeypatch.setattr(widget, "BUNDLE", Path("none.js"))
    elif not widget.BUNDLE.is_file():
        pytest.skip("missing, not passed: the bundle; npm install --no-package-lock && npm run bundle")
    page = browser.new_page()
    page.route("http://notebook.test/", lambda route: route.fulfill(body="<!doctype html>"))
    page.goto("http://notebook.test/")
    ready = [{"type": "ready", "id": 0}, 0]
    assert page.evaluate(check("WIDGET"), widget.pad_module()) == ["true", "empty", [ready], 0, True]
    page.close()


def test_widget_module_is_the_bundle_of_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "BUNDLE", tmp_path / "widget.js")
    widget.BUNDLE.write_text("export default {};")
    assert widget.pad_module() == "export default {};"


def test_pad_style_selectors_are_scoped_to_the_pad() -> None:
    text = re.sub(r"/\*.*?\*/", "", (STATIC / "pad.css").read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"@keyframes[^{]*\{(?:[^{}]*\{[^}]*\})*\s*\}", "", text)
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", text)]
    loose = [part for part in selectors if not part.startswith(("@", ".colorzoo-pad", ".colorzoo-page"))]
    assert loose == []
    assert len(selectors) > 100

"""Healing in the answers of the pad."""

from __future__ import annotations

import io

import numpy as np
from pads import DirectPad, pixels
from PIL import Image

from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model

DUST = {"path": [[60, 40], [90, 40]], "width": 8}


def dusty(width: int = 240, height: int = 160) -> bytes:
    levels = gray_image(height, width).copy()
    levels[38:42, 60:90] = 255
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, "PNG")
    return memory.getvalue()


def test_a_preview_is_healed_and_undone(pad: DirectPad) -> None:
    photo = pad.open(dusty())
    recipe = {"image": photo["image"]}
    shown = {
        name: pixels(pad.ask("color", recipe=each, quality=quality).buffers[0]).astype(int)
        for name, each, quality in (
            ("plain", recipe, "final"),
            ("healed", recipe | {"healing": [DUST]}, "final"),
            ("full", recipe | {"healing": [DUST]}, "full"),
            ("undone", recipe, "final"),
        )
    }
    assert (shown["plain"] - shown["healed"])[40, 65:85].mean() > 30
    assert np.abs(shown["full"] - shown["healed"]).max() <= 6
    assert np.array_equal(shown["plain"], shown["undone"])


def test_an_export_is_that_of_the_command_line(pad: DirectPad) -> None:
    photo = pad.open(dusty())
    recipe = {"image": photo["image"], "healing": [DUST], "border": [40, 20, 150, 100]}
    body = pad.ask("export", recipe=recipe, format="png").body
    key = body["url"].removeprefix("api/download/").partition("?")[0]
    result = pixels(pad.studio.downloads.pop(key, pad.session.id).data)
    model = tiny_model()
    model.network.unet.class_head.weight.data *= 30
    own = Colorizer(model, device="cpu", size=64)(np.asarray(Image.open(io.BytesIO(dusty()))), recipe)
    assert np.array_equal(result, np.asarray(own))


def test_memory_counts_the_healed_copy(pad: DirectPad) -> None:
    photo = pad.open(dusty())
    pad.ask("color", recipe={"image": photo["image"]})
    before = pad.session.nbytes
    for width in (4, 6, 8):  # only the last is kept
        pad.ask("color", recipe={"image": photo["image"], "healing": [DUST | {"width": width}]})
    view = 240 * 160 * 4
    assert view < pad.session.nbytes - before < 2.5 * view

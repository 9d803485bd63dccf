"""Healing in previews of the drawing pad."""

from __future__ import annotations

import numpy as np
from pads import DirectPad, image_file, pixels

from tiny_model import gray_image

DUST = {"path": [[60, 40], [90, 40]], "width": 8}


def dusty_file(width: int = 240, height: int = 160) -> bytes:
    levels = gray_image(height, width).copy()
    levels[38:42, 60:90] = 255
    return image_file(levels)


def test_color_applies_and_removes_healing(pad: DirectPad) -> None:
    photo = pad.open(dusty_file())
    recipe = {"image": photo["image"]}
    shown = {
        name: pixels(pad.call("color", recipe=each, quality=quality).buffers[0]).astype(int)
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

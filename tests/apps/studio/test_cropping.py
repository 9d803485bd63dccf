"""Crops in previews and exports of the drawing pad."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from pads import DirectPad, photo_file, pixels
from PIL import Image

from colorzoo.guidance import Crop
from colorzoo.inference.steps.cropping import cropped

TURNED = {"x": 40, "y": 30, "width": 120, "height": 90, "angle": 4.5}


def test_previews_are_not_cropped(pad: DirectPad) -> None:
    recipe = {"image": pad.open(photo_file(240, 160))["image"], "border": [20, 10, 200, 140]}
    for quality in ("drag", "final", "full"):
        whole, kept = (
            pixels(pad.call("color", recipe=each, quality=quality).buffers[0])
            for each in (recipe, {**recipe, "crop": TURNED})
        )
        assert np.array_equal(whole, kept)


def test_exports_are_cropped(pad: DirectPad) -> None:
    recipe = {"image": pad.open(photo_file(240, 160))["image"], "border": [20, 10, 200, 140]}
    whole, kept = (pixels(pad.export(each)) for each in (recipe, {**recipe, "crop": TURNED}))
    assert np.array_equal(kept, cropped(whole, Crop(**TURNED)))


def test_layer_exports_are_cropped(pad: DirectPad) -> None:
    recipe = {
        "image": pad.open(photo_file(240, 160))["image"],
        "crop": TURNED,
        "paint": [{"path": [[90, 70]], "color": "#3060b0", "size": 40}],
    }
    assert Image.open(io.BytesIO(pad.export(recipe, "layer"))).size == (120, 90)
    with zipfile.ZipFile(io.BytesIO(pad.export(recipe, "ora"))) as layers:
        for name in ("data/photo.png", "data/colors.png", "data/paint.png", "mergedimage.png"):
            assert Image.open(io.BytesIO(layers.read(name))).size == (120, 90)

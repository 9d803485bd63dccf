"""Exports with layers."""

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from pads import DirectPad, image_file, photo_file, pixels
from PIL import Image

from colorzoo.image_io.layers import color_layer, gray_levels
from colorzoo.image_io.read import read_image

RNG = np.random.default_rng(0)


def over(gray: np.ndarray, layer: np.ndarray) -> np.ndarray:
    below = Image.fromarray(gray).convert("RGBA")
    return np.asarray(Image.alpha_composite(below, Image.fromarray(layer)).convert("RGB")).astype(int)


@pytest.mark.parametrize("spread", [0, 3, 40, 255])
def test_color_layer_over_the_gray_image_reproduces_the_result(spread: int) -> None:
    gray = RNG.integers(0, 256, (300, 40), dtype=np.uint8)
    change = RNG.integers(-spread, spread + 1, (300, 40, 3))
    result = (gray[..., None].astype(int) + change).clip(0, 255).astype(np.uint8)
    layer = color_layer(gray, result)
    assert np.abs(over(gray, layer) - result).max() <= 1
    if spread == 0:
        assert not layer[..., 3].any()  # transparent without color
    if spread == 3:
        assert np.median(layer[..., 3]) < 30  # as transparent as possible


def test_gray_levels_keeps_the_lightness_of_color_images() -> None:
    levels = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    assert gray_levels(read_image(levels))[0, 0] == 127  # L* of red and of this gray is 53.2
    gray = read_image(photo_file())
    assert np.array_equal(gray_levels(gray), gray.levels)


def test_ora_export_follows_the_openraster_specification(pad: DirectPad) -> None:
    photo = pad.open(photo_file(300, 80), "my photo.png")
    recipe = {"image": photo["image"], "points": [{"x": 20, "y": 30, "radius": 4, "color": "#c04020"}]}
    pack = zipfile.ZipFile(io.BytesIO(pad.export(recipe, "ora")))
    first = pack.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert pack.read("mimetype") == b"image/openraster"
    stack = ElementTree.fromstring(pack.read("stack.xml"))
    assert (stack.get("w"), stack.get("h")) == ("300", "80")
    sources = [layer.get("src") for layer in stack.iter("layer")]
    colors, gray = (pixels(pack.read(str(source))) for source in sources)
    merged = pixels(pack.read("mergedimage.png"))
    assert np.abs(over(gray, colors) - merged).max() <= 1
    assert np.array_equal(gray, pixels(photo_file(300, 80)))
    assert pixels(pack.read("Thumbnails/thumbnail.png")).shape == (68, 256, 3)


@pytest.mark.parametrize("paint", [[], [{"path": [[20, 40], [70, 40]], "size": 16, "color": "#c04020"}]])
def test_layers_of_a_transparent_photo_produce_its_alpha(pad: DirectPad, paint: list[dict]) -> None:
    alpha = np.broadcast_to(np.arange(96, dtype=np.uint8)[None] * 8 // 3, (80, 96)).copy()
    alpha[60:] = 255
    gray = pixels(photo_file(96, 80))
    photo = pad.open(image_file(np.dstack([gray, alpha])))
    recipe = {"image": photo["image"], "paint": paint}
    plain = pixels(pad.export(recipe))
    pack = zipfile.ZipFile(io.BytesIO(pad.export(recipe, "ora")))
    assert np.array_equal(pixels(pack.read("mergedimage.png")), plain)
    assert np.array_equal(plain[..., 3], alpha)
    sources = [each.attrib["src"] for each in ElementTree.fromstring(pack.read("stack.xml")).iter("layer")]
    merged = Image.new("RGBA", (96, 80))
    for source in reversed(sources):
        layer = Image.open(io.BytesIO(pack.read(source)))
        merged = Image.alpha_composite(merged, layer.convert("RGBA"))
    assert np.abs(np.asarray(merged)[..., 3].astype(int) - alpha).max() <= 2
    change = np.asarray(merged)[..., :3].astype(int) - plain[..., :3]
    assert np.abs(change[alpha > 100]).max() <= 4
    colors = pixels(pad.export(recipe, "layer"))
    assert not colors[alpha == 0][:, 3].any()
    assert pixels(pack.read("Thumbnails/thumbnail.png"))[0, 0, 3] == 0

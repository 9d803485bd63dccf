"""Colors under transparent pixels have no effect on visible colors, on every route."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo import create_model
from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.data.sources import StoredImage
from colorzoo.errors import GuidanceError
from colorzoo.evaluation.images import Item, read_truth
from colorzoo.evaluation.protocol import Resize, parse_protocol
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import ReadReference, describe_statistics, main_colors, make_exemplar
from colorzoo.inference.style_transfer import stylize
from inference.recipes import Alike
from tiny_evaluation import PROTOCOL
from tiny_model import tiny_model

RANDOM = np.random.default_rng(3)
TEXTURE = RANDOM.integers(30, 220, (6, 8, 3)).astype(np.uint8).repeat(12, axis=0).repeat(12, axis=1)
OVAL = np.hypot(*np.meshgrid(np.linspace(-1.2, 1.2, 96), np.linspace(-1.2, 1.2, 72)))
ALPHA = np.clip(255 * (1.05 - OVAL) * 8, 0, 255).astype(np.uint8)  # with a soft edge
HIDDEN = {
    "black": np.zeros(3, np.uint8),
    "green": np.array([0, 255, 0], np.uint8),
    "noise": RANDOM.integers(0, 256, TEXTURE.shape).astype(np.uint8),
}


def cut_out(hidden: str, levels: NDArray[np.uint8] = TEXTURE) -> RasterImage:
    color = HIDDEN[hidden] if levels.ndim == 3 else HIDDEN[hidden][..., 1]
    shown = ALPHA if levels.ndim == 2 else ALPHA[..., None]
    return RasterImage(np.where(shown > 0, levels, color).astype(np.uint8), ALPHA)


@pytest.mark.parametrize("hidden", ["green", "noise"])
def test_references_statistics_and_palettes_ignore_hidden_colors(hidden: str) -> None:
    one, other = cut_out("black"), cut_out(hidden)
    assert describe_statistics(one) == describe_statistics(other)
    assert main_colors(one) == main_colors(other)
    embeddings = [make_exemplar(Alike(), [ReadReference(each)], 32) for each in (one, other)]
    assert torch.equal(embeddings[0].rgb, embeddings[1].rgb)
    assert torch.equal(embeddings[0].embedding, embeddings[1].embedding)


@pytest.mark.parametrize("hidden", ["green", "noise"])
def test_stylize_ignores_hidden_colors_of_content_and_style(hidden: str) -> None:
    model = create_model("xu2020_small").model.eval()
    flipped = np.ascontiguousarray(TEXTURE[::-1, ::-1])
    results = [
        stylize(model, cut_out(content), cut_out(style, flipped), size=64)[ALPHA > 0]
        for content, style in (("black", "black"), (hidden, "black"), ("black", hidden))
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("hidden", ["green", "noise"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [None, 32])
def test_visible_colors_of_a_photo_do_not_depend_on_hidden_colors(
    hidden: str, channels: int, size: int | None
) -> None:
    recipe = {
        "version": 2,
        "points": [{"x": 48, "y": 30, "color": "#c04020"}],
        "areas": [{"action": "color", "color": "#2040c0", "path": [[60, 20], [96, 20], [96, 60], [60, 60]]}],
        "healing": [{"path": [[6, 36], [20, 36]], "width": 5}, {"path": [[80, 10], [92, 60]], "width": 16}],
    }
    levels = TEXTURE if channels == 3 else TEXTURE[..., 0]
    colorizer = Colorizer(tiny_model(), device="cpu", precision="float32", size=size)
    for guidance in (None, recipe):
        one, other = (
            np.asarray(colorizer(cut_out(each, levels), guidance))[ALPHA > 0] for each in ("black", hidden)
        )
        np.testing.assert_array_equal(one, other)


def test_statistics_and_palettes_weight_pixels_by_alpha() -> None:
    levels = np.zeros((64, 64, 3), np.uint8)
    levels[:, :32], levels[:, 32:] = (220, 40, 40), (40, 40, 220)
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:, 32:] = 51  # a fifth of 255
    image = RasterImage(levels, alpha)
    histogram = np.array(describe_statistics(image)["histogram"])
    blue_b = float(rgb_to_lab(torch.tensor([40, 40, 220.0]).view(3, 1, 1) / 255)[2])
    bluish = (hull_centers()[:, 1] < blue_b / 2).numpy()
    assert histogram[bluish].sum() == pytest.approx(1 / 6, abs=0.02)
    red, *_ = main_colors(image)
    assert red == "#dc2828"
    alpha[:, 32:] = 0
    visible = RasterImage(np.ascontiguousarray(levels[:, :32]))
    assert main_colors(image) == main_colors(visible)
    assert describe_statistics(image) == describe_statistics(visible)
    # equal alpha in all pixels has no effect
    opaque = describe_statistics(RasterImage(levels))
    for equal in (255, 90, 1):
        alpha[:] = equal
        assert main_colors(image) == main_colors(RasterImage(levels))
        found = describe_statistics(image)
        assert found["histogram"] == pytest.approx(opaque["histogram"], abs=1e-5)
        assert found["saturation"] == pytest.approx(opaque["saturation"], abs=1e-4)


def test_one_visible_pixel_of_a_large_image_is_its_palette() -> None:
    levels = np.zeros((1200, 1800, 3), np.uint8)
    levels[..., 1] = 255
    levels[700, 900] = (200, 60, 30)
    alpha = np.zeros((1200, 1800), np.uint8)
    alpha[700, 900] = 9
    assert main_colors(RasterImage(levels, alpha)) == ("#c83c1e",)
    assert describe_statistics(RasterImage(levels, alpha))["saturation"] == pytest.approx(0.85, abs=0.01)


def test_a_reference_without_a_visible_color_is_rejected() -> None:
    class NeedsColor(Alike):
        reference_needs_color = True

    gray = cut_out("green", np.repeat(TEXTURE[..., :1], 3, axis=2))
    with pytest.raises(GuidanceError, match="has no color"):
        make_exemplar(NeedsColor(), [ReadReference(gray, name="gray.png")], 32)


def test_references_of_an_evaluation_have_only_visible_colors(tmp_path: Path) -> None:
    protocol = replace(parse_protocol(PROTOCOL, "tiny"), resize=Resize("none"), references="pairs")
    Image.fromarray(TEXTURE).save(tmp_path / "target.png")
    found = []
    for hidden in HIDDEN:
        image = cut_out(hidden)
        path = tmp_path / f"{hidden}.png"
        Image.fromarray(np.dstack([image.levels, image.alpha])).save(path)
        stored = StoredImage(str(tmp_path / "target.png")), StoredImage(str(path))
        truth = read_truth(Item("target.png", *stored).hashed(), protocol, torch.device("cpu"))
        found.append(truth.reference)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    colors = found[0][0].permute(1, 2, 0)
    assert colors[ALPHA == 0].max() <= colors[ALPHA == 255].max()  # not white

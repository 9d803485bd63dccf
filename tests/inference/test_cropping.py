"""Straightening and cropping of results."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Crop, Recipe
from colorzoo.guidance.edits import parse_crop_text
from colorzoo.image_io import read_image
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.cropping import crop_image, cropped
from tiny_model import gray_image, tiny_model

PLACE = {"x": 12, "y": 9, "width": 60, "height": 50}
TURNED = {"x": 20, "y": 15, "width": 50, "height": 40, "angle": 7.5}


def smooth(height: int, width: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Return a color image of waves, which are defined between pixels too."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return as_levels(waves(columns, rows), dtype)


def waves(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    return np.stack([0.5 + 0.4 * np.sin(x / 9 + k) * np.cos(y / 11 - k) for k in range(3)], axis=-1)


def as_levels(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    most = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    return (values * most + (0 if most == 1 else 0.5)).astype(dtype)


def places(crop: Crop) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return image coordinates x and y of the pixels of a crop."""
    down, across = np.mgrid[: crop.height, : crop.width] + 0.5
    down, across, turn = down - crop.height / 2, across - crop.width / 2, math.radians(crop.angle)
    x = crop.center[0] + across * math.cos(turn) - down * math.sin(turn)
    return x, crop.center[1] + across * math.sin(turn) + down * math.cos(turn)


def test_cropped_without_angle_returns_the_original_pixels() -> None:
    for dtype in [np.uint8, np.uint16, np.float32]:
        levels = smooth(80, 100, dtype)
        kept = cropped(levels, Crop(12, 9, 60, 50))
        assert kept.dtype == levels.dtype
        assert np.array_equal(kept, levels[9:59, 12:72])
        assert np.array_equal(cropped(levels[..., 0], Crop(0, 0, 100, 80)), levels[..., 0])


def test_cropped_with_angle_interpolates_between_pixels() -> None:
    for angle in [-45.0, -3.3, 0.4, 12.0, 45.0]:
        for dtype in [np.uint8, np.uint16, np.float32]:
            crop = Crop(300, 310, 610, 590, angle)  # several tiles
            turned = cropped(smooth(1200, 1200, dtype), crop)
            x, y = places(crop)
            error = turned.astype(float) - as_levels(waves(x, y), dtype)
            assert turned.dtype == np.dtype(dtype)
            most = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
            assert np.abs(error).max() <= 0.0025 * most + (
                0 if dtype is np.float32 else 1.5
            )  # both are rounded
            assert abs(error.mean()) < 0.1 * (most if dtype is np.float32 else 1)


def test_cropped_with_angle_has_no_dark_rim_at_image_borders() -> None:
    level = np.full((200, 200), 200, np.uint8)
    crop = Crop(1, 1, 198, 198, 0.5)
    assert min(x for x, _ in crop.corners) < 0.2
    assert np.array_equal(cropped(level, crop), np.full((198, 198), 200))


def test_recipe_crop_keeps_hints_in_pixels_of_the_whole_image() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    image = gray_image(80, 100)
    recipe = {
        "border": [4, 6, 90, 70],
        "points": [{"x": 50, "y": 30, "color": "#c04020"}],
        "paint": [{"path": [[20, 20], [60, 40]], "color": "#3060b0", "size": 9}],
        "healing": [{"path": [[30, 40]], "width": 7}],
    }
    whole = np.asarray(colorizer(image, recipe))
    part = np.asarray(colorizer(image, {**recipe, "crop": PLACE}))
    assert np.array_equal(part, whole[9:59, 12:72])
    turned = np.asarray(colorizer(image, {**recipe, "crop": TURNED}))
    assert np.array_equal(turned, cropped(whole, Crop(**TURNED)))
    floats = colorizer.colorize(image, {**recipe, "crop": PLACE}).rgb
    assert np.array_equal(floats, colorizer.colorize(image, recipe).rgb[9:59, 12:72])


def cut_out(dtype: Any = np.uint8) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the levels and alpha of a light disk on transparent black."""
    rows, columns = np.mgrid[:80, :100]
    disk = np.hypot(rows - 40, columns - 50) < 20
    most = np.iinfo(dtype).max
    return np.where(disk, 220 / 255 * most, 0).astype(dtype), np.where(disk, most, 0).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_rotated_crop_keeps_the_color_at_the_edge_of_transparent_parts(dtype: Any, channels: int) -> None:
    levels, alpha = cut_out(dtype)
    levels = levels if channels == 1 else np.stack([levels] * 3, axis=-1)
    part = crop_image(RasterImage(levels, alpha), Crop(**TURNED))
    assert part.alpha is not None
    opacity = part.alpha / np.iinfo(dtype).max
    assert ((opacity > 0.1) & (opacity < 0.9)).sum() > 50
    assert np.abs(part.levels[opacity > 0.1] / np.iinfo(dtype).max * 255 - 220).max() <= 1.01
    assert (part.levels[opacity == 0] == 0).mean() > 0.9


def test_rotated_crop_of_a_transparent_file_keeps_its_lightness_at_the_edge(tmp_path: Path) -> None:
    levels, alpha = cut_out()
    Image.fromarray(np.dstack([levels, alpha]), "LA").save(tmp_path / "old.png")
    target = tmp_path / "new.png"
    words = ["--model", "zhang2017_local_small", "--strength", "0", "-o", str(target)]
    assert main(["colorize", str(tmp_path / "old.png"), "--crop", Crop(**TURNED).to_text(), *words]) == 0
    part = read_image(target)
    assert part.alpha is not None
    assert np.abs(part.levels[part.alpha > 25].astype(int) - 220).max() <= 1


def deep(path: Path) -> None:
    gray = smooth(80, 100, np.uint16)[..., 0]
    tifffile.imwrite(path, np.stack([gray, gray, gray, gray // 2 + 9], axis=-1), extrasamples=["unassalpha"])


def transparent(path: Path) -> None:
    levels = np.dstack([gray_image(80, 100)] * 3 + [smooth(80, 100)[..., 1]])
    Image.fromarray(levels).save(path)


@pytest.mark.parametrize(("make", "ending"), [(deep, ".tif"), (transparent, ".png")])
@pytest.mark.parametrize("place", [PLACE, TURNED])
def test_crop_option_keeps_bit_depth_and_alpha_of_files(
    make: Callable[[Path], None], ending: str, place: dict[str, Any], tmp_path: Path
) -> None:
    source, whole, part = (tmp_path / f"{name}{ending}" for name in ("old", "whole", "part"))
    make(source)
    before = source.read_bytes()
    line = ["colorize", str(source), "--model", "zhang2017_local_small", "-o"]
    assert main([*line, str(whole)]) == 0
    crop = Crop(**place)
    assert main([*line, str(part), "--crop", crop.to_text()]) == 0
    large, small = read_image(whole), read_image(part)
    assert small.size == (crop.width, crop.height)
    assert small.bit_depth == large.bit_depth
    assert np.array_equal(small.levels, cropped(large.levels, crop, large.alpha))
    assert small.alpha is not None
    assert large.alpha is not None
    assert small.alpha.dtype == large.alpha.dtype
    assert np.array_equal(small.alpha, cropped(large.alpha, crop))
    assert source.read_bytes() == before


def test_provenance_stores_the_crop_and_its_recipe_reproduces_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, part, again = (tmp_path / name for name in ("old.png", "part.png", "again.png"))
    Image.fromarray(gray_image(80, 100)).save(source)
    line = ["colorize", str(source), "--model", "zhang2017_local_small", "-o"]
    assert main([*line, str(part), "--crop", "20,15,50,40,7.5", "--explain"]) == 0
    assert "compose: 50 x 40 pixels" in capsys.readouterr().out
    record = read_provenance(part)
    assert record is not None
    assert record.crop == "20,15,50,40,7.5"
    assert main(["info", str(part)]) == 0
    assert "crop        20,15,50,40,7.5" in capsys.readouterr().out
    recipe = tmp_path / "old.recipe.json"
    recipe.write_text(record.recipe)
    assert json.loads(record.recipe)["crop"] == TURNED
    assert main(["colorize", str(source), "--recipe", str(recipe), "-o", str(again)]) == 0
    pixels = np.asarray(Image.open(again))
    assert np.array_equal(pixels, np.asarray(Image.open(part)))
    assert np.array_equal(pixels, np.asarray(colorzoo.colorize(source, guidance=recipe)))
    assert main([*line, str(part), "--crop", "20,15,50,40"]) != 0  # the existing output has another crop
    whole = tmp_path / "whole.png"
    assert main([*line, str(whole)]) == 0
    assert read_provenance(whole).crop == ""  # type: ignore[union-attr]
    assert b"crop" not in whole.read_bytes()


def test_recipe_and_parse_crop_text_read_crops() -> None:
    assert Recipe.from_json({"crop": TURNED}).kinds() == ()
    assert Recipe.from_json({"crop": PLACE}).crop == Crop(12, 9, 60, 50)
    assert Recipe.from_json({"crop": None}) == Recipe() == Recipe.from_json({})
    assert "crop" not in Recipe().to_dict()
    assert parse_crop_text("12,9,60,50", "--crop") == Crop(12, 9, 60, 50)
    assert parse_crop_text("-3,9.0,60,50,-1.25", "--crop") == Crop(-3, 9, 60, 50, -1.25)


def test_crop_outside_the_image_raises() -> None:
    for crop in [{**PLACE, "x": 41}, {**PLACE, "y": -1}, {**PLACE, "angle": 45}]:
        words = r"must lie within .*100 x 80"
        with pytest.raises(GuidanceError, match=words):
            Recipe.from_json({"image": {"width": 100, "height": 80}, "crop": crop})
        with pytest.raises(GuidanceError, match=words):
            Colorizer(tiny_model(), device="cpu", size=64)(gray_image(80, 100), {"crop": crop})


def test_parse_crop_text_rejects_invalid_text() -> None:
    for text in ["1,2,3", "a,b,c,d", "1,2,30,40,5,6", "1.5,2,30,40", "1,2,30,40,", "inf,2,30,40"]:
        with pytest.raises(GuidanceError, match="--crop must be X,Y,WIDTH,HEIGHT"):
            parse_crop_text(text, "--crop")

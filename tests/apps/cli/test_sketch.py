"""`colorzoo colorize` with sketches and the embedded `cho2023_small`: region colors and notes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main

MODEL = ["--model", "cho2023_small", "--device", "cpu"]


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    image = np.full((96, 120), 255, np.uint8)
    image[20:76, 30:33] = image[20:76, 80:83] = image[20:23, 30:83] = image[73:76, 30:83] = 0
    path = tmp_path / "box.png"
    Image.fromarray(image).save(path)
    return path


def colorized(path: Path, out: Path, *more: str) -> np.ndarray:
    assert main(["colorize", str(path), "-o", str(out), *MODEL, *more]) == 0
    with Image.open(out) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def recipe(tmp_path: Path, *regions: tuple[int, str]) -> str:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"regions": [{"index": index, "color": color} for index, color in regions]}))
    return str(path)


def test_recipe_region_colors_are_applied(sketch: Path, tmp_path: Path) -> None:
    reds = []
    for color in ("#d02020", "#2040d0"):
        given = recipe(tmp_path, (0, "#ffffff"), (1, color))
        result = colorized(sketch, tmp_path / "out.png", "--recipe", given, "--overwrite")
        box = result[35:60, 45:70].mean((0, 1))
        reds.append(box[0] - box[2])
        assert result[5:15].mean() > 200  # the background keeps the requested color
    assert reds[0] > reds[1] + 60


def test_sketch_model_adds_a_note_on_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    photo = tmp_path / "photo.png"
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    coarse.resize((120, 96), Image.Resampling.BICUBIC).save(photo)
    colorized(photo, tmp_path / "from_photo.png")
    assert "looks like a photo" in capsys.readouterr().out

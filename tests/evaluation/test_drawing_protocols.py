"""Evaluation of sketch models with drawn lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.errors import DataError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.images import hash_all, read_truth, select_images
from colorzoo.evaluation.measures import Bleeding, MeasuredImage, named_measure
from colorzoo.evaluation.methods import proposer_of
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.guidance import Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.steps.drawing import region_votes
from colorzoo.simulation import SessionResult

MODEL = "colorzoo2026_drawing"
DRAWN = replace(load_protocol("drawings"), metrics=("psnr", "region_accuracy"), interactions=(0, 3))


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three drawings with six regions; one drawing has no lines."""
    random = np.random.default_rng(0)
    lines = np.full((120, 180), 255, np.uint8)
    lines[58:62] = lines[:, 58:62] = lines[:, 118:122] = 0
    for index in range(3):
        colors = random.integers(30, 230, (2, 3, 3)).repeat(60, 0).repeat(60, 1)
        save(
            tmp_path / "val/images" / f"{index}.png",
            np.where(lines[..., None] == 0, 0, colors).astype(np.uint8),
        )
        if index:
            save(tmp_path / "val/lines" / f"{index}.png", lines)
    return tmp_path / "val"


def test_drawings_protocol_selects_images_with_lines_and_keeps_their_shape(folder: Path) -> None:
    items, _ = select_images(folder, DRAWN, None, None)
    assert [item.name for item in items] == ["images/1.png", "images/2.png"]
    (item, _), unreadable = hash_all(items)
    assert not unreadable
    truth = read_truth(item, DRAWN, device="cpu")
    assert truth.rgb.shape == (1, 3, 171, 256)
    sketch = truth.sketch_scene.lightness
    assert sketch.shape == (1, 1, 171, 256)
    assert ((sketch > 0.9) | (truth.rgb.amax(1, keepdim=True) < 0.95)).all()
    assert len(truth.regions.areas) == 6
    traced = read_truth(item, replace(DRAWN, sketches="xdog"), device="cpu").sketch_scene.lightness
    assert not traced.equal(sketch)
    save(folder / "lines/1.png", np.zeros((120, 180), np.uint8))
    assert hash_all(items)[0][0].key != item.key  # the cache depends on the lines


@pytest.mark.parametrize(
    ("name", "points"), [("drawings", 100), ("drawings-proposed", 6), ("drawings-largest", 6)]
)
def test_points_color_all_regions_of_a_drawing(folder: Path, tmp_path: Path, name: str, points: int) -> None:
    protocol = replace(load_protocol(name), metrics=("psnr", "region_accuracy"), interactions=(0, 100))
    evaluate([MODEL, "truth"], folder, protocol, output=tmp_path / "report", resamples=10)
    results = json.loads((tmp_path / "report/results.json").read_text())["results"]
    first, last, truth = (
        {key.split("@")[0]: each["value"] for key, each in result["scores"].items()} for result in results
    )
    assert results[1]["actual_interactions"] == points
    assert first["region_area_within_de10"] < 0.9
    assert last["region_area_within_de10"] == truth["region_area_within_de10"] == 1
    assert last["psnr_rgb_8bit_mean"] > first["psnr_rgb_8bit_mean"] + 8


def test_cached_values_are_not_reused_for_another_kind_of_sketches(folder: Path, tmp_path: Path) -> None:
    changes = {"metrics": ("psnr",), "interactions": (0,)}
    values = []
    for sketches in ("drawn", "xdog", "drawn"):
        protocol = replace(DRAWN, sketches=sketches, **changes)
        outcome = evaluate([MODEL], folder, protocol, cache=tmp_path / "cache", resamples=10)
        values.append(outcome.per_image())
    assert values[0] == values[2] != values[1]


def test_region_accuracy_is_the_area_of_regions_with_similar_colors(folder: Path) -> None:
    items, _ = hash_all(select_images(folder, DRAWN, None, None)[0])
    truth = read_truth(items[0], DRAWN, device="cpu")
    rgb = truth.rgb.clone()
    rgb[..., 85:] += 0.5 * (0.5 - rgb[..., 85:]).sign()  # right two thirds
    rgb[..., :85] += 0.02
    result = MeasuredImage(rgb.clamp(0, 1), truth.ab, truth, Bleeding(SessionResult(rgb, truth.ab), truth))
    ((value, *_),) = named_measure("region_accuracy").run(result)
    assert value == pytest.approx(1 / 3, abs=0.02)


def test_drawings_protocol_without_lines_raises_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"protocol drawings requires images in .* and drawn lines") as caught:
        evaluate([MODEL], folder / "images", DRAWN)
    assert "\n" not in str(caught.value)


def test_regions_are_proposed_by_the_prediction_for_the_drawing() -> None:
    sketch = torch.ones(1, 1, 96, 128)
    sketch[..., 40:44, :] = sketch[..., 70:73] = sketch[..., 60:63, 73:] = 0
    colorizer = Colorizer(MODEL, device="cpu", precision="float32")
    levels = (sketch[0, 0] * 255).byte().numpy()
    edit = colorizer.resolve(RasterImage(levels), Recipe())
    prediction, drawing = colorize_edit(edit).prediction, edit.drawing
    assert prediction is not None
    assert drawing is not None
    votes = region_votes(prediction, drawing, edit.network_input)
    expected = colorizer.model.rank_regions(prediction, votes, torch.from_numpy(drawing.areas))
    assert len(expected) == 5
    proposer: Any = proposer_of(colorizer.model)
    assert proposer.ranked_regions(sketch) == expected

"""Pipeline stages: their order, and the stages that an edit runs again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.guidance import ColorReplacement, PaintStroke, PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from inference.by_hand import Results, color_again
from inference.recipes import MODELS, SIZE, photo
from tiny_model import NAME, gray_image, write_tiny_weights

POINT = PointHint(70, 38, color="#c04020")
FAR = PointHint(20, 10, color="#40a050", reach="everywhere")
Edit = Callable[..., dict[str, bool]]


@pytest.fixture
def edit() -> Edit:
    """Return a function that colorizes with one cache and returns whether each stage was cached."""
    colorizer = Colorizer(MODELS["alike"](), device="cpu", precision="float32", size=SIZE)
    results: Results = {}

    def stages(*points: PointHint, **fields: object) -> dict[str, bool]:
        recipe = Recipe(points=points, **fields)  # type: ignore[arg-type]
        cached: dict[str, bool] = {}
        for stage in color_again(colorizer, read_image(photo()), recipe, results).edit.log:
            cached[stage.name] = cached.get(stage.name, True) and stage.cached
        return cached

    return stages


def test_pipeline_stages_run_in_the_expected_order(edit: Edit) -> None:
    assert list(edit(POINT)) == [
        "select part", "preprocess", "rasterize points", "fit points", "run network", "find neighbors",
        "enforce points", "step costs", "find paths", "compute similarity", "limit extent", "limit reach",
    ]  # fmt: skip
    assert list(edit()) == ["select part", "preprocess", "detect page", "run network"]


def test_pipeline_edit_runs_only_stages_with_changed_inputs(edit: Edit) -> None:
    edit(FAR, POINT)
    recolored = edit(FAR, replace(POINT, color="#2050c0"))
    assert [recolored[name] for name in ("run network", "limit reach")] == [False, False]
    assert recolored["limit extent"]
    farther = edit(FAR, replace(POINT, reach=2.0))
    assert [farther[name] for name in ("limit extent", "limit reach")] == [False, False]
    assert [farther[name] for name in ("enforce points", "find paths", "compute similarity")] == [True] * 3
    weaker = edit(FAR, replace(POINT, strength=0.5))
    assert weaker["run network"]
    assert not weaker["weaken points"]


def test_undo_and_overlays_run_only_select_part_and_preprocess(edit: Edit) -> None:
    edit(POINT)
    edit(POINT, FAR)
    overlays = {
        "paint": (PaintStroke(path=((10, 12),), color="#40a050"),),
        "replacements": (ColorReplacement("#c04020", "#2050c0"),),
    }
    for cached in (edit(POINT), edit(POINT, **overlays)):
        assert [name for name in cached if not cached[name]] == ["select part", "preprocess"]


def test_pipeline_without_cache_runs_shared_stages_once() -> None:
    colorizer = Colorizer(MODELS["alike"](), device="cpu", precision="float32", size=SIZE)
    started = time.perf_counter()
    first, second = (
        colorizer.colorize(read_image(photo()), Recipe(points=(POINT, FAR))).edit.log for _ in range(2)
    )
    assert 0 < sum(stage.seconds for stage in (*first, *second)) < time.perf_counter() - started
    assert [stage.name for stage in first] == [stage.name for stage in second]
    ran = [stage.name for stage in second if not stage.cached]
    assert ran.count("run network") == 2
    assert ran.count("find neighbors") == ran.count("step costs") == 1


def test_explain_option_prints_pipeline_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    Image.fromarray(gray_image(40, 60)).save(tmp_path / "a.png")
    words = ["colorize", str(tmp_path / "a.png"), "--weights", str(weights), "--model", NAME, "--overwrite"]
    point = ["--point", "20,10=#c04020@0.1", "--point", "40,30=#2040c0"]
    assert main([*words, *point, "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("ms  select part")
    assert sum("ms  run network" in line for line in lines) == 3
    assert lines[-1].endswith("compose: 60 x 40 pixels")
    assert main([*words, *point, "--json", "--explain"]) == 0
    stages = json.loads(capsys.readouterr().out)[0]["stages"]
    assert stages[-1]["name"] == "compose"
    assert 0 < sum(stage["cached"] for stage in stages) < len(stages)
    for line, stage in zip(lines[1:], stages, strict=True):
        assert (line.split()[0] == "cached") == stage["cached"]
        assert (line.split()[1] == "ms") != stage["cached"]

"""Plans: the steps of a job in their order, and those that an edit runs again."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.guidance import ColorReplacement, PaintStroke, PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.lru_cache import LRUCache
from inference.recipes import MODELS, SIZE, photo
from tiny_model import NAME, gray_image, write_tiny_weights

POINT = PointHint(70, 38, color="#c04020")
FAR = PointHint(20, 10, color="#40a050", reach="everywhere")


@pytest.fixture
def colorizer() -> Colorizer:
    return Colorizer(MODELS["alike"](), device="cpu", precision="float32", size=SIZE)


def steps_of(colorizer: Colorizer, *points: PointHint, **more: object) -> dict[str, bool]:
    """Return the steps of a coloring, and whether all of a name were remembered."""
    recipe = Recipe(points=points, **more)  # type: ignore[arg-type]
    found: dict[str, bool] = {}
    for step in colorizer.colorize(read_image(photo()), recipe).steps:
        found[step.name] = found.get(step.name, True) and step.remembered
    return found


def test_the_stages_of_a_point_run_in_this_order(colorizer: Colorizer) -> None:
    assert list(steps_of(colorizer, POINT)) == [
        "see", "draw points", "keep state", "run network", "find neighbors", "enforce points", "show base",
        "step costs", "find paths", "compute similarity", "limit extent", "limit reach",
    ]  # fmt: skip
    assert list(steps_of(colorizer)) == ["see", "keep state", "run network", "is page"]


def test_what_an_edit_does_not_change_does_not_run(colorizer: Colorizer) -> None:
    steps_of(colorizer, FAR, POINT)
    recolored = steps_of(colorizer, FAR, replace(POINT, color="#2050c0"))
    assert [recolored[name] for name in ("run network", "limit reach")] == [False, False]
    assert [recolored[name] for name in ("show base", "limit extent")] == [True, True]
    farther = steps_of(colorizer, FAR, replace(POINT, reach=2.0))
    assert [farther[name] for name in ("limit extent", "limit reach")] == [False, False]
    assert [farther[name] for name in ("enforce points", "find paths", "compute similarity")] == [True] * 3
    weaker = steps_of(colorizer, FAR, replace(POINT, strength=0.5))
    assert weaker["run network"]
    assert not weaker["weaken points"]


def test_undoing_and_what_lies_above_run_nothing(colorizer: Colorizer) -> None:
    steps_of(colorizer, POINT)
    steps_of(colorizer, POINT, FAR)
    above = {
        "paint": (PaintStroke(path=((10, 12),), color="#40a050"),),
        "replacements": (ColorReplacement("#c04020", "#2050c0"),),
    }
    for undone in (steps_of(colorizer, POINT), steps_of(colorizer, POINT, **above)):
        assert [name for name, remembered in undone.items() if not remembered] == ["see"]


def test_a_run_needs_no_memory_of_others_and_each_step_runs_once(colorizer: Colorizer) -> None:
    before = time.perf_counter()
    job = colorizer.job(read_image(photo()), Recipe(points=(POINT, FAR)))
    first, second = (colorizer.run(job, LRUCache()).steps for _ in range(2))
    assert 0 < sum(step.seconds for step in (*first, *second[1:])) < time.perf_counter() - before
    assert [step.name for step in first] == [step.name for step in second]
    ran = [step.name for step in second if not step.remembered]
    assert ran.count("run network") == 2
    assert ran.count("find neighbors") == ran.count("step costs") == 1


def test_the_command_line_explains_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    Image.fromarray(gray_image(40, 60)).save(tmp_path / "a.png")
    words = ["colorize", str(tmp_path / "a.png"), "--weights", str(weights), "--model", NAME, "--overwrite"]
    assert main([*words, "--point", "20,10=#c04020", "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ms  see: 60 x 40 of 60 x 40 pixels" in lines[1]
    assert sum("ms  run network" in line for line in lines) == 2
    assert lines[-1].endswith("join: 60 x 40 pixels, 0 overlays")
    assert main([*words, "--json"]) == 0
    assert "steps" not in json.loads(capsys.readouterr().out)[0]
    assert main([*words, "--json", "--explain"]) == 0
    assert [step["name"] for step in json.loads(capsys.readouterr().out)[0]["steps"]][-1] == "join"

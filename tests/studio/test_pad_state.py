"""Recipes that the drawing pad reads and writes, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

NODE = shutil.which("node")
SCRIPT = """
const { fromRecipe, toRecipe } = await import("MODULE");
const image = { width: 96, height: 80, perNetworkPixel: 1 };
const doc = fromRecipe(RECIPE, image, () => [48, 39]);
console.log(JSON.stringify(toRecipe(doc, { ...image, image: {} })));
"""
POINTS = [
    {"x": 20, "y": 30, "radius": 4, "color": "#c04020", "reach": "automatic"},
    {"x": 70.5, "y": 12, "radius": 3, "color": "#2040c0", "ab": [20.5, -50.25], "reach": 0.7},
]


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_recipe_points_without_ab_are_written_without_ab() -> None:
    """An exact ab takes precedence over the color, which `colorize` adapts to the lightness."""
    module = (Path(str(files("colorzoo.studio"))) / "static" / "js" / "document.js").as_uri()
    recipe = json.dumps({"version": 2, "points": POINTS})
    script = SCRIPT.replace("RECIPE", recipe).replace("MODULE", module)
    command = [str(NODE), "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["points"] == POINTS

"""Recipes that the drawing pad reads and writes, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from colorzoo.guidance import Recipe

NODE = shutil.which("node")
SCRIPT = """
const { fromRecipe, toRecipe } = await import("MODULE");
const image = { width: 96, height: 80, perNetworkPixel: 1 };
const reload = (doc) => fromRecipe(JSON.parse(JSON.stringify(write(doc))), image, () => [48, 39]);
const write = (doc) => toRecipe(doc, { ...image, image: {} });
const flagged = (points, flags) => points.map((point, index) => ({ ...point, ...flags[index] }));
const flag = (doc, flags) => ({ ...doc, points: flagged(doc.points, flags) });
const doc = fromRecipe(RECIPE, image, () => [48, 39]);
const apart = flag(doc, [{ muted: true }, {}, { untouched: true }, { muted: true, untouched: true }]);
const back = flag(reload(apart), Array(4).fill({ muted: false, untouched: false }));
console.log(JSON.stringify([doc, back, reload(reload(doc))].map(write)));
"""
OWN = {"x_note": {"by": "me"}}
PATH = [[20.123, 40.456], [70.789, 40.25]]
POINTS = [
    {"x": 20, "y": 30, "radius": 4, "color": "#c04020", "reach": "automatic"},
    {"x": 70.5, "y": 12, "radius": 3, "color": "#2040c0", "ab": [20.5, -50.25], "reach": 0.7},
    {
        "x": 1 / 3,
        "y": 2 / 3,
        "radius": 10 / 3,
        "color": "#20c040",
        "reach": "everywhere",
        "strength": 0.123,
        **OWN,
    },
    {"x": 96, "y": 80, "radius": 1.5, "color": "#a0a040", "reach": 1.25, "stroke": 2, "locked": True},
]
RECIPE = {
    "version": 2,
    "image": {"width": 96, "height": 80, **OWN},
    "model": "zhang2017_local_small",
    "strength": 0.12345,
    "points": POINTS,
    "scribbles": [{"path": PATH, "width": 4.5678, **OWN}],
    "regions": [{"index": 2, "color": "#c04020", **OWN}, {"index": 5, "color": "#2040c0"}],
    "proposal": "0" * 64,
    "divisions": [{"path": PATH, "closed": False, **OWN}],
    "exemplar": {"alpha": 0.333, "weight": 2, "more": [{"path": "b.png"}], "path": "a.png", **OWN},
    "classes": {"map": {"3": 4}, **OWN},
    "statistics": {"saturation": 0.3333, **OWN},
    "boxes": [{"x": 1.5, "y": 2, "width": 30, "height": 40, **OWN}],
    "areas": [{"action": "gray", "path": [[0, 0], [9.123, 0], [9, 9]], "name": "sky", **OWN}],
    "healing": [{"path": PATH, "width": 2.345, **OWN}],
    "paint": [{"path": PATH, "color": "#3060b0", "size": 3.3333, "hardness": 0.123, "opacity": 1, **OWN}],
    "replacements": [{"old": "#b04030", "new": "#3050b0", "range": 20, "fade": 20, "opacity": 0.123, **OWN}],
    "finish": {"tint": 1.234, **OWN},
    "border": [1, 2, 60, 50],
    "crop": {"x": 1, "y": 2, "width": 40, "height": 30, "angle": 1.234, **OWN},
    "studio": {"skipped": [3], **OWN},
    **OWN,
}


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_recipes_are_written_as_they_were_read() -> None:
    """A point without ab stays so, because `colorize` adapts its color to the lightness."""
    module = (Path(str(files("colorzoo.apps.studio"))) / "static" / "js" / "document.js").as_uri()
    script = SCRIPT.replace("RECIPE", json.dumps(RECIPE)).replace("MODULE", module)
    command = [str(NODE), "--input-type=module", "--eval", script]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read, turned_off_and_on, reloaded = json.loads(output)
    assert read == RECIPE
    assert turned_off_and_on == RECIPE
    assert reloaded == RECIPE
    checked = Recipe.from_json(RECIPE)  # the server checks edits files before the pad reads them
    assert Recipe.from_json(read) == checked
    assert not checked.unknown()

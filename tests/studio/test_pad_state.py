"""The state of the pad has one writer: what its parts read cannot be assigned to."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
SCRIPT = """
const { change, initialSession, initialUi, readOnly } = await import("MODULE");
const ways = [
  (view) => { view.size = 9; },
  (view) => { view.other = 1; },
  (view) => { delete view.size; },
  (view) => Object.assign(view, { size: 9 }),
];
function refuses(view, way) {
  try {
    way(view);
    return false;
  } catch (error) {
    return error instanceof TypeError;
  }
}
const ui = readOnly(initialUi({}));
const refused = [ui, readOnly(initialSession())].map((view) => ways.map((way) => refuses(view, way)));
const before = ui.size;
change(ui, { size: 5 });
console.log(JSON.stringify({ refused, sizes: [before, ui.size] }));
"""
RECIPE_SCRIPT = """
const { fromRecipe, toRecipe } = await import("MODULE");
const image = { width: 96, height: 80, perNetworkPixel: 1 };
const doc = fromRecipe(RECIPE, image, () => [48, 39]);
console.log(JSON.stringify(toRecipe(doc, { ...image, image: {} })));
"""
POINTS = [
    {"x": 20, "y": 30, "radius": 4, "color": "#c04020", "reach": "automatic"},
    {"x": 70.5, "y": 12, "radius": 3, "color": "#2040c0", "ab": [20.5, -50.25], "reach": 0.7},
]


def result_of(script: str, module: str) -> Any:
    """Return what a script prints about a module of the pad, as JSON."""
    path = Path(str(files("colorzoo.studio"))) / "static" / "js" / module
    command = [str(NODE), "--input-type=module", "--eval", script.replace("MODULE", path.as_uri())]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_a_view_follows_changes_and_refuses_assignments() -> None:
    found = result_of(SCRIPT, "state.js")
    assert found == {"refused": [[True] * 4, [True] * 4], "sizes": [3, 5]}


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_a_recipe_without_ab_stays_without_it() -> None:
    """An exact ab goes before the color that `colorize` moves to the lightness of its place."""
    script = RECIPE_SCRIPT.replace("RECIPE", json.dumps({"version": 2, "points": POINTS}))
    assert result_of(script, "document.js")["points"] == POINTS

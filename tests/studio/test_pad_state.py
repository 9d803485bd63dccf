"""The state of the pad has one writer: what its parts read cannot be assigned to."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

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


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_a_view_follows_changes_and_refuses_assignments() -> None:
    module = (Path(str(files("colorzoo.studio"))) / "static" / "js" / "state.js").as_uri()
    command = [str(NODE), "--input-type=module", "--eval", SCRIPT.replace("MODULE", module)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found == {"refused": [[True] * 4, [True] * 4], "sizes": [3, 5]}

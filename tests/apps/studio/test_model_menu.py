"""Names of models in the menu of the drawing pad, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

NODE = shutil.which("node")
SCRIPT = """
globalThis.document = { documentElement: { lang: "en" } };
const { modelInputs, purposeOf } = await import("MODULE");
const models = MODELS;
const titles = models.map((model) => purposeOf({ model: () => model }));
console.log(JSON.stringify([models.map(modelInputs), titles]));
"""


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_menu_names_the_guidance_and_the_paper_of_models_with_text_or_other_kinds() -> None:
    module = (files("colorzoo.apps.studio") / "static" / "js" / "models.js").as_posix()
    models = [
        {"name": name, "caption": name, "guidance": guidance, "parameters": 1, "purpose": purpose}
        for name, guidance, purpose in (
            ("Weng 2022", ["text"], "text"),
            ("Weng 2022 a", ["points", "text", "seed"], "natural"),
            ("Warm 2031", ["seed", "warm_colors"], "warm_colors"),
            ("Zhang 2016", ["seed"], "vivid"),
        )
    ]
    code = SCRIPT.replace("MODULE", f"file://{module}").replace("MODELS", json.dumps(models))
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    inputs, titles = json.loads(done.stdout)
    assert inputs == ["Colors in words", "Color points, colors in words", "Warm colors", "Automatic colors"]
    assert titles[0] == {"title": "Description", "use": "you write the colors"}
    assert titles[2] == {"title": "Warm 2031", "use": "Warm colors"}

"""Names of colors, for users who cannot see them."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

NODE = shutil.which("node")
NAMES = {
    "#808000": "olive",
    "#6b6b2a": "olive",
    "#f5e05a": "yellow",
    "#8c5e34": "brown",
    "#b8862b": "ochre",
    "#e6d3b3": "light beige",
    "#f4a08c": "salmon",
    "#101a50": "navy",
    "#7a1f3d": "wine red",
    "#3f78b5": "blue",
    "#808080": "gray",
    "#8d8473": "warm gray",
    "#7a8894": "blue-gray",
    "#7a9088": "green-gray",
    "#948490": "violet-gray",
    "#948389": "rose-gray",
    "#a8443f": "red",
    "#7a2836": "dark red",
    "#d98b85": "salmon",
    "#8c4030": "brown",
}


@pytest.mark.skipif(NODE is None, reason="missing, not passed: node is not installed")
def test_colors_have_their_usual_names() -> None:
    module = (Path(str(files("colorzoo.studio"))) / "static" / "js" / "color.js").as_uri()
    script = f"""
        const {{ colorName, hexToRgb, rgbToLab }} = await import("{module}");
        const name = (hex) => {{ const [l, a, b] = rgbToLab(hexToRgb(hex)); return colorName(l, [a, b]); }};
        const names = {json.dumps(list(NAMES))}.map((hex) => [hex, name(hex)]);
        console.log(JSON.stringify(Object.fromEntries(names)));
    """
    command = [str(NODE), "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    wrong = {hex_: (name, found[hex_]) for hex_, name in NAMES.items() if not found[hex_].endswith(name)}
    assert wrong == {}

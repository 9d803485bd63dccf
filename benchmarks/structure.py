"""Functions, files and modules that one colorization uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks import _trace
from benchmarks._common import Options, Row, share_of, where

POINT = "60,60=#c04020"
CLAIMS = {
    "functions": ("functions of the package that run", 330),
    "files": ("files in which they are", 45),
    "modules": ("modules of the package that are imported", 85),
    "switches": ("calls from one of these files to another", 300),
}


def run(options: Options) -> list[Row]:
    """Count what ``colorzoo colorize x.jpg --point`` runs in a fresh process."""
    del options
    found = trace()
    command = f"colorzoo colorize x.jpg --point {POINT}"
    return [
        share_of(f"{claim}, {command}", found[name], goal, 1.0, where())
        for name, (claim, goal) in CLAIMS.items()
    ]


def trace() -> dict[str, int]:
    """Return the counts of `_trace` for a photo with a point."""
    with TemporaryDirectory() as folder:
        photo = Path(folder) / "x.jpg"
        Image.linear_gradient("L").resize((320, 240)).save(photo)
        words = [sys.executable, _trace.__file__, "colorize", str(photo), "--point", POINT]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found

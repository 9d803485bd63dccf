"""What a version answers: run this file to record it; tests/test_version_record.py compares.

    python tests/version_record.py

writes ``version_record.json``: hashes of the embedded weights and of the golden files, and the colors that
every model with embedded weights gives a picture. That of a version with a date in CHANGELOG.md is kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.weights.files import sha256_of

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".json")
EMBEDDED = Path(colorzoo.__path__[0]) / "weights" / "embedded"
GOLDEN = Path(__file__).parent / "golden"
CELLS = 4


def read_record() -> dict[str, Any]:
    """Return the record."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def hashes() -> dict[str, str]:
    """Return the hashes of embedded weights and golden files by their paths."""
    files = sorted([*EMBEDDED.iterdir(), *GOLDEN.glob("*.npz")])
    return {f"{path.parent.name}/{path.name}": sha256_of(path) for path in files}


def embedded_models() -> list[str]:
    """Return the models whose weights ship with the package."""
    return colorzoo.list_models(with_weights=True)


def answer(name: str) -> list[float]:
    """Return the mean a and b of 4 x 4 cells of a picture that a model colors, by the hints that it takes."""
    y, x = np.mgrid[0:96, 0:96] / 96
    colors = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x * y)], axis=2)
    picture = Image.fromarray((255 * colors).astype(np.uint8))
    card = colorzoo.model_card(name)
    given: dict[str, Any] = {"frame": "none", "precision": "float32", "device": "cpu"}
    points = [{"x": 30, "y": 60, "color": "#c04020"}] if "points" in card.guidance else []
    boxes = [{"x": 20, "y": 10, "width": 50, "height": 60}] if "boxes" in card.guidance else []
    given["guidance"] = {"version": 2, "points": points, "boxes": boxes}
    if "exemplar" in card.guidance:
        given["reference"] = picture.rotate(90)
    colored = colorzoo.colorize(picture.convert("L"), name, **given)
    ab = rgb_to_lab(_tensor(colored))[:, 1:]
    cells = ab.unflatten(3, (CELLS, -1)).unflatten(2, (CELLS, -1)).mean(dim=(3, 5))
    return [round(value, 1) for value in cells.flatten().tolist()]


def _tensor(picture: Image.Image) -> Any:
    import torch

    return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)[None] / 255


def is_released(version: str) -> bool:
    """Return whether CHANGELOG.md has a date for a version."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-", changes, re.MULTILINE) is not None


def main() -> int:
    """Write the record of this version, unless it is released."""
    version = colorzoo.__version__
    if RECORD.exists() and read_record()["version"] == version and is_released(version):
        print(f"{version} is released; set a new version first (docs/release.md)", file=sys.stderr)
        return 2
    answers = {name: answer(name) for name in embedded_models()}
    content = {"version": version, "hashes": hashes(), "answers": answers}
    lines = json.dumps(content, indent=1)
    packed = re.sub(r"\[[^\]]*\]", lambda found: re.sub(r"\s+", " ", found[0]), lines)
    RECORD.write_text(f"{packed}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Files that the static page writes and reads in JavaScript: pictures with their record, and recipes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.pictures.provenance import PictureProvenance, read_provenance
from colorzoo.studio.bundle import bundled_module
from colorzoo.studio.coloring import displayed_points

NODE = shutil.which("node")
WHOLE = (120, 170)  # height and width of the photo
EXPORTED = "plainSha256 encodePicture checkRecipe"
LIGHTNESS = 55.0  # around every point

POINTS = [
    {"x": 30, "y": 40, "radius": 6, "color": "#c04020", "reach": 0.4},
    {"x": 120.5, "y": 80, "radius": 1, "color": "#2060d0", "ab": [10.5, -60.0], "reach": "everywhere"},
]
ORIGIN = {
    "source": "ab",
    "model": "m",
    "weights": "w",
    "version": "1",
    "engine": "e",
    "recipe": {"note": "é<'\">"},
}
RECIPES: list[dict[str, Any]] = [
    {"version": 1, "points": POINTS, "more": 1},
    {"version": 3},
    {"points": [{"x": 500, "y": 1, "color": "#000000"}]},
    {"points": [{"x": 1, "y": 1}]},
    {"points": [{"x": 1, "y": 1, "color": "red"}]},
    {"points": [{"x": 1, "y": 1, "color": "#102030", "reach": 11}]},
    {"image": {"width": 5, "height": 5}},
    {"strength": 2},
    {"statistics": {"histogram": [1, 2]}},
    {"paint": [{"path": [[1, 2]]}]},
    {"replacements": [{"old": "#808080", "new": "#c04020"}]},
    {"replacements": [{"old": "#c04020", "new": "blue"}]},
    {"replacements": [{"old": "#c04020", "new": "#102030", "range": 200}]},
    {"paint": [{"path": [[1, 2]], "color": "#102030", "opacity": 2}]},
    {"paint": [{"path": [[1, 2]], "color": "#102030", "layer": 0}]},
    *({"paint": [{"path": [[1, 2]], "color": "#102030", "blend": blend}]} for blend in ("hue", "add")),
    {"paint": [{"path": [[1, 2]], "color": "#102030", "hidden": 1}]},
    {"replacements": [{"old": "#c04020", "new": "#102030", "opacity": -1}]},
    {"areas": [{"action": "gray", "path": [[1, 2], [3, 4], [5, 1]], "feather": -1}]},
    {"areas": [{"action": "gray", "path": [[1, 2], [3, 4], [5, 1]], "opacity": 2}]},
    {"crop": [1, 2, 9, 9]},
    {"crop": {"x": 1, "y": 2, "width": 9}},
    {"crop": {"x": 1.5, "y": 2, "width": 9, "height": 9}},
    {"crop": {"x": -1, "y": 2, "width": 9, "height": 9}},
    # at the limits, and just beyond
    {"version": 2},
    {"strength": 1.5},
    {"strength": 1.51},
    {"statistics": {"histogram": [1] * 313}},
    {"statistics": {"histogram": [1] * 314}},
    *({"points": [POINTS[0] | {"ab": [150, -most]}]} for most in (150, 150.5)),
    *({"points": [POINTS[0] | {"reach": most}]} for most in (10, 10.1)),
    *({"crop": {"x": 1, "y": 2, "width": least, "height": 8}} for least in (8, 7)),
    *({"crop": {"x": 9, "y": 9, "width": 9, "height": 9, "angle": most}} for most in (45, -45, 45.1, -45.1)),
    *({"crop": {"x": 2, "y": 2, "width": 10, "height": 10, "angle": angle}} for angle in (36.8, 36.9)),
    {"crop": None},
    *({"replacements": [{"old": old, "new": "#c04020"}]} for old in ("#867d7a", "#857d7a")),
    *(
        {"areas": [{"action": "gray", "mask": {"width": side, "height": 1, "runs": str(side)}}]}
        for side in (4096, 4097)
    ),
]


POINTED = [
    {"points": POINTS, **strength}
    for strength in ({}, *({"strength": share} for share in (0.0, 0.5, 1.0, 1.5)))
]


def color_photo() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def exif_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0100] = 6, "maker", 9
    exif.get_ifd(0x8769).update({0xA002: 9, 0xA003: 9})
    memory = io.BytesIO()
    Image.new("L", (9, 9)).save(memory, "JPEG", exif=exif)
    return memory.getvalue()


def pillow_loss() -> float:
    memory = io.BytesIO()
    Image.fromarray(color_photo()).save(memory, "JPEG", quality=95, subsampling=0)
    with Image.open(memory) as image:
        return float(np.abs(np.asarray(image).astype(int) - color_photo()).mean())


def requests() -> dict[str, Any]:
    rgba = np.dstack([color_photo(), np.full((40, 50), 255, np.uint8)]).ravel().tolist()
    picture = {"rgba": rgba, "width": 50, "height": 40, "source": list(exif_jpeg()), "origin": ORIGIN}
    photo = {"width": WHOLE[1], "height": WHOLE[0], "sha256": "00"}
    return {
        "hash": {"bytes": list(range(200)) * 3},
        "encode png": picture | {"format": "png"},
        "encode jpeg": picture | {"format": "jpeg"},
        "recipes": {"recipes": RECIPES, "photo": photo},
        "points": {"recipes": POINTED, "lightness": LIGHTNESS},
        "ranks": {},
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if NODE is None:
        pytest.skip("missing, not passed: node, which runs the page's functions (apt-get install nodejs)")
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.mjs").write_text(
        bundled_module("worker/handlers") + f"\nexport {{ {', '.join(EXPORTED.split())} }};\n",
        encoding="utf-8",
    )
    (folder / "asked.json").write_text(json.dumps(requests()), encoding="utf-8")
    command = [
        NODE,
        str(Path(__file__).parent / "page_worker_checks.mjs"),
        str(folder / "page.mjs"),
        str(folder / "asked.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_hash_without_a_secure_context(answers: dict[str, Any]) -> None:
    assert bytes(answers["hash"]) == hashlib.sha256(bytes(range(200)) * 3).digest()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_exported_files_contain_their_provenance(answers: dict[str, Any], kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes(bytes(answers[f"encode {kind}"]))
    origin = read_provenance(file)
    assert origin == PictureProvenance(
        "ab",
        "",
        "m",
        "w",
        "1",
        json.dumps(ORIGIN["recipe"], ensure_ascii=False, separators=(",", ":")),
        engine="e",
    )
    with Image.open(file) as image:
        levels = np.asarray(image.convert("RGB")).astype(int)
        exif = image.getexif()
        sizes = [exif[0x0100], *(exif.get_ifd(0x8769)[tag] for tag in (0xA002, 0xA003))]
    assert (exif[0x0112], exif[0x010F]) == (1, "maker")
    assert sizes == [50, 50, 40]  # of the result
    difference = np.abs(levels - color_photo()).mean()
    assert difference == 0 if kind == "png" else difference <= 1.02 * pillow_loss()


def test_points_are_told_as_they_are_displayed(answers: dict[str, Any]) -> None:
    photo = SimpleNamespace(lightness_around=lambda _: LIGHTNESS)
    for document, told in zip(POINTED, answers["points"], strict=True):
        request: Any = SimpleNamespace(photo=photo, recipe=Recipe.from_json(document))
        for wanted, found in zip(displayed_points(request), told, strict=True):
            assert found["ab"] == pytest.approx(wanted.ab, abs=0.1), document
            assert (found["color"], found["snapped"]) == (wanted.color, wanted.snapped), document


def test_a_picture_goes_first_and_an_export_last(answers: dict[str, Any]) -> None:
    ranks = dict(answers["ranks"])
    color, export = ranks.pop("color"), ranks.pop("export")
    assert color <= min(ranks.values())
    assert max(ranks.values()) < export


def test_invalid_recipes_are_refused(answers: dict[str, Any]) -> None:
    for document, told in zip(RECIPES, answers["recipes"], strict=True):
        try:
            Recipe.from_json(document).check_inside(*WHOLE[::-1])
        except GuidanceError:
            assert isinstance(told, str), document
            assert told.startswith("bad_recipe: ")
        else:
            unknown = (
                ["the recipe's entry 'more' is not known here; it is kept"] if "more" in document else []
            )
            assert told == unknown, document

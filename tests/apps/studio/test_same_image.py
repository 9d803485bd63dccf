"""A recipe gives the same image in the pad, the widget, Python and the command line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pads import DirectPad, exemplar_file, photo_file, pixels, socket_pad, web_client
from PIL import Image
from test_widget import page_of

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio import Pad
from colorzoo.apps.studio.opened_image import jpeg
from colorzoo.apps.studio.studio import Studio
from colorzoo.image_io.provenance import ImageProvenance, read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer

RECIPE = {
    "version": 1,
    "model": "zhang2017_local_small",
    "strength": 1.2,
    "points": [
        {"x": 20, "y": 30, "radius": 4, "color": "#c04020", "reach": "automatic"},
        {"x": 40, "y": 60, "radius": 3, "color": "#20a040", "reach": 0.7},
        {"x": 70.5, "y": 12, "radius": 0, "color": "#2040c0", "ab": [20.5, -50.25]},
    ],
    "areas": [
        {"action": "color", "path": [[50, 40], [90, 42], [70, 75]], "color": "#d0c020", "lightness": "color"},
        {"action": "lock", "mask": {"width": 4, "height": 3, "runs": "4 1 7"}, "made": {"by": "click"}},
    ],
}


@pytest.mark.parametrize(
    "kind",
    ["png", pytest.param("jpeg", marks=pytest.mark.nightly), pytest.param("tiff", marks=pytest.mark.nightly)],
)
def test_pad_widget_python_and_command_line_give_the_same_image(tmp_path: Path, kind: str) -> None:
    suffix = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}[kind]
    data = photo_file(96, 80, "JPEG", quality=90)
    source, hints, target = tmp_path / "old.jpg", tmp_path / "hints.json", tmp_path / f"new{suffix}"
    source.write_bytes(data)
    image = {"width": 96, "height": 80, "sha256": hashlib.sha256(data).hexdigest()}
    hints.write_text(json.dumps({**RECIPE, "image": image}))
    assert main(["colorize", str(source), "--recipe", str(hints), "-o", str(target)]) == 0
    by_python = tmp_path / f"python{suffix}"
    colorzoo.colorize_file(source, by_python, guidance=hints)
    assert_same(by_python.read_bytes(), target)

    studio = Studio()
    with web_client(studio) as client, socket_pad(client) as pad:
        photo = pad.open(data, "old.jpg").body
        exported = pad.call("export", recipe={**RECIPE, "image": photo["image"]}, format=kind).body
        assert_same(client.get("/" + exported["url"]).content, target)

    widget = Pad(source, recipe=hints)
    reply = page_of(widget).call("export", recipe=widget.recipe, format=kind)
    assert_same(reply.buffers[0], target)
    by_hand = colorzoo.colorize(source, guidance=hints)
    assert np.array_equal(np.asarray(by_hand), np.asarray(widget.result()))
    if kind != "jpeg":
        assert np.array_equal(np.asarray(by_hand), pixels(target.read_bytes()))
    widget.close()


def assert_same(data: bytes, target: Path) -> None:
    """Check that pixels, metadata and provenance are equal, except for time and name."""
    exported = target.with_name(f"exported{target.suffix}")
    exported.write_bytes(data)
    one, other = read_image(exported), read_image(target)
    assert np.array_equal(one.rgb, other.rgb)
    assert replace(one.metadata, xmp=None, source=None) == replace(other.metadata, xmp=None, source=None)
    origin = origin_of(exported)
    assert origin == origin_of(target)
    assert origin.model == json.loads(origin.recipe)["model"]
    assert all((origin.source, origin.settings, origin.weights, origin.options, origin.version))
    assert origin.trained


def origin_of(path: Path) -> ImageProvenance:
    origin = read_provenance(path)
    assert origin is not None
    assert origin.name
    return replace(origin, date="", name="")  # uploads have other names


def test_pad_export_records_the_reference_like_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(photo_file())
    (tmp_path / "look.png").write_bytes(exemplar_file())
    recipe = {"version": 2, "model": "welsh2002", "border": "none", "exemplar": {"path": "look.png"}}
    (tmp_path / "hints.json").write_text(json.dumps(recipe))
    target = tmp_path / "new.png"
    words = ["--recipe", str(tmp_path / "hints.json"), "-o", str(target)]
    assert main(["colorize", str(tmp_path / "old.png"), *words]) == 0
    studio = Studio(inline_files=True)
    pad = DirectPad(studio)
    pad.open(photo_file())
    pad.call("attach", exemplar_file(), name="look.png", slot="exemplar")
    exported = tmp_path / "exported.png"
    exported.write_bytes(pad.call("export", recipe=recipe, format="png").buffers[0])
    studio.close()
    origin = origin_of(exported)
    assert origin == origin_of(target)
    assert json.loads(origin.files)[0]["sha256"] == hashlib.sha256(exemplar_file()).hexdigest()
    assert not origin.trained


def test_reduced_export_is_not_a_finished_result_of_the_command_line(tmp_path: Path) -> None:
    source, hints, target = (tmp_path / name for name in ("old.png", "hints.json", "old.color.png"))
    source.write_bytes(photo_file(96, 80))
    studio = Studio()
    pad = DirectPad(studio)
    recipe = {**RECIPE, "image": pad.open(photo_file(96, 80))["image"]}
    hints.write_text(json.dumps(recipe))
    for side, code in ((48, 2), (96, 0), (None, 0)):  # a side of 96 pixels does not reduce the image
        target.write_bytes(pad.export(recipe, side=side))
        before = target.read_bytes()
        assert main(["colorize", str(source), "--recipe", str(hints)]) == code
        assert target.read_bytes() == before
    studio.close()


def test_preview_of_a_small_image_equals_the_colorizer_result(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio()
    monkeypatch.setattr(studio.pool, "_load", lambda name: Colorizer(name, size=40))  # not the default size
    pad = DirectPad(studio)
    recipe = {**RECIPE, "image": pad.open(photo_file())["image"]}
    shown = pad.call("color", recipe=recipe)
    whole = np.asarray(Colorizer(str(RECIPE["model"]), size=40)(pixels(photo_file()), recipe))
    assert shown.buffers[0] == jpeg(Image.fromarray(whole))
    studio.close()

"""A recipe gives the same picture in the pad, the widget, Python and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pads import DirectPad, photo_file, pixels, socket_pad, web_client
from PIL import Image
from test_widget import page_of

import colorzoo
from colorzoo.cli.main import main
from colorzoo.inference.colorizer import Colorizer
from colorzoo.pictures.provenance import read_provenance
from colorzoo.pictures.read import read_picture
from colorzoo.studio import Pad
from colorzoo.studio.photo import jpeg
from colorzoo.studio.protocol import Message
from colorzoo.studio.studio import Studio

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


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_pad_widget_python_and_command_line_agree(tmp_path: Path, kind: str) -> None:
    suffix = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}[kind]
    data = photo_file(96, 80, "JPEG", quality=90)
    source, hints, target = tmp_path / "old.jpg", tmp_path / "hints.json", tmp_path / f"new{suffix}"
    source.write_bytes(data)
    hints.write_text(json.dumps(RECIPE))
    assert main(["colorize", str(source), "--recipe", str(hints), "-o", str(target)]) == 0

    studio = Studio()
    with web_client(studio) as client, socket_pad(client) as pad:
        photo = pad.open(data, "old.jpg").body
        exported = pad.ask("export", recipe={**RECIPE, "image": photo["image"]}, format=kind).body
        assert_same(client.get("/" + exported["url"]).content, target)

    widget = Pad(source, recipe=hints)
    answer = page_of(widget).ask("export", recipe=widget.recipe, format=kind)
    assert_same(answer.buffers[0], target)
    by_hand = colorzoo.colorize(source, guidance=hints)
    assert np.array_equal(np.asarray(by_hand), np.asarray(widget.result()))
    if kind != "jpeg":
        assert np.array_equal(np.asarray(by_hand), pixels(target.read_bytes()))
    widget.close()


def assert_same(data: bytes, target: Path) -> None:
    """All but the digest of the settings, which the command line alone compares."""
    exported = target.with_name(f"exported{target.suffix}")
    exported.write_bytes(data)
    one, other = read_picture(exported), read_picture(target)
    assert np.array_equal(one.rgb, other.rgb)
    assert replace(one.metadata, xmp=None, source=None) == replace(other.metadata, xmp=None, source=None)
    origins = [read_provenance(path) for path in (exported, target)]
    assert origins[0].source == origins[1].source != ""
    assert origins[0].model == origins[1].model == "zhang2017_local_small"


@pytest.mark.parametrize("side", [256, 40])
def test_the_preview_of_a_small_photo_is_the_export(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio()  # below: a model of another size than most
    monkeypatch.setattr(studio.pool, "_load", lambda name: Colorizer(name, size=side))
    pad = DirectPad(studio)
    photo = pad.open(photo_file())
    assert photo["network"] == 256
    recipe = {**RECIPE, "image": photo["image"]}
    shown: Message = pad.ask("color", recipe=recipe)
    whole = np.asarray(Colorizer(str(RECIPE["model"]), size=side)(pixels(photo_file()), recipe))
    assert shown.buffers[0] == jpeg(Image.fromarray(whole))
    assert studio.pool.get(None).colorizer().size == side
    assert pad.session.photo is not None
    assert min(pad.session.photo.network_luma(side).shape[2:]) == min(side, 80)
    studio.close()

"""Requests with all kinds of guidance, for a model that accepts all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pytest
import torch
from pads import DirectPad, exemplar_file, photo_file, pixels
from PIL import Image
from torch import Tensor, nn

from colorzoo.abilities import RegionModel, SegmentationModel
from colorzoo.apps.studio import coloring
from colorzoo.apps.studio.studio import Studio
from colorzoo.guidance import Guidance, Recipe, Regions
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import Edit
from colorzoo.inference.result import ColorizedImage
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction

KINDS = ("points", "scribbles", "regions", "exemplar", "statistics", "classes")


class Everything(ColoringModel, RegionModel, SegmentationModel):
    """Model that accepts all guidance and encodes it in flat colors."""

    accepts = frozenset(KINDS)
    class_names = {0: "dark", 1: "light"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(nn.Identity())

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        given = guidance or Guidance()
        ab = torch.zeros(1, 2, *lightness.shape[-2:])
        if given.exemplar is not None:
            ab[:, 0] += 40 * given.exemplar.rgb.mean()
        if given.statistics is not None and given.statistics.saturation is not None:
            ab[:, 1] += 40 * given.statistics.saturation.item()
        if given.regions is not None:
            chosen = given.regions.given[0, given.regions.index[0, 0]]
            ab[0, 0] += 30 * chosen
        if given.classes is not None:
            ab[0, 1] += 10 * given.classes.target[0, 0]
        if given.scribbles is not None:
            ab[:, 0] -= 30 * given.scribbles.mask[:, 0]
        rows, columns = torch.meshgrid(
            *(torch.linspace(0, 1, n) for n in lightness.shape[-2:]), indexing="ij"
        )
        return AbPrediction(ab=ab, extras={"match": torch.stack([columns, rows])[None]})

    def propose(self, lightness: Tensor) -> Regions:
        index = torch.zeros(1, 1, *lightness.shape[-2:], dtype=torch.int64)
        index[..., lightness.shape[-1] // 2 :] = 1
        index[..., -5:, :] = 2
        return Regions(index, torch.zeros(1, 3, 3), torch.zeros(1, 3))

    def segment(self, lightness: Tensor) -> Tensor:
        return (lightness > 50).long()


RESULTS: list[ColorizedImage] = []
"""All results of the pad."""


@pytest.fixture(autouse=True)
def log_results(monkeypatch: pytest.MonkeyPatch) -> None:
    run = coloring.colorize_edit

    def logged(task: Edit) -> ColorizedImage:
        RESULTS.append(run(task))
        return RESULTS[-1]

    monkeypatch.setattr(coloring, "colorize_edit", logged)


@pytest.fixture
def pad() -> Iterator[DirectPad]:
    model = Everything()
    model.trained = True
    studio = Studio(Colorizer(model, device="cpu", size=64))
    pad = DirectPad(studio)
    pad.photo = pad.open(photo_file(96, 80))
    yield pad
    studio.close()


def mean_ab(pad: DirectPad, **recipe: object) -> tuple[float, float]:
    pad.call("color", recipe={"image": pad.photo["image"], **recipe})
    return tuple(RESULTS[-1].ab.mean(dim=(1, 2)).tolist())


def test_hello_and_model_list_the_guidance_of_a_model(pad: DirectPad) -> None:
    (own,) = [entry for entry in pad.hello["models"] if entry["default"]]
    assert own["guidance"] == sorted(KINDS)
    assert pad.call("model", name="Everything").body["accepts"] == sorted(KINDS)


def test_propose_returns_regions_and_color_applies_them(pad: DirectPad) -> None:
    reply = pad.call("propose", recipe={})
    body = reply.body
    shape = (body["height"], body["width"])
    index = np.frombuffer(reply.buffers[0], "<u2").reshape(shape)
    assert len(body["items"]) == 3
    for item in body["items"]:
        row, column = int(item["y"] * shape[0] / 80), int(item["x"] * shape[1] / 96)
        assert index[row, column] == item["index"]
    assert all(re.fullmatch("#[0-9a-f]{6}", item["suggested"]) for item in body["items"])
    assert re.fullmatch("[0-9a-f]{64}", body["proposal"])
    bare, one = mean_ab(pad), mean_ab(pad, regions=[{"index": 1, "color": "#ff0000"}])
    assert one[0] - bare[0] == pytest.approx(30 * (index == 1).mean(), abs=1)


def test_attached_reference_is_used_until_detached(pad: DirectPad) -> None:
    bare = mean_ab(pad)
    reply = pad.call("attach", exemplar_file(60, 50), slot="exemplar", name="../look.png")
    assert (reply.body["name"], reply.body["width"], reply.body["height"]) == ("look.png", 60, 50)
    assert reply.body["sha256"] == sha256(exemplar_file(60, 50)).hexdigest()
    assert pixels(reply.buffers[0]).shape[:2] == (50, 60)
    recipe = {"exemplar": {"path": "look.png"}}
    assert mean_ab(pad, **recipe)[0] > bare[0] + 5
    matched = pad.call("match", recipe=recipe, x=48, y=40).body
    assert (matched["x"], matched["y"]) == (pytest.approx(30, abs=2), pytest.approx(25, abs=2))
    assert mean_ab(pad) == bare  # as for the command line, which receives only the recipe
    pad.call("attach", slot="exemplar", detach=True)
    assert mean_ab(pad, **recipe) == bare


def test_attached_reference_is_not_used_for_a_recipe_with_another_reference(pad: DirectPad) -> None:
    """A pad restores its recipe after a lost connection, but another pad can have changed the session."""
    bare = mean_ab(pad)
    pad.call("attach", exemplar_file(60, 50), slot="exemplar", name="look.png")
    assert mean_ab(pad, exemplar={"path": "look.png"})[0] > bare[0] + 5
    assert mean_ab(pad, exemplar={"path": "other.png"}) == bare
    digest = sha256(exemplar_file(60, 50)).hexdigest()
    assert mean_ab(pad, exemplar={"path": "look.png", "sha256": digest})[0] > bare[0] + 5
    assert mean_ab(pad, exemplar={"path": "look.png", "sha256": 64 * "0"}) == bare
    matched = pad.call("match", recipe={"exemplar": {"path": "other.png"}}, x=48, y=40).body
    assert matched["x"] is None


def test_open_removes_the_attached_reference(pad: DirectPad) -> None:
    bare = mean_ab(pad)
    pad.call("attach", exemplar_file(60, 50), slot="exemplar", name="look.png")
    pad.photo = pad.open(photo_file(96, 80))
    assert mean_ab(pad, exemplar={"path": "look.png"}) == bare


def test_recipe_paths_are_never_opened(pad: DirectPad, tmp_path) -> None:
    reference = tmp_path / "look.png"
    reference.write_bytes(photo_file())
    assert mean_ab(pad, exemplar={"path": str(reference)}) == mean_ab(pad)
    labels = tmp_path / "labels.png"
    Image.fromarray(np.full((80, 96), 5, np.uint8)).save(labels)
    files = {"file": str(labels), "reference_file": str(tmp_path / "missing.png")}
    assert mean_ab(pad, classes=files) == mean_ab(pad)
    assert pad.call("export", recipe={"classes": files}, format="png").type == "exported"
    assert pad.call("check", recipe={"classes": files}).body["recipe"]["classes"] == files


def test_attach_returns_the_statistics_of_the_image(pad: DirectPad) -> None:
    reply = pad.call("attach", photo_file(60, 50), slot="statistics", name="look.png").body["statistics"]
    assert len(reply["histogram"]) == 313
    assert sum(reply["histogram"]) == pytest.approx(1, abs=1e-3)
    bare = mean_ab(pad)
    assert mean_ab(pad, statistics={**reply, "saturation": 0.5})[1] == pytest.approx(bare[1] + 20, abs=0.1)


def test_classes_returns_named_classes_that_can_be_reassigned(pad: DirectPad) -> None:
    body = pad.call("classes", recipe={}).body
    assert pad.session.opened is not None
    light = (pad.session.opened.network_lightness(64) > 50).float()
    shares = {item["name"]: item["share"] for item in body["items"]}
    assert shares == pytest.approx({"light": float(light.mean()), "dark": 1 - float(light.mean())})
    assert (body["width"], body["height"], body["reference"]) == (77, 64, None)
    pad.call("attach", exemplar_file(60, 50), slot="exemplar", name="look.png")
    reply = pad.call("classes", recipe={"exemplar": {"path": "look.png"}})
    reference = reply.body["reference"]
    maps = [np.frombuffer(each, "<u2") for each in reply.buffers]
    assert np.array_equal(maps[0].reshape(64, 77), light[0, 0].numpy())
    assert len(maps[1]) == reference["width"] * reference["height"]
    bordered = pad.call("classes", recipe={"border": [20, 10, 60, 60]}).body
    assert bordered["width"] / bordered["height"] == pytest.approx(96 / 80, rel=0.03)  # full-image map
    assert mean_ab(pad, classes={"map": {"0": 3, "1": 3}})[1] == pytest.approx(30)


def test_color_passes_scribbles_to_the_model(pad: DirectPad) -> None:
    assert mean_ab(pad, scribbles=[{"path": [[5, 5], [90, 70]], "width": 8}])[0] < mean_ab(pad)[0]


def test_export_with_several_kinds_of_guidance_matches_python(pad: DirectPad) -> None:
    recipe = {
        "image": pad.photo["image"],
        "regions": [{"index": 1, "color": "#ff0000"}],
        "statistics": {"saturation": 0.3},
        "points": [{"x": 20, "y": 20, "color": "#20c040"}],
        "exemplar": {"path": "look.png"},
    }
    image = exemplar_file(60, 50)
    pad.call("attach", image, slot="exemplar", name="look.png")
    data = pad.export(recipe)
    colorizer = pad.studio.pool.get(None)
    again = colorizer(read_image(photo_file(96, 80)), Recipe.from_json(recipe), reference=read_image(image))
    assert np.array_equal(pixels(data), np.asarray(again))


def test_colorings_returns_likely_colorings_of_the_whole_image() -> None:
    studio = Studio(Colorizer("colorzoo2026", device="cpu", size=96))
    pad = DirectPad(studio)
    pad.open(photo_file(144, 96))
    whole = pad.call("colorings", recipe={}).body
    shares = [item["share"] for item in whole["items"]]
    assert len(shares) == 4
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    within = pad.call("colorings", recipe={"border": [100, 10, 40, 80]}).body
    assert 100 < within["x"] < 140  # in pixels of the whole image
    studio.close()


def test_gray_reference_is_rejected_if_the_model_needs_its_colors(
    pad: DirectPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attached() -> str:
        return pad.call("attach", photo_file(), slot="exemplar", name="gray.png", model="Everything").type

    assert attached() == "error"
    monkeypatch.setattr(Everything, "reference_needs_color", False)
    assert attached() == "attached"
    exemplar = {"path": "gray.png"}
    assert mean_ab(pad, exemplar=exemplar)[0] > 0
    monkeypatch.setattr(Everything, "reference_needs_color", True)
    reply = pad.call("color", recipe={"image": pad.photo["image"], "exemplar": exemplar})
    assert reply.type == "error"
    assert "'gray.png' has no color" in reply.body["message"]

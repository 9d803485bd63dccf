"""Requests of drawing pads and their replies, without a transport."""

import io
import re
import zipfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pads import DirectPad, image_file, photo_file, pixels, tiny_studio
from PIL import Image

from colorzoo.apps.studio import models
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.studio import Studio
from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.palette import next_point, suggest_colors
from colorzoo.inference.pipeline import colorize_edit

POINT = {"x": 20, "y": 30, "radius": 4, "color": "#c04020"}


def with_points(photo: dict[str, Any], *points: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "image": photo["image"], "points": list(points), **more}


def test_hello_lists_registered_models_and_the_custom_model(pad: DirectPad) -> None:
    models = {entry["name"]: entry for entry in pad.hello["models"]}
    assert models["zhang2017_local_small"]["ready"]
    assert models["zhang2017_local_small"]["guidance"] == ["points"]
    wanted = {
        "cho2023_small": ("sketch", "sketch"),
        "chen2023_small": ("reference", "reference"),
        "colorzoo2026": ("hints", "natural"),
        "kim2021_small": ("hints", "edges"),
        "zhang2017_global_small": ("automatic", "mood"),
        "levin2004": ("hints", None),
        "weng2022code_small": ("hints", "text"),
        "huang2022": ("hints", "natural"),
    }
    assert {name: (models[name]["group"], models[name]["purpose"]) for name in wanted} == wanted
    assert models["chen2023"]["guidance"] == ["exemplar", "classes"]
    captions = {name: entry["caption"] for name, entry in models.items()}
    assert captions["kim2021_su2020_small"] == "Kim 2021 with Su 2020, compact"
    assert captions["feature_match"] == "Feature match"
    assert captions["LocalHints"] == "Custom: LocalHints"
    assert not any("_" in caption for caption in captions.values())
    assert [name for name, entry in models.items() if entry["default"]] == ["LocalHints"]
    assert pad.hello["photo"] is None


def test_open_returns_the_description_and_preview_of_an_image(pad: DirectPad) -> None:
    reply = pad.call("open", photo_file(96, 80), name="../old.png")
    assert reply.body == {
        "type": "photo",
        "re": pad.count,
        "name": "old.png",
        "width": 96,
        "height": 80,
        "image": {"width": 96, "height": 80, "sha256": sha256(photo_file(96, 80)).hexdigest()},
        "network": 64,
        "border": None,
        "view": [96, 80],
        "kind": "gray",
        "notes": [],
        "proposed": None,
    }
    gray, source = map(pixels, reply.buffers)
    assert gray.shape == (80, 96)
    assert np.array_equal(gray, source)


@pytest.mark.parametrize("is_sketch_model", [False, True])
def test_open_proposes_a_sketch_model_for_sketches(
    pad: DirectPad, monkeypatch: pytest.MonkeyPatch, is_sketch_model: bool
) -> None:
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:62] = 0
    image[12:48, 14:60] = 255
    monkeypatch.setattr(Colorizer, "is_sketch_model", is_sketch_model)
    found = pad.open(image_file(image))
    proposed = "LocalHints" if is_sketch_model else "colorzoo2026_drawing"
    assert (found["kind"], found["proposed"]) == ("sketch", proposed)


def test_lines_without_regions_are_not_a_sketch(pad: DirectPad) -> None:
    page = np.full((200, 300), 255, np.uint8)
    page[20:180:8, 20:280:3] = 0  # rows of short strokes, as in text
    found = pad.open(image_file(page))
    assert (found["kind"], found["proposed"]) == ("gray", None)


def test_hello_says_whether_the_default_model_was_selected(pad: DirectPad) -> None:
    assert pad.hello["model_selected"]
    studio = Studio()
    assert not DirectPad(studio).hello["model_selected"]
    studio.close()


def test_color_returns_an_image(pad: DirectPad) -> None:
    reply = pad.call("color", recipe=with_points(pad.open(), POINT), quality="final")
    image = pixels(reply.buffers[0])
    assert image.shape == (80, 96, 3)
    assert np.ptp(image, axis=2).mean() > 3
    red, green, blue = image[30, 20].astype(int)
    assert red > max(green, blue) + 20
    assert set(reply.body["timing"]) == {"network", "encode", "total"}


def test_color_image_size_depends_on_the_quality() -> None:
    for most, full in [(200_000, (500, 400)), (50_000, (250, 200))]:
        studio = tiny_studio(Limits(view_side=200, full_pixels=most))
        pad = DirectPad(studio)
        photo = pad.open(photo_file(500, 400))
        sizes = {}
        for quality in ("drag", "final", "full"):
            body = pad.call("color", recipe=with_points(photo, POINT), quality=quality).body
            sizes[quality] = (body["width"], body["height"])
        assert sizes == {"drag": (75, 60), "final": (200, 160), "full": full}
        studio.close()


def test_suggest_ignores_the_color_of_the_excluded_point(pad: DirectPad) -> None:
    photo = pad.open()
    recipes = with_points(photo, POINT), with_points(photo, {**POINT, "color": "#2040c0"})
    place = {"x": 20, "y": 30}
    one, other = (pad.call("suggest", recipe=recipe, exclude=0, **place).body["items"] for recipe in recipes)
    assert one == other
    one, other = (pad.call("suggest", recipe=recipe, **place).body["items"] for recipe in recipes)
    assert one != other


def test_suggest_and_next_use_image_pixel_coordinates(pad: DirectPad) -> None:
    recipe = with_points(pad.open(photo_file(192, 120)), POINT)
    opened, colorizer = pad.session.opened, pad.studio.pool.get(None)
    assert opened is not None
    lightness = opened.network_lightness(64)
    height, width = lightness.shape[2:]
    reply = colorize_edit(colorizer.resolve_lightness(lightness, (192, 120), Recipe.from_json(recipe)))
    distribution = reply.distribution
    assert distribution is not None

    x, y = next_point(distribution, [(20 * width / 192, 30 * height / 120)])
    found = pad.call("next", recipe=recipe).body
    assert (found["x"], found["y"]) == pytest.approx((min(x * 192 / width, 191.5), y * 120 / height))
    found = pad.call("suggest", recipe=recipe, x=150, y=90, count=5).body
    shares = distribution.at(150 * width / 192, 90 * height / 120)
    wanted = suggest_colors(shares, distribution.centers, opened.lightness_around((150, 90)), count=5)
    assert found["lightness"] == opened.lightness_around((150, 90))
    assert [each["ab"] for each in found["items"]] == [list(each.ab) for each in wanted]
    wanted = suggest_colors(shares, distribution.centers, found["lightness"], count=32)
    for options, count in (({}, 9), ({"count": 32}, 32), ({"count": 100}, 32)):
        items = pad.call("suggest", recipe=recipe, x=150, y=90, **options).body["items"]
        assert len(items) == min(count, len(wanted))
    bordered = pad.call("next", recipe=recipe | {"border": [100, 40, 60, 50]}).body
    assert 100 <= bordered["x"] <= 160
    assert 40 <= bordered["y"] <= 90


def test_extent_returns_the_reach_of_a_point(pad: DirectPad) -> None:
    pad.open()
    alphas = []
    for reach in (0, 0.5, "automatic", "everywhere"):
        reply = pad.call("extent", x=20, y=30, radius=4, reach=reach)
        tint = pixels(reply.buffers[0])
        assert tint.shape == (64, 77, 4)
        alphas.append(tint[..., 3].astype(float).mean())
    assert 0 == alphas[0] < alphas[1] < alphas[2] < alphas[3] == 150


def test_export_has_the_requested_format_and_the_image_size(studio: Studio) -> None:
    formats = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF", "webp": "WEBP", "layer": "PNG"}
    for kind, format_ in formats.items():
        pad = DirectPad(studio)
        recipe = with_points(pad.open(name="my photo.png"), POINT)
        name = Path(pad.call("export", recipe=recipe, format=kind).body["name"])
        assert name.stem == ("my photo.colors" if kind == "layer" else "my photo.color")
        with Image.open(io.BytesIO(pad.export(recipe, kind))) as image:
            assert (image.format, image.size) == (format_, (96, 80))
        studio.disconnect(pad.session)


def test_export_applies_quality_size_and_resolution(pad: DirectPad) -> None:
    recipe = with_points(pad.open(photo_file(96, 80, "JPEG", dpi=(150, 150))), POINT)
    full = pixels(pad.export(recipe))
    for kind in ("png", "jpeg", "tiff", "webp", "layer"):
        data = pad.export(recipe, kind, side=48, dpi=300)
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (48, 40)
            if kind in ("png", "jpeg", "tiff"):
                assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    means = full.reshape(40, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(pixels(pad.export(recipe, side=48)) - means).max() <= 0.5
    assert np.array_equal(pixels(pad.export(recipe, side=500)), full)
    with Image.open(io.BytesIO(pad.export(recipe, "jpeg"))) as image:
        assert image.info["dpi"] == (150, 150)
    assert len(pad.export(recipe, "jpeg", quality=50)) < len(pad.export(recipe, "jpeg"))


def test_exported_layers_have_the_requested_resolution(pad: DirectPad) -> None:
    recipe = with_points(pad.open(photo_file(96, 80, "JPEG", dpi=(150, 75))), POINT)
    for dpi, expected in ((None, ("150", "75")), (300, ("300", "300"))):
        with zipfile.ZipFile(io.BytesIO(pad.export(recipe, "ora", dpi=dpi))) as archive:
            assert tuple(re.findall(r"[xy]res='(\d+)'", archive.read("stack.xml").decode())) == expected


def test_scaled_export_keeps_face_regions_but_not_positions_in_pixels(pad: DirectPad) -> None:
    exif = Image.Exif()
    exif[315] = "Ann"
    exif.get_ifd(34665)[37396] = (40, 30, 16, 12)
    xmp = b'<rdf:RDF><rdf:Description><mwg-rs:Regions mwg-rs:Name="Opa"/></rdf:Description></rdf:RDF>'
    photo = pad.open(photo_file(96, 80, "JPEG", exif=exif.tobytes(), xmp=xmp))
    for side, has_area in ((None, True), (48, False)):
        options = {} if side is None else {"side": side}
        with Image.open(io.BytesIO(pad.export(with_points(photo), "jpeg", **options))) as image:
            assert image.getexif()[315] == "Ann"
            assert (37396 in image.getexif().get_ifd(34665)) == has_area
            assert b'"Opa"' in image.info["xmp"]
        for kind in ("jpeg", "tiff"):
            notes = pad.call("export", recipe=with_points(photo), format=kind, **options).body["notes"]
            assert ("positions in the image was not saved" in notes) == (not has_area)


def test_reduced_export_keeps_the_color_at_the_edge_of_transparent_parts(pad: DirectPad) -> None:
    levels = np.zeros((81, 96, 2), np.uint8)
    levels[20:60, 31:70] = 220, 255
    recipe = {"image": pad.open(image_file(levels))["image"], "strength": 0}
    for kind in ("png", "tiff"):
        reduced = pixels(pad.export(recipe, kind, side=48)).astype(int)
        assert set(np.unique(reduced[..., 3])) > {0, 255}
        visible = reduced[..., 3] > 25
        assert np.abs(reduced[visible][:, :3] - 220).max() <= 1


def test_color_caches_repeated_recipes(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = pad.open()
    first = pad.call("color", recipe=with_points(photo, POINT))
    pad.call("color", recipe=with_points(photo))
    monkeypatch.setattr(NetworkRunner, "session", lambda *_: pytest.fail("the network ran again"))
    assert pad.call("color", recipe=with_points(photo, POINT)).buffers == first.buffers


def test_paint_and_replacements_run_no_network(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = pad.open()
    plain = pad.call("color", recipe={"image": photo["image"]}).buffers[0]
    monkeypatch.setattr(NetworkRunner, "session", lambda *_: pytest.fail("the network ran again"))
    line = {"path": [[20, 40], [70, 40]], "size": 16, "hardness": 0.8, "color": "#c04020"}
    painted = pixels(pad.call("color", recipe={"image": photo["image"], "paint": [line]}).buffers[0])
    assert painted[40, 45, 0] > painted[40, 45, 1].astype(int) + 20
    rules = [{"old": hue, "new": "#d010d0", "range": 60} for hue in ("#c04020", "#20a040", "#3050b0")]
    assert pad.call("color", recipe={"image": photo["image"], "replacements": rules}).buffers[0] != plain


def test_check_notes_that_only_the_first_of_several_references_is_used(pad: DirectPad) -> None:
    one = {"path": "a.png"}
    for exemplar, count in ((one, 0), ({**one, "more": [{"path": "b.png"}, {"path": "c.png"}]}, 1)):
        notes = pad.call("check", recipe={"exemplar": exemplar}).body["notes"]
        assert len([note for note in notes if "first of 3" in note]) == count


def test_check_keeps_unknown_recipe_fields_with_a_note(pad: DirectPad) -> None:
    photo = pad.open()
    body = pad.call("check", recipe=with_points(photo, POINT, mood="warm")).body
    assert body["recipe"]["mood"] == "warm"
    assert "mood" in body["notes"][0]


def test_reconnected_pad_resumes_its_image_but_duplicated_tab_does_not(studio: Studio) -> None:
    pad = DirectPad(studio)
    photo = pad.open()
    copied = DirectPad(studio, pad.session.id)
    assert copied.session.id != pad.session.id
    assert copied.hello["photo"] is None
    studio.disconnect(pad.session)
    back = DirectPad(studio, pad.session.id)
    assert back.hello["photo"]["image"] == photo["image"]


def test_offered_image_can_be_opened_repeatedly(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "_offered", None)
    studio.offer(photo_file(), "old.png")
    pad = DirectPad(studio)
    for _ in range(2):
        assert pad.call("open", **pad.hello["start"]).type == "photo"
        pad.send("close")
    assert pad.call("color", recipe={}).body["code"] == "no_photo"
    studio.disconnect(pad.session)


def test_recipe_for_another_photo_than_the_open_photo_is_refused(pad: DirectPad) -> None:
    first = pad.open()["image"]
    second = pad.open(photo_file(96, 80, "JPEG"))["image"]
    for kind in ("color", "export", "next", "select"):
        fields = {"x": 5, "y": 5}
        assert pad.call(kind, recipe={"image": first}, **fields).body["code"] == "no_photo"
        assert pad.call(kind, recipe={"image": second}, **fields).type != "error"


def test_locking_keeps_the_adjusted_colors(pad: DirectPad) -> None:
    pad.open()
    replacement = {"old": "#708050", "new": "#b04030", "range": 90}
    adjusted = {"finish": {"temperature": 80}, "replacements": [replacement]}
    area = {"action": "lock", "path": [[0, 0], [96, 0], [96, 80], [0, 80]]}
    kept = pad.call("keep", recipe=adjusted, area=area).body["kept"]
    locked = {"areas": [{**area, "kept": kept}]}
    results = [
        pixels(pad.export(recipe)).astype(int)
        for recipe in (adjusted, {**adjusted, **locked}, {"finish": {"temperature": -80}, **locked}, {})
    ]
    assert all(np.abs(result - results[0]).mean() < 1 for result in results[1:3])
    assert np.abs(results[3] - results[0]).mean() > 10


def test_non_replaceable_requests_all_receive_replies(pad: DirectPad) -> None:
    pad.open()
    area = {"action": "lock", "path": [[5, 5], [40, 5], [40, 40]]}
    for kind, fields in (
        *(("check", {"recipe": {}}), ("export", {"recipe": {}}), ("keep", {"recipe": {}, "area": area})),
        *(("model", {}), ("attach", {"detach": True}), ("open", {"upload": "gone"})),
    ):
        numbers = [pad.send(kind, **fields) for _ in range(5)]
        replies = [pad.next() for _ in numbers]
        assert [reply.body["re"] for reply in replies] == numbers
        assert "dropped" not in {reply.type for reply in replies}


def test_model_pool_keeps_two_models_loaded() -> None:
    loaded: list[str] = []
    own: Any = SimpleNamespace(name="own", model=torch.nn.Identity())

    def load(name: str) -> Any:
        loaded.append(name)
        return own

    pool = models.ModelPool(load, own)
    assert (pool.has(None), pool.has("own"), pool.get("own"), pool.has("gray")) == (True, True, own, False)
    for name in ("gray", "levin2004", "gray", "welsh2002", "gray", "levin2004"):
        pool.get(name)
        assert pool.has(name)
    assert loaded == ["gray", "levin2004", "welsh2002", "levin2004"]


def test_invalid_requests_return_one_line_errors(pad: DirectPad) -> None:
    outside = {"x": 1e6, "y": 3, "color": "#ffffff"}
    place = {"recipe": {}, "x": 1, "y": 1}
    for kind, fields, code, expected in [
        ("color", {}, "bad_recipe", "recipe must be a JSON object"),
        ("color", {"recipe": {"points": [{"x": 1}]}}, "bad_recipe", "points[0]"),
        ("color", {"recipe": {"points": [outside]}}, "bad_recipe", "outside"),
        ("color", {"recipe": {"points": [POINT] * 3000}}, "bad_recipe", "got 3,000"),
        ("color", {"recipe": {"image": {"width": 7, "height": 7}}}, "bad_recipe", "7 x 7"),
        ("color", {"recipe": {"model": "zhang2017_locl"}}, "no_model", "zhang2017_locl"),
        ("color", {"recipe": {"crop": {"x": 0, "y": 0, "width": 500, "height": 9}}}, "bad_recipe", "96 x 80"),
        ("color", {"recipe": {"border": [0, 0, 9999, 50]}}, "bad_recipe", "within the image"),
        ("color", {"recipe": {"paint": [{"path": [[1, 2]]}]}}, "bad_recipe", "paint[0]"),
        ("color", {"recipe": {}, "quality": "best"}, "bad_recipe", "color.quality"),
        ("suggest", {**place, "x": "a"}, "bad_recipe", "suggest.x"),
        ("suggest", {**place, "x": -5}, "bad_message", "outside"),
        ("suggest", {**place, "count": 0}, "bad_recipe", "suggest.count"),
        ("extent", {**place, "reach": "far"}, "bad_recipe", "extent.reach"),
        ("select", {**place, "size": 10.1}, "bad_recipe", "select.size"),
        ("select", {"recipe": {}, "path": [[3, 4], [9, 9]]}, "bad_message", "3 corners"),
        ("keep", {"recipe": {}, "area": {"action": "lock"}}, "bad_recipe", "area"),
        ("export", {"recipe": {}, "quality": 101}, "bad_recipe", "export.quality"),
        ("export", {"recipe": {}, "dpi": 0}, "bad_recipe", "dpi"),
        ("export", {"recipe": {}, "format": "exe"}, "bad_recipe", "export.format"),
        ("propose", {"recipe": {}}, "unsupported", "regions"),
        ("classes", {"recipe": {}}, "unsupported", "object types"),
        ("attach", {"slot": "x"}, "bad_recipe", "attach.slot"),
        ("open", {"upload": "guess"}, "expired", "has expired"),
        ("nonsense", {}, "bad_message", "known type"),
    ]:
        pad.open()
        reply = pad.call(kind, **fields)
        assert (reply.type, reply.body["code"]) == ("error", code), reply.body
        assert expected in reply.body["message"]
        assert "\n" not in reply.body["message"]


def test_queued_drag_requests_are_dropped_for_the_last_request(pad: DirectPad) -> None:
    photo = pad.open()
    last = 0
    for x in range(10, 60):
        last = pad.send("color", recipe=with_points(photo, {**POINT, "x": x}), quality="drag")
    dropped = []
    while (message := pad.next()).body["re"] != last:
        dropped.append(message.type)
    assert message.type == "colored"
    assert dropped.count("dropped") > 25

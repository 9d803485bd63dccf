"""Requests of the pad and their answers, without a transport."""

import io
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pads import DirectPad, photo_file, pixels, tiny_studio
from PIL import Image

from colorzoo.guidance import PointHint, Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.palette import distribution_of, next_point, suggest_colors
from colorzoo.inference.pipeline import colorize
from colorzoo.inference.task import Part
from colorzoo.studio import handlers, models
from colorzoo.studio.handlers import REQUESTS
from colorzoo.studio.palette import displayed_colors
from colorzoo.studio.protocol import Limits
from colorzoo.studio.studio import Studio
from colorzoo.studio.worker_pool import QueuedRequest
from colorzoo.weights.choice import rank_models

POINT = {"x": 20, "y": 30, "radius": 4, "color": "#c04020"}


def with_points(photo: dict[str, Any], *points: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "image": photo["image"], "points": list(points), **more}


def test_hello_lists_registered_models_and_the_own_one(pad: DirectPad) -> None:
    models = {entry["name"]: entry for entry in pad.hello["models"]}
    assert models["zhang2017_local_small"]["ready"]
    assert models["zhang2017_local_small"]["guidance"] == ["points"]
    wanted = {
        "cho2023_small": ("sketch", "sketch"),
        "chen2023_small": ("reference", "reference"),
        "kang2023_small": ("automatic", "vivid"),
        "colorzoo2026": ("hints", "natural"),
        "kim2021_small": ("hints", "edges"),
        "su2020_small": ("hints", "things"),
        "zhang2017_global_small": ("automatic", "mood"),
        "levin2004": ("hints", None),
    }
    assert {name: (models[name]["group"], models[name]["purpose"]) for name in wanted} == wanted
    assert models["chen2023"]["guidance"] == ["exemplar", "classes"]  # by which it is ranked
    assert (models["chen2023"]["rank"], models["gray"]["rank"]) == (90, 0)
    assert [name for name, entry in models.items() if entry["default"]] == ["LocalHints"]
    assert pad.hello["photo"] is None
    assert not pad.hello["resumed"]


def test_the_default_colors_an_image_before_the_first_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the first photo and point do not wait for what is made once."""
    studio, done = tiny_studio(), threading.Event()
    colored: list[tuple[Any, Any]] = []
    monkeypatch.setattr(Colorizer, "colorize", lambda _, *given: colored.append(given))
    studio.warm_up()
    worker = studio.pool.get(None).worker
    worker.submit("z", QueuedRequest("any", lambda: worker.submit("z", QueuedRequest("last", done.set))))
    assert done.wait(30)
    ((image, recipe),) = colored
    assert image.levels.tolist() == [[128] * 64] * 64
    assert recipe.points == (PointHint(32, 32, reach="automatic"),)
    studio.close()


def test_an_opened_photo_is_described_and_shown(pad: DirectPad) -> None:
    answer = pad.ask("open", photo_file(96, 80), name="../old.png")
    assert answer.body == {
        "type": "photo",
        "re": pad.count,
        "name": "old.png",
        "width": 96,
        "height": 80,
        "image": {"width": 96, "height": 80, "sha256": sha256(photo_file(96, 80)).hexdigest()},
        "network": 64,
        "border": None,
        "view": [96, 80],
        "colored": False,
        "transparent": False,
        "kind": "gray",
        "notes": [],
        "proposed": None,
    }
    gray, source = map(pixels, answer.buffers)
    assert gray.shape == (80, 96)
    assert np.array_equal(gray, source)


def test_what_paints_is_proposed_for_a_sketch(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = rank_models("sketch")
    image = np.full((60, 80), 255, np.uint8)
    image[10:50, 12:62] = 0
    image[12:48, 14:60] = 255
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    for paints, available, proposed in (
        (False, True, "cho2023_small"),  # its weights are in the package
        (False, False, None),
        (True, False, "LocalHints"),
    ):
        monkeypatch.setattr(models, "rank_models", {"sketch": ranked if available else []}.get)
        monkeypatch.setattr(Colorizer, "is_sketch_model", paints)
        found = pad.open(file.getvalue())
        assert (found["kind"], found["proposed"]) == ("sketch", proposed)
    found = pad.open(photo_file())
    assert (found["kind"], found["proposed"]) == ("gray", None)


def test_color_returns_an_image_and_the_displayed_points(pad: DirectPad) -> None:
    photo = pad.open()
    answer = pad.ask("color", recipe=with_points(photo, POINT), quality="final")
    image = pixels(answer.buffers[0])
    assert image.shape == (80, 96, 3)
    assert np.ptp(image, axis=2).mean() > 3
    (shown,) = answer.body["points"]
    red, green, blue = image[30, 20].astype(int)
    assert red > green + 20
    assert red > blue + 20
    wanted = [int(shown["color"][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(np.subtract(wanted, (red, green, blue))).max() <= 12  # JPEG
    assert set(answer.body["timing"]) == {"wait", "prepare", "network", "join", "encode", "total"}


def test_the_size_of_the_image_depends_on_the_quality() -> None:
    for most, full in [(200_000, (500, 400)), (199_999, (499, 399)), (50_000, (250, 200))]:
        studio = tiny_studio(Limits(view_side=200, full_pixels=most))
        pad = DirectPad(studio)
        photo = pad.open(photo_file(500, 400))
        sizes = {}
        for quality in ("drag", "final", "full"):
            body = pad.ask("color", recipe=with_points(photo, POINT), quality=quality).body
            sizes[quality] = (body["width"], body["height"])
        assert sizes == {"drag": (75, 60), "final": (200, 160), "full": full}
        studio.close()


def test_suggestions_ignore_the_color_of_their_own_point(pad: DirectPad) -> None:
    photo = pad.open()
    red, blue = with_points(photo, POINT), with_points(photo, {**POINT, "color": "#2040c0"})
    ask = {"x": 20, "y": 30}
    alone = [pad.ask("suggest", recipe=recipe, exclude=0, **ask).body["items"] for recipe in (red, blue)]
    assert alone[0] == alone[1]
    seeing = [pad.ask("suggest", recipe=recipe, **ask).body["items"] for recipe in (red, blue)]
    assert seeing[0] != seeing[1]


def test_an_outline_of_one_or_two_corners_is_refused(pad: DirectPad) -> None:
    pad.open()
    for path in ([[3, 4]], [[3, 4], [9, 9]]):
        assert pad.ask("select", recipe={}, path=path).body["code"] == "bad_message"
    assert pad.ask("select", recipe={}, path=[[3, 4], [60, 9], [30, 60]]).type == "selected"


def test_an_export_says_nothing_about_what_the_pad_keeps_for_itself(pad: DirectPad) -> None:
    pad.open()
    point = {"x": 5, "y": 5, "color": "#c04020", "locked": True, "wanted": "#0000ff", "odd": 1}
    notes = pad.ask("export", recipe={"points": [point], "studio": {"skipped": [1]}}).body["notes"]
    assert [note for note in notes if "not known" in note] == [
        "the recipe's entry 'points[0].odd' is not known here; it is ignored"
    ]


def test_places_of_the_distribution_are_told_in_pixels_of_the_photo(pad: DirectPad) -> None:
    recipe = with_points(pad.open(photo_file(192, 120)), POINT)
    opened, colorizer = pad.session.opened, pad.studio.pool.get(None).colorizer()
    assert opened is not None
    seen = opened.network_lightness(64)
    height, width = seen.shape[2:]
    answer = colorize(colorizer.prepare_part(Part(seen, (192, 120)), Recipe.from_json(recipe)))
    distribution = distribution_of(answer)
    assert distribution is not None

    def bits(shares: torch.Tensor) -> float:
        return float(-(shares * shares.log2()).nansum())

    x, y = next_point(distribution, [(20 * width / 192, 30 * height / 120)])
    found = pad.ask("next", recipe=recipe).body
    assert (found["x"], found["y"]) == pytest.approx((min(x * 192 / width, 191.5), y * 120 / height))
    assert found["entropy"] == pytest.approx(bits(distribution.at(x, y)), rel=1e-4)
    found = pad.ask("suggest", recipe=recipe, x=150, y=90, count=5).body
    shares = distribution.at(150 * width / 192, 90 * height / 120)
    wanted = suggest_colors(shares, distribution.centers, opened.lightness_around((150, 90)), count=5)
    assert found["lightness"] == opened.lightness_around((150, 90))
    assert [each["share"] for each in found["items"]] == pytest.approx([float(each.share) for each in wanted])
    assert [each["ab"] for each in found["items"]] == [list(each.ab) for each in wanted]
    assert found["entropy"] == pytest.approx(bits(shares), rel=1e-4)
    bordered = pad.ask("next", recipe=recipe | {"border": [100, 40, 60, 50]}).body
    assert 100 <= bordered["x"] <= 160
    assert 40 <= bordered["y"] <= 90
    corner = pad.ask("suggest", recipe=recipe, x=192, y=120)
    assert corner.body["entropy"] == pytest.approx(bits(distribution.at(width - 1, height - 1)), rel=1e-4)


def test_extent_draws_the_reach_of_a_point(pad: DirectPad) -> None:
    pad.open()
    alphas = []
    for reach in (0, 0.5, "automatic", "everywhere"):
        answer = pad.ask("extent", x=20, y=30, radius=4, reach=reach)
        assert answer.body["reach"] == reach
        tint = pixels(answer.buffers[0])
        assert tint.shape == (64, 77, 4)
        alphas.append(tint[..., 3].astype(float).mean())
    assert 0 == alphas[0] < alphas[1] < alphas[2] < alphas[3] == 150


def test_an_export_has_the_size_of_the_photo(studio: Studio) -> None:
    for kind, format_ in [
        ("png", "PNG"),
        ("jpeg", "JPEG"),
        ("tiff", "TIFF"),
        ("webp", "WEBP"),
        ("layer", "PNG"),
    ]:
        pad = DirectPad(studio)
        photo = pad.open(name="my photo.png")
        body = pad.ask("export", recipe=with_points(photo, POINT), format=kind).body
        assert Path(body["name"]).stem == ("my photo.colors" if kind == "layer" else "my photo.color")
        key = body["url"].removeprefix("api/download/").partition("?")[0]
        data = studio.downloads.pop(key, pad.session.id).data
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == (format_, (96, 80))


def test_a_repeated_recipe_is_remembered(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = pad.open()
    first = pad.ask("color", recipe=with_points(photo, POINT))
    pad.ask("color", recipe=with_points(photo))
    monkeypatch.setattr(NetworkRunner, "predict", lambda *_: pytest.fail("the network ran again"))
    again = pad.ask("color", recipe=with_points(photo, POINT))
    assert again.buffers == first.buffers


def test_a_loaded_recipe_is_checked_and_its_unknown_fields_stay(pad: DirectPad) -> None:
    photo = pad.open()
    body = pad.ask("check", recipe=with_points(photo, POINT, mood="warm")).body
    assert body["recipe"]["mood"] == "warm"
    assert "mood" in body["notes"][0]
    other = {"image": {**photo["image"], "sha256": "0" * 64}, "points": [POINT]}
    assert "another image" in pad.ask("check", recipe=other).body["notes"][0]


def test_a_reconnected_pad_finds_its_photo_and_a_duplicated_tab_does_not(studio: Studio) -> None:
    pad = DirectPad(studio)
    photo = pad.open()
    copied = DirectPad(studio, pad.session.id)
    assert copied.session.id != pad.session.id
    assert copied.hello["photo"] is None
    studio.disconnect(pad.session)
    back = DirectPad(studio, pad.session.id)
    assert back.hello["resumed"]
    assert back.hello["photo"]["image"] == photo["image"]


def test_close_drops_the_photo(pad: DirectPad) -> None:
    photo = pad.open()
    pad.send("close")
    assert pad.ask("color", recipe=with_points(photo)).body["code"] == "no_photo"


FAR = {"x": 1e6, "y": 3, "color": "#ffffff"}


def test_a_bad_request_is_answered_in_one_line(pad: DirectPad) -> None:
    for request_, code, said in [
        ({"type": "color"}, "bad_recipe", "recipe must be an object"),
        ({"type": "color", "recipe": []}, "bad_recipe", "recipe must be an object"),
        ({"type": "color", "recipe": {"points": [{"x": 1}]}}, "bad_recipe", "points[0]"),
        ({"type": "color", "recipe": {"points": [FAR]}}, "bad_recipe", "outside"),
        ({"type": "color", "recipe": {"points": [POINT] * 3000}}, "bad_recipe", "3,000 entries"),
        ({"type": "color", "recipe": {"image": {"width": 7, "height": 7}}}, "bad_recipe", "7 x 7"),
        ({"type": "color", "recipe": {"model": "zhang2017_locl"}}, "no_model", "did you mean"),
        ({"type": "color", "recipe": {"model": 3}}, "bad_message", "string"),
        ({"type": "color", "recipe": {}, "quality": "best"}, "bad_message", "quality"),
        ({"type": "suggest", "recipe": {}, "x": "a", "y": 0}, "bad_recipe", "suggest.x"),
        ({"type": "suggest", "recipe": {}, "x": -5, "y": 0}, "bad_message", "outside"),
        ({"type": "suggest", "recipe": {}, "y": 0}, "bad_recipe", "suggest.x"),
        ({"type": "extent", "x": 1, "y": 1, "reach": "far"}, "bad_recipe", "extent.reach"),
        ({"type": "extent", "x": 1, "y": 1, "radius": -1}, "bad_recipe", "extent.radius"),
        ({"type": "suggest", "recipe": {}, "x": 1, "y": 1, "count": 0}, "bad_recipe", "suggest.count"),
        ({"type": "suggest", "recipe": {}, "x": 1, "y": 1, "exclude": -1}, "bad_recipe", "suggest.exclude"),
        *(
            ({"type": "select", "recipe": {}, "x": 1, "y": 1, "size": size}, "bad_recipe", "select.size")
            for size in (0.09, 10.1)
        ),
        *(
            ({"type": "export", "recipe": {}, "quality": each}, code, "quality")
            for each, code in ((0, "bad_recipe"), (101, "bad_message"))
        ),
        ({"type": "propose", "recipe": {}}, "unsupported", "regions"),
        ({"type": "classes", "recipe": {}}, "unsupported", "classes"),
        ({"type": "export", "recipe": {}, "format": "exe"}, "bad_message", "Export.format"),
        ({"type": "attach", "slot": "x"}, "bad_message", "slot"),
        ({"type": "open", "upload": "guess"}, "expired", "upload it again"),
        ({"type": "open", "name": ["a"]}, "bad_recipe", "open.name"),
        ({"type": "nonsense"}, "bad_message", "known type"),
        ({}, "bad_message", "known type"),
    ]:
        pad.open()
        fields = {name: value for name, value in request_.items() if name != "type"}
        answer = pad.ask(request_.get("type", ""), **fields)
        assert (answer.type, answer.body["code"]) == ("error", code)
        assert said in answer.body["message"]
        assert "\n" not in answer.body["message"]
        assert pad.ask("check", recipe={}).type == "checked"  # and everything goes on


def test_requests_without_a_photo_fail(pad: DirectPad) -> None:
    assert pad.ask("color", recipe={}).body["code"] == "no_photo"
    assert pad.ask("export", recipe={}).body["code"] == "no_photo"


def test_only_the_last_of_many_drags_is_answered(pad: DirectPad) -> None:
    photo = pad.open()
    last = 0
    for x in range(10, 60):
        last = pad.send("color", recipe=with_points(photo, {**POINT, "x": x}), quality="drag")
    seen = []
    while (message := pad.next()).body["re"] != last:
        seen.append(message.type)
    assert message.type == "colored"
    assert seen.count("dropped") > 25


def test_colors_go_first_and_samples_last() -> None:
    ranks: dict[int, set[str]] = {}
    for name, request in REQUESTS.items():
        ranks.setdefault(request.rank, set()).add(name)
    first, _, last = (ranks[rank] for rank in sorted(ranks))
    assert (first, last) == ({"color"}, {"sample"})
    assert QueuedRequest("any", list).rank == REQUESTS["export"].rank
    each_time = {"attach", "check", "export", "keep", "model", "open", "sample"}
    assert {name for name, request in REQUESTS.items() if not request.newest_only} == each_time
    files = {*each_time - {"keep", "model"}, "save"}  # what needs no model of its own
    assert {name for name, request in REQUESTS.items() if not request.uses_model} == files


def test_a_color_that_loses_half_a_unit_of_chroma_is_reported() -> None:
    for lost, snapped in [(0.4, False), (0.6, True)]:
        lightness = torch.tensor([50.0])
        (edge,) = displayed_colors(torch.tensor([[100.0, 20.0]]), lightness)
        beyond = torch.tensor([edge.ab]) * (1 + lost / max(edge.ab))
        (shown,) = displayed_colors(beyond, lightness)
        assert shown.snapped == snapped


def test_a_model_that_compares_no_places_suggests_no_reach(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.ask("suggest", recipe={"image": photo["image"]}, x=40, y=40).body["reach"] is None


def test_a_large_export_sends_its_progress(pad: DirectPad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "LARGE", 1000)
    number = pad.send("export", recipe={"image": pad.open()["image"]}, format="png")
    shares = []
    while (message := pad.next()).type != "exported":
        assert (message.type, message.body["re"]) == ("progress", number)
        shares.append(message.body["share"])
    assert shares == sorted(shares)
    assert len(shares) > 2

"""The faults that issue 114 lists, row by row, on images that the tests make."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pads import DirectPad
from PIL import Image
from skimage.color import rgb2lab

from colorzoo import create_model, model_card
from colorzoo.apps.studio.film import Film
from colorzoo.apps.studio.studio import Studio
from colorzoo.apps.video.run import colorize_video
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance, Points
from colorzoo.weights import save_weights
from edits import (
    AREA,
    FILLED,
    GRAY,
    HALF,
    HEIGHT,
    JOIN_LEFT,
    JOIN_RIGHT,
    LOCK,
    MODELS,
    MULTIPLY,
    PAINT,
    SPLIT,
    UNTOUCHED,
    WIDTH,
    Levels,
    Place,
    box_around,
    center,
    colorizer,
    drawing,
    photo,
    pixels,
    reference_files,
    rgb,
    run_command,
    scene,
)

CPU = ("--device", "cpu", "--precision", "float32")


def wrong(row: int, why: str) -> Any:
    """Mark a test that fails today."""
    return pytest.mark.xfail(strict=True, reason=f"issue 114 row {row}: {why}")


def point(place: Place, color: str, **more: Any) -> dict[str, Any]:
    """Return a point at the center of a pixel."""
    return {"x": place[0] + 0.5, "y": place[1] + 0.5, "color": color, **more}


def _corners(box: tuple[int, int, int, int]) -> list[list[int]]:
    left, top, right, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def area(action: str, place: Place, half: int, **more: Any) -> dict[str, Any]:
    """Return a square area."""
    return {"action": action, "path": _corners(box_around(place, half)), **more}


def colored(kind: Any, **recipe: Any) -> Levels:
    """Color a scene in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(colorizer(kind)(scene(kind), {"version": 2, "border": "none", **recipe}))


def apart(one: Levels, other: Levels) -> NDArray[np.int64]:
    """Return the largest difference of each pixel in levels."""
    return np.asarray(abs(one.astype(int) - other).max(2))


def outside(*boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Return the pixels outside boxes."""
    mask = np.ones((HEIGHT, WIDTH), bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = False
    return mask


def save(levels: Levels, path: Path) -> Path:
    """Write an image file."""
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(levels).save(path)
    return path


def write_recipe(path: Path, **fields: Any) -> Path:
    """Write a recipe."""
    path.write_text(json.dumps({"version": 2, **fields}))
    return path


# row 1


def by_context(tmp_path: Path, context: str, recipe: dict[str, Any], *options: str) -> Levels:
    """Color the drawing with 0 to 2 references, or after another page of the same characters."""
    file = write_recipe(tmp_path / "recipe.json", model=MODELS["drawing"], **recipe)
    words: list[object] = ["--recipe", file, *options, *CPU]
    if context == "same characters":
        save(drawing()[::-1, ::-1], tmp_path / "in" / "a.png")
        save(drawing(), tmp_path / "in" / "b.png")
        run_command("colorize", tmp_path / "in", "-o", tmp_path / "out", "--same-characters", *words)
        return pixels(tmp_path / "out" / "b.png")
    for path in reference_files("drawing")[: int(context[0])]:
        words += ["--reference", path]
    run_command("colorize", save(drawing(), tmp_path / "a.png"), "-o", tmp_path / "b.png", *words)
    return pixels(tmp_path / "b.png")


CONTEXTS = ["0 references", "1 reference", "2 references", "same characters"]
WHOLE = HALF + 2


@pytest.mark.parametrize("context", CONTEXTS)
def test_row_1_filled_areas_keep_their_color(tmp_path: Path, context: str) -> None:
    found = by_context(tmp_path, context, {"areas": [area("color", AREA, WHOLE, color="#ff00ff")]})
    assert found[AREA[1], AREA[0]].tolist() == [255, 0, 255]


@pytest.mark.parametrize("context", CONTEXTS)
def test_row_1_gray_areas_stay_gray(tmp_path: Path, context: str) -> None:
    found = by_context(tmp_path, context, {"areas": [area("gray", GRAY, WHOLE)]})
    assert np.ptp(found[GRAY[1], GRAY[0]].astype(int)) <= 1


@pytest.mark.parametrize("context", CONTEXTS[:3])
def test_row_1_palettes_limit_the_flats(tmp_path: Path, context: str) -> None:
    palette = ["#d04020", "#2040a0"]
    found = by_context(tmp_path, context, {"drawing": {"palette": palette}}, "--flats")
    assert {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(found.reshape(-1, 3), axis=0)} <= set(palette)


# row 2


@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("route", ["colorize", "colorize_file", "serve", "Colorizer"])
def test_row_2_references_give_the_colors_of_the_command_line(references: int, route: str) -> None:
    from edits import cell, result

    each = cell("drawing", references=references)
    difference = apart(result(each, route), result(each, "command line"))
    assert difference.max() == 0, f"{(difference > 0).mean():.0%} differ by up to {difference.max()}"


# row 3


def film_folder(tmp_path: Path, kind: Any, count: int = 2) -> Path:
    """Write a film of equal frames."""
    for number in range(count):
        save(scene(kind), tmp_path / "film" / f"f{number}.png")
    return tmp_path / "film"


def film_frame(tmp_path: Path, kind: Any, **recipe: Any) -> Levels:
    """Return the first frame of a film with a recipe for this frame; without fields, the automatic frame."""
    film = film_folder(tmp_path, kind)
    out = tmp_path / f"out{len(recipe)}"
    keys = {0: write_recipe(tmp_path / "key.json", border="none", **recipe)} if recipe else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        colorize_video(
            film, out, keys=keys, model=MODELS[kind], border="none", device="cpu", precision="float32"
        )
    return pixels(out / "f0.png")


POINT = [point(FILLED, "#b05a40")]
STROKE = [
    {
        "path": [[PAINT[0] - 4, PAINT[1] + 0.5], [PAINT[0] + 5, PAINT[1] + 0.5]],
        "color": "#805090",
        "size": 12,
        "hardness": 1,
    }
]
FRAME_EDITS: dict[str, dict[str, Any]] = {
    "paint": {"paint": STROKE},
    "replacement": {"replacements": [{"old": "#b05a40", "new": "#4060b0", "range": 60}]},
    "finish": {"finish": {"temperature": 60}},
}


@pytest.mark.parametrize("name", FRAME_EDITS)
@pytest.mark.parametrize("points", [(), [{**POINT[0], "reach": 0}]], ids=["alone", "beside a point"])
def test_row_3_frame_recipes_act_in_films(tmp_path: Path, name: str, points: list[Any]) -> None:
    """Compare the pixels that the edit changes by more than 8 levels in an image."""
    base = {"points": points} if points else {}
    image, before = colored("photo", **base, **FRAME_EDITS[name]), colored("photo", **base)
    changed = apart(image, before) > 8
    assert changed.any()
    found = film_frame(tmp_path, "photo", **base, **FRAME_EDITS[name])
    assert np.median(apart(found, image)[changed]) <= 4


def test_row_3_statistics_act_in_films(tmp_path: Path) -> None:
    statistics = {"saturation": 0.7}
    image, before = colored("photo", statistics=statistics), colored("photo")
    assert apart(image, before).max() > 8
    changed = apart(image, before) > 8
    assert np.median(apart(film_frame(tmp_path, "photo", statistics=statistics), image)[changed]) <= 4


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_row_3_a_crop_moves_no_color_of_a_film(tmp_path: Path, kind: Any) -> None:
    crop = {"x": 10, "y": 8, "width": 80, "height": 120}
    plain = film_frame(tmp_path, kind, points=POINT)
    cropped = film_frame(tmp_path, kind, points=POINT, crop=crop)
    assert cropped.shape == plain.shape
    assert apart(cropped, plain).max() <= 2


# row 4


@pytest.fixture
def film_pad(tmp_path: Path) -> Iterator[DirectPad]:
    """Open a drawn film in the pad."""
    studio = Studio(device="cpu")
    studio.film = Film(film_folder(tmp_path, "drawing"), device="cpu")
    yield DirectPad(studio)
    studio.close()


def stored_keys(tmp_path: Path) -> list[Any]:
    """Return the keys of the film recipe that the pad wrote."""
    found = list(tmp_path.glob("*.film.json"))
    return list(json.loads(found[0].read_text())["keys"]) if found else []


ACROSS = [[SPLIT[0], SPLIT[1] - 9], [SPLIT[0], SPLIT[1] + 9]]
SAVED: dict[str, dict[str, Any]] = {
    "palette": {"drawing": {"palette": ["#d04020", "#2040a0"]}},
    "variant": {"drawing": {"variant": 1}},
    "split": {"divisions": [{"path": ACROSS}]},
    "join": {"divisions": [{"path": [[*JOIN_LEFT], [*JOIN_RIGHT]], "join": True}]},
    "gap": {"drawing": {"gap": 80}},
    "shading": {"drawing": {"shading": True}},
    "healing": {
        "healing": [{"path": [[FILLED[0], FILLED[1] - 12], [FILLED[0] + 3, FILLED[1] - 12]], "width": 6}]
    },
}


@pytest.mark.parametrize("name", SAVED)
def test_row_4_pads_of_films_store_each_edit(tmp_path: Path, film_pad: DirectPad, name: str) -> None:
    recipe = film_pad.call("frame", frame=0).body["recipe"] | SAVED[name]
    reply = film_pad.call("save_frame", frame=0, recipe=recipe)
    assert reply.type == "saved", reply.body
    (key,) = stored_keys(tmp_path)
    assert {name: key["recipe"].get(name) for name in SAVED[name]}
    assert all(key["recipe"].get(field) for field in SAVED[name])


@pytest.mark.parametrize(
    "statistics", [{"saturation": 0.7}, {"histogram": [1 / 313] * 313}], ids=["saturation", "histogram"]
)
def test_row_4_pads_of_films_store_statistics(tmp_path: Path, statistics: dict[str, Any]) -> None:
    studio = Studio(device="cpu")
    studio.film = Film(film_folder(tmp_path, "photo"), device="cpu", size=64)
    try:
        pad = DirectPad(studio)
        recipe = pad.call("frame", frame=0).body["recipe"] | {"statistics": statistics}
        assert pad.call("save_frame", frame=0, recipe=recipe).type == "saved"
        (key,) = stored_keys(tmp_path)
        assert key["recipe"]["statistics"]
    finally:
        studio.close()


def test_row_4_pads_of_films_store_a_reference_of_a_frame(tmp_path: Path) -> None:
    studio = Studio(device="cpu")
    studio.film = Film(film_folder(tmp_path, "photo"), device="cpu", size=64)
    try:
        pad = DirectPad(studio)
        content = reference_files("photo")[0].read_bytes()
        digest = pad.call("attach", content, name="own.png", model=MODELS["photo"]).body["sha256"]
        recipe = pad.call("frame", frame=0).body["recipe"] | {
            "exemplar": {"path": "own.png", "sha256": digest}
        }
        assert pad.call("save_frame", content, frame=0, recipe=recipe).type == "saved"
        (key,) = stored_keys(tmp_path)
        assert key["recipe"]["exemplar"]["sha256"] == digest
    finally:
        studio.close()


def test_row_4_deleting_the_last_point_keeps_palette_and_splits(tmp_path: Path, film_pad: DirectPad) -> None:
    recipe = film_pad.call("frame", frame=0).body["recipe"] | SAVED["palette"] | SAVED["split"]
    film_pad.call("save_frame", frame=0, recipe={**recipe, "points": POINT})
    film_pad.call("save_frame", frame=0, recipe={**recipe, "points": []})
    (key,) = stored_keys(tmp_path)
    assert key["recipe"]["drawing"]["palette"] == SAVED["palette"]["drawing"]["palette"]
    assert len(key["recipe"]["divisions"]) == 1


# row 5


def test_row_5_a_film_depends_on_the_content_of_the_references_of_a_frame(tmp_path: Path) -> None:
    film = film_folder(tmp_path, "photo")
    key = write_recipe(tmp_path / "key.json", exemplar={"path": "ref.png"}, points=POINT)
    first, second = reference_files("photo")
    options: dict[str, Any] = {"keys": {0: key}, "device": "cpu", "size": 64, "border": "none"}
    shutil.copy(first, tmp_path / "ref.png")
    colorize_video(film, tmp_path / "out", **options)
    before = pixels(tmp_path / "out" / "f0.png")
    shutil.copy(second, tmp_path / "ref.png")
    summary = colorize_video(film, tmp_path / "out", **options, overwrite=True)
    assert summary["status"] == "colored"
    assert not summary["resumed"]
    fresh = colorize_video(film, tmp_path / "fresh", **options)
    assert fresh["status"] == "colored"
    assert np.array_equal(pixels(tmp_path / "out" / "f0.png"), pixels(tmp_path / "fresh" / "f0.png"))
    assert apart(before, pixels(tmp_path / "fresh" / "f0.png")).max() > 0


# row 6


@pytest.mark.parametrize("references", [0, 2])
def test_row_6_a_stopped_run_of_the_same_characters_continues_as_if_fresh(
    tmp_path: Path, references: int
) -> None:
    for number, page in enumerate((drawing(), drawing()[::-1], drawing()[:, ::-1])):
        save(page, tmp_path / "in" / f"{number}.png")
    words: list[object] = ["--same-characters", "--model", MODELS["drawing"], *CPU]
    for path in reference_files("drawing")[:references]:
        words += ["--reference", path]
    run_command("colorize", tmp_path / "in", "-o", tmp_path / "fresh", *words)
    run_command("colorize", tmp_path / "in", "-o", tmp_path / "again", *words)
    for name in ("1.png", "2.png"):  # as if the run had been stopped after the first page
        (tmp_path / "again" / name).unlink()
    run_command("colorize", tmp_path / "in", "-o", tmp_path / "again", *words)
    for name in ("1.png", "2.png"):
        difference = apart(*(pixels(tmp_path / folder / name) for folder in ("again", "fresh")))
        assert difference.max() == 0, (
            f"{name}: {(difference > 8).mean():.1%} of the pixels differ by more than 8"
        )


# rows 7, 8 and 9

FILLS = [point(FILLED, "#d03020"), point(LOCK, "#20a0a0")]
BETWEEN = 34
"""A row and a column between shapes."""
BACKGROUND = (BETWEEN, 2 * BETWEEN - 2)
ROW = [[1, BETWEEN], [WIDTH - 2, BETWEEN]]
STRIP = (BETWEEN - 4, BETWEEN - 4, BETWEEN + 4, HEIGHT - 26)
"""A strip that crosses the lines of many shapes."""
JOINED = {"path": [[*JOIN_LEFT], [*JOIN_RIGHT]], "join": True}
LASSO: dict[str, Any] = {
    "divisions": [{"path": _corners(STRIP), "closed": True}],
    "points": [*FILLS, point((BETWEEN, 98), "#3050c0")],
}
CHANGES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "lasso": (LASSO, [(STRIP[0] - 1, STRIP[1] - 1, STRIP[2] + 2, STRIP[3] + 2)]),
    "split": ({"divisions": [{"path": ROW}]}, []),
    "join": ({"divisions": [JOINED]}, [box_around(place, WHOLE) for place in (JOIN_LEFT, JOIN_RIGHT)]),
    "gap": ({"drawing": {"gap": 80}}, []),
}


@pytest.mark.parametrize("base", ["no points", "all points"])
@pytest.mark.parametrize("name", CHANGES)
def test_row_7_fills_change_only_their_region_with_updates_off(name: str, base: str) -> None:
    settings = {"base_points": [] if base == "no points" else FILLS}
    before = colored("drawing", points=FILLS, drawing=settings)
    change, boxes = CHANGES[name]
    recipe = {"points": FILLS, **change, "drawing": {**settings, **change.get("drawing", {})}}
    difference = apart(colored("drawing", **recipe), before)[outside(*boxes)]
    assert difference.max() <= 1, f"{(difference > 1).mean():.1%} of the pixels outside changed"


DIVIDED = {"above": (2, 2), "below": BACKGROUND}
"""Points in the two parts of the background that `ROW` divides."""


@pytest.mark.parametrize("updates", [False, pytest.param(True, id="updates")])
@pytest.mark.parametrize("name", DIVIDED)
@pytest.mark.parametrize("color", ["#804020", "#20a0e0"])
def test_row_8_both_parts_of_a_divided_region_keep_the_fill(name: str, color: str, updates: bool) -> None:
    settings: dict[str, Any] = {} if updates else {"base_points": []}
    points = [*FILLS, point(DIVIDED[name], color)]
    before = colored("drawing", points=points, drawing=settings)
    after = colored("drawing", points=points, divisions=[{"path": ROW}], drawing=settings)
    is_filled = (before == rgb(color).astype(np.uint8)).all(2)
    assert is_filled.any()
    assert apart(after, before)[is_filled].max() <= 1


@pytest.mark.parametrize("later", [False, True])
def test_row_8_a_later_fill_changes_only_its_part(later: bool) -> None:
    """The first point was set before the division, the second one after it; the order of the list is free."""
    first, second = point(DIVIDED["above"], "#804020"), point((WIDTH - 3, 2), "#20a0e0", divisions=1)
    points = [first, second] if later else [second, first]
    found = colored("drawing", points=points, divisions=[{"path": ROW}], drawing={"base_points": []})
    assert found[2, 2].tolist() == list(rgb("#20a0e0"))
    assert found[HEIGHT - 3, 2].tolist() == list(rgb("#804020"))


def test_row_8_a_point_after_a_division_colors_only_its_part() -> None:
    divided = {"divisions": [{"path": ROW}], "drawing": {"base_points": []}}
    automatic = colored("drawing", **divided)
    found = colored("drawing", points=[point(DIVIDED["above"], "#804020", divisions=1)], **divided)
    assert found[2, 2].tolist() == list(rgb("#804020"))
    assert found[HEIGHT - 3, 2].tolist() == automatic[HEIGHT - 3, 2].tolist()


@pytest.mark.parametrize("turned", [False, True])
def test_row_8_a_pocket_behind_a_closed_gap_keeps_the_fill(turned: bool) -> None:
    """Behind a gap that is closed later, only the smaller part keeps a fill; into the other it had leaked."""
    page = np.full((160, 120), 255, np.uint8)
    page[100:103, 20:90] = page[130:133, 20:90] = page[100:133, 20:23] = page[100:133, 87:90] = 0
    page[100:103, 50:62] = 255  # the opening
    page = page[::-1] if turned else page
    row = 43 if turned else 116
    inside, beyond = (60, row), (60, 80)

    def fill(place: Place, gap: float) -> Levels:
        recipe = {
            "version": 2,
            "points": [point(place, "#804020")],
            "drawing": {"gap": gap, "base_points": []},
        }
        return np.asarray(colorizer("drawing")(page, recipe))

    def is_filled(levels: Levels, place: Place) -> bool:
        return levels[place[1], place[0]].tolist() == list(rgb("#804020"))

    for place in (inside, beyond):  # the opening joins both parts
        found = fill(place, 4)
        assert is_filled(found, inside)
        assert is_filled(found, beyond)
    found = fill(beyond, 80)
    assert is_filled(found, inside)
    assert is_filled(found, beyond)
    found = fill(inside, 80)
    assert is_filled(found, inside)
    assert not is_filled(found, beyond)


def test_row_9_a_region_that_looks_like_the_filled_color_keeps_it() -> None:
    """Fill one shape, then another: shapes that look like the first must not change."""
    found = []
    for first in ("#d0a080", "#c08060", "#a06080", "#8070a0"):
        before = colored("drawing", points=[point(FILLED, first)])
        after = colored("drawing", points=[point(FILLED, first), point(UNTOUCHED[1], "#e01010")])
        like = apart(before, np.broadcast_to(rgb(first).astype(np.uint8), before.shape)) <= 8
        found.append((apart(after, before) > 8)[like].mean())
    assert max(found) == 0, found


# row 10

TINY, HALF_SHAPE, INSIDE = 3, 7, 9


@pytest.mark.parametrize("shading", [False, True], ids=["flat", "shaded"])
@pytest.mark.parametrize("strength", [1, 0.4])
@pytest.mark.parametrize("half", [TINY, HALF_SHAPE, INSIDE, WHOLE], ids=["tiny", "half", "inside", "whole"])
@pytest.mark.parametrize("color", ["#ff0000", "#d030a0"])
def test_row_10_areas_of_drawings_have_their_color(
    color: str, half: int, strength: float, shading: bool
) -> None:
    recipe = {"strength": strength, "drawing": {"shading": shading}}
    found = colored("drawing", areas=[area("color", AREA, half, color=color)], **recipe)
    assert abs(found[AREA[1], AREA[0]] - rgb(color)).max() <= 2, found[AREA[1], AREA[0]].tolist()


@pytest.mark.parametrize("color", ["#ff0000", "#d030a0"])
@pytest.mark.parametrize("top", [40, 150])
def test_row_10_white_paper_outside_an_area_stays_white(color: str, top: int) -> None:
    """Fill more and less than half of the background."""
    white = {"palette": ["#ffffff"]}
    filled = {"action": "color", "path": _corners((0, top, WIDTH, HEIGHT)), "color": color}
    found = colored("drawing", areas=[filled], drawing=white)
    difference = apart(found, colored("drawing", drawing=white))[: top - 8]
    assert difference.max() <= 1, f"{(difference > 1).mean():.1%} differ by up to {difference.max()}"


# row 11


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_row_11_a_later_layer_changes_points_inside_its_region_only(kind: Any) -> None:
    """A contributor multiplies the chroma of the upper part by .3."""
    points = [point(place, "#d03020") for place in (FILLED, UNTOUCHED[0])]
    result = colorizer(kind).colorize(scene(kind), {"version": 2, "points": points, "border": "none"})
    upper = torch.zeros(result.edit.map_size)
    border = (FILLED[1] + UNTOUCHED[0][1]) / 2 / HEIGHT
    upper[: round(border * len(upper))] = 1
    pale = replace(result, canvas=result.canvas.map(lambda ab: 0.3 * ab, upper))
    for (x, y), factor in ((FILLED, 0.3), (UNTOUCHED[0], 1.0)):
        chroma = [float(np.hypot(*rgb2lab(each.levels()[y, x] / 255)[1:])) for each in (pale, result)]
        assert chroma[0] / chroma[1] == pytest.approx(factor, abs=0.05)


# row 12


def test_row_12_films_with_a_prediction_that_is_not_finite_end_in_an_error(tmp_path: Path) -> None:
    model = create_model("zhang2019_small").model
    weights = {
        name: 1e30 * each if each.is_floating_point() else each for name, each in model.state_dict().items()
    }
    file = tmp_path / "huge.safetensors"
    save_weights(
        file,
        weights,
        {"model": "zhang2019_small", "hparams": json.dumps(model_card("zhang2019_small").hparams)},
    )
    with pytest.raises(ColorzooError, match="NaN or inf"):
        colorize_video(
            film_folder(tmp_path, "photo"),
            tmp_path / "out",
            references=[reference_files("photo")[0]],
            model="zhang2019_small",
            weights=str(file),
            device="cpu",
            size=64,
            border="none",
        )


# row 13


def test_row_13_soft_shading_keeps_the_paper() -> None:
    flat, soft = (colored("drawing", drawing={"shading": shading}) for shading in (False, True))
    paper = flat.min(2) > 240
    assert paper.any()
    assert (apart(flat, soft)[paper] > 10).mean() == 0


def test_row_13_soft_shading_keeps_filled_colors() -> None:
    filled = [point(place, "#c08060") for place in (FILLED, AREA, SPLIT)]
    soft = colored("drawing", points=filled, drawing={"shading": True})
    for x, y in (FILLED, AREA, SPLIT):
        assert soft[y, x].tolist() == list(rgb("#c08060"))


def test_row_13_soft_shading_leaves_blank_paper_alone_and_multiplies_all_flats_alike() -> None:
    """Regions that somebody filled with white show the factor of each pixel."""
    places = [center(column, row) for row in range(3) for column in range(3)]

    def shaded(color: str) -> NDArray[np.float64]:
        filled = [point(place, color) for place in places]
        return colored("drawing", points=filled, drawing={"shading": True, "flats": True}).astype(float)

    factor, green = shaded("#ffffff") / 255, shaded("#50a070")
    flat, soft = (colored("drawing", drawing={"shading": shading}) for shading in (False, True))
    blank = (flat == drawing()[..., None]).all(2)
    assert blank.mean() > 0.2
    assert np.array_equal(flat[blank], soft[blank])
    inside = np.zeros((HEIGHT, WIDTH), bool)
    for place in places:
        left, top, right, bottom = box_around(place, HALF - 5)
        inside[top:bottom, left:right] = True
    assert factor[inside].min() < 0.95
    assert abs(green - factor * rgb("#50a070"))[inside].max() <= 1


SOFT: dict[str, Any] = {"drawing": {"shading": True}}
SHADOW = {
    "path": [[MULTIPLY[0] - 4, MULTIPLY[1]], [MULTIPLY[0] + 4, MULTIPLY[1]]],
    "size": 14,
    "hardness": 0.3,
}
SHADED = {
    "one color": {"paint": [*STROKE, {**SHADOW, "color": "#a0c8d0", "blend": "multiply"}]},
    "pale": {"paint": [{**SHADOW, "color": "#f8fff0", "blend": "multiply"}]},
    "two colors": {
        "paint": [
            {**SHADOW, "color": color, "blend": "multiply", "size": size}
            for color, size in (("#a0c8d0", 14), ("#e0a080", 8))
        ]
    },
    "adjusted": {
        "paint": [{**SHADOW, "color": "#a0c8d0", "blend": "multiply"}],
        "finish": {"temperature": 60, "vibrance": 40},
    },
}


@pytest.mark.parametrize("context", SHADED)
@pytest.mark.parametrize("is_tinted", [False, True], ids=["white", "tinted"])
def test_row_13_layers_compose_the_image_and_each_shading_has_one_color(
    tmp_path: Path, context: str, is_tinted: bool
) -> None:
    psd_tools = pytest.importorskip("psd_tools")
    paper = np.array([240, 228, 205] if is_tinted else [255, 255, 255])
    page = save(np.rint(drawing()[..., None] / 255 * paper).astype(np.uint8), tmp_path / "a.png")
    recipe = write_recipe(tmp_path / "r.json", **SOFT, **SHADED[context], model=MODELS["drawing"])
    for name in ("b.psd", "b.png"):
        run_command("colorize", page, "-o", tmp_path / name, "--recipe", recipe, *CPU)
    psd = psd_tools.PSDImage.open(tmp_path / "b.psd")
    composite = np.asarray(psd.composite(force=True).convert("RGB"))
    assert apart(composite, pixels(tmp_path / "b.png")).max() <= 1
    for layer in psd:
        if layer.name in ("Shading", "Painted shading"):
            levels = np.asarray(layer.topil())
            colors = np.unique(levels[levels[..., 3] > 0][:, :3], axis=0)
            is_multiplied = layer.blend_mode.name == "MULTIPLY"
            assert is_multiplied == (context != "adjusted")
            if is_multiplied and not (layer.name == "Painted shading" and context == "two colors"):
                assert len(colors) == 1


@pytest.mark.parametrize("layer", ["Shading", "Painted shading"])
def test_row_13_shading_layers_are_multiplied(tmp_path: Path, layer: str) -> None:
    x, y = MULTIPLY
    stroke = {"path": [[x - 4, y], [x + 4, y]], "color": "#a0c8d0", "blend": "multiply"}
    recipe = write_recipe(
        tmp_path / "r.json", drawing={"shading": True}, paint=[stroke], model=MODELS["drawing"]
    )
    run_command(
        "colorize", save(drawing(), tmp_path / "a.png"), "-o", tmp_path / "a.ora", "--recipe", recipe, *CPU
    )
    with zipfile.ZipFile(tmp_path / "a.ora") as file:
        stack = ElementTree.fromstring(file.read("stack.xml"))
    (found,) = (each for each in stack.iter("layer") if each.get("name") == layer)
    assert found.get("composite-op") == "svg:multiply"


# row 14


@pytest.mark.parametrize("action", ["lock", "gray", "only"])
def test_row_14_a_point_inside_a_protected_area_has_a_message(action: str) -> None:
    place = LOCK if action != "only" else UNTOUCHED[0]
    protected = area(action, LOCK, WHOLE)
    with pytest.warns(UserWarning, match="point"):
        colorizer("photo")(
            photo(),
            {"version": 2, "border": "none", "areas": [protected], "points": [point(place, "#d03020")]},
        )


@pytest.mark.parametrize(
    "step",
    [4, 2],
)
def test_row_14_many_points_as_tensors_are_exact_or_have_a_note(step: int) -> None:
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 2:-2:step, 2:-2:step] = 1
    assert (mask.sum() > 2048) == (step == 2)
    ab = torch.tensor([12.0, -10.0]).view(1, 2, 1, 1) * mask
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        found = np.asarray(colorizer("photo")(photo(), Guidance(points=Points(ab, mask))))
    error = abs(rgb2lab(found / 255)[..., 1:] - ab[0].permute(1, 2, 0).numpy()).max(2)
    worst = error[np.asarray(mask[0, 0]) > 0].max()
    assert worst < 1 or any("2,048" in str(each.message) for each in issued), worst


WHOLE_IMAGE = [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]
NO_EFFECT: dict[str, tuple[dict[str, Any], str]] = {
    "replacement": (
        {"replacements": [{"old": "#00ff00", "new": "#ff00ff", "range": 2, "fade": 0}]},
        "#00ff00",
    ),
    "area": (
        {"areas": [{"action": "lock", "path": WHOLE_IMAGE}, area("color", AREA, 7, color="#d03020")]},
        "1 filled areas",
    ),
    "division": ({"divisions": [{"path": ROW}, {"path": [[2, 2], [3, 3]]}]}, "entry 2"),
}


@pytest.mark.parametrize("name", NO_EFFECT)
@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_an_edit_without_effect_has_a_note(kind: Any, name: str) -> None:
    fields, match = NO_EFFECT[name]
    if (kind, name) == ("photo", "division"):
        match = "does not use divisions"
    with pytest.warns(UserWarning, match=match):
        colorizer(kind)(scene(kind), {"version": 2, "border": "none", **fields})


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_a_replacement_of_a_replaced_color_has_no_note(kind: Any) -> None:
    narrow = {"range": 10, "fade": 0}
    fields = {
        "points": [point(FILLED, "#4a9050")],
        "replacements": [
            {"old": "#4a9050", "new": "#a04a90", **narrow},
            {"old": "#a04a90", "new": "#4a68a8", **narrow},
        ],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colorizer(kind)(scene(kind), {"version": 2, "border": "none", **fields})


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_an_edit_with_an_effect_has_no_note(kind: Any) -> None:
    fields = {
        "points": [point(FILLED, "#4a9050")],
        "replacements": [{"old": "#4a9050", "new": "#a04a90"}],
        "areas": [area("lock", LOCK, 7), area("color", AREA, 7, color="#d03020")],
        "divisions": [{"path": ROW}] if kind == "drawing" else [],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colorizer(kind)(scene(kind), {"version": 2, "border": "none", **fields})

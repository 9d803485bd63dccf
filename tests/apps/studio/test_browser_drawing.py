"""Tools for drawings in a real browser."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser_pad import BrowserPad, check, chromium, missing, watched_pad
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.drawing import read_drawing

pytestmark = pytest.mark.browser

ROOMS = [(100, 140), (300, 140), (100, 360), (300, 360)]  # centers of four rooms in a row of two
RED, BLUE, GREEN = "#c04020", "#2040c0", "#208040"


@pytest.fixture(scope="module")
def pages() -> Iterator[tuple[object, str]]:
    if (reason := missing()) is not None:
        pytest.skip(f"missing, not passed: {reason}")
    studio = Studio(Colorizer("colorzoo2026_drawing", device="cpu"))
    with (
        chromium() as browser,
        run_server(StudioLoader.loaded(studio), port=0) as (url, _),
    ):
        yield browser, url


@pytest.fixture
def pad(pages: tuple[object, str], sketch: Path) -> Iterator[BrowserPad]:
    with watched_pad(*pages) as opened:
        opened.open_ready(sketch)
        yield opened


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    """Return a drawing of four equal rooms, two of them connected by a wide door."""
    levels = np.full((500, 400), 255, np.uint8)
    for x, y in ROOMS:
        cv2.rectangle(levels, (x - 80, y - 100), (x + 80, y + 100), 0, 4)
    path = tmp_path / "rooms.png"
    Image.fromarray(levels).save(path)
    return path


def choose(pad: BrowserPad, color: str) -> None:
    pad.page.fill(".cz-hex", color)
    pad.page.press(".cz-hex", "Enter")
    pad.next_frame()


def fill(pad: BrowserPad, color: str, *places: tuple[float, float]) -> None:
    pad.page.keyboard.press("g")
    choose(pad, color)
    if len(places) == 1:
        pad.click(*places[0])
    else:
        pad.drag(*places)
    pad.settle()


def colors(pad: BrowserPad) -> dict[tuple[float, float], str]:
    return {(round(point["x"]), round(point["y"])): point["color"] for point in pad.recipe()["points"]}


def shown(pad: BrowserPad, target: Path) -> np.ndarray:
    """Return the pixels of the exported image."""
    pad.page.click("[data-action=export]")
    pad.download(lambda: pad.page.click("[data-action=export-now]"), target)
    return np.asarray(Image.open(target))


def test_fill_replaces_the_color_of_a_region_and_a_drag_fills_all_regions_it_crosses(
    pad: BrowserPad, tmp_path: Path
) -> None:
    assert pad.page.get_attribute("[data-tool=fill]", "aria-pressed") == "true"
    assert not pad.page.locator(".cz-rail [data-tool=brush]").is_visible()
    fill(pad, RED, ROOMS[0])
    assert list(colors(pad).values()) == [RED]
    fill(pad, BLUE, (60, 80))  # another place of the same region
    assert list(colors(pad).values()) == [BLUE]
    fill(pad, RED, ROOMS[1], ROOMS[3])
    image = shown(pad, tmp_path / "result.png")
    rooms = ["#{:02x}{:02x}{:02x}".format(*image[y, x]) for x, y in ROOMS]
    assert rooms[0] == BLUE
    assert rooms[1] == rooms[3] == RED
    assert pad.page.locator(".cz-hint-row").count() == 2  # the drag is one stroke
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert list(colors(pad).values()) == [BLUE]


def test_a_new_color_of_a_region_keeps_the_place_of_its_point(pad: BrowserPad) -> None:
    fill(pad, RED, ROOMS[0])
    fill(pad, BLUE, ROOMS[1])
    fill(pad, "#20c040", (60, 80))
    assert [point["color"] for point in pad.recipe()["points"]] == ["#20c040", BLUE]


def versions(pad: BrowserPad) -> list[str]:
    """Return the images of the suggested versions after they are complete."""
    pad.settle()
    toggle = pad.page.locator("[data-action=versions]")
    if toggle.is_visible() and toggle.get_attribute("aria-expanded") == "false":
        toggle.click()
    pad.page.wait_for_selector("[data-role=coloring]:enabled >> nth=3")
    images: list[str] = pad.page.evaluate(
        "() => [...document.querySelectorAll('[data-role=coloring] canvas')].map((each) => each.toDataURL())"
    )
    return images


def test_suggested_versions_follow_edits_and_undo(pad: BrowserPad) -> None:
    first = versions(pad)
    fill(pad, RED, ROOMS[0])
    filled = versions(pad)
    assert all(one != other for one, other in zip(first, filled, strict=True))
    pad.select_model("zhang2017_local_small")
    for expected in (filled, first):
        pad.page.keyboard.press("Control+z")
        assert versions(pad) == expected


def test_versions_of_a_drawing_are_computed_only_while_they_are_open(pad: BrowserPad) -> None:
    versions(pad)
    pad.page.evaluate(
        """() => {
          const send = WebSocket.prototype.send;
          window.sentKinds = [];
          WebSocket.prototype.send = function (data) {
            const text = typeof data === "string" ? data : new TextDecoder().decode(data);
            window.sentKinds.push(/"type":"([a-z]+)"/.exec(text)?.[1]);
            return send.call(this, data);
          };
        }"""
    )
    fill(pad, RED, ROOMS[0])
    pad.page.wait_for_timeout(1500)
    assert pad.page.get_attribute("[data-action=versions]", "aria-expanded") == "false"
    sent: list[str] = pad.page.evaluate("() => sentKinds")
    assert "color" in sent
    assert "colorings" not in sent
    pad.page.click("[data-action=versions]")
    versions(pad)
    assert "colorings" in pad.page.evaluate("() => sentKinds")
    pad.reload()
    assert pad.page.get_attribute("[data-action=versions]", "aria-expanded") == "true"  # remembered


def test_suggested_versions_of_another_model_are_not_shown(pad: BrowserPad) -> None:
    versions(pad)
    with pad.delayed("colorings"):
        pad.select_model("colorzoo2026")
        assert pad.page.locator("[data-role=coloring]").count() == 4
        assert pad.page.locator("[data-role=coloring] canvas").count() == 0
    assert len(versions(pad)) == 4


def test_export_describes_the_layers_of_a_drawing(pad: BrowserPad) -> None:
    pad.page.click("[data-action=export]")
    text = pad.page.inner_text("dialog[open]")
    assert "lines as layers" in text
    assert "photo" not in text
    pad.page.keyboard.press("Escape")
    pad.select_model("zhang2017_local_small")
    pad.page.click("[data-action=export]")
    assert "Gray photo and colors as layers" in pad.page.inner_text("dialog[open]")


def test_points_suggest_colors_of_any_lightness(pad: BrowserPad) -> None:
    pad.page.keyboard.press("v")
    pad.click(*ROOMS[2])
    pad.page.wait_for_selector("[data-role=suggestion]")
    pad.settle()
    pad.page.keyboard.press("2")
    pad.settle()
    label = pad.page.get_attribute("[data-role=suggestion] >> nth=1", "aria-label")
    (color,) = colors(pad).values()
    assert label is not None
    assert color in label
    choose(pad, "#0a0a30")  # dark, on white paper
    assert list(colors(pad).values()) == ["#0a0a30"]


def test_same_color_fills_similar_regions_as_one_step(pad: BrowserPad) -> None:
    fill(pad, RED, ROOMS[0])
    pad.page.keyboard.press("t")
    pad.click(110, 150)
    pad.settle()
    found = colors(pad)
    assert len(found) > 1
    assert set(found.values()) == {RED}
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert len(colors(pad)) == 1


def test_split_and_join_change_regions_and_undo(pad: BrowserPad, tmp_path: Path) -> None:
    fill(pad, RED, ROOMS[0])
    pad.page.keyboard.press("d")
    pad.drag((5, 170), (195, 170))
    pad.settle()
    fill(pad, BLUE, (100, 200))
    assert set(colors(pad).values()) == {RED, BLUE}
    pad.page.keyboard.press("Shift+D")
    pad.drag((100, 100), (100, 200))
    pad.settle()
    recipe = pad.recipe()
    assert [division.get("join", False) for division in recipe["divisions"]] == [False, True]
    assert list(colors(pad).values()) == [RED]  # the color of the first region
    image = shown(pad, tmp_path / "joined.png")
    assert (image[220, 60] == image[60, 60]).all()
    for _ in range(3):
        pad.page.keyboard.press("Control+z")
        pad.settle()
    assert "divisions" not in pad.recipe()
    fill(pad, BLUE, (100, 200))  # the same region as before the split
    assert list(colors(pad).values()) == [BLUE]


def test_parts_of_a_split_region_keep_the_fill_until_they_are_filled(pad: BrowserPad, tmp_path: Path) -> None:
    def halves(name: str) -> list[str]:
        image = shown(pad, tmp_path / f"{name}.png")
        return ["#{:02x}{:02x}{:02x}".format(*image[y, 60]) for y in (60, 220)]

    fill(pad, RED, ROOMS[0])
    pad.page.keyboard.press("d")
    pad.drag((5, 170), (195, 170))
    pad.settle()
    assert halves("split") == [RED, RED]
    fill(pad, BLUE, ROOMS[0])  # the part with the point of the first fill
    assert halves("upper") == [BLUE, RED]
    fill(pad, GREEN, (100, 200))
    assert halves("lower") == [BLUE, GREEN]
    pad.page.keyboard.press("Control+z")
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert halves("undone") == [RED, RED]


def test_fill_and_server_agree_on_the_region_beside_a_line(
    pages: tuple[object, str], sketch: Path, tmp_path: Path
) -> None:
    """Fill one room at places that the pixels of a small preview assign to the region beside it."""
    browser, _ = pages
    studio = Studio(Colorizer("colorzoo2026_drawing", device="cpu"), limits=Limits(view_side=70))
    with (
        run_server(StudioLoader.loaded(studio), port=0) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        pad.open_ready(sketch)
        regions = read_drawing(np.asarray(Image.open(sketch)))
        fill(pad, RED, (100, 140))
        for x in range(170, 190):
            pad.click(x + 0.5, 140)
            points = pad.recipe()["points"]
            found = {regions.region_at(point["x"], point["y"], (400, 500)) for point in points}
            assert len(found) == len(points), x
        pad.settle()


def test_fill_waits_for_the_regions_after_a_split(pad: BrowserPad) -> None:
    with pad.delayed("regions"):
        pad.page.keyboard.press("d")
        pad.drag((5, 170), (195, 170))
        pad.page.keyboard.press("g")
        for color, place in ((RED, (100, 100)), (BLUE, (60, 80)), (BLUE, (100, 200))):
            choose(pad, color)
            pad.click(*place)
    pad.settle()
    assert [point["color"] for point in pad.recipe()["points"]] == [BLUE, BLUE]


def test_a_lasso_fills_its_inside_and_keeps_the_rest_of_the_regions(pad: BrowserPad, tmp_path: Path) -> None:
    fill(pad, RED, ROOMS[3])
    before = shown(pad, tmp_path / "before.png")
    pad.page.keyboard.press("Shift+G")
    choose(pad, BLUE)
    pad.drag((240, 320), (360, 320), (360, 400), (240, 400), (240, 325))
    pad.settle()
    assert [division["closed"] for division in pad.recipe()["divisions"]] == [True]
    image = shown(pad, tmp_path / "after.png")
    assert "#{:02x}{:02x}{:02x}".format(*image[360, 300]) == BLUE
    assert (image[280:300, 240:360] == before[280:300, 240:360]).all()
    assert "#{:02x}{:02x}{:02x}".format(*image[440, 300]) == RED
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert np.array_equal(shown(pad, tmp_path / "undone.png"), before)


def test_an_outline_fills_the_regions_that_it_encloses(pad: BrowserPad, tmp_path: Path) -> None:
    pad.page.keyboard.press("Shift+E")
    choose(pad, RED)
    pad.drag((8, 30), (195, 30), (195, 480), (8, 480), (8, 35))  # around two rooms, without the margin
    pad.settle()
    assert all(x < 200 for x, _ in colors(pad))
    assert len(colors(pad)) == 2
    image = shown(pad, tmp_path / "result.png")
    found = ["#{:02x}{:02x}{:02x}".format(*image[y, x]) for x, y in ROOMS]
    assert found[0] == found[2] == RED
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert "points" not in pad.recipe()


def test_join_between_two_corners_keeps_one_color(pad: BrowserPad) -> None:
    for color, place in zip((RED, BLUE, "#20c040"), ((60, 140), (200, 20), (300, 140)), strict=True):
        fill(pad, color, place)
    division = {"path": [[60, 140], [300, 140]], "join": True}
    assert len(colors(pad)) == 3
    pad.page.keyboard.press("Shift+D")
    pad.click(60, 140)
    pad.page.keyboard.press("n")
    pad.page.keyboard.press("Enter")
    for _ in range(12):
        pad.page.keyboard.press("Shift+ArrowRight")
    pad.page.keyboard.press("Enter")
    pad.settle()
    assert pad.recipe()["divisions"][0]["join"] == division["join"]
    assert len(colors(pad)) == 1


def test_paint_has_the_chosen_color_and_brightness(pad: BrowserPad, tmp_path: Path) -> None:
    pad.page.keyboard.press("Shift+B")
    choose(pad, "#000080")
    assert pad.page.is_visible("input[aria-label=Brightness]")
    pad.drag((60, 140), (140, 140))
    pad.settle()
    assert pad.recipe()["paint"][0]["color"] == "#000080"
    image = shown(pad, tmp_path / "painted.png")
    assert image[140, 100].tolist() == [0, 0, 128]


def test_shading_multiplies_a_fill_and_has_its_own_eraser(pad: BrowserPad, tmp_path: Path) -> None:
    fill(pad, RED, ROOMS[0])
    pad.page.keyboard.press("Shift+B")
    pad.page.click("button.cz-segment:has-text('Shade')")
    choose(pad, "#808080")
    pad.page.check("label:has-text('Fill outline') input")
    pad.drag((60, 80), (140, 80), (140, 200), (60, 200))
    pad.settle()
    (stroke,) = pad.recipe()["paint"]
    assert (stroke["blend"], stroke["closed"]) == ("multiply", True)
    product = np.array([0xC0, 0x40, 0x20]) * 128 / 255
    assert abs(shown(pad, tmp_path / "shaded.png")[140, 100] - product).max() <= 1
    pad.page.click("button.cz-segment:has-text('Erase shading')")
    pad.page.uncheck("label:has-text('Fill outline') input")
    pad.drag((100, 130), (100, 150))
    pad.settle()
    image = shown(pad, tmp_path / "erased.png")
    assert abs(image[140, 100] - np.array([0xC0, 0x40, 0x20])).max() <= 1
    assert abs(image[85, 65] - product).max() <= 1
    pad.page.wait_for_timeout(1500)
    pad.reload()
    assert np.array_equal(shown(pad, tmp_path / "again.png"), image)
    pad.tab("layers")
    words = pad.page.inner_text(".cz-layers")
    assert "Shading" in words
    assert "Erased shading" in words


def test_splits_and_joins_are_listed_in_layers_and_deleted_singly(pad: BrowserPad) -> None:
    first, second = [[5.0, 170.0], [195.0, 170.0]], [[205.0, 170.0], [395.0, 170.0]]
    pad.page.keyboard.press("d")
    for path in (first, second):
        pad.drag(*(tuple(place) for place in path))
        pad.settle()
    fill(pad, RED, (100, 100))
    fill(pad, BLUE, (100, 200))
    pad.page.keyboard.press("Shift+D")
    pad.drag((300, 300), (300, 200))
    pad.settle()
    pad.tab("layers")
    deletes = pad.page.locator("section[aria-label='Splits and joins'] button[aria-label^=Delete]")
    assert [deletes.nth(i).get_attribute("aria-label") for i in range(deletes.count())] == [
        "Delete Split 1",
        "Delete Split 2",
        "Delete Join 3",
    ]
    deletes.nth(0).click()
    pad.settle()
    kept = pad.recipe()["divisions"]
    assert [division["path"][0] for division in kept] == [second[0], [300.0, 300.0]]
    assert list(colors(pad).values()) == [RED]  # one region has one color
    pad.page.click("section[aria-label='Splits and joins'] .cz-hint-main >> nth=1")
    pad.page.keyboard.press("Delete")
    pad.settle()
    assert len(pad.recipe()["divisions"]) == 1
    for _ in range(2):
        pad.page.keyboard.press("Control+z")
        pad.settle()
    assert len(pad.recipe()["divisions"]) == 3
    assert list(colors(pad).values()) == [RED, BLUE]


def test_keyboard_fills_and_splits(pad: BrowserPad) -> None:
    pad.page.keyboard.press("g")
    pad.page.keyboard.press("r")
    pad.page.wait_for_function(
        "() => document.querySelector('.cz-visually-hidden').textContent.includes('Enter')"
    )
    pad.page.keyboard.press("Enter")
    pad.settle()
    pad.page.keyboard.press("1")
    pad.settle()
    assert len(pad.recipe()["points"]) == 1
    pad.page.keyboard.press("d")
    pad.page.keyboard.press("n")
    pad.page.keyboard.press("Enter")
    pad.page.keyboard.press("Shift+ArrowRight")
    pad.page.keyboard.press("Enter")
    pad.settle()
    ((start, end),) = [division["path"] for division in pad.recipe()["divisions"]]
    assert end[0] > start[0]


def test_filled_regions_are_not_connected_by_a_line_in_another_model_for_drawings(
    pad: BrowserPad, tmp_path: Path
) -> None:
    start, end = ROOMS[0], ROOMS[3]
    points = [{"x": x, "y": y, "color": RED, "stroke": 1} for x, y in (start, end)]
    edits = tmp_path / "edits.json"
    edits.write_text(json.dumps({"version": 2, "model": "cho2023_small", "points": points}))
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), edits)
    pad.page.wait_for_function("() => colorzooPad.points().length === 2")  # the page reads the file first
    pad.settle()
    file = tmp_path / "pad.png"
    pad.page.screenshot(path=file)
    x, y = pad.place((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)  # outside the rooms
    shown = np.asarray(Image.open(file).convert("RGB"))[round(y), round(x)].astype(int)
    assert np.ptp(shown) < 60


def test_settings_survive_a_reload_and_give_the_same_image_in_the_command_line(
    pad: BrowserPad, sketch: Path, tmp_path: Path
) -> None:
    pad.page.wait_for_selector("[data-role=coloring]:enabled >> nth=3")
    pad.settle()
    pad.page.click("[data-role=coloring] >> nth=2")
    pad.page.fill("input[aria-label='Use only these colors']", "#f0c8a0 #304080, #ffffff")
    pad.page.press("input[aria-label='Use only these colors']", "Enter")
    pad.page.fill("input[aria-label='Close gaps in lines']", "12")
    pad.settle()
    fill(pad, RED, ROOMS[1])
    before = pad.recipe()
    assert before["drawing"] == {"variant": 2, "palette": ["#f0c8a0", "#304080", "#ffffff"], "gap": 12}
    pad.page.wait_for_timeout(1500)
    pad.reload()
    assert pad.recipe() == before
    assert pad.page.input_value(".cz-hex") == RED
    image = shown(pad, tmp_path / "result.png")
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps(pad.recipe()))
    target = tmp_path / "command.png"
    assert main(["colorize", str(sketch), "--recipe", str(hints), "-o", str(target)]) == 0
    assert np.array_equal(np.asarray(Image.open(target)), image)


def pressed(pad: BrowserPad) -> str:
    """Return the pressed button of the switch between photo and drawing."""
    return pad.page.inner_text("[role=group][aria-label='Kind of image'] [aria-pressed=true]")


def test_each_image_opens_as_photo_or_drawing_whatever_the_previous_image_was(
    pages: tuple[object, str], sketch: Path, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    Image.open(photo).rotate(180).save(other)
    browser, _ = pages
    studio = Studio()
    with (
        run_server(StudioLoader.loaded(studio), port=0) as (url, _),
        watched_pad(browser, url) as pad,
    ):
        proposal = pad.page.locator("button >> text=Color as a drawing")
        default = studio.pool.default
        pad.open_ready(sketch)
        assert (pad.recipe()["model"], pressed(pad)) == ("colorzoo2026_drawing", "Drawing")
        assert pad.page.get_attribute("[data-tool=fill]", "aria-pressed") == "true"
        assert proposal.count() == 0 or not proposal.first.is_visible()
        pad.open_ready(photo)
        assert (pad.recipe()["model"], pressed(pad)) == (default, "Photo")
        pad.page.click("[data-action=as-drawing]")  # a drawing that is not recognized
        pad.settle()
        assert (pad.recipe()["model"], pressed(pad)) == ("colorzoo2026_drawing", "Drawing")
        assert pad.page.get_attribute("[data-tool=fill]", "aria-pressed") == "true"
        pad.open_ready(other)
        assert (pad.recipe()["model"], pressed(pad)) == (default, "Photo")
        pad.select_model("cho2023_small")
        pad.page.click("[data-action=as-photo]")
        pad.settle()
        assert pad.recipe()["model"] == default
        flipped = tmp_path / "flipped.png"
        Image.open(sketch).rotate(180).save(flipped)
        pad.open_ready(flipped)
        assert (pad.recipe()["model"], pressed(pad)) == ("cho2023_small", "Drawing")  # the model used last


def color_at(pad: BrowserPad, x: float, y: float) -> list[int]:
    """Return the color of the photo canvas at a location of the drawing."""
    found: list[int] = pad.page.evaluate(
        """([x, y]) => {
          const canvas = document.querySelector("canvas[data-role=photo]");
          const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
          const [left, top] = colorzooPad.toPage(x, y);
          const place = [Math.round((left - box.left) * ratio), Math.round((top - box.top) * ratio)];
          const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          probe.drawImage(canvas, -place[0], -place[1]);
          return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }""",
        [x, y],
    )
    return found


def test_fill_is_visible_before_the_server_responds_and_changes_only_its_region(pad: BrowserPad) -> None:
    outside = [color_at(pad, *place) for place in ROOMS[1:]]
    with pad.delayed("colored"):
        pad.page.keyboard.press("g")
        choose(pad, RED)
        pad.click(*ROOMS[0])
        pad.next_frame()
        assert color_at(pad, *ROOMS[0]) == [0xC0, 0x40, 0x20]
        assert color_at(pad, 20, 140)[0] < 40  # the line stays above the color
        assert [color_at(pad, *place) for place in ROOMS[1:]] == outside
        choose(pad, BLUE)
        pad.click(60, 80)
        pad.next_frame()
        assert color_at(pad, *ROOMS[0]) == [0x20, 0x40, 0xC0]
    pad.settle()
    difference = np.subtract(color_at(pad, *ROOMS[0]), [0x20, 0x40, 0xC0])
    assert abs(difference).max() <= 4  # the preview is a JPEG


def test_undo_of_a_fill_is_visible_before_the_server_responds(pad: BrowserPad) -> None:
    before = [color_at(pad, *place) for place in ROOMS]
    fill(pad, RED, ROOMS[0])
    with pad.delayed("colored"):
        pad.page.keyboard.press("Control+z")
        pad.next_frame()
        restored = [color_at(pad, *place) for place in ROOMS]
    assert abs(np.subtract(restored, before)).max() <= 4
    pad.settle()


def test_fills_keep_other_regions_if_they_are_not_updated(pad: BrowserPad, tmp_path: Path) -> None:
    fill(pad, RED, ROOMS[0])
    before = shown(pad, tmp_path / "before.png")
    pad.page.keyboard.press("f")
    pad.settle()
    assert not pad.page.is_checked("label:has-text('Update other regions') input")
    assert np.array_equal(shown(pad, tmp_path / "off.png"), before)
    fill(pad, BLUE, ROOMS[1])
    after = shown(pad, tmp_path / "after.png")
    changed = np.argwhere((after != before).any(axis=-1))
    assert changed[:, 1].min() > 200  # only the upper right room
    assert changed[:, 0].max() < 260
    edits, target = tmp_path / "edits.json", tmp_path / "command.png"
    edits.write_text(json.dumps(pad.recipe()))
    assert main(["colorize", str(tmp_path / "rooms.png"), "--recipe", str(edits), "-o", str(target)]) == 0
    assert np.array_equal(np.asarray(Image.open(target)), after)
    pad.page.keyboard.press("f")
    pad.settle()
    assert "drawing" not in pad.recipe()
    assert not np.array_equal(shown(pad, tmp_path / "on.png"), after)


def test_strength_and_other_edits_change_no_region_that_was_set(pad: BrowserPad, tmp_path: Path) -> None:
    fill(pad, RED, ROOMS[0])
    fill(pad, BLUE, ROOMS[1])
    pad.page.keyboard.press("Shift+B")
    choose(pad, "#20c040")
    pad.page.uncheck("label:has-text('Stop at edges') input")
    pad.drag((80, 360), (120, 360))
    pad.settle()
    pad.page.keyboard.press("g")
    recipe = pad.recipe()
    pad.page.evaluate("(recipe) => colorzooPad.setRecipe(recipe)", {**recipe, "strength": 0.4})
    pad.settle()
    fill(pad, "#e0c020", ROOMS[3])
    pad.page.keyboard.press("f")  # no update of other regions
    pad.settle()
    before = shown(pad, tmp_path / "before.png")
    pad.page.mouse.click(*pad.place(*ROOMS[3]), button="right")  # deletes the fill
    pad.settle()
    assert len(pad.recipe()["points"]) == 2
    image = shown(pad, tmp_path / "result.png")
    changed = np.argwhere((image != before).any(axis=-1))
    assert changed.min(axis=0).tolist() > [255, 200]  # only the lower right room
    assert "#{:02x}{:02x}{:02x}".format(*image[140, 100]) == RED
    assert "#{:02x}{:02x}{:02x}".format(*image[60, 60]) == RED
    assert "#{:02x}{:02x}{:02x}".format(*image[140, 300]) == BLUE
    assert image[360, 100].tolist() == [0x20, 0xC0, 0x40]


def test_regions_that_would_change_are_outlined_until_the_change_is_applied(
    pad: BrowserPad, tmp_path: Path
) -> None:
    label = "label:has-text('Outline changes of other regions first') input"
    pad.page.check(label)
    fill(pad, BLUE, ROOMS[3])
    if pad.page.locator("[data-action=apply-changes]").is_visible():
        pad.page.keyboard.press("u")
    pad.settle()
    before = [color_at(pad, *place) for place in ROOMS]
    fill(pad, RED, ROOMS[0])
    offer = pad.page.locator("[data-action=apply-changes]")
    offer.wait_for()
    assert "would change: apply (U)" in offer.inner_text()
    assert color_at(pad, *ROOMS[0]) == [0xC0, 0x40, 0x20]
    assert [color_at(pad, *place) for place in ROOMS[1:]] == before[1:]
    offer.click()
    pad.next_frame()
    applied = [color_at(pad, *place) for place in ROOMS]
    assert not offer.is_visible()
    assert abs(np.subtract(applied, before)[1:]).max() > 4
    assert abs(np.subtract(applied[3], before[3])).max() <= 4  # was filled
    pad.page.keyboard.press("Control+z")
    pad.settle()
    fill(pad, "#20c040", ROOMS[0])
    offer.wait_for()
    pad.page.click("[data-action=keep-colors]")
    pad.settle()
    assert len(pad.recipe()["drawing"]["base_points"]) == 1
    kept = shown(pad, tmp_path / "kept.png")
    difference = np.subtract([kept[y, x] for x, y in ROOMS], before)[1:]
    assert abs(difference).max() <= 4
    pad.reload()
    assert pad.page.is_checked(label)


def test_a_locked_region_keeps_its_color(pad: BrowserPad, tmp_path: Path) -> None:
    before = shown(pad, tmp_path / "before.png")
    pad.page.mouse.move(*pad.place(*ROOMS[3]))
    pad.page.keyboard.press("l")
    pad.settle()
    (point,) = pad.recipe()["points"]
    x, y = ROOMS[3]
    assert point["locked"]
    assert point["color"] == "#{:02x}{:02x}{:02x}".format(*before[y, x])
    fill(pad, RED, ROOMS[0])
    fill(pad, BLUE, ROOMS[3])  # locked
    assert (shown(pad, tmp_path / "after.png")[y, x] == before[y, x]).all()
    pad.page.mouse.move(*pad.place(*ROOMS[3]))
    pad.page.keyboard.press("l")
    fill(pad, BLUE, ROOMS[3])
    assert colors(pad)[ROOMS[3]] == BLUE


def mark_at(pad: BrowserPad, x: float, y: float) -> list[int]:
    """Return the color and the opacity of the marks at a location of the drawing."""
    left, top = pad.place(x, y)
    found: list[int] = pad.page.evaluate(
        """([left, top]) => {
          const canvas = document.querySelector(".cz-marks"), box = canvas.getBoundingClientRect();
          const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          const ratio = canvas.width / box.width;
          const place = [left - box.left, top - box.top].map((value) => -Math.round(value * ratio));
          probe.drawImage(canvas, ...place);
          return [...probe.getImageData(0, 0, 1, 1).data];
        }""",
        [left, top],
    )
    return found


def test_the_region_under_the_pointer_is_lit(pad: BrowserPad) -> None:
    pad.page.keyboard.press("g")
    pad.page.mouse.move(*pad.place(130, 200))
    pad.next_frame()
    assert mark_at(pad, 60, 80)[3] > 0
    assert mark_at(pad, *ROOMS[1])[3] == 0
    pad.page.mouse.move(*pad.place(330, 200))
    pad.next_frame()
    assert mark_at(pad, 60, 80)[3] == 0
    assert mark_at(pad, *ROOMS[1])[3] > 0


def test_enter_fills_the_similar_regions_that_are_lit_after_a_fill(pad: BrowserPad) -> None:
    fill(pad, RED, ROOMS[0])
    pad.page.wait_for_selector("[data-action=similar]:visible")
    count = int(pad.page.inner_text("[data-action=similar]").split()[0])
    assert count > 0
    pad.page.mouse.move(*pad.place(100, 250))
    pad.next_frame()
    lit = [x for x in range(230, 370) if mark_at(pad, x, 80)[3] > 0]
    assert 20 < len(lit) < 120  # stripes in the upper right room
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("Enter")
    pad.settle()
    points = pad.recipe()["points"]
    assert len(points) == count + 1
    assert {point["color"] for point in points} == {RED}
    assert not pad.page.is_visible("[data-action=similar]")
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert len(colors(pad)) == 1


def test_alt_picks_the_exact_color_of_a_region(pad: BrowserPad) -> None:
    fill(pad, "#3a7f11", ROOMS[0])
    fill(pad, RED, ROOMS[1])
    pad.page.keyboard.down("Alt")
    pad.click(60, 80)
    pad.page.keyboard.up("Alt")
    pad.next_frame()
    assert pad.page.input_value(".cz-hex") == "#3a7f11"
    assert pad.page.get_attribute("[data-tool=fill]", "aria-pressed") == "true"
    assert len(colors(pad)) == 2


def test_history_names_the_color_of_a_fill_and_survives_a_reload(pad: BrowserPad) -> None:
    fill(pad, RED, ROOMS[0])
    fill(pad, BLUE, ROOMS[1])
    pad.page.wait_for_timeout(1500)  # the pad saves the edits
    pad.reload()
    pad.tab("history")
    steps = pad.page.locator(".cz-step")
    assert [steps.nth(i).inner_text() for i in range(steps.count())] == [
        "Open photo",
        f"Fill {RED}",
        f"Fill {BLUE}",
    ]
    steps.nth(1).click()
    pad.settle()
    assert list(colors(pad).values()) == [RED]


def swatches(pad: BrowserPad, name: str) -> list[str]:
    """Return the colors of the swatches in a row."""
    labels = pad.page.locator(f"[role=group][aria-label='{name}'] button")
    return [(labels.nth(i).get_attribute("aria-label") or "")[-7:] for i in range(labels.count())]


def test_changing_a_color_of_the_drawing_recolors_all_its_regions_as_one_step(pad: BrowserPad) -> None:
    fill(pad, RED, ROOMS[0])
    fill(pad, BLUE, ROOMS[1])
    fill(pad, RED, ROOMS[3])
    assert swatches(pad, "Colors of the drawing") == [RED, BLUE]
    pad.page.click("[role=group][aria-label='Colors of the drawing'] button >> nth=0")
    pad.next_frame()
    assert pad.page.input_value(".cz-hex") == RED
    pad.page.click("[data-action=recolor]")
    pad.next_frame()
    choose(pad, "#20c040")
    pad.settle()
    assert colors(pad) == {ROOMS[0]: "#20c040", ROOMS[1]: BLUE, ROOMS[3]: "#20c040"}
    assert swatches(pad, "Colors of the drawing") == ["#20c040", BLUE]
    pad.page.click("[data-action=recolor]")  # end
    fill(pad, "#802080", ROOMS[2])
    assert colors(pad)[ROOMS[0]] == "#20c040"
    for _ in range(2):
        pad.page.keyboard.press("Control+z")
        pad.settle()
    assert colors(pad) == {ROOMS[0]: RED, ROOMS[1]: BLUE, ROOMS[3]: RED}


GPL = b"GIMP Palette\nName: Ink\nColumns: 2\n# a comment 1 2 3\n192  64  32\tRust\n 32  64 192\tInk\n"
ACO = struct.pack(">HH5H5H5H", 1, 3, 0, 0xC0C0, 0x4040, 0x2020, 0, 7, 0, 0, 0, 0, 8, 10000, 0, 0, 0)
ASE = (
    b"ASEF"
    + struct.pack(">HHI", 1, 0, 2)
    + b"".join(
        struct.pack(">HI", 1, 24 + len(values) * 4 - 12)
        + struct.pack(">H", 2)
        + "A\0".encode("utf-16-be")
        + model
        + struct.pack(f">{len(values)}f", *values)
        + struct.pack(">H", 0)
        for model, values in ((b"RGB ", (0.0, 0.0, 1.0)), (b"CMYK", (0.0, 1.0, 1.0, 0.0)))
    )
)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("ink.gpl", GPL, ["#c04020", "#2040c0"]),
        ("ink.aco", ACO, ["#c04020", "#ffffff"]),  # the second color is Lab, which is skipped
        ("ink.ase", ASE, ["#0000ff", "#ff0000"]),
    ],
)
def test_palettes_are_imported_and_kept(
    pad: BrowserPad, tmp_path: Path, name: str, data: bytes, expected: list[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    pad.choose_file(lambda: pad.page.click("[data-action=import-palette]"), tmp_path / name)
    pad.page.wait_for_selector(".cz-toast >> text=imported")
    pad.next_frame()
    assert swatches(pad, "Colors of the palette") == expected
    pad.page.click("[role=group][aria-label='Colors of the palette'] button >> nth=0")
    pad.next_frame()
    assert pad.page.input_value(".cz-hex") == expected[0]
    pad.page.wait_for_timeout(1500)  # the pad saves the photo
    pad.reload()
    assert pad.page.input_value("select[aria-label=Palette]") == "ink"


def test_a_file_that_is_not_a_palette_changes_nothing(pad: BrowserPad, tmp_path: Path) -> None:
    for data in (b"ASEF\0\1", b"", b"\0\1\0\5", b"plain text"):
        (tmp_path / "bad.aco").write_bytes(data)
        pad.choose_file(lambda: pad.page.click("[data-action=import-palette]"), tmp_path / "bad.aco")
        pad.page.wait_for_selector(".cz-toast >> text=not a palette")
        pad.page.click(".cz-toast [aria-label=Close]")
    assert pad.page.input_value("select[aria-label=Palette]") == "Skin"


_CLIPPED = """(row) => {
  const box = row.firstElementChild.getBoundingClientRect();
  const page = row.closest(".cz-page").getBoundingClientRect();
  return box.top < page.top || box.bottom > Math.min(page.bottom, innerHeight);
}"""


def assert_swatches_are_on_the_first_screen(pad: BrowserPad) -> None:
    for name in ("Colors of the drawing", "Colors of the palette"):
        assert not pad.page.locator(f"[role=group][aria-label='{name}']").evaluate(_CLIPPED), name


@pytest.mark.parametrize("width", [390, 360])
def test_phone_has_large_targets_and_swatches_on_the_first_screen(
    pages: tuple[object, str], sketch: Path, width: int
) -> None:
    browser, url = pages
    size = {"width": width, "height": 844}
    pad = BrowserPad(browser, url, viewport=size, has_touch=True, is_mobile=True)
    pad.open_ready(sketch)
    pad.page.touchscreen.tap(*pad.place(*ROOMS[0]))
    pad.settle()
    assert len(colors(pad)) == 1
    assert pad.page.evaluate(check("SMALL_TARGETS"), 44) == []
    assert pad.page.evaluate("() => document.documentElement.scrollWidth") == width
    assert_swatches_are_on_the_first_screen(pad)
    for tab in ("layers", "history"):
        pad.tab(tab)
        assert pad.page.evaluate(check("SMALL_TARGETS"), 44) == []
    assert pad.problems == []
    pad.close()


@pytest.mark.parametrize("size", [(1024, 768), (1440, 900)])
def test_tools_have_labels_and_swatches_are_on_the_first_screen(
    pad: BrowserPad, size: tuple[int, int]
) -> None:
    pad.page.set_viewport_size({"width": size[0], "height": size[1]})
    fill(pad, RED, ROOMS[0])
    names = pad.page.locator(".cz-rail .cz-tool:visible .cz-tool-name")
    assert names.count() > 8
    for index in range(names.count()):
        name = names.nth(index)
        assert name.is_visible()
        assert float(name.evaluate("(el) => parseFloat(getComputedStyle(el).fontSize)")) >= 11
        assert name.evaluate("(el) => el.scrollWidth <= el.parentElement.clientWidth")
    rail = pad.page.locator(".cz-rail")
    assert rail.evaluate("(el) => el.scrollHeight <= el.clientHeight")
    assert_swatches_are_on_the_first_screen(pad)

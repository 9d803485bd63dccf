"""Painting classes and drawing boxes in a real browser, with the embedded models that use them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import SIZE, BrowserPad, check, watched_pad
from numpy.typing import NDArray
from pads import look_file, pixels
from PIL import Image
from test_handlers_guidance import LooksForThings

from colorzoo.cli.main import main
from colorzoo.color import rgb_to_lab
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import as_reference
from colorzoo.inference.steps.classes import find_classes
from colorzoo.pictures.read import read_picture
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import Address, run_server
from colorzoo.studio.studio import Studio

pytestmark = pytest.mark.browser

THING = ((60, 40), (150, 40), (150, 110), (60, 110))
INSIDE, OUTSIDE = np.s_[50:100, 70:140], np.s_[:, 190:]
Place = tuple[float, float]


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(device="cpu")


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with run_server(StudioLoader.loaded(studio), Address(port=0)) as (url, _):
        yield url


@pytest.fixture
def pad(browser: Any, address: str, photo: Path) -> Iterator[BrowserPad]:
    with watched_pad(browser, address) as opened:
        opened.open_ready(photo)
        yield opened


@pytest.fixture
def look(tmp_path: Path) -> Path:
    target = tmp_path / "look.png"
    target.write_bytes(look_file(120, 100))
    return target


def attach(pad: BrowserPad, look: Path) -> None:
    pad.choose_file(lambda: pad.page.click("[data-slot=exemplar] .cz-drop"), look)
    pad.page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
    pad.settle()


def take_lasso(pad: BrowserPad) -> list[int]:
    """Take the tool and return the classes that it offers."""
    pad.page.keyboard.press("f")
    pad.page.wait_for_selector("[aria-label='Kind that is painted']")
    pad.settle()
    options = "[aria-label='Kind that is painted'] option"
    return [int(n) for n in pad.page.eval_on_selector_all(options, "all => all.map(el => el.value)")]


def painted(pad: BrowserPad) -> list[dict[str, Any]]:
    return pad.recipe().get("classes", {}).get("painted", [])


def boxes(pad: BrowserPad) -> list[tuple[float, ...]]:
    return [tuple(box[side] for side in ("x", "y", "width", "height")) for box in pad.recipe()["boxes"]]


def keep_rectangles(pad: BrowserPad) -> None:
    pad.page.click("text=Keep the rectangle")
    pad.page.focus(".cz-stage")


def bounds(path: list[Place]) -> list[float]:
    corners = np.asarray(path)
    return [*corners.min(axis=0), *corners.max(axis=0)]


def export(pad: BrowserPad, target: Path) -> NDArray[Any]:
    pad.page.click("[data-action=export]")
    return pixels(
        pad.download(lambda: pad.page.click("[data-action=export-now]"), target).read_bytes()
    ).astype(int)


def seen(pad: BrowserPad, place: Place) -> NDArray[Any]:
    """Return the mean color around a place of the photo, as the page shows it."""
    x, y = pad.place(*place)
    pad.page.wait_for_timeout(100)
    shot = pad.page.screenshot(clip={"x": x - 8, "y": y - 8, "width": 17, "height": 17})
    with Image.open(io.BytesIO(shot)) as image:
        return np.asarray(image.convert("RGB")).mean(axis=(0, 1))


def by_command(photo: Path, recipe: dict[str, Any], folder: Path) -> NDArray[Any]:
    """Color by the command line, which finds the reference beside the recipe."""
    (folder / "work.json").write_text(json.dumps(recipe))
    assert (
        main(["colorize", str(photo), "--recipe", str(folder / "work.json"), "-o", str(folder / "cli.png")])
        == 0
    )
    return pixels((folder / "cli.png").read_bytes()).astype(int)


def classes_of(studio: Studio, look: Path) -> NDArray[Any]:
    colorizer = studio.pool.get("chen2023_small").colorizer()
    small = as_reference(read_picture(look), colorizer.size)
    return find_classes(colorizer.model, rgb_to_lab(small)[:, :1])[0, 0].numpy()


def test_an_object_is_painted_with_a_class_and_colored_by_it(
    pad: BrowserPad, studio: Studio, photo: Path, look: Path, tmp_path: Path
) -> None:
    pad.model("chen2023_small")
    attach(pad, look)
    offered = take_lasso(pad)
    plain, before = export(pad, tmp_path / "plain.png"), seen(pad, (105, 75))
    chosen = int(pad.page.input_value("[aria-label='Kind that is painted']"))
    numbers, counts = np.unique(classes_of(studio, look), return_counts=True)
    assert chosen == numbers[counts.argmax()]
    reference = int(numbers[counts.argsort()[-2]])
    pad.page.select_option("[aria-label='Kind that is painted']", str(reference))
    pad.drag(*THING, THING[0])
    pad.settle()
    (area,) = painted(pad)
    assert area["class"] == reference
    assert bounds(area["path"]) == pytest.approx([60, 40, 150, 110], abs=1.5)
    assert len(area["path"]) >= 4
    assert np.abs(seen(pad, (105, 75)) - before).max() > 4

    recipe = pad.recipe()
    ours = export(pad, tmp_path / "ours.png")
    assert np.array_equal(ours, by_command(photo, recipe, tmp_path))
    change = np.abs(ours - plain)
    assert change[INSIDE].mean() > 4
    assert change[INSIDE].mean() > 4 * change[OUTSIDE].mean()

    other = next(number for number in offered if number not in (chosen, reference))
    pad.page.select_option("[aria-label='Kind of area 1']", str(other))
    assert painted(pad)[0]["class"] == other
    for _ in range(2):
        pad.page.click("[data-action=undo]")
    assert "classes" not in pad.recipe()
    pad.settle()
    assert np.abs(seen(pad, (105, 75)) - before).max() < 1


def test_painted_classes_are_selected_moved_and_deleted(pad: BrowserPad, look: Path) -> None:
    pad.model("chen2023_small")
    attach(pad, look)
    take_lasso(pad)
    pad.drag(*THING, THING[0])
    pad.drag((140, 100), (220, 100), (220, 150), (140, 150), (140, 100))
    pad.drag((10, 10), (11, 11))  # a slip draws nothing
    assert len(painted(pad)) == 2
    pad.click(145, 105)  # both are there: the later one covers
    rows = pad.page.locator("[aria-label='Painted areas'] .cz-hint-main")
    pad.page.wait_for_selector("[aria-label='Painted areas'] li:nth-child(2) [aria-pressed=true]")
    assert rows.nth(0).get_attribute("aria-pressed") == "false"
    rows.nth(0).click()
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("Shift+ArrowLeft")
    assert bounds(painted(pad)[0]["path"]) == pytest.approx([50, 40, 140, 110], abs=1.5)
    pad.page.keyboard.press("Delete")
    assert [round(min(x for x, _ in area["path"])) for area in painted(pad)] == [140]
    pad.click(180, 125, button="right")
    assert painted(pad) == []
    pad.page.keyboard.press("Control+z")
    pad.page.keyboard.press("Control+z")
    assert len(painted(pad)) == 2
    pad.settle()


def test_long_outlines_are_simplified(pad: BrowserPad) -> None:
    pad.model("chen2023_small")
    take_lasso(pad)
    turns = np.linspace(0, 2 * np.pi, 260)  # more than the corners that are allowed
    pad.drag(*[(120 + 100 * np.cos(t), 80 + 70 * np.sin(t) * np.cos(9 * t)) for t in turns], steps=1)
    (area,) = painted(pad)
    assert 50 < len(area["path"]) <= 200
    assert bounds(area["path"])[::2] == pytest.approx([20, 220], abs=3)
    pad.settle()


def test_a_class_is_chosen_in_the_reference(pad: BrowserPad, studio: Studio, look: Path) -> None:
    pad.model("chen2023_small")
    attach(pad, look)
    take_lasso(pad)
    labels = classes_of(studio, look)
    box = pad.page.locator("[data-slot=exemplar] .cz-reference").bounding_box()
    scale = min(box["width"] / labels.shape[1], box["height"] / labels.shape[0])
    taken = set()
    for number in np.unique(labels):
        rows, columns = np.nonzero(labels == number)
        middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        x = box["x"] + box["width"] / 2 + (columns[middle] + 0.5 - labels.shape[1] / 2) * scale
        y = box["y"] + box["height"] / 2 + (rows[middle] + 0.5 - labels.shape[0] / 2) * scale
        pad.page.mouse.click(x, y)
        pad.drawn()
        taken.add((int(number), int(pad.page.input_value("[aria-label='Kind that is painted']"))))
    assert len(taken) > 1
    assert all(here == there for here, there in taken)
    pad.settle()


def test_undo_takes_a_reference_and_a_mix_of_colors_away_and_redo_brings_them_back(
    pad: BrowserPad, look: Path
) -> None:
    page = pad.page
    plain = seen(pad, (105, 75))
    attach(pad, look)
    pad.choose_file(lambda: page.click("[data-slot=statistics] .cz-drop"), look)
    page.wait_for_selector("[data-slot=statistics] figure:not([hidden])")
    pad.settle()
    for slot in ("statistics", "exemplar"):
        page.keyboard.press("Control+z")
        page.wait_for_selector(f"[data-slot={slot}] .cz-drop")
        pad.settle()
    assert np.array_equal(seen(pad, (105, 75)), plain)
    page.keyboard.press("Control+Shift+z")
    page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
    pad.settle()
    colored = seen(pad, (105, 75))
    assert np.abs(colored - plain).max() > 1
    page.click("[data-slot=exemplar] [title=Remove]")
    page.wait_for_selector("[data-slot=exemplar] .cz-drop")
    pad.settle()
    assert np.array_equal(seen(pad, (105, 75)), plain)
    page.keyboard.press("Control+z")  # a removed reference comes back, too
    page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
    pad.settle()
    assert np.array_equal(seen(pad, (105, 75)), colored)


def test_a_box_is_drawn_resized_moved_and_colored_separately(
    pad: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    pad.model("su2020_small")
    assert pad.recipe()["boxes"] == [], "a model that cannot look is told that there are none"
    plain = export(pad, tmp_path / "plain.png")
    keep_rectangles(pad)
    pad.page.keyboard.press("u")
    pad.drag((60, 40), (150, 110))
    pad.settle()
    assert boxes(pad) == [(60, 40, 90, 70)]
    recipe = pad.recipe()
    ours = export(pad, tmp_path / "ours.png")
    assert np.array_equal(ours, by_command(photo, recipe, tmp_path))
    change = np.abs(ours - plain)
    assert change[INSIDE].mean() > 0.5
    assert change[INSIDE].mean() > 1.5 * change[OUTSIDE].mean()  # any box makes the rest a little paler

    pad.drag((150, 110), (180, 120))  # a corner
    assert boxes(pad) == [(60, 40, 120, 80)]
    pad.drag((60, 80), (40, 90))  # a side
    assert boxes(pad) == [(40, 40, 140, 80)]
    pad.drag((100, 80), (300, 70))  # the inside, and no further than the photo
    assert boxes(pad) == [(100, 30, 140, 80)]
    pad.page.keyboard.press("ArrowLeft")
    pad.page.keyboard.press("Escape")
    pad.drag((150, 50), (170, 70))  # nothing is selected: a new one inside of the first
    assert boxes(pad) == [(99, 30, 140, 80), (150, 50, 20, 20)]
    pad.drag((20, 20), (20.4, 20.4))
    assert len(boxes(pad)) == 2
    pad.click(160, 60, button="right")
    assert boxes(pad) == [(99, 30, 140, 80)]
    pad.page.click("[aria-label='Delete Box 1']")
    assert boxes(pad) == []
    for _ in range(8):
        pad.page.click("[data-action=undo]")
    assert boxes(pad) == []
    pad.page.click("[data-action=redo]")
    assert boxes(pad) == [(60, 40, 90, 70)]
    pad.settle()


def test_a_plain_box_can_be_replaced_by_the_outline_later(pad: BrowserPad) -> None:
    pad.model("su2020_small")
    keep_rectangles(pad)
    pad.page.keyboard.press("u")
    pad.drag((50, 30), (160, 120))
    pad.settle()
    assert boxes(pad) == [(50, 30, 110, 90)]
    pad.page.click("[aria-label='Replace box 1 by the outline of the thing in it']")
    pad.page.wait_for_selector("[aria-label^='Layers'] li")
    pad.settle()
    assert pad.recipe()["boxes"] == []
    assert [area["made"] for area in pad.recipe()["areas"]] == [{"by": "box"}]


def test_a_drawn_box_is_replaced_by_the_outline_of_its_object(
    pad: BrowserPad, photo: Path, tmp_path: Path
) -> None:
    pad.model("su2020_small")
    plain = export(pad, tmp_path / "plain.png")
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("u")
    pad.drag((50, 30), (160, 120))
    pad.page.wait_for_selector("[aria-label^='Layers'] li")
    pad.page.click("[data-action=undo]")
    assert "areas" not in pad.recipe(), "box and edges are one step"
    pad.page.click("[data-action=redo]")
    pad.settle()
    recipe = pad.recipe()
    assert recipe["boxes"] == []
    assert [(area["action"], area["made"]) for area in recipe["areas"]] == [("thing", {"by": "box"})]
    ours = export(pad, tmp_path / "ours.png")
    assert np.array_equal(ours, by_command(photo, recipe, tmp_path))
    change = np.abs(ours - plain)
    assert change[INSIDE].mean() > 0.5
    assert change[OUTSIDE].max() == 0
    pad.model("zhang2017_local_small")
    assert "1 areas marked as things" in pad.page.inner_text(".cz-kept")
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("t")
    pad.drag(*THING, THING[0])
    pad.page.wait_for_selector("[data-area-action=color]")
    assert not pad.page.is_visible("[data-area-action=thing]"), "this model does nothing with things"
    pad.model("su2020_small")
    pad.page.click("[data-area-action=thing]")
    pad.page.wait_for_selector("[aria-label^='Layers'] li:nth-child(2)")
    pad.settle()
    assert pad.recipe()["areas"][1]["made"]["by"] == "outline"


def test_detection_of_objects_can_be_switched_off(browser: Any, photo: Path) -> None:
    model = LooksForThings()
    model.trained = True
    with run_server(
        StudioLoader.loaded(Studio(Colorizer(model, device="cpu", size=64))), Address(port=0)
    ) as (url, _):
        pad = BrowserPad(browser, url)
        pad.open_ready(photo)
        assert "boxes" not in pad.recipe()
        pad.page.click("text=There are none")
        assert boxes(pad) == []
        pad.page.click("text=Let the model find them")
        assert "boxes" not in pad.recipe()
        keep_rectangles(pad)
        pad.page.click("text=Draw a box")
        pad.drag((60, 40), (150, 110))
        assert boxes(pad) == [(60, 40, 90, 70)]
        pad.settle()
        pad.close()


def test_shapes_are_drawn_by_keyboard(pad: BrowserPad) -> None:
    keys = pad.page.keyboard
    pad.model("su2020_small")
    keep_rectangles(pad)
    for key in ("u", "n", "Enter", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        keys.press(key)
    ((_, _, width, height),) = boxes(pad)
    assert (width, height) == (10, 10)
    pad.model("chen2023_small")
    pad.page.focus(".cz-stage")
    take_lasso(pad)
    for key in ("n", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "Enter"):
        keys.press(key)
    (area,) = painted(pad)
    (x, y), *others = area["path"]
    assert others == [[x + 10, y], [x + 10, y + 10]]
    keys.press("n")
    keys.press("Enter")
    keys.press("Escape")
    assert len(painted(pad)) == 1
    pad.settle()


def test_touch_draws_a_box(browser: Any, address: str, photo: Path) -> None:
    pad = BrowserPad(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    pad.open_ready(photo)
    pad.model("su2020_small")
    pad.page.tap(".cz-tool[data-tool=box]")
    finger = pad.context.new_cdp_session(pad.page)
    for kind, place in (("Start", (60, 40)), ("Move", (100, 70)), ("Move", (150, 110)), ("End", None)):
        x, y = pad.place(*(place or (0, 0)))
        points = [] if place is None else [{"x": x, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    pad.page.wait_for_selector("[aria-label^='Layers'] li", state="attached")
    pad.settle()
    assert [area["made"] for area in pad.recipe()["areas"]] == [{"by": "box"}]
    assert pad.page.evaluate(check("SMALL_TARGETS"), 40) == []
    pad.close()


def test_a_loaded_recipe_keeps_painted_classes_and_boxes(pad: BrowserPad, tmp_path: Path) -> None:
    width, height = SIZE
    kept = {
        "classes": {
            "map": {"3": 7},
            "painted": [{"class": 5, "path": [[10.25, 10], [200, 10], [200, 120]], "by": "hand"}],
            "file": "labels.png",
            "reference_file": "others.png",
        },
        "boxes": [{"x": 20.5, "y": 30, "width": 50, "height": 60, "name": "dog"}],
    }
    (tmp_path / "r.json").write_text(json.dumps({"image": {"width": width, "height": height}, **kept}))
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), tmp_path / "r.json")
    pad.page.wait_for_selector(".cz-toast >> text=loaded")
    pad.settle()
    assert {name: pad.recipe()[name] for name in kept} == kept
    assert "1 painted areas, 1 boxes" in pad.page.inner_text(".cz-kept")
    pad.model("chen2023_small")
    assert pad.page.get_attribute("[aria-label='Painted areas'] button", "aria-label") == "Area 1, kind 5"
    pad.model("su2020_small")
    assert pad.page.locator("[aria-label='Boxes'] li").count() == 1
    before = pad.recipe()
    assert {name: before[name] for name in kept} == kept
    pad.page.wait_for_timeout(1500)  # the autosave waits for a pause
    pad.crash()
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    assert pad.recipe() == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lists_have_names_and_contrast(browser: Any, address: str, photo: Path, scheme: str) -> None:
    pad = BrowserPad(browser, address, color_scheme=scheme)
    pad.open_ready(photo)
    pad.model("su2020_small")
    keep_rectangles(pad)
    pad.page.click("text=Draw a box")
    pad.drag(THING[0], THING[2])
    assert problems_of(pad) == []
    pad.model("chen2023_small")
    pad.page.click("text=Paint a kind")
    pad.page.wait_for_selector("[aria-label='Kind that is painted']")
    pad.drag(*THING, THING[0])
    pad.settle()
    pad.page.click("text=Show kinds")
    pad.page.wait_for_selector(".cz-classes label")
    assert len(painted(pad)) == 1
    assert problems_of(pad) == []
    pad.close()


def problems_of(pad: BrowserPad) -> list[Any]:
    checks = (("UNNAMED", None), ("CONTRASTS", None), ("SMALL_TARGETS", 24))
    return [found for name, given in checks for found in pad.page.evaluate(check(name), given)]


def test_the_lasso_is_deselected_with_its_model(pad: BrowserPad) -> None:
    tool = ".cz-tool[aria-pressed=true]"
    pad.model("chen2023_small")
    assert pad.page.get_attribute(tool, "data-tool") == "hand", "nobody has taken the lasso yet"
    take_lasso(pad)
    assert pad.page.get_attribute(tool, "data-tool") == "lasso"
    pad.page.click("[data-action=undo]")
    pad.page.wait_for_selector(".cz-tool[data-tool=lasso]", state="hidden")
    assert pad.page.get_attribute(tool, "data-tool") == "point"
    pad.settle()

"""The static page with the real runtime in a browser: slow, skipped if one of them is missing."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_pad import CHROMIUM, BrowserPad
from pads import DirectPad, tiny_studio
from PIL import Image
from static_site import Site, serving

from colorzoo.cli.main import main
from colorzoo.guidance import Recipe
from colorzoo.pictures.provenance import read_provenance
from colorzoo.studio.static_page import runtime_is_cached

pytestmark = [pytest.mark.browser, pytest.mark.nightly, pytest.mark.timeout(1500)]

MODEL = "colorzoo2026"
SOFTWARE_IS_NONE = "!(adapter.info ?? adapter).isFallbackAdapter"  # how the page knows real graphics
SOFTWARE_GRAPHICS = (
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--disable-vulkan-surface",
)
UPDATE_CHECK = 12_000  # ms after which the browser has looked for a newer service worker, if it does
PATIENCE = 300_000  # ms; without graphics and threads, on a machine that does other things too
FIRST_LOAD = 20e6  # bytes
REFERENCE_MODEL = "xu2020_small"
STATISTICS_MODEL = "zhang2017_global_small"
AREAS = [
    {"action": "lock", "mask": {"width": 4, "height": 2, "runs": "1 2 5"}, "made": {"x": 5}, "mine": 1},
    {"action": "color", "path": [[10, 10], [90.5, 12], [40, 80]], "color": "#aa3050", "lightness": "color"},
]
PLACES = ((60, 50), (180, 60), (110, 90))


def kept_colors() -> dict[str, Any]:
    """Return colors as a locked area records them: 30 and -26, with an edge to their opposites."""
    levels = np.full((8, 12, 3), (128, 200, 60), np.uint8)
    levels[:, 3:] = (128, 50, 190)
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, "PNG")
    png = base64.b64encode(memory.getvalue()).decode()
    return {"png": png, "low": [0.0, -50.0, -50.0], "step": [0.4, 0.4, 0.4]}


MORE = {
    "areas": [
        {"action": "color", "path": [[10, 10], [60, 12], [40, 50]], "color": "#aa3050"},
        {"action": "gray", "path": [[200, 10], [235, 10], [235, 60], [200, 60]]},
        {
            "action": "lock",
            "path": [[10, 100], [90, 100], [90, 150], [10, 150]],
            "kept": kept_colors(),
        },
    ],
    "replacements": [{"old": "#806040", "new": "#408060", "range": 30}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, made as a user makes it, with what the user's own cache holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLORZOO_HOME", raising=False)
        if not runtime_is_cached():
            pytest.skip("missing, not passed: onnxruntime-web; `colorzoo studio --static FOLDER` fetches it")
        made = tmp_path_factory.mktemp("static") / "page"
        models = f"{MODEL},{REFERENCE_MODEL},{STATISTICS_MODEL}"
        command = [sys.executable, "-m", "colorzoo", "studio", "--static", str(made), "--models", models]
        done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    with serving(folder) as opened:
        yield opened


class StaticPad(BrowserPad):
    """The page of a static host; what it and its workers ask of others is collected in `elsewhere`."""

    def __init__(self, browser: Any, site: Site, **options: Any) -> None:
        self.site, self.elsewhere = site, []
        super().__init__(browser, site.url, **options)

    def _new_page(self) -> Any:
        self.context.on("request", self._note)
        page = super()._new_page()
        page.set_default_timeout(PATIENCE)
        return page

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.site.url, "blob:", "data:")):
            self.elsewhere.append(request.url)


def difference(one: Path, other: Path) -> np.ndarray:
    with Image.open(one) as ours, Image.open(other) as theirs:
        return np.abs(np.asarray(ours.convert("RGB")).astype(int) - np.asarray(theirs.convert("RGB")))


def test_results_agree_with_the_command_line_and_nothing_is_uploaded(
    browser: Any, site: Site, photo: Path, tmp_path: Path
) -> None:
    pad = StaticPad(browser, site)
    pad.open_ready(photo)
    assert site.sent < FIRST_LOAD
    loaded = len(site.asked)
    for place in PLACES:
        pad.click(*place)
        pad.settle()
    pad.page.click("[data-role=suggestion] >> nth=4")
    pad.settle()
    taken = pad.points()[2]["ab"]
    pad.page.fill(".cz-hex", "#c04020")
    pad.page.keyboard.press("Enter")
    pad.settle()
    assert pad.points()[2]["ab"] != taken
    pad.page.click("[data-action=undo]")
    pad.settle()
    assert pad.points()[2]["ab"] == taken
    pad.page.click("[data-action=next]")
    pad.page.wait_for_function("() => document.querySelector('.cz-main') && colorzooPad.state() === 'ready'")
    pad.page.focus(".cz-stage")
    pad.page.keyboard.press("w")  # the brush
    pad.page.fill("[aria-label='Color as #rrggbb or R, G, B']", "#3060b0")
    pad.page.keyboard.press("Enter")
    pad.drag((150, 130), (220, 135))
    pad.settle()
    pad.page.evaluate("(more) => colorzooPad.setRecipe({ ...colorzooPad.recipe(), ...more })", MORE)
    pad.settle()
    made = pad.recipe()
    assert {point.get("reach", "automatic") for point in made["points"]} != {"everywhere"}
    assert all(made[kind] for kind in ("paint", "areas", "replacements"))

    recipe = pad.download(lambda: pad.page.click("[data-action=save]"), tmp_path / "work.json")
    files = {}
    for kind in ("png", "jpeg"):
        pad.page.click("[data-action=export]")
        assert pad.page.locator(".cz-format:visible").count() == 2
        pad.page.check(f"input[name=cz-format][value={kind}]")
        save = lambda: pad.page.click("[data-action=export-now]")  # noqa: E731
        files[kind] = pad.download(save, tmp_path / f"page.{kind}")
    pad.page.wait_for_timeout(UPDATE_CHECK)
    assert site.asked[loaded:] == []
    assert pad.elsewhere == []
    assert pad.problems == []
    pad.close()

    words = ["--recipe", str(recipe), "--precision", "float32", "-o", str(tmp_path / "cli.png")]
    assert main(["colorize", str(photo), *words]) == 0
    apart = difference(files["png"], tmp_path / "cli.png")
    assert apart.mean() < 0.2
    assert (apart.max(axis=2) > 10).mean() < 0.01
    assert max(apart[y, x].max() for x, y in PLACES) < 3
    assert difference(files["jpeg"], tmp_path / "cli.png").mean() < 2.0
    for file in files.values():
        origin = read_provenance(file)
        assert origin is not None
        assert (origin.model, json.loads(origin.recipe)) == (MODEL, json.loads(recipe.read_text()))


def test_a_reference_colors_as_on_the_command_line(
    browser: Any, site: Site, photo: Path, tmp_path: Path
) -> None:
    look = tmp_path / "look.png"
    rows, columns = np.mgrid[:300, :420]
    levels = np.stack([200 - rows / 3, 60 + columns / 4, 40 + rows / 2], axis=-1)
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(look)
    pad = StaticPad(browser, site)
    pad.open_ready(photo)
    pad.model(REFERENCE_MODEL)
    pad.click(*PLACES[0])
    pad.settle()
    saved = {}
    for name in ("without", "with"):
        if name == "with":
            pad.choose_file(lambda: pad.page.click("[data-slot=exemplar] .cz-drop"), look)
            pad.page.wait_for_selector("[data-slot=exemplar] figure:not([hidden])")
            pad.settle()
        recipe = pad.download(lambda: pad.page.click("[data-action=save]"), tmp_path / f"{name}.json")
        pad.page.click("[data-action=export]")
        pad.page.check("input[name=cz-format][value=png]")
        picture = tmp_path / f"{name}.png"
        saved[name] = pad.download(lambda: pad.page.click("[data-action=export-now]"), picture)
        command_line = tmp_path / f"{name}.cli.png"
        assert main(["colorize", str(photo), "--recipe", str(recipe), "-o", str(command_line)]) == 0
        assert difference(picture, command_line).mean() < 0.2
    assert pad.elsewhere == pad.problems == []
    pad.close()
    assert difference(saved["without"], saved["with"]).mean() > 1.0


def test_a_saturation_and_a_crop_are_as_on_the_command_line(
    browser: Any, site: Site, photo: Path, tmp_path: Path
) -> None:
    written = tmp_path / "vivid.json"
    image = {"width": 240, "height": 160}
    document = {"version": 1, "image": image, "model": STATISTICS_MODEL, "statistics": {"saturation": 0.6}}
    document["crop"] = {"x": 15, "y": 12, "width": 201, "height": 131, "angle": -4.5}
    Recipe.from_json(document).to_json(written)
    pad = StaticPad(browser, site)
    pad.open_ready(photo)
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), written)
    pad.page.wait_for_selector(".cz-toasts >> text=Recipe vivid.json loaded")
    pad.settle()
    pad.page.click("[data-action=export]")
    pad.page.check("input[name=cz-format][value=png]")
    made = pad.download(lambda: pad.page.click("[data-action=export-now]"), tmp_path / "page.png")
    assert pad.elsewhere == pad.problems == []
    pad.close()
    assert main(["colorize", str(photo), "--recipe", str(written), "-o", str(tmp_path / "cli.png")]) == 0
    assert difference(made, tmp_path / "cli.png").mean() < 0.4  # turning adds a second rounding
    origin = read_provenance(made)
    assert origin is not None
    assert origin.crop == "15,12,201,131,-4.5"
    with Image.open(made) as colored:
        assert colored.size == (201, 131)
        assert np.ptp(np.asarray(colored.convert("RGB")).astype(int), axis=2).mean() > 20


def test_the_address_selects_a_photo_of_the_page(
    browser: Any, folder: Path, photo: Path, tmp_path: Path
) -> None:
    offering = tmp_path / "page"
    shutil.copytree(folder, offering)
    listed = json.loads((folder / "static" / "catalog.json").read_text())
    listed["photos"] = []
    for name in ("one.png", "two.png"):
        shutil.copy(photo, offering / "static" / name)
        listed["photos"].append({"upload": name, "name": name, "sha256": "0" * 64})
    (offering / "static" / "catalog.json").write_text(json.dumps(listed))
    with serving(offering) as site:
        for search, name in (("?photo=two.png", "two.png"), ("", "one.png"), ("?photo=other.png", "one.png")):
            pad = StaticPad(browser, replace(site, url=site.url + search))
            pad.page.wait_for_selector(f".cz-photo-name >> text={name}", state="attached")
            pad.close()


def test_webgpu_agrees_with_the_cpu(browser: Any, folder: Path, tmp_path: Path) -> None:
    """By WebGPU in software: it takes minutes, so a page itself never chooses it."""
    page = tmp_path / "page"
    shutil.copytree(folder, page)
    script = page / "static" / "pad.worker.js"
    text = script.read_text()
    assert text.count(SOFTWARE_IS_NONE) == 1
    script.write_text(text.replace(SOFTWARE_IS_NONE, "true"))
    photo = tmp_path / "small.png"
    rows, columns = np.mgrid[:96, :128]
    Image.fromarray((90 + 60 * np.sin(columns / 40) + 40 * np.cos(rows / 25)).astype(np.uint8)).save(photo)
    with serving(page) as site:
        graphics = browser.browser_type.launch(executable_path=CHROMIUM, args=list(SOFTWARE_GRAPHICS))
        pad = StaticPad(graphics, site)
        pad.page.set_default_timeout(4 * PATIENCE)
        if not pad.page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"):
            pytest.skip("missing, not passed: a chromium whose WebGPU runs on SwiftShader")
        pad.open_ready(photo)
        pad.click(60, 45)
        pad.settle()
        recipe = pad.download(lambda: pad.page.click("[data-action=save]"), tmp_path / "work.json")
        pad.page.click("[data-action=export]")
        pad.page.check("input[name=cz-format][value=png]")
        made = pad.download(lambda: pad.page.click("[data-action=export-now]"), tmp_path / "page.png")
        assert [path for path in site.asked if "jspi" in path or "asyncify" in path]
        assert pad.problems == []
        graphics.close()
    assert main(["colorize", str(photo), "--recipe", str(recipe), "-o", str(tmp_path / "cli.png")]) == 0
    assert difference(made, tmp_path / "cli.png").mean() < 1.0


def test_recipes_are_exchanged_with_the_command_line(
    browser: Any, site: Site, photo: Path, tmp_path: Path
) -> None:
    points = [
        {"x": 70, "y": 60, "radius": 4, "color": "#b03020", "reach": "automatic"},
        {"x": 190.5, "y": 120, "radius": 2, "color": "#2050c0", "ab": [12.0, -50.0]},
    ]
    written = tmp_path / "python.json"
    document = {"version": 1, "image": {"width": 240, "height": 160}, "model": MODEL, "points": points}
    more = {"strength": 0.8, "areas": AREAS, "unknown": {"kept": True}}
    Recipe.from_json({**document, **more}).to_json(written)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**document, "points": [{"x": 900, "y": 1, "color": "#000000"}]}))

    pad = StaticPad(browser, site)
    pad.open_ready(photo)
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), written)
    pad.page.wait_for_selector(".cz-toasts >> text=Recipe python.json loaded")
    pad.choose_file(lambda: pad.page.click("[data-action=load]"), broken)
    pad.page.wait_for_selector(".cz-toasts >> text=lies outside the picture")
    pad.settle()
    saved = pad.download(lambda: pad.page.click("[data-action=save]"), tmp_path / "page.json")
    pad.close()

    found = Recipe.from_json(saved)
    assert [(p.x, p.y, p.radius, p.ab is not None, p.reach) for p in found.points] == [
        (70, 60, 4, False, "automatic"),
        (190.5, 120, 2, True, "everywhere"),
    ]
    assert json.loads(saved.read_text())["areas"] == AREAS
    assert (found.strength, found.model, found.extra["unknown"]) == (0.8, MODEL, {"kept": True})
    studio = tiny_studio()
    server = DirectPad(studio)
    server.ask("open", photo.read_bytes(), name=photo.name)
    answer = server.ask("check", recipe=json.loads(saved.read_text()))
    studio.close()
    assert (answer.type, answer.body["recipe"]["points"]) == ("checked", found.to_dict()["points"])


def test_it_works_offline_after_the_first_load(browser: Any, folder: Path, photo: Path) -> None:
    with serving(folder) as site:
        pad = StaticPad(browser, site)
        pad.open_ready(photo)
        pad.page.wait_for_timeout(2000)  # the work is kept by itself
    pad.page.reload()
    pad.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    pad.settle()
    assert pad.page.evaluate("() => crossOriginIsolated")  # its own headers: threads from now on
    pad.click(*PLACES[0])
    pad.settle()
    pad.page.wait_for_selector("[data-role=suggestion]")
    assert pad.problems == []
    pad.close()


def test_by_keyboard_and_on_a_phone(browser: Any, site: Site, photo: Path, tmp_path: Path) -> None:
    pad = StaticPad(browser, site, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    pad.open_ready(photo)
    pad.page.touchscreen.tap(*pad.place(*PLACES[0]))
    pad.settle()
    assert len(pad.points()) == 1
    pad.page.focus(".cz-stage")
    for key in ("n", "ArrowRight", "ArrowRight", "Enter"):
        pad.page.keyboard.press(key)
    pad.settle()
    assert len(pad.points()) == 2
    pad.page.keyboard.press("3")
    pad.settle()
    pad.page.keyboard.press("Control+z")
    pad.settle()
    assert pad.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    pad.page.screenshot(path=tmp_path / "phone.png")
    assert pad.problems == []
    pad.close()

"""The page and the widget with a worker instead of Python, in a real browser."""

from pathlib import Path
from typing import Any

import pytest

import colorzoo.studio
from colorzoo.studio.bundle import pad_module, pad_style

pytestmark = pytest.mark.browser

INDEX = (Path(colorzoo.studio.__path__[0]) / "static" / "index.html").read_text(encoding="utf-8")
WORKER = """
const model = (name, more) => ({ name, summary: name, guidance: ["points"], ready: true, ...more });
onmessage = ({ data: { message, buffers } }) => {
  const say = (answer, ...parts) => postMessage({ message: { re: message.id, ...answer }, buffers: parts });
  const flat = new Uint8Array(8 + 4 * 6 * 4).fill(90);
  new DataView(flat.buffer).setUint32(0, 6, true);
  new DataView(flat.buffer).setUint32(4, 4, true);
  const picture = { width: 6, height: 4, mime: "image/x-rgba" };
  if (message.type === "ready") {
    const models = [model("here", { default: true }), model("away", { missing: "it is too large" })];
    const limits = { formats: ["png"] };
    say({ type: "hello", session: "s", photo: null, start: null, recipe: null, models, limits });
  } else if (message.type === "open") {
    const image = { width: 6, height: 4, sha256: String(buffers[0].length) };
    const photo = { type: "photo", name: message.name, ...picture, image, network: 4, view: [6, 4] };
    say(photo, flat, flat.slice());
  } else if (message.type === "color" && message.recipe.strength === 0.5) {
    postMessage({ state: "refused", words: "Strength a half." });
  } else if (message.type === "color") {
    const points = message.recipe.points ?? message.recipe.studio?.untouched;
    if (points) postMessage({ state: "refused", words: "The worker gave up." });
    else say({ type: "colored", quality: message.quality, points: [], notes: [], ...picture }, flat);
  }
};
"""


@pytest.fixture
def page(browser: Any) -> Any:
    files = {
        "/": ("text/html", INDEX.replace("data-colorzoo-pad", 'data-colorzoo-pad data-worker="worker.js"')),
        "/static/pad.js": ("text/javascript", pad_module()),
        "/static/pad.css": ("text/css", pad_style()),
        "/worker.js": ("text/javascript", WORKER),
        "/saved/static/pad.worker.js": ("text/javascript", WORKER),
        "/static/icon.svg": ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
    }
    context = browser.new_context(viewport={"width": 1280, "height": 800})

    def fulfill(route: Any) -> None:
        kind, text = files[route.request.url.removeprefix("http://localhost")]
        route.fulfill(body=text, content_type=kind)

    context.route("**/*", fulfill)
    opened = context.new_page()
    opened.goto("http://localhost/")
    opened.wait_for_selector(".colorzoo-pad[data-state=empty]")
    yield opened
    context.close()


def test_the_page_uses_a_worker(page: Any, photo: Path) -> None:
    options = page.locator("select[aria-label=Model] option")
    assert options.all_text_contents() == ["here (here)", "away (away), not available: it is too large"]
    assert [options.nth(i).is_disabled() for i in range(2)] == [False, True]

    with page.expect_file_chooser() as chooser:
        page.click("[data-action=open]")
    chooser.value.set_files(photo)
    page.wait_for_selector(".colorzoo-pad[data-state=ready]")
    assert page.evaluate("() => colorzooPad.photo().sha256") == str(photo.stat().st_size)

    page.click("[data-action=export]")
    assert page.locator(".cz-format:visible").count() == 1
    page.keyboard.press("Escape")

    page.mouse.click(*page.evaluate("() => colorzooPad.toPage(3, 2)"))
    page.wait_for_selector(".cz-banner:visible >> text=The worker gave up.")


NOTEBOOK = """async (recipe) => {
  const { default: widget } = await import("/static/pad.js");
  const host = document.body.appendChild(document.createElement("div"));
  const traits = { page: "http://localhost/saved/", recipe };
  const nobody = { send: () => {}, on: () => {}, off: () => {} };
  widget.render({ model: { ...nobody, get: (name) => traits[name] }, el: host });
}"""


def test_a_notebook_without_python_uses_its_static_page(page: Any, photo: Path) -> None:
    page.evaluate("() => document.querySelector('.colorzoo-pad').remove()")
    image = {"width": 6, "height": 4, "sha256": str(photo.stat().st_size)}
    page.evaluate(NOTEBOOK, {"image": image, "strength": 0.5})
    with page.expect_file_chooser() as chooser:
        page.click("[data-action=open]")
    chooser.value.set_files(photo)
    page.wait_for_selector(".cz-banner:visible >> text=Strength a half.")  # of the recipe in the notebook


KERNEL = """async () => {
  const { default: widget } = await import("/static/pad.js");
  const host = document.body.appendChild(document.createElement("div"));
  const flat = new Uint8Array(8 + 4 * 6 * 4).fill(90);
  new DataView(flat.buffer).setUint32(0, 6, true);
  new DataView(flat.buffer).setUint32(4, 4, true);
  const picture = { width: 6, height: 4, mime: "image/x-rgba" };
  const hello = {
    type: "hello", session: "s", photo: null, recipe: null, limits: { formats: ["png"] },
    start: { upload: "u", name: "old.png", sha256: "77" },
    models: [{ name: "there", summary: "there", guidance: ["points"], ready: true, default: true }],
  };
  const image = { width: 6, height: 4, sha256: "77" };
  const photo = { type: "photo", name: "old.png", ...picture, image, network: 4, view: [6, 4] };
  const answers = {
    ready: () => [hello, new Uint8Array(77)],
    open: () => [photo, flat.slice(), flat.slice()],
    color: ({ quality }) => [{ type: "colored", quality, points: [], notes: [], ...picture }, flat.slice()],
    sign: () => [{ type: "sign" }],
  };
  const hears = [];
  const kernel = { silent: false, heard: [] };
  kernel.say = (asked) => {
    const [message, ...parts] = answers[asked.type]?.(asked) ?? [];
    const answer = () => [{ re: asked.id, ...message }, parts.map(({ buffer }) => new DataView(buffer))];
    if (message) setTimeout(() => hears.forEach((hear) => hear(...answer())));
  };
  window.kernel = kernel;
  const model = {
    get: (name) => ({ page: "http://localhost/saved/", recipe: {} })[name],
    on: (_, hear) => hears.push(hear), off: () => hears.splice(0),
    send: (message) => {
      kernel.heard.push(message.type);
      if (kernel.dead) throw new Error("Kernel is dead");
      if (!kernel.silent) kernel.say(message);
    },
  };
  widget.render({ model, el: host });
}"""
PAUSE = 10_500  # ms


@pytest.fixture
def kernel(page: Any) -> Any:
    """A notebook whose Python has a photo, and 6 x 4 pixels of it on the pad."""
    page.evaluate("() => document.querySelector('.colorzoo-pad').remove()")
    page.clock.install()
    page.evaluate(KERNEL)
    page.wait_for_selector(".colorzoo-pad[data-state=ready]")
    return page


def fall_silent(page: Any) -> None:
    """Let Python answer nothing to a new point, until the pad no longer waits."""
    page.evaluate("() => Object.assign(kernel, { silent: true, heard: [] })")
    page.click(".cz-stage")
    page.wait_for_function("() => kernel.heard.includes('color')")
    page.clock.fast_forward(PAUSE)
    assert page.evaluate("() => kernel.heard.at(-1)") == "sign"
    assert page.locator(".cz-banner:visible").count() == 0
    page.clock.fast_forward(PAUSE)
    page.wait_for_selector(".cz-banner:visible >> text=Python does not answer: it is busy or gone.")


def test_a_notebook_resumes_after_python_was_busy(kernel: Any) -> None:
    fall_silent(kernel)
    kernel.evaluate("() => { kernel.silent = false; kernel.say({ type: 'sign', id: 0 }); }")
    kernel.wait_for_selector(".colorzoo-pad[data-state=ready]")
    assert kernel.evaluate("() => kernel.heard.slice(-3)") == ["ready", "open", "color"]


def die(page: Any) -> None:
    """Let the notebook itself say at once that the kernel is dead."""
    page.evaluate("() => Object.assign(kernel, { dead: true })")
    page.click(".cz-stage")
    page.wait_for_selector(".cz-banner:visible >> text=Python does not answer: it is busy or gone.")


@pytest.mark.parametrize("end", [die, pytest.param(fall_silent, marks=pytest.mark.nightly)])
def test_a_notebook_without_its_kernel_keeps_photo_and_hints(kernel: Any, end: Any) -> None:
    end(kernel)
    kernel.click(".cz-banner button")
    kernel.wait_for_selector(".cz-toasts >> text=There is not available here; here is used instead.")
    kernel.wait_for_selector(".cz-banner:visible >> text=The worker gave up.")  # it got a photo and a point

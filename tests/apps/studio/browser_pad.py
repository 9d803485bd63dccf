"""Drive the drawing pad in Chromium, for the tests and for the images of docs/studio.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

try:
    from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
except ImportError:  # reported by `missing`
    sync_playwright = None

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOW = 60_000  # ms; the machine may be busy
SIZE = (240, 160)  # size of the test image in pixels
# Two frames, because an earlier request may draw after this one. Hidden pages draw no frames.
_NEXT_FRAME = """() => Promise.race([
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  new Promise((done) => setTimeout(done, 5000)),
])"""
# The state changes one frame after the action, and a reply can trigger another request.
_STAYS_READY = """async () => {
  const later = (done) => setTimeout(done, 1250);
  const frame = () => Promise.race([new Promise(requestAnimationFrame), new Promise(later)]);
  const pad = document.querySelector(".colorzoo-pad"), end = performance.now() + 60_000;
  for (let still = 0; still < 4; still = pad.dataset.state === "ready" ? still + 1 : 0) {
    await frame();
    if (performance.now() > end) throw new Error(`the pad stays ${pad.dataset.state}`);
  }
}"""
_CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8").strip()


def _text_of(frame: str | bytes) -> str:
    """Return the JSON text of a frame without spaces after separators."""
    text = frame if isinstance(frame, str) else frame[4 : 4 + int.from_bytes(frame[:4], "little")].decode()
    return json.dumps(json.loads(text), separators=(",", ":"))


def missing() -> str | None:
    """Return the missing requirement of the browser tests with its install command, or None."""
    if sync_playwright is None:
        return 'playwright is missing: python -m pip install "colorzoo[test]"'
    if CHROMIUM is None:
        return "chromium is missing: apt-get install chromium"
    return None


def check(name: str) -> str:
    """Return a function of page_checks.js as an expression."""
    return f"(given) => {_CHECKS}.{name}(given)"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


class BrowserPad:
    """A page with the drawing pad. `problems` collects logged errors and warnings."""

    def __init__(
        self, browser: Browser, url: str, hello: Callable[[dict], None] | None = None, **options: Any
    ) -> None:
        self.context: BrowserContext = browser.new_context(
            **({"viewport": {"width": 1280, "height": 800}} | options)
        )
        self.url, self.problems, self.broken = url, [], ""
        self._delayed, self._frames = "", []
        self._hello = hello
        self.page: Page = self._new_page()

    def _new_page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(SLOW)
        page.on(
            "console",
            lambda line: self.problems.append(line.text) if line.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.route_web_socket(lambda url: "/api/ws" in url, self._proxy)
        page.goto(self.url)
        page.wait_for_selector(".colorzoo-pad[data-state=empty], .colorzoo-pad[data-state=ready]")
        page.evaluate(_NEXT_FRAME)  # keys pressed before the first frame open no dialog
        return page

    def _proxy(self, socket: Any) -> None:
        """Proxy the websocket to simulate lost connections and failed requests."""
        if self.broken == "link":
            socket.close()
            return
        server = socket.connect_to_server()
        self._socket = socket

        def down(frame: str | bytes) -> None:
            if isinstance(frame, str) and self._hello and '"hello"' in frame:
                message = json.loads(frame)
                self._hello(message)
                frame = json.dumps(message)
            if self.broken == "colored" and isinstance(frame, bytes):
                message = json.loads(_text_of(frame))
                frame = json.dumps(
                    {
                        "type": "error",
                        "re": message["re"],
                        "code": "internal",
                        "message": "The model gave up on this image",
                    }
                )
            if self._delayed and f'"type":"{self._delayed}"' in _text_of(frame):
                self._frames.append(frame)
            else:
                socket.send(frame)

        server.on_message(down)

    @contextmanager
    def delayed(self, kind: str, *, lost: bool = False) -> Iterator[None]:
        """Deliver replies of a type after the ``with`` block, or lose them with the connection."""
        self._delayed = kind
        yield
        self.wait_for_delayed()
        self._delayed = ""
        if lost:
            self._frames.clear()
            self.lose_connection()
            self.broken = ""
        while self._frames:
            self._socket.send(self._frames.pop(0))
        self.next_frame()

    def wait_for_delayed(self) -> None:
        """Wait until the server has sent a reply that is delayed."""
        for _ in range(SLOW // 50):
            if self._frames:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no {self._delayed} message arrived")

    def lose_connection(self) -> None:
        self.broken = "link"
        self._socket.close()
        self.wait("offline")

    def crash(self) -> None:
        """Simulate a crash: close the page without events, and open a new page without its session."""
        self.page.close(run_before_unload=False)
        self.page = self._new_page()

    def reload(self) -> None:
        """Reload the page, which reopens its photo."""
        self.page.reload()
        self.page.wait_for_selector(".colorzoo-pad[data-photo=true]")
        self.settle()

    def new_tab(self) -> BrowserPad:
        """Open the same address in another tab."""
        other = copy(self)
        other.problems, other.broken = [], ""
        other.page = other._new_page()
        return other

    def close(self) -> None:
        self.context.close()

    def wait(self, state: str) -> None:
        self.page.wait_for_selector(f".colorzoo-pad[data-state={state}]")

    def settle(self) -> None:
        """Wait until all requests are processed and drawn."""
        self.wait("ready")
        self.page.evaluate(_STAYS_READY)

    def wait_for_variants(self) -> None:
        """Wait for all tiles of *Other colors*; the button is disabled while they are computed."""
        self.page.wait_for_selector("[data-role=variant]")
        self.page.wait_for_selector("[data-action=variants]:enabled")
        self.settle()

    def next_frame(self) -> None:
        """Wait for the next frame, in which the page draws the last action."""
        self.page.evaluate(_NEXT_FRAME)

    def open(self, photo: Path, *, by_key: bool = False) -> None:
        if by_key:
            self._choose_by_key(photo)
            return
        with self.page.expect_file_chooser() as chooser:
            self.page.click("[data-action=open]")
        chooser.value.set_files(photo)

    def _choose_by_key(self, photo: Path, tries: int = 4) -> None:
        """Press the key until a file chooser opens; a page in the background may open none."""
        for left in reversed(range(tries)):
            self.page.bring_to_front()
            try:
                with self.page.expect_file_chooser(timeout=15_000) as chooser:
                    self.page.keyboard.press("Control+o")
                chooser.value.set_files(photo)
                return
            except PlaywrightTimeoutError:
                if not left:
                    raise

    def open_ready(self, photo: Path) -> None:
        self.open(photo)
        self.page.wait_for_selector(
            f".cz-photo-name >> text={json.dumps(photo.name, ensure_ascii=False)}", state="attached"
        )
        self.settle()

    def place(self, x: float, y: float) -> tuple[float, float]:
        left, top = self.page.evaluate("([x, y]) => colorzooPad.toPage(x, y)", [x, y])
        return left, top

    def click(self, x: float, y: float, **options: Any) -> None:
        self.page.mouse.click(*self.place(x, y), **options)

    def add_point(self, x: float, y: float, color: str) -> None:
        """Place a point, and set its color by the field for hexadecimal colors."""
        self.click(x, y)
        self.settle()
        self.page.fill(".cz-hex", color)
        self.page.keyboard.press("Enter")
        self.settle()

    def drag(self, start: tuple[float, float], *others: tuple[float, float], steps: int = 6) -> None:
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        for place in others:
            self.page.mouse.move(*self.place(*place), steps=steps)
        self.page.mouse.up()

    def key(self, kind: str, key: str, code: str, *, ctrl: bool = False, shift: bool = False) -> None:
        """Send a key event of any keyboard layout; ``kind`` is keyDown or keyUp."""
        modifiers = 2 * ctrl + 8 * shift
        session = self.context.new_cdp_session(self.page)
        session.send(
            "Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, "modifiers": modifiers}
        )

    def choose_file(self, act: Callable[[], None], file: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            act()
        chooser.value.set_files(file)

    def select_model(self, name: str) -> None:
        self.open_models()
        self.page.select_option("select[aria-label='Coloring model']", name)
        self.settle()

    def tab(self, name: str) -> None:
        """Open a tab of the panel: color, layers, reference or history."""
        self.page.click(f"[data-tab={name}]")
        self.next_frame()

    def open_models(self) -> None:
        if self.page.get_attribute(".cz-model", "aria-expanded") == "false":
            self.page.click(".cz-model")

    def recipe(self) -> dict[str, Any]:
        recipe: dict[str, Any] = self.page.evaluate("() => colorzooPad.recipe()")
        return recipe

    def points(self) -> list[dict[str, Any]]:
        """Return all points, including points without a selected color."""
        points: list[dict[str, Any]] = self.page.evaluate("() => colorzooPad.points()")
        return points

    def toasts(self) -> str:
        return self.page.inner_text(".cz-toasts")

    def download(self, act: Callable[[], None], target: Path) -> Path:
        with self.page.expect_download() as download:
            act()
        download.value.save_as(target)
        return target


@contextmanager
def watched_pad(browser: Browser, url: str) -> Iterator[BrowserPad]:
    """Open a pad, and check at the end that its page logged no errors or warnings."""
    opened = BrowserPad(browser, url)
    yield opened
    problems = opened.problems
    opened.close()
    assert not problems, problems

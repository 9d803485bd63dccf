"""The pad without a server beside the one with it: first color after load, and pointer-up to new pixels."""

from __future__ import annotations

import functools
import http.server
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from benchmarks._pads import SIDE, Edit, Hand, chromium, server, write_photo
from colorzoo.errors import ColorzooError
from colorzoo.studio.catalog import page_models
from colorzoo.studio.page import Page, write_page

EDITS = 20
SLOWER, FIRST_LOAD = 3.0, 12.0  # times the pad with a server; MB
_WARMUP = 3  # edits
_PATIENCE = 300_000  # ms
_MODEL = "zhang2017_local_small"
_THREADS = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def run(options: Options) -> list[Row]:
    """Drive both pads in turn: ``repeats`` edits each, by default 20."""
    edits = options.repeats or EDITS
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _), chromium() as browser:
        page = _page(Path(folder) / "page")
        rows = [
            share_of("MB of the first load against the limit", page.first / 1e6, FIRST_LOAD, 1.0, where())
        ]
        for words, headers in (("WASM, one thread", {}), ("WASM, threads", _THREADS)):
            with _host(page.folder, headers) as address:
                rows += _compare(browser, url, address, write_photo(Path(folder)), words, edits)
    return rows


def _page(folder: Path) -> Page:
    try:
        return write_page(folder, page_models([_MODEL]))
    except ColorzooError as error:
        raise SkippedError(str(error)) from error


def _compare(browser: Any, url: str, address: str, photo: Path, words: str, edits: int) -> list[Row]:
    with_server, server_first = _opened(browser, url, None)
    alone, alone_first = _opened(browser, address, photo)
    pads = {"server": Hand(with_server, _PATIENCE), "alone": Hand(alone, _PATIENCE)}
    times: dict[str, list[Edit]] = {name: [] for name in pads}
    for number in range(edits + _WARMUP):
        for name, hand in pads.items():
            edit = hand.edit(number)
            if edit is not None and number >= _WARMUP:
                times[name].append(edit)
    for page in (with_server, alone):
        page.context.close()
    ours, theirs = (statistics.median(e.total for e in times[name]) for name in ("alone", "server"))
    network = statistics.median(e.network for e in times["alone"])
    joined = statistics.median(e.encode for e in times["alone"])
    title = f"without a server ({words}), ms, against the pad with one:"
    return [
        share_of(
            f"{title} first color after the page was asked for", alone_first, server_first, SLOWER, where()
        ),
        share_of(
            f"{title} pointer-up to new pixels, median of {len(times['alone'])} edits at {SIDE} px "
            f"(solving {network:.0f}, joining {joined:.0f})",
            ours,
            theirs,
            SLOWER,
            where(),
        ),
    ]


def _opened(browser: Any, url: str, photo: Path | None) -> tuple[Any, float]:
    """Open a pad in a browser that has never seen it; returns it and the ms until its first colors."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(_PATIENCE)
    began = time.perf_counter()
    page.goto(url)
    if photo is not None:
        page.wait_for_selector(".colorzoo-pad[data-state=empty]")
        with page.expect_file_chooser() as chooser:
            page.click("[data-action=open]")
        chooser.value.set_files(photo)
    page.wait_for_selector(".colorzoo-pad[data-photo=true]")
    page.wait_for_function("() => performance.getEntriesByName('pad:painted').length > 0")
    return page, (time.perf_counter() - began) * 1e3


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, more: dict[str, str], *args: Any, **options: Any) -> None:
        self._more = more
        super().__init__(*args, **options)

    def end_headers(self) -> None:
        for name, value in self._more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _host(folder: Path, headers: dict[str, str]) -> Iterator[str]:
    """Serve a folder as a static host does."""
    handler = functools.partial(_Handler, headers, directory=str(folder))
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{host.server_address[1]}/"
    finally:
        host.shutdown()
        host.server_close()
        thread.join()

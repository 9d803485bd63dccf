"""Run the server of the studio: print the address, open the browser, load the models behind it."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from colorzoo.errors import ColorzooError
from colorzoo.studio.app import build_app
from colorzoo.studio.coming import Coming
from colorzoo.studio.guard import Access
from colorzoo.studio.heap import keep_freed_memory
from colorzoo.studio.limits import Limits
from colorzoo.studio.listen import Address, bind, is_loopback, qr_code, url_of

if TYPE_CHECKING:
    from colorzoo.studio.desk import Studio

Made = tuple["Studio", dict[str, Any] | None]


def serve(make: Callable[[], Made], address: Address, *, browser: bool) -> None:
    """Serve until interrupted. The address is there at once; the studio is loaded behind it.

    Args:
        make: Returns the studio, and a document that new pads begin with.
        address: Where to listen.
        browser: Open the page in the user's browser.

    Raises:
        ColorzooError: The address cannot be used, or ``make`` says so.
    """
    keep_freed_memory()
    coming = Coming(Limits())
    with running(coming, address) as (url, server):
        print(f"colorzoo studio: {url}  (Ctrl+C ends it)", flush=True)
        if not is_loopback(address.host) and sys.stdout.isatty():
            print(qr_code(url), flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with _asked_to_end(coming) as asked:
            _load(coming, make)
            while not (asked.is_set() or server.should_exit):
                asked.wait(0.5)


def _load(coming: Coming, make: Callable[[], Made]) -> None:
    try:
        studio, recipe = make()
    except KeyboardInterrupt:  # by `_asked_to_end`
        coming.fail(ColorzooError("the studio was ended"))
        return
    except BaseException as error:
        coming.fail(error)
        raise
    coming.arrive(studio, recipe)
    studio.warm_up()


@contextmanager
def _asked_to_end(coming: Coming) -> Iterator[threading.Event]:
    """Yield an event that Ctrl+C and a polite kill set, also where the shell has had them ignored.

    They break off the loading of the studio by a KeyboardInterrupt.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def end(*_: object) -> None:
        asked.set()
        if coming.here is None:
            raise KeyboardInterrupt

    before = {kind: signal.signal(kind, end) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def running(
    studio: Studio | Coming, address: Address, recipe: dict[str, Any] | None = None
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve in a thread as long as the context lasts.

    Args:
        studio: What does the work, or will once it is loaded.
        address: Where to listen.
        recipe: A document that new pads begin with, for a studio that is there.

    Yields:
        The address to open, token included, and the server.

    Raises:
        ColorzooError: The address cannot be used.
    """
    coming = studio if isinstance(studio, Coming) else Coming.of(studio, recipe)
    listener = bind(address)
    host, port = address.host, listener.getsockname()[1]
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    app = build_app(coming, Access(host, token, address.names))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses hold the token
        ws_max_size=coming.limits.message_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        h11_max_incomplete_event_size=2**16,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="studio-server", daemon=True
    )
    thread.start()
    try:
        _await_start(server, thread)
        if coming.here is not None:
            coming.here.warm_up()
        yield url_of(host, port, token), server
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listener.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise ColorzooError("the server did not start; COLORZOO_DEBUG=1 shows more")
        threading.Event().wait(0.01)

"""Run the server of the studio: find a port, print the address, open the browser."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from colorzoo.errors import ColorzooError
from colorzoo.studio.app import build_app
from colorzoo.studio.desk import Studio
from colorzoo.studio.guard import Access, is_loopback

FIRST_PORT = 8765  # fixed, since a browser keeps its autosave by address
_PORTS = 10


@dataclass(frozen=True)
class Address:
    """Where the studio listens.

    Attributes:
        host: Host name or IP address.
        port: Port, or None for the first free one from `FIRST_PORT`.
    """

    host: str = "127.0.0.1"
    port: int | None = None


def serve(studio: Studio, address: Address, *, browser: bool, recipe: dict[str, Any] | None = None) -> None:
    """Serve until interrupted.

    Args:
        studio: What does the work.
        address: Where to listen.
        browser: Open the page in the user's browser.
        recipe: A document that new pads begin with.

    Raises:
        ColorzooError: The address cannot be used.
    """
    with running(studio, address, recipe) as (url, server):
        print(f"colorzoo studio: {url}  (Ctrl+C ends it)", flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with _asked_to_end() as asked:
            while not (asked.is_set() or server.should_exit):
                asked.wait(0.5)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Yield an event that Ctrl+C and a polite kill set, also where the shell has had them ignored."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda *_: asked.set()) for kind in kinds}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def running(
    studio: Studio, address: Address, recipe: dict[str, Any] | None = None
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve in a thread as long as the context lasts.

    Yields:
        The address to open, token included, and the server.

    Raises:
        ColorzooError: The address cannot be used.
    """
    listener = _bind(address)
    host, port = address.host, listener.getsockname()[1]
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    app = build_app(studio, Access(host, token), recipe)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses hold the token
        ws_max_size=studio.limits.message_bytes,
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
        studio.warm_up()
        yield _url(host, port, token), server
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listener.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise ColorzooError("the server did not start; COLORZOO_DEBUG=1 shows more")
        threading.Event().wait(0.01)


def _bind(address: Address) -> socket.socket:
    first = FIRST_PORT if address.port is None else address.port
    last = first + _PORTS if address.port is None else first + 1
    reason: OSError | None = None
    for port in range(first, last):
        try:
            return _listener(address.host, port)
        except (OSError, OverflowError) as error:
            reason = error if isinstance(error, OSError) else OSError(str(error))
    what = getattr(reason, "strerror", None) or reason
    raise ColorzooError(f"cannot listen on {address.host}, port {first}: {what}; try another --port")


def _listener(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
    except OSError:
        listener.close()
        raise
    return listener


def _url(host: str, port: int, token: str | None) -> str:
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")

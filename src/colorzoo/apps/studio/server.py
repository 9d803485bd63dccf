"""Server of the studio.

The server prints its address, opens the browser and loads the models in the background.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import quote

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from colorzoo.apps.studio.access import Access, is_loopback
from colorzoo.apps.studio.app import StudioLoader, build_app
from colorzoo.apps.studio.protocol import Limits
from colorzoo.console import is_terminal
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from colorzoo.apps.studio.studio import Studio
    from colorzoo.batch import ServedReport

FIRST_PORT = 8765  # constant, because browsers store autosaved work by address, including the port
_PORTS = 10
_LAST_PORT = 65535
_CONNECTIONS = 512  # maximum number of simultaneous connections; further requests get the response 503
HEAD_SECONDS = 10.0  # maximum time until the head of a request is complete
_ANY_ADDRESS = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}
#: Addresses reserved for documentation, used to look up the network interface; nothing is sent to them.
_REMOTE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
NOT_ENCRYPTED = (
    "The connection is not encrypted: other users of this network can read the photos and the token. "
    "On an untrusted network, use a TLS proxy and pass its name with --allow-host."
)


class _HttpProtocol(H11Protocol):
    """HTTP protocol of uvicorn with a timeout for request headers."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_checks()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_checks()  # the websocket protocol takes over the connection
        super().handle_websocket_upgrade(event)

    def _check_later(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._check_head, self.cycle)

    def _check_head(self, cycle: object) -> None:
        """Close the connection if it has been idle since the last check."""
        if self.cycle is cycle and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            self._check_later()

    def _stop_checks(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def serve(
    make: Callable[[], Studio],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    browser: bool,
    report: ServedReport | None = None,
) -> None:
    """Serve the studio until Ctrl+C or SIGTERM; the page is available while the studio is loading.

    The server stops after the studio has loaded; a second Ctrl+C stops it at once.

    Args:
        make: Function that loads the studio.
        host: Host name or IP address on which to listen.
        port: Port; None uses the first free port from `FIRST_PORT`.
        names: Additional host names of the server, such as the name of a proxy.
        browser: Whether to open the page in the browser of the user.
        report: Report to open instead of the drawing pad.

    Raises:
        ColorzooError: The address cannot be used, or ``make`` failed.
        KeyboardInterrupt: Ctrl+C was pressed twice.
    """
    loader = StudioLoader(Limits(), report)
    with recorded_stops() as stops, run_server(loader, host=host, port=port, names=names) as (url, server):
        if report:  # the page of the report instead of the drawing pad
            url = url.replace("/?", f"/report/{quote(report.name)}?")
        print(f"colorzoo studio: {url}  (Ctrl+C stops the server)", flush=True)
        if not is_loopback(host):  # other machines can access the server
            print(NOT_ENCRYPTED, flush=True)
            if is_terminal(sys.stdout):
                print(qr_code(url), flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        try:
            studio = make()
        except BaseException as error:
            loader.fail(error if isinstance(error, Exception) else ColorzooError("the studio was stopped"))
            raise
        loader.finish(studio)
        studio.warm_up()
        while not (stops or server.should_exit):
            time.sleep(0.5)
        if studio.film is not None:
            studio.film.request_edits()


@contextmanager
def recorded_stops() -> Iterator[list[int]]:
    """Within a ``with`` block, record the signals of Ctrl+C and SIGTERM in the list that is yielded.

    The first signal raises no exception, because Python ignores exceptions in callbacks of imports, so that
    the server would not stop while it loads. The second signal raises `KeyboardInterrupt`.
    """
    stops: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        if len(stops) > 1:
            signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield stops
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def run_server(
    loader: StudioLoader, *, host: str = "127.0.0.1", port: int | None = None, names: Sequence[str] = ()
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Run the server of the studio for the duration of a ``with`` block; see `run_app`."""
    limit = loader.limits.message_bytes
    app = partial(build_app, loader)
    with run_app(app, host=host, port=port, names=names, message_bytes=limit) as running:
        yield running


@contextmanager
def run_app(
    build: Callable[[Access], Starlette],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    token: str | None = None,
    message_bytes: int = Limits.message_bytes,
) -> Iterator[tuple[str, uvicorn.Server]]:
    """Run a server in a thread for the duration of a ``with`` block.

    Args:
        build: Function that returns the application for the access rules.
        host: Host name or IP address on which to listen.
        port: Port; None uses the first free port from `FIRST_PORT`.
        names: Additional host names of the server, such as the name of a proxy.
        token: Secret that requests must contain; None generates a random token.
        message_bytes: Maximum size of a websocket message.

    Yields:
        The URL with the token, and the server.

    Raises:
        ColorzooError: The address cannot be used.
    """
    listener = bound_socket(host, port)
    token = token or secrets.token_urlsafe(24)
    config = uvicorn.Config(
        build(Access(host, token, tuple(names))),
        log_level="warning",  # URLs are not logged, because they contain the token
        ws_max_size=message_bytes,
        ws_per_message_deflate=False,  # images are already compressed
        http=_HttpProtocol,
        h11_max_incomplete_event_size=2**16,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    listening_port = listener.getsockname()[1]
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="studio-server", daemon=True
    )
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise ColorzooError(
                    "the server did not start. To print details, set COLORZOO_DEBUG=1 and run the command "
                    "again."
                )
            time.sleep(0.01)
        yield url_of(host, listening_port, token), server
    except KeyboardInterrupt:
        server.force_exit = True  # cancels running requests at once
        raise
    finally:
        server.should_exit = True
        thread.join(timeout=15)  # the server has already closed the listener


def bound_socket(host: str, port: int | None) -> socket.socket:
    """Return a socket that is bound to an address but does not listen yet.

    Args:
        host: Host name or IP address.
        port: Port; None uses the first free port from `FIRST_PORT`.

    Raises:
        ColorzooError: The address cannot be used.
    """
    if port is not None and not 0 <= port <= _LAST_PORT:
        raise ColorzooError(f"--port must be 0 to {_LAST_PORT}, got {port}")
    first = FIRST_PORT if port is None else port
    reason = ""
    for number in range(first, first + (_PORTS if port is None else 1)):
        try:
            family = socket.getaddrinfo(host.strip("[]"), number, type=socket.SOCK_STREAM)[0][0]
            # asyncio sets NODELAY only for this protocol number
            with closing(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host.strip("[]"), number))
                return listener.dup()
        except OSError as error:
            reason = error.strerror or str(error)
    raise ColorzooError(f"cannot listen on {host}, port {first}: {reason}. Set another --port.")


def url_of(host: str, port: int, token: str) -> str:
    """Return the URL of the studio with the token.

    If the server listens on all addresses, the URL contains the IP address of this machine.
    """
    if host in _ANY_ADDRESS:
        family = _ANY_ADDRESS[host]
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((_REMOTE[family], 9))
                host = str(probe.getsockname()[0])
        except OSError:  # there is no network
            host = socket.gethostname()
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{port}/?token={token}"


def qr_code(url: str) -> str:
    """Return the QR code of an address as terminal text."""
    import segno  # installed by the extra `studio`

    lines = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(lines, compact=True)
    return lines.getvalue()

"""Start and end of the server."""

from __future__ import annotations

import gc
import queue
import signal
import socket
import sys
import webbrowser
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pads import tiny_studio

from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.server import FIRST_PORT, run_server, serve
from colorzoo.apps.studio.studio import Studio
from colorzoo.errors import ColorzooError


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_serve_prints_a_warning_and_qr_code_for_public_addresses(
    host: str, warned: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is opened in the browser instead of the drawing pad."""
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(webbrowser, "open", opened.put)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    report: Any = SimpleNamespace(name="r 1.html")

    def fail() -> NoReturn:
        raise ColorzooError("no model")

    with pytest.raises(ColorzooError, match="no model"):
        serve(fail, host=host, port=0, browser=warned, report=report if warned else None)
    text = capsys.readouterr().out
    assert ("not encrypted" in text, "▄" in text, "/report/r%201.html?token=" in text) == (warned,) * 3
    if warned:
        assert opened.get(timeout=10) in text


def test_run_server_tries_ten_default_ports_or_the_given_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first port is fixed, because browsers store the autosave by address."""
    assert FIRST_PORT == 8765
    tried: list[int] = []

    def bind(_: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[1])
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", bind)
    for port, ports in ((None, range(8765, 8775)), (80, [80])):
        tried.clear()
        message = rf"cannot listen on 127.0.0.1, port {ports[0]}: Address already in use.* --port"
        with (
            pytest.raises(ColorzooError, match=message),
            run_server(StudioLoader.loaded(tiny_studio()), port=port),
        ):
            pass
        assert tried == list(ports)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # an open socket
def test_run_server_rejects_ports_out_of_range() -> None:
    with (
        pytest.raises(ColorzooError, match=r"^--port must be 0 to 65535, got 65536$"),
        run_server(StudioLoader.loaded(tiny_studio()), port=65536),
    ):
        pass
    gc.collect()


def test_run_server_closes_the_port_at_exit() -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _), urlopen(url) as page:
        assert page.status == 200
    with pytest.raises(URLError):
        urlopen(url)


def test_ctrl_c_while_the_studio_loads_stops_the_server() -> None:
    def make() -> Studio:
        signal.raise_signal(signal.SIGINT)
        return tiny_studio()

    serve(make, port=0, browser=False)


def test_second_ctrl_c_interrupts_loading() -> None:
    def make() -> NoReturn:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second SIGINT was ignored")

    with pytest.raises(KeyboardInterrupt):
        serve(make, port=0, browser=False)

"""Memory of the server process."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from typing import NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pads import tiny_studio

from colorzoo.errors import ColorzooError
from colorzoo.studio.app import StudioLoader
from colorzoo.studio.server import FIRST_PORT, Address, run_server, serve

WORK = """
import resource, threading
import numpy as np
from colorzoo.studio.server import keep_freed_memory
assert {keep} is False or keep_freed_memory()
def work():
    for _ in range(4):
        [np.ones(1 << 20) for _ in range(3)]  # 8 MB each
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for first in (True, False):
    before, thread = faults(), threading.Thread(target=work)
    thread.start()
    thread.join()
print(faults() - before)
"""


@pytest.mark.nightly
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_freed_memory_is_reused() -> None:
    def faults(keep: bool) -> int:
        work = [sys.executable, "-c", WORK.format(keep=keep)]
        return int(subprocess.run(work, capture_output=True, check=True, text=True).stdout)

    assert faults(keep=True) < 1000 < faults(keep=False)  # 4 x 3 x 2048 pages


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_the_terminal_says_that_nothing_is_encrypted(
    host: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> NoReturn:
        raise ColorzooError("no model")

    with pytest.raises(ColorzooError, match="no model"):
        serve(fail, Address(host, 0), browser=False)
    assert ("not encrypted" in capsys.readouterr().out) is warned


def test_the_first_free_port_of_ten_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one is always the same, as browsers keep the autosave by address."""
    assert FIRST_PORT == 8765
    tried: list[int] = []

    def bind(_: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[1])
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", bind)
    for address, ports in ((Address(), range(8765, 8775)), (Address(port=80), [80])):
        tried.clear()
        said = rf"cannot listen on 127.0.0.1, port {ports[0]}: Address already in use; try another --port"
        with (
            pytest.raises(ColorzooError, match=said),
            run_server(StudioLoader.loaded(tiny_studio()), address),
        ):
            pass
        assert tried == list(ports)


def test_the_address_is_free_after_the_server_has_ended() -> None:
    with run_server(StudioLoader.loaded(tiny_studio()), Address(port=0)) as (url, _), urlopen(url) as page:
        assert page.status == 200
    with pytest.raises(URLError):
        urlopen(url)

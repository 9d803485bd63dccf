"""Memory of the server process."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import NoReturn

import pytest

from colorzoo.errors import ColorzooError
from colorzoo.studio.server import Address, serve

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
    assert ("Nothing is encrypted" in capsys.readouterr().out) is warned

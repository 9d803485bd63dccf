"""Record every program that this process starts, by any call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile"}
)
_watches: list[list[str]] = []


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if _watches and event in _STARTS:
        for watch in _watches:
            watch.append(f"{event} {arguments}")


sys.addaudithook(_record)  # hooks cannot be removed; this one records only inside `watched`


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield a list to which every start of a program is added."""
    started: list[str] = []
    _watches.append(started)
    try:
        yield started
    finally:
        _watches.remove(started)

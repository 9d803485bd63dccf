"""Notice every program that this process starts, whoever starts it and by whatever call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile"}
)
_watches: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _watches and event in _STARTS:
        for watch in _watches:
            watch.append(f"{event} {arguments}")


sys.addaudithook(_hear)  # for good: hooks cannot be taken away, so it hears nothing outside of `watched`


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield a list that every start of a program is added to."""
    started: list[str] = []
    _watches.append(started)
    try:
        yield started
    finally:
        _watches.remove(started)

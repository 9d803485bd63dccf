"""Names of temporary files, by which what a killed process left is recognized and removed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_ABANDONED = 3600.0  # seconds without a write, after which a process of another machine counts as dead
_MACHINE, _PROCESS, _RANDOM = 8, 8, 12  # hexadecimal digits; earlier versions wrote random ones alone
_NAME = re.compile(
    rf"\.colorzoo-(?:([0-9a-f]{{{_MACHINE}}})([0-9a-f]{{{_PROCESS}}}))?[0-9a-f]{{{_RANDOM}}}\.part"
)


def part_of(path: Path) -> Path:
    """Return a new temporary file beside a file, hidden, and named by machine and process."""
    name = f"{_machine()}{os.getpid():0{_PROCESS}x}{secrets.token_hex(_RANDOM // 2)}"
    return path.with_name(f".colorzoo-{name}.part")


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that are gone; of other machines an hour after the last write."""
    with suppress(OSError):  # there is no folder yet, or it is another user's
        for part in folder.glob(".colorzoo-*.part"):
            found = _NAME.fullmatch(part.name)
            if found and (_is_gone(*found.groups()) or time.time() - part.stat().st_mtime > _ABANDONED):
                part.unlink(missing_ok=True)


def _is_gone(machine: str | None, process: str | None) -> bool:
    """Return whether a process is known to be gone."""
    if process is None or machine != _machine() or sys.platform != "linux":
        return False
    return not Path("/proc", str(int(process, 16))).exists()


@cache
def _machine() -> str:
    """Return a number of this machine since its start; containers have others."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "0" * _MACHINE
    return hashlib.blake2b((start + space).encode(), digest_size=_MACHINE // 2).hexdigest()

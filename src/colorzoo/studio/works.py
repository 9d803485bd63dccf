"""Saved work: the hints on each photo, by the photo's hash, in one folder per user.

Whatever the address of the pad, a photo that is opened again finds its hints. The photos themselves are not
stored.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from colorzoo.atomic import write_atomic

MOST_WORKS = 500  # files; the oldest is dropped first
_KEY = re.compile(r"[0-9a-f]{64}(#[1-9][0-9]{0,2})?")


def works_folder() -> Path:
    """Return the folder of saved work.

    ``COLORZOO_HOME/works`` if set, else below ``XDG_DATA_HOME`` or the platform's folder for data.
    """
    if home := os.environ.get("COLORZOO_HOME"):
        return Path(home).expanduser() / "works"
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "colorzoo" / "works"


def is_key(text: str) -> bool:
    """Return whether a text is a key of `Works`."""
    return _KEY.fullmatch(text) is not None


class Works:
    """Work saved on photos, as the pad wrote it.

    A key is the SHA-256 of the photo, with ``#2`` and so on for further work on the same photo.

    Args:
        folder: Where the files are; made when the first is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, sha256: str) -> dict[str, Any]:
        """Return all work on a photo by its key; files that cannot be read are left out."""
        found = {}
        for path in self.folder.glob(f"{sha256}*.json"):
            with suppress(OSError, ValueError, RecursionError):
                work = json.loads(path.read_bytes())
                if isinstance(work, dict):
                    found[path.stem] = work
        return found

    def free_key(self, key: str, knows: Collection[str]) -> str:
        """Return a key under which saving replaces no work that the caller does not know.

        Args:
            key: The preferred one. It is free if its work does not exist, or has no ``version``.
            knows: Versions that the caller has read or written.
        """
        saved = self.find(sha256 := key.split("#")[0])
        version = saved.get(key, {}).get("version")
        if version is None or version in knows:
            return key
        return next(free for number in count(2) if (free := f"{sha256}#{number}") not in saved)

    def save(self, key: str, work: bytes) -> bool:
        """Save work, JSON in UTF-8, atomically; returns False if the disk refuses it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self._path(key), work)
        except OSError:
            return False
        self._drop_oldest()
        return True

    def forget(self, key: str) -> None:
        """Delete work."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _drop_oldest(self) -> None:
        with suppress(OSError):
            paths = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in paths[:-MOST_WORKS]:
                path.unlink(missing_ok=True)

"""Sessions of the pad, saved by the SHA-256 of the photo in one folder per user.

The pad restores the session of a photo on any address and port. Photos are not stored.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from colorzoo.atomic import write_atomic
from colorzoo.studio.protocol import parse_json_object

MOST_PER_IMAGE = 8  # files
MOST_SESSIONS = 500  # files of all photos
MOST_BYTES = 2**20  # of a file
MOST_TOTAL = 100 * 2**20  # bytes of all files
_KEY = re.compile(r"[0-9a-f]{64}(#[1-9][0-9]{0,2})?")


def sessions_folder() -> Path:
    """Return the folder of saved sessions.

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
    """Return whether a text is a key of `SavedSessions`."""
    return _KEY.fullmatch(text) is not None


class SavedSessions:
    """Saved sessions as JSON files, in the format of the pad.

    A key is the SHA-256 of the photo, with the suffix ``#2`` and so on for further sessions on a photo.

    Args:
        folder: Folder of the files, created by the first save.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self, sha256: str) -> list[str]:
        """Return the keys of all sessions on a photo, without reading the files."""
        return sorted(path.stem for path in self.folder.glob(f"{sha256}*.json"))

    def find(self, sha256: str) -> dict[str, Any]:
        """Return all readable sessions on a photo by key."""
        found = {key: self._read(key) for key in self.keys(sha256)}
        return {key: saved for key, saved in found.items() if saved is not None}

    def free_key(self, key: str, knows: Collection[str]) -> str:
        """Return a key under which saving does not overwrite a session that is unknown to the caller.

        Args:
            key: The preferred key.
            knows: Versions that the caller has read or written.
        """
        version = (self._read(key) or {}).get("version")
        if version is None or version in knows:
            return key
        saved = self.keys(sha256 := key.split("#")[0])
        return next(free for number in count(2) if (free := f"{sha256}#{number}") not in saved)

    def save(self, key: str, saved: bytes) -> bool:
        """Save a session atomically and return whether the disk accepted it.

        Beyond the limits, the oldest sessions are deleted, first sessions of the same image.

        Raises:
            ValueError: The session is not a JSON object, or is too large.
        """
        if len(saved) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        parse_json_object(saved)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self._path(key), saved)
        except OSError:
            return False
        self._drop_oldest(key.split("#")[0])
        return True

    def forget(self, key: str) -> None:
        """Delete a session."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _read(self, key: str) -> dict[str, Any] | None:
        path = self._path(key)
        with suppress(OSError, ValueError):
            if path.stat().st_size <= MOST_BYTES:
                return parse_json_object(path.read_bytes())
        return None

    def _drop_oldest(self, sha256: str) -> None:
        with suppress(OSError):
            status = {path: path.stat() for path in self.folder.glob("*.json")}
            newest = sorted(status, key=lambda path: status[path].st_mtime_ns, reverse=True)
            of_image = [path for path in newest if path.stem.startswith(sha256)]
            dropped = set(of_image[MOST_PER_IMAGE:])
            total = 0
            for number, path in enumerate(path for path in newest if path not in dropped):
                total += status[path].st_size
                if number >= MOST_SESSIONS or total > MOST_TOTAL:
                    dropped.add(path)
            for path in dropped:
                path.unlink(missing_ok=True)

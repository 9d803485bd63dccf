"""Helpers for files: hashes, similar names, first bytes and text encodings."""

from __future__ import annotations

import codecs
import os
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

from colorzoo.errors import ColorzooError
from colorzoo.files import digest_of


def digest_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file (`digest_of`), or ``""`` if the file cannot be read.

    No error is raised, because the code that later reads the file reports the error.
    """
    try:
        return digest_of(path)
    except OSError:
        return ""


def expand_user(path: str | Path) -> Path:
    """Return a path in which a leading ``~`` is replaced by the home folder.

    Raises:
        ColorzooError: The path begins with ``~``, and the user has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ColorzooError(f"{str(path)!r} must not begin with ~: the home folder is unknown") from error


def similar_paths(path: Path) -> list[Path]:
    """Return existing paths that differ from a path only by misspelt names; empty if there are none.

    Examples:
        >>> similar_paths(Path("albun"))
        [PosixPath('album')]
    """
    with suppress(OSError, ValueError, RuntimeError):  # an unreadable folder, a null byte, an unknown user
        path = path.expanduser()
        found = [Path(path.anchor)]
        for part in path.parts[len(found[0].parts) :]:
            exact = [folder / part for folder in found if (folder / part).exists()]
            found = exact or [
                folder / name
                for folder in found
                if folder.is_dir()
                for name in get_close_matches(part, os.listdir(folder), cutoff=0.7)  # noqa: PTH208
            ]
        return found
    return []


def begins_with(path: Path, *starts: bytes) -> bool:
    """Return whether the content of a file starts with one of the byte strings ``starts``."""
    with path.open("rb") as file:
        return file.read(max(map(len, starts))).startswith(starts)


def text_encoding(head: bytes) -> str:
    """Return the encoding of a text file: UTF-16 with a byte order mark, or UTF-8.

    Examples:
        >>> text_encoding("a".encode("utf-16")), text_encoding(b"a")
        ('utf-16', 'utf-8-sig')

    Args:
        head: First bytes of the file.
    """
    # Windows PowerShell and Notepad write UTF-16; UTF-8 can start with a byte order mark too
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def open_text(path: Path) -> TextIO:
    """Open a text file for reading, with the result of `text_encoding` and without newline translation.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        encoding = text_encoding(file.read(2))
    return path.open(newline="", encoding=encoding)

"""The class of each picture: the name of its folder, or what a tar shard says beside it."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from colorzoo.data.sources import Source


def class_names(sources: Sequence[Source], root: Path) -> list[str]:
    """Return the class of each picture, "" where it has none.

    A plain file's class is its folder below ``root``. A member of a WebDataset tar has the class that the
    ``.cls`` member of the same key holds, else its folder inside the tar. Other members (``.json``,
    ``.txt``) are no pictures and are passed over.

    Args:
        sources: The pictures.
        root: The folder in which they were found.
    """
    tars: dict[str, dict[str, str]] = {}
    return [_class_of(source, root, tars) for source in sources]


def _class_of(source: Source, root: Path, tars: dict[str, dict[str, str]]) -> str:
    if not source.member:
        folder = os.path.relpath(os.path.dirname(source.path), root)  # noqa: PTH120 - called per picture
        return "" if folder == "." else Path(folder).as_posix()
    if source.path not in tars:
        tars[source.path] = _sidecars(source.path)
    folder = os.path.dirname(source.member).lstrip("./")  # noqa: PTH120
    return tars[source.path].get(_key(source.member), folder)


def _sidecars(tar: str) -> dict[str, str]:
    """Return the content of the ``.cls`` members of a tar by their key."""
    found = {}
    with tarfile.open(tar, "r:") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".cls") and (stream := archive.extractfile(member)):
                found[_key(member.name)] = stream.read().decode("utf-8", "replace").strip()
    return found


def _key(member: str) -> str:
    """Return the key of a WebDataset member: its path up to the first dot of its name."""
    folder, name = os.path.split(member)
    return f"{folder}/{name.partition('.')[0]}"

"""Which checkpoint a training goes on from: the one that was named, or the newest one that is whole."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from colorzoo.errors import WeightsError

_FLAG = "--ckpt_path"
_SUFFIX = ".ckpt"
SPECIAL = ("best", "last", "hpc")
"""Words behind ``--ckpt_path`` that Lightning itself understands."""


def resolve_checkpoint(argv: Sequence[str]) -> list[str]:
    """Replace a folder behind ``--ckpt_path``, or a torn file, by the newest whole checkpoint there.

    So the same command starts a training and, after whatever ended it, goes on: a queue of jobs need not know
    whether it has begun. What is done is said in a line. Without ``--ckpt_path`` nothing happens.

    Args:
        argv: The verb and its words.

    Returns:
        The words, without ``--ckpt_path`` where training begins anew.

    Raises:
        WeightsError: There are checkpoints in the folder, and none is whole.
    """
    words = list(argv)
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag != _FLAG:
            continue
        separate = not equals
        if separate and index + 1 == len(words):
            return words  # the parser says what is missing
        found = _whole_checkpoint(Path(words[index + 1] if separate else value), begins=words[0] == "fit")
        after = words[index + 2 if separate else index + 1 :]
        return [*words[:index], *([] if found is None else [f"{_FLAG}={found}"]), *after]
    return words


def newest_whole(folder: Path) -> tuple[Path | None, list[Path]]:
    """Return the newest checkpoint below a folder that can be read to its end, and the newer torn ones."""
    torn: list[Path] = []
    for path in sorted(folder.rglob(f"*{_SUFFIX}"), key=_age, reverse=True):
        if is_whole(path):
            return path, torn
        torn.append(path)
    return None, torn


def is_whole(path: Path) -> bool:
    """Say whether a checkpoint's archive has its end and every part the checksum that was written with it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _whole_checkpoint(path: Path, *, begins: bool) -> Path | None:
    """Return the checkpoint that a path stands for, or None where a training begins anew."""
    if path.is_file():
        return path if path.suffix != _SUFFIX or is_whole(path) else _instead_of(path)
    folder = path.is_dir() or not (path.exists() or path.suffix)
    if not (begins and folder) or str(path) in SPECIAL:
        return path  # of no other verb: those name what they measure
    found, torn = newest_whole(path)
    for each in torn:
        _say(f"{each} is torn, so it is passed over")
    if found is None and torn:
        raise WeightsError(f"{_FLAG} {str(path)!r}: no checkpoint there is whole; remove them to begin anew.")
    _say(f"goes on from {found}" if found else f"no checkpoint in {path} yet: training begins anew")
    return found


def _instead_of(torn: Path) -> Path:
    found, _ = newest_whole(torn.parent)
    if found is None:
        return torn  # whoever reads it says what is wrong with it
    _say(f"{torn} is torn; goes on from {found}")
    return found


def _say(text: str) -> None:
    """Tell the user, from the first process alone; each has its number from whoever started it."""
    if all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        print(f"colorzoo: {text}", file=sys.stderr)

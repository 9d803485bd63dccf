"""Choose the checkpoint to resume from: the given one, or the newest intact one of a folder that agrees."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from colorzoo.errors import WeightsError
from colorzoo.training.arguments import Argument, value_of, with_value
from colorzoo.weights.sharded import RECORD, is_complete, is_sharded

_FLAG = "--ckpt_path"
_SUFFIX = ".ckpt"
_SHOWN = 3  # runs of other settings that are named
SPECIAL = ("best", "last", "hpc")
"""Values of ``--ckpt_path`` that Lightning resolves."""


def resolve_checkpoint(verb: str, arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Replace the folder or the damaged file of ``--ckpt_path`` by the newest intact checkpoint there.

    The same command thus starts and resumes a training, and a line on stderr says which it does. The folder
    of a ``fit`` whose model is named stays: its settings, which `agreeing_checkpoint` compares, are not known
    yet.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: Its arguments.

    Returns:
        The arguments, without ``--ckpt_path`` if training starts from the beginning.

    Raises:
        WeightsError: No checkpoint in the folder is intact.
    """
    given = value_of(_FLAG, arguments)
    if given is None:
        return arguments  # the parser reports a flag without a value
    named = any(each.flag in ("--config", "--model") for each in arguments)
    if verb == "fit" and named and is_folder(Path(given)):
        return arguments
    return with_value(_FLAG, _intact_checkpoint(Path(given), begins=verb == "fit"), arguments)


def agreeing_checkpoint(folder: Path, difference: Callable[[Path], str]) -> Path | None:
    """Return the newest intact checkpoint below a folder whose settings agree, or None to start anew.

    Lines on stderr say which it is, and name the runs of other settings.

    Args:
        folder: The folder, which may not be there yet.
        difference: Returns what differs from the settings of a checkpoint, empty for nothing.

    Raises:
        WeightsError: There are checkpoints, but none is intact.
    """
    others: dict[Path, str] = {}
    damaged: list[Path] = []
    found = None
    for path in _by_age(folder):
        run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
        if run in others:
            continue
        try:
            differs = difference(path)
        except Exception:  # by the damage: RuntimeError, EOFError, UnpicklingError, OSError ...
            damaged.append(path)
            continue
        if differs:
            others[run] = differs
        elif is_intact(path):
            found = path
            break
        else:
            damaged.append(path)
    for each in damaged:
        report(f"{each} is damaged and skipped")
    for run, differs in list(others.items())[:_SHOWN]:
        report(f"{run} has other settings ({differs}); resume it with its checkpoint's path")
    if found is None and damaged and not others:
        raise WeightsError(
            f"{_FLAG} {str(folder)!r}: no checkpoint there is intact; remove them to start anew."
        )
    none = f"no checkpoint of these settings in {folder}: training starts anew"
    report(f"resuming from {found}" if found else none)
    return found


def newest_intact(folder: Path) -> tuple[Path | None, list[Path]]:
    """Return the newest intact checkpoint below a folder, and the newer damaged ones."""
    damaged: list[Path] = []
    for path in _by_age(folder):
        if is_intact(path):
            return path, damaged
        damaged.append(path)
    return None, damaged


def is_intact(path: Path) -> bool:
    """Return whether a checkpoint is complete; the checksums of a file's archive must match, too."""
    if path.is_dir():
        return is_complete(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def _by_age(folder: Path) -> list[Path]:
    """Return all checkpoints below a folder, the newest first."""
    return sorted(folder.rglob(f"*{_SUFFIX}"), key=_age, reverse=True)


def _age(path: Path) -> tuple[int, str]:
    record = path / RECORD  # of a sharded checkpoint: its folder is as old as its first save
    return (record if record.is_file() else path).stat().st_mtime_ns, path.name


def _intact_checkpoint(path: Path, *, begins: bool) -> Path | None:
    """Return the checkpoint for a path, or None if training starts from the beginning."""
    if path.is_file() or is_sharded(path):
        return path if path.suffix != _SUFFIX or is_intact(path) else _instead_of(path)
    folder = is_folder(path)
    if path.is_dir() and not begins:
        newest, _ = newest_intact(path)
        hint = f"name one, such as {newest}" if newest else "there is none below it"
        raise WeightsError(f"{_FLAG} {str(path)!r} is a folder; a checkpoint is expected: {hint}.")
    if not (begins and folder) or str(path) in SPECIAL:
        return path
    found, damaged = newest_intact(path)
    for each in damaged:
        report(f"{each} is damaged and skipped")
    if found is None and damaged:
        raise WeightsError(
            f"{_FLAG} {str(path)!r}: no checkpoint there is intact; remove them to start anew."
        )
    report(f"resuming from {found}" if found else f"no checkpoint in {path} yet: training starts anew")
    return found


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of runs, which may not be there yet."""
    if str(path) in SPECIAL or is_sharded(path):
        return False
    return path.is_dir() or not (path.exists() or path.suffix)


def _instead_of(damaged: Path) -> Path:
    found, _ = newest_intact(damaged.parent)
    if found is None:
        return damaged  # reading it reports the damage
    report(f"{damaged} is damaged; resuming from {found}")
    return found


def report(text: str) -> None:
    """Print a line in the first process only."""
    if is_first_process():
        print(f"colorzoo: {text}", file=sys.stderr)


def is_first_process() -> bool:
    """Return whether this is the first process of a run, before the processes are connected."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))

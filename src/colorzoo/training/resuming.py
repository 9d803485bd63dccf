"""Choose the checkpoint to resume from: the given one, or the newest intact one of a folder that agrees."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from colorzoo.errors import WeightsError
from colorzoo.training.arguments import Argument, root_of, value_of, with_value
from colorzoo.training.runs import RUNS, SUFFIX, report
from colorzoo.weights.sharded import RECORD, is_complete, is_sharded

_FLAG = "--ckpt_path"
_SHOWN = 3  # runs of other settings that are named
_LAST, _BEST = "last", "best"  # values of --ckpt_path that stand for a checkpoint of the runs


def resolve_checkpoint(verb: str, arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Replace the folder, the damaged file, or the words ``last`` and ``best`` of ``--ckpt_path``.

    A folder and a damaged file give the newest intact checkpoint there; the words the newest one below
    ``trainer.default_root_dir``, and the best one of its run.

    The same command thus starts and resumes a training, and a line on stderr says which it does. The folder
    of a ``fit`` whose model is named stays: its settings, which `agreeing_checkpoint` compares, are not known
    yet.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: Its arguments.

    Returns:
        The arguments, without ``--ckpt_path`` if training starts from the beginning.

    Raises:
        WeightsError: No checkpoint in the folder is intact, or there is none for one of the words.
    """
    given = value_of(_FLAG, arguments)
    if given is None:
        return arguments  # the parser reports a flag without a value
    if given in (_LAST, _BEST):
        path = _named_checkpoint(given, brought(root_of(arguments) or "."))
        report(f"--ckpt_path {given} is {path}")
        return with_value(_FLAG, path, arguments)
    path = brought(given)
    named = any(each.flag in ("--config", "--model") for each in arguments)
    if verb == "fit" and named and is_folder(path):
        return with_value(_FLAG, path, arguments)
    return with_value(_FLAG, _intact_checkpoint(path, begins=verb == "fit"), arguments)


def is_remote(place: object) -> bool:
    """Return whether a folder or a file is named by an address, such as ``s3://bucket/run``."""
    return isinstance(place, str) and "://" in place


def brought(place: str) -> Path:
    """Return the path of a folder or a file, which is brought to this machine from a bucket."""
    if not is_remote(place):
        return Path(place)
    from colorzoo.training.mirror import fetch

    return fetch(place)


def agreeing_checkpoint(folder: Path, difference: Callable[[Path], str], *, fresh: bool) -> Path | None:
    """Return the newest intact checkpoint below a folder whose settings agree, or None to start anew.

    Lines on stderr say which it is, and name the runs of other settings.

    Args:
        folder: The folder, which may not be there yet.
        difference: Returns what differs from the settings of a checkpoint, empty for nothing.
        fresh: Whether a run may start beside those of other settings.

    Raises:
        WeightsError: There are checkpoints, but none is intact; or none agrees, and ``fresh`` is false.
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
    if others and not found and not fresh:
        shown = "; ".join(f"{run} has {differs}" for run, differs in list(others.items())[:_SHOWN])
        raise WeightsError(
            f"{_FLAG} {str(folder)!r}: no run there has these settings ({shown}); resume one by the path of "
            "its checkpoint, or add --fresh to start a new run beside them."
        )
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


def _named_checkpoint(word: str, root: Path) -> Path:
    """Return the newest intact checkpoint below a folder, or the best one of its run."""
    newest, _ = newest_intact(root / RUNS if (root / RUNS).is_dir() else root)
    if newest is None:
        raise WeightsError(f"{_FLAG} {word}: there is no checkpoint below {str(root)!r}; name its path.")
    return newest if word == _LAST else _best_beside(newest)


def _best_beside(checkpoint: Path) -> Path:
    """Return the best checkpoint of the run of another one, in whose record it stands."""
    from colorzoo.training.agreement import read_record

    states = read_record(checkpoint).get("callbacks", {}).values()
    found_at = (each["best_model_path"] for each in states if each.get("monitor"))
    names = [name for name in found_at if name]
    found = [path for name in names for path in (Path(name), checkpoint.parent / Path(name).name)]
    best = next((path for path in found if path.exists()), None)
    if best is None:
        raise WeightsError(f"{_FLAG} {_BEST}: the run of {checkpoint} has kept no best checkpoint yet.")
    return best


def _by_age(folder: Path) -> list[Path]:
    """Return all checkpoints below a folder, the newest first."""
    return sorted(folder.rglob(f"*{SUFFIX}"), key=_age, reverse=True)


def _age(path: Path) -> tuple[int, str]:
    record = path / RECORD  # of a sharded checkpoint: its folder is as old as its first save
    return (record if record.is_file() else path).stat().st_mtime_ns, path.name


def _intact_checkpoint(path: Path, *, begins: bool) -> Path | None:
    """Return the checkpoint for a path, or None if training starts from the beginning."""
    if path.is_file() or is_sharded(path):
        return path if path.suffix != SUFFIX or is_intact(path) else _instead_of(path)
    folder = is_folder(path)
    if path.is_dir() and not begins:
        newest, _ = newest_intact(path)
        hint = f"name one, such as {newest}" if newest else "there is none below it"
        raise WeightsError(f"{_FLAG} {str(path)!r} is a folder; a checkpoint is expected: {hint}.")
    if not (begins and folder):
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
    if is_sharded(path):
        return False
    return path.is_dir() or not (path.exists() or path.suffix)


def _instead_of(damaged: Path) -> Path:
    found, _ = newest_intact(damaged.parent)
    if found is None:
        return damaged  # reading it reports the damage
    report(f"{damaged} is damaged; resuming from {found}")
    return found

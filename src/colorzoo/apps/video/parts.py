"""Folder of the finished shots of a video, from which an interrupted run resumes."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from colorzoo.apps.video.frames import VideoError
from colorzoo.files import sha256_of, write_atomic
from colorzoo.image_io import (
    READABLE,
    ImageProvenance,
    Metadata,
    read_provenance,
    sidecar_path,
    update_sidecar,
    visible_entries,
)

_TEMPORARY = re.compile(r"\.colorzoo-.+\.part")
# files in the folder of shots, except the lock and job.json
_OWN = re.compile(rf"shot-\d{{8}}(\.json|\.nut)?|whole(\.\w+)*|frames\.json|{_TEMPORARY.pattern}")


@dataclass(frozen=True)
class Shot:
    """Shot of a video.

    Attributes:
        first: Number of the first frame.
        count: Number of frames.
        notes: Notes for the user about the colorization.
    """

    first: int
    count: int
    notes: tuple[str, ...] = ()


class PartsFolder:
    """Folder ``OUT.parts`` with the finished shots of a video, which one process locks.

    The folder contains a video file or folder for each shot. A JSON file marks each finished shot. As a
    context manager, the object creates the folder and locks it. The operating system releases the lock of a
    killed process.

    Args:
        out: Path of the result.
        settings: Text that identifies source and settings.
        overwrite: Whether to replace an existing result, and to delete finished shots with other settings.
    """

    def __init__(self, out: Path, settings: str, *, overwrite: bool = False) -> None:
        self.out, self.path = out, parts_path(out)
        self._settings, self._overwrite = settings, overwrite
        self._job, self._lock = self.path / "job.json", FileLock(self.path / "lock")

    def plan(self) -> str:
        """Return a note on the shots that a run would reuse or delete; empty without shots.

        Raises:
            VideoError: The folder was not created by colorzoo, another process writes into it, or it contains
                shots with other settings and ``overwrite`` is False.
        """
        if self._read_job() is None:
            return ""
        self._acquire()
        try:
            is_resumable = self._is_resumable()
        finally:
            self._lock.release()
        kept = "resumes from" if is_resumable else "deletes the shots of another run in"
        return f"{kept} {self.path.name}"

    def __enter__(self) -> PartsFolder:
        """Create and lock the folder, and delete shots with other settings.

        Raises:
            VideoError: The result exists and ``overwrite`` is False, the folder cannot be created, or `plan`
                raises an error.
        """
        self._read_job()  # raises an error before the folder of another program gets a lock file
        self._acquire()
        try:
            self._require_new_result()  # another process can have finished in the meantime
            if not self._is_resumable():
                self._delete_shots()
            owner = {"process": os.getpid(), "host": platform.node()}
            _write_json(self._job, {"settings": self._settings, **owner})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the folder, and delete it if it contains no finished shots."""
        with suppress(OSError):  # Windows deletes no file that is open
            if not any(self.path.glob("shot-*.json")):
                self._delete_shots()
                (self.path / "lock").unlink()
        self._lock.release()
        with suppress(OSError):  # finished shots, or files of another program
            self.path.rmdir()

    def _read_job(self) -> dict[str, Any] | None:
        """Return settings, process and host of the last run; None if the folder contains no shots."""
        try:
            names = [entry.name for entry in self.path.iterdir()]
            if all(name == "lock" or _TEMPORARY.fullmatch(name) for name in names):
                return None
            job = json.loads(self._job.read_text(encoding="utf-8"))
            return {name: job[name] for name in ("settings", "process", "host")}
        except FileNotFoundError:
            if not self.path.exists():
                return None
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise VideoError(f"{self.path} already exists and was not created by colorzoo. Rename this folder.")

    def _is_resumable(self) -> bool:
        """Return whether the shots have the same settings.

        The result is True for a folder without shots. An error is raised for finished shots with other
        settings if ``overwrite`` is False.
        """
        job = self._read_job()
        if job is None or job["settings"] == self._settings:
            return True
        if self._overwrite or not any(self.path.glob("shot-*.json")):
            return False
        raise VideoError(
            f"{self.path} contains shots of an interrupted run with another source or other settings. "
            "Repeat the earlier command to resume that run, or set --overwrite to delete the shots."
        )

    def _acquire(self) -> None:
        """Lock the folder, which is created if it is missing."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            job = self._read_job()
            owner = "another process" if job is None else f"process {job['process']} on {job['host']}"
            raise VideoError(
                f"{self.out} is being written by {owner}. Wait until it ends, or choose another OUT."
            ) from None
        except OSError as error:
            raise VideoError(f"{self.path} cannot be created: {error.strerror}") from error

    def _require_new_result(self) -> None:
        """Raise an error if the result exists and must not be replaced."""
        if not self._overwrite and os.path.lexists(self.out):
            raise VideoError(f"{self.out} already exists. Set --overwrite to replace OUT.")

    def finished(self, first: int) -> Shot | None:
        """Return the shot that starts at frame ``first``, or None if it is not finished."""
        try:
            shot = Shot(**json.loads(self.part(first, ".json").read_text(encoding="utf-8")))
            return replace(shot, notes=tuple(shot.notes))
        except (OSError, ValueError, TypeError):
            return None

    def part(self, first: int, extension: str) -> Path:
        """Return the path of the file or folder for the shot that starts at frame ``first``."""
        return self.path / f"shot-{first:08d}{extension}"

    def finish(self, shot: Shot) -> None:
        """Write the JSON file that marks a shot as finished."""
        _write_json(self.part(shot.first, ".json"), asdict(shot))

    def publish(self, result: Path, record: ImageProvenance | None) -> list[str]:
        """Move the result and its record to their destination, and delete the shots.

        In a folder, frames of an earlier result that this program wrote are deleted. The record contains the
        names and hashes of the frames for this purpose.

        Args:
            result: Complete result inside the folder of shots.
            record: Provenance record for the sidecar file of the result, or None.

        Returns:
            Notes for the user on images of other programs in the destination.

        Raises:
            VideoError: The result exists and ``overwrite`` is False, or the result cannot be moved.
        """
        out, notes = self.out, list[str]()
        self._require_new_result()
        frames: dict[str, str] = {}
        if result.is_dir():
            listed = self.path / "frames.json"  # also lists frames that an interrupted run moved to OUT
            with suppress(OSError, ValueError):
                frames = json.loads(listed.read_text(encoding="utf-8"))
            frames |= {file.name: sha256_of(file) for file in result.iterdir()}
            _write_json(listed, frames)
            if any(not (result / name).exists() and not (out / name).exists() for name in frames):
                self._delete_shots()
                raise VideoError(f"frames of an interrupted run are missing in {out}. Repeat the command.")
        # a full disk is found here, before the earlier result is changed
        if record is not None and frames:
            record = replace(record, frames=json.dumps(frames))
        update_sidecar(result, Metadata(), record)
        sidecar = sidecar_path(out)
        try:
            if out.is_dir():  # not replaced as a whole, because it may contain other files
                earlier, written = read_provenance(out), dict[str, str]()
                if earlier:
                    with suppress(ValueError, TypeError):  # a damaged record
                        written = dict(json.loads(earlier.frames or "{}"))
                for file in visible_entries(out):
                    if file.name in frames or not file.is_file():
                        continue
                    if written.get(file.name) == sha256_of(file):
                        file.unlink()
                    elif file.suffix.lower() in READABLE:
                        notes.append(file.name)
                sidecar.unlink(missing_ok=True)
                for frame in sorted(result.iterdir()):
                    frame.replace(out / frame.name)
            else:
                sidecar.unlink(missing_ok=True)
                result.replace(out)
            if record is not None:
                sidecar_path(result).replace(sidecar)
        except OSError as error:
            raise VideoError(f"{out} cannot be written: {error.strerror}") from error
        self._delete_shots()
        if len(notes) > 1:
            notes = [f"{notes[0]} and {len(notes) - 1} other images"]
        return [f"{out.name} also contains {name}, which this run did not write" for name in notes]

    def _delete_shots(self) -> None:
        """Delete the files of earlier runs, the marks of finished shots first; other files remain."""
        own = [entry for entry in self.path.iterdir() if _OWN.fullmatch(entry.name)]
        for entry in sorted(own, key=lambda entry: entry.suffix != ".json"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        self._job.unlink(missing_ok=True)


def parts_path(out: Path) -> Path:
    """Return the path of the `PartsFolder` of a result."""
    named = out if out.name not in ("", "..") else out.resolve()  # such as the working directory
    return named.parent / f"{named.name}.parts"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    try:
        write_atomic(path, json.dumps(content).encode())
    except OSError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror}") from error

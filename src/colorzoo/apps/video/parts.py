"""Folder of the finished shots of a video, from which later runs resume.

A shot depends on the source, the settings and some of the key frames. A run reuses the shots whose
dependencies are unchanged. Other shots remain until the run has published its result.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import NO_FRAMES, VideoError
from colorzoo.files import check_outputs, lock_file, sha256_of, write_atomic
from colorzoo.image_io import (
    ImageProvenance,
    Metadata,
    foreign_sidecar,
    read_provenance,
    update_sidecar,
)
from colorzoo.pixels.find import visible_entries
from colorzoo.pixels.formats import READABLE
from colorzoo.pixels.results import sidecar_path

_TEMPORARY = re.compile(r"\.colorzoo-.+\.part")
# files in the folder of shots, except the lock and job.json
_OWN = re.compile(rf"shot-\d{{8}}(-\w{{8}})?(\.json|\.nut|\.npy)?|whole(\.\w+)*|{_TEMPORARY.pattern}")
_MUCH_WORK = 60.0  # seconds of computation that a run may replace without --overwrite


@dataclass(frozen=True)
class Shot:
    """Shot of a video.

    Attributes:
        first: Number of the first frame.
        count: Number of frames.
        notes: Notes for the user about the colorization.
        settings: Text that identifies the source and the settings.
        keys: SHA-256 of each key frame that influences the shot, by the frame number as text.
        seconds: Computation time.
        name: Name of the files of the shot.
    """

    first: int
    count: int
    notes: tuple[str, ...] = ()
    settings: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    name: str = ""

    def is_current(self, settings: str, keys: Mapping[str, str]) -> bool:
        """Return whether neither the settings nor the key frames that influence the shot have changed.

        Args:
            settings: Text that identifies the source and the settings.
            keys: SHA-256 of all key frames, by the frame number as text.
        """
        inside = {key for key in keys if self.first <= int(key) < self.first + self.count}
        return self.settings == settings and self.keys.items() <= keys.items() and inside <= self.keys.keys()


class PartsFolder:
    """Folder ``OUT.parts`` with the finished shots of a video, which one process locks.

    The folder contains a video file or folder for each shot. A JSON file marks each finished shot. As a
    context manager, the object creates the folder and locks it. The operating system releases the lock of a
    killed process.

    Args:
        out: Path of the result.
        settings: Text that identifies source and settings, without the key frames.
        keys: SHA-256 of each key frame, by frame number. If there are key frames, the finished shots are kept
            after the result is published, so that another key frame changes only some shots.
        overwrite: Whether to replace an existing result, and finished shots that took more than a minute.
    """

    def __init__(
        self, out: Path, settings: str, keys: Mapping[int, str] | None = None, *, overwrite: bool = False
    ) -> None:
        self.out, self.path = out, parts_path(out)
        self._settings, self._overwrite = settings, overwrite
        self._keys = {str(number): sha256 for number, sha256 in (keys or {}).items()}
        self._job, self._lock = self.path / "job.json", self.path / "lock"
        self._held: FileLock | None = None

    def plan(self) -> str:
        """Return a note on the shots that a run would reuse or replace; empty without shots.

        Raises:
            VideoError: The folder was not created by colorzoo, another process writes into it, or a run would
                replace shots that took more than a minute and ``overwrite`` is False.
        """
        if self._read_job() is None:
            return ""
        self._acquire()
        try:
            return self._check_replaced()
        finally:
            self._release()

    def __enter__(self) -> PartsFolder:
        """Create and lock the folder.

        Raises:
            VideoError: The result exists and ``overwrite`` is False, the folder cannot be created, or `plan`
                raises an error.
        """
        self._read_job()  # raises an error before the folder of another program gets a lock file
        self._acquire()
        try:
            self._require_new_result()  # another process can have finished in the meantime
            self._check_replaced()
            _write_json(self._job, {"process": os.getpid(), "host": platform.node()})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Delete unfinished files, unlock the folder, and delete it if it contains no finished shots."""
        with suppress(OSError):  # Windows deletes no file that is open
            finished = [path.stem for path in self.path.glob("shot-*.json")]
            self._delete_shots(finished)
            if not finished:
                self._lock.unlink(missing_ok=True)
        self._release()
        with suppress(OSError):  # finished shots, or files of another program
            self.path.rmdir()

    def _read_job(self) -> dict[str, Any] | None:
        """Return process and host of the last run; None if the folder contains no shots."""
        try:
            names = [entry.name for entry in self.path.iterdir()]
            if all(name == "lock" or _TEMPORARY.fullmatch(name) for name in names):
                return None
            job = json.loads(self._job.read_text(encoding="utf-8"))
            return {name: job[name] for name in ("process", "host")}
        except FileNotFoundError:
            if not self.path.exists():
                return None
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise VideoError(f"{self.path} already exists and was not created by colorzoo. Rename this folder.")

    def _check_replaced(self) -> str:
        """Return the note of `plan`; raise `VideoError` if ``overwrite`` is required."""
        shots = [shot for path in self.path.glob("shot-*.json") if (shot := _read_shot(path))]
        replaced = [shot for shot in shots if not shot.is_current(self._settings, self._keys)]
        if not replaced:
            return f"resumes from {self.path.name}"
        seconds = sum(shot.seconds for shot in replaced)
        work = f"{len(replaced)} finished shots ({seconds / 60:.1f} minutes of work)"
        if seconds > _MUCH_WORK and not self._overwrite:
            raise VideoError(
                f"{self.path} contains {work} of a run with another source, other settings or other key "
                "frames. Repeat the earlier command to resume that run, or set --overwrite to replace the "
                "shots."
            )
        return f"replaces {work} in {self.path.name}"

    def _acquire(self) -> None:
        """Lock the folder, which is created if it is missing."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._held = lock_file(self._lock, 0)
        except TimeoutError:
            job = self._read_job()
            owner = "another process" if job is None else f"process {job['process']} on {job['host']}"
            raise VideoError(
                f"{self.out} is being written by {owner}. Wait until it ends, or choose another OUT. It has "
                f"locked {self._lock}."
            ) from None
        except OSError as error:
            raise VideoError(f"{self.path} cannot be created: {error.strerror}") from error

    def _release(self) -> None:
        if self._held is not None:
            self._held.release()

    def _require_new_result(self) -> None:
        """Raise an error if the result or a foreign sidecar file exists and must not be replaced."""
        foreign = foreign_sidecar(self.out)
        check_outputs([] if foreign is None else [foreign], overwrite=self._overwrite)
        if not self._overwrite and os.path.lexists(self.out):
            raise VideoError(f"{self.out} already exists. Set --overwrite to replace OUT.")

    def find(self, span: range, keys: Sequence[int] = (), more: object = None) -> tuple[str, Shot | None]:
        """Return the name of the files of a shot, and the shot if it is finished.

        Args:
            span: Frame numbers of the shot.
            keys: Numbers of the key frames that influence the shot.
            more: What else the shot depends on, which `json.dumps` can encode.
        """
        identity = [self._settings, self._digests(keys), span.stop, more]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        name = f"shot-{span.start:08d}-{digest[:8]}"
        return name, _read_shot(self.path / f"{name}.json")

    def finish(self, name: str, shot: Shot, keys: Sequence[int] = ()) -> Shot:
        """Mark a shot as finished by a JSON file; return the shot with its dependencies.

        Args:
            name: Name that `find` returned.
            shot: Shot whose files are complete.
            keys: Numbers of the key frames that influence the shot.
        """
        shot = replace(shot, settings=self._settings, keys=self._digests(keys), name=name)
        _write_json(self.path / f"{name}.json", asdict(shot))
        return shot

    def _digests(self, keys: Sequence[int]) -> dict[str, str]:
        return {str(number): self._keys[str(number)] for number in sorted(keys)}

    def files(self, shots: Sequence[Shot], extension: str) -> list[Path]:
        """Return the file or folder of each shot."""
        return [self.path / f"{shot.name}{extension}" for shot in shots]

    def save_colors(self, name: str, ab: Tensor) -> None:
        """Store the ab ``(1, 2, h, w)`` of the last frame of a shot, which fades into the next shot."""
        content = io.BytesIO()
        np.save(content, ab.half().numpy())
        try:
            write_atomic(self.path / f"{name}.npy", content.getvalue())
        except OSError as error:
            raise VideoError(f"{self.path} cannot be written: {error.strerror}") from error

    def read_colors(self, name: str) -> Tensor | None:
        """Return the ab ``(1, 2, h, w)`` that `save_colors` stored, or None."""
        try:
            return torch.from_numpy(np.load(self.path / f"{name}.npy")).float()
        except (OSError, ValueError):
            return None

    def publish(self, result: Path, record: ImageProvenance | None, shots: Sequence[Shot] = ()) -> list[str]:
        """Move the result and its record to their destination, and delete the other shots.

        In a folder, frames of an earlier result that this program wrote are deleted. The record contains the
        names and hashes of the frames for this purpose. Frames that were edited since are kept.

        Args:
            result: Complete result inside the folder of shots.
            record: Provenance record for the sidecar file of the result, or None.
            shots: Shots to keep.

        Returns:
            Notes for the user on images in the destination that were not replaced.

        Raises:
            VideoError: The result exists and ``overwrite`` is False, or the result cannot be moved.
        """
        out = self.out
        self._require_new_result()
        frames = {file.name: sha256_of(file) for file in result.iterdir()} if result.is_dir() else {}
        # a full disk is found here, before the earlier result is changed
        if record is not None and frames:
            record = replace(record, frames=json.dumps(frames))
        update_sidecar(result, Metadata(), record)
        sidecar, foreign = sidecar_path(out), foreign_sidecar(out)
        others, edited = list[str](), list[str]()  # images that a person made or edited
        try:
            if shots and result.is_dir():
                out.mkdir(parents=True, exist_ok=True)
            if out.is_dir():  # not replaced as a whole, because it may contain other files
                earlier, written = read_provenance(out), dict[str, str]()
                if earlier:
                    with suppress(ValueError, TypeError):  # a damaged record
                        written = dict(json.loads(earlier.frames or "{}"))
                for file in visible_entries(out):
                    if not file.is_file() or (file.name in frames and file.name not in written):
                        continue
                    is_own = sha256_of(file) in (written.get(file.name), frames.get(file.name))
                    if file.name in frames:
                        edited += [] if is_own else [file.name]
                    elif is_own:
                        file.unlink()
                    elif file.suffix.lower() in READABLE:
                        others.append(file.name)
                if foreign is None:
                    sidecar.unlink(missing_ok=True)
                for frame in sorted(result.iterdir()):
                    if frame.name in edited:
                        continue
                    if shots:  # a hard link would change the kept shots if the user edits the frame
                        write_atomic(out / frame.name, frame.read_bytes())
                    else:
                        frame.replace(out / frame.name)
            else:
                if foreign is None:
                    sidecar.unlink(missing_ok=True)
                result.replace(out)
            if record is not None:
                sidecar_path(result).replace(sidecar)
        except OSError as error:
            raise VideoError(f"{out} cannot be written: {error.strerror}") from error
        self._delete_shots([shot.name for shot in shots])
        kept = {
            "this run did not write": others,
            "was edited; delete the edited file to replace it": edited,
        }
        return [
            f"{out.name} also contains {names[0]}"
            f"{f' and {len(names) - 1} other images' if len(names) > 1 else ''}, which {reason}"
            for reason, names in kept.items()
            if names
        ]

    def _delete_shots(self, kept: Sequence[str]) -> None:
        """Delete the files of other shots, the marks of finished shots first; unknown files remain.

        Args:
            kept: Names of the shots to keep.
        """
        own = [entry for entry in self.path.iterdir() if _OWN.fullmatch(entry.name)]
        for entry in sorted(own, key=lambda entry: entry.suffix != ".json"):
            if entry.name.partition(".")[0] in kept:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        if not kept:
            self._job.unlink(missing_ok=True)


def publish_shots(
    film: VideoFile | FrameFolder,
    parts: PartsFolder,
    shots: Sequence[Shot],
    origin: ImageProvenance | None,
    *,
    keep: bool,
) -> None:
    """Join the finished shots of a film and publish the result.

    Args:
        film: Source of the shots.
        parts: Folder of the shots.
        shots: All shots of the result.
        origin: Provenance to store in the result; None stores no provenance.
        keep: Whether to keep the shots for a later run.

    Raises:
        VideoError: There are no shots, or the result cannot be written.
    """
    if not shots:
        raise VideoError(NO_FRAMES)
    result = parts.path / f"whole{parts.out.suffix}"
    film.join(parts.files(shots, film.extension), result, origin)
    film.issues.notes += parts.publish(result, origin, shots if keep else ())


def parts_path(out: Path) -> Path:
    """Return the path of the `PartsFolder` of a result."""
    named = out if out.name not in ("", "..") else out.resolve()  # such as the working directory
    return named.parent / f"{named.name}.parts"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    try:
        write_atomic(path, json.dumps(content).encode())
    except OSError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror}") from error


def _read_shot(path: Path) -> Shot | None:
    """Read the JSON file of a finished shot; return None if it is missing or damaged."""
    try:
        shot = Shot(**json.loads(path.read_text(encoding="utf-8")))
        return replace(shot, notes=tuple(shot.notes), keys=dict(shot.keys))
    except (OSError, ValueError, TypeError):
        return None

"""Colorization of a video shot by shot.

Finished shots are stored, so an interrupted run can resume.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import re
import shutil
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.exposure import ExposureHold, exposed
from colorzoo.apps.video.file import FilePart, VideoFile
from colorzoo.apps.video.folder import FolderPart, FrameFolder
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.shots import group_shots
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.color import lab_to_rgb
from colorzoo.files import sha256_of
from colorzoo.guidance import BorderSetting
from colorzoo.image_io import (
    READABLE,
    ImageProvenance,
    Metadata,
    RasterImage,
    read_provenance,
    sidecar_path,
    update_sidecar,
    visible_entries,
    write_whole,
)
from colorzoo.inference import select_part, shrink_lightness, working_size

Source = VideoFile | FrameFolder
_WAITING_BYTES = 2**28  # memory in bytes for frames buffered until the colors of later frames are available
_MOST_WAITING = 72
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

    @property
    def last(self) -> int:
        """Number of the last frame."""
        return self.first + self.count - 1


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
            write_whole(self._job, json.dumps({"settings": self._settings, **owner}).encode())
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
            shot = Shot(**json.loads(self._note(first).read_text(encoding="utf-8")))
            return replace(shot, notes=tuple(shot.notes))
        except (OSError, ValueError, TypeError):
            return None

    def part(self, first: int, extension: str) -> Path:
        """Return the path of the file or folder for the shot that starts at frame ``first``."""
        return self.path / f"shot-{first:08d}{extension}"

    def finish(self, shot: Shot) -> None:
        """Write the JSON file that marks a shot as finished."""
        write_whole(self._note(shot.first), json.dumps(asdict(shot)).encode())

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
            write_whole(listed, json.dumps(frames).encode())
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

    def _note(self, first: int) -> Path:
        return self.path / f"shot-{first:08d}.json"


def parts_path(out: Path) -> Path:
    """Return the path of the `PartsFolder` of a result."""
    named = out if out.name not in ("", "..") else out.resolve()  # such as the working directory
    return named.parent / f"{named.name}.parts"


@torch.inference_mode()
def color_video(
    source: Source,
    colorer: FrameColorer,
    parts: PartsFolder,
    *,
    steady: float = 0.97,
    size: int,
    border: BorderSetting = "automatic",
    tick: Callable[[], None] = lambda: None,
    origin: ImageProvenance | None = None,
) -> tuple[list[Shot], int]:
    """Colorize a video shot by shot and write the result.

    Args:
        source: Video file or folder of frames.
        colorer: Colorizer of single frames.
        parts: Folder of shots, which determines the path of the result. Finished shots of earlier runs are
            reused, and the result is written atomically.
        steady: Strength of the temporal stabilization; see `SteadyColors`. 0 colorizes each frame
            independently.
        size: Shorter side of the network input in pixels.
        border: Part of the frames to colorize; ``"automatic"`` detects a border of uniform tone, such as a
            film rebate, in the first frame of each shot.
        tick: Function called after each frame, for a progress bar.
        origin: Provenance to store in the result; None stores no provenance.

    Returns:
        The shots, and the number of frames reused from earlier runs.

    Raises:
        ColorzooError: The model fails, or the result cannot be written.
    """
    shots: list[Shot] = []
    reused_count = 0
    with parts:
        for frames in group_shots(source.frames()):
            first = next(frames)
            shot_frames = itertools.chain([first], frames)
            shot = parts.finished(first.number)
            if shot is None:
                writer = source.part(parts.part(first.number, source.extension))
                shot_colorizer = _ShotColorizer(writer, colorer, first, steady, size, border)
                for frame in shot_frames:
                    shot_colorizer.add(frame)
                    tick()
                shot = shot_colorizer.finish()
                parts.finish(shot)
            else:
                for _ in shot_frames:  # frames must be read to reach the next shot
                    tick()
                reused_count += shot.count
            shots.append(shot)
        result = parts.path / f"whole{parts.out.suffix}"
        source.join([parts.part(shot.first, source.extension) for shot in shots], result, origin)
        source.issues.notes += parts.publish(result, origin)
    return shots, reused_count


def gray_frame(source: Source, number: int) -> RasterImage:
    """Return a frame as an upright gray 8-bit image at full size.

    Raises:
        VideoError: The source has no frame with this number.
    """
    frame = next((frame for frame in source.frames() if frame.number == number), None)
    if frame is None:
        raise VideoError(f"{source.path} has no frame {number}; frames are counted from 0")
    lightness = frame.image.lightness()
    lab = torch.cat([lightness, lightness.new_zeros(1, 2, *lightness.shape[-2:])], dim=1)
    gray = lab_to_rgb(lab)[0, 0].clamp(0, 1)
    return RasterImage((gray * 255).round().numpy().astype(np.uint8))


class _ShotColorizer:
    """Colorizer for the frames of one shot.

    Args:
        writer: Encoder or writer of the shot.
        colorer: Colorizer of single frames.
        first: First frame of the shot.
        steady: Strength of the temporal stabilization.
        size: Shorter side of the network input in pixels.
        border: Part of the frames to colorize.
    """

    def __init__(
        self,
        writer: FilePart | FolderPart,
        colorer: FrameColorer,
        first: VideoFrame,
        steady: float,
        size: int,
        border: BorderSetting,
    ) -> None:
        self._writer, self._colorer, self._size = writer, colorer, size
        self._waiting: deque[VideoFrame] = deque()
        self._exposure = ExposureHold()
        self._shot = Shot(first.number, 0)
        gray = RasterImage(first.image.gray())
        self._inside = select_part(gray, border)
        pixels = self._lightness(first).numel()
        window = max(6, min(_MOST_WAITING, _WAITING_BYTES // (3 * pixels)))  # number of buffered frames
        self._colors = SteadyColors(steady, window, every=colorer.needs_every_frame)
        colorer.start_shot(None if self._inside is None else (self._inside, gray.size))

    def add(self, frame: VideoFrame) -> None:
        """Buffer a frame; colorize and write frames when the buffer is full."""
        lightness = self._lightness(frame)
        small = _small_copy(lightness, self._working_size(lightness))
        factor = self._exposure.factor(small)
        self._waiting.append(frame)
        self._shot = replace(self._shot, count=self._shot.count + 1)
        predict = partial(self._predict, frame, factor)
        is_key = self._colorer.is_key(frame, small)
        self._write(self._colors.add(exposed(small, factor), predict, fixed=is_key))

    def _predict(self, frame: VideoFrame, factor: float) -> Tensor:
        """Predict the ab ``(1, 2, h, w)`` of a frame with the model."""
        lightness = self._lightness(frame)
        small = shrink_lightness(lightness, self._working_size(lightness))
        return self._colorer.color(frame, exposed(small, factor))

    def _working_size(self, lightness: Tensor) -> tuple[int, int]:
        height, width = lightness.shape[-2:]
        return working_size(height, width, self._size)

    def _lightness(self, frame: VideoFrame) -> Tensor:
        """Return the lightness ``(1, 1, H, W)`` of the part of a frame within the border."""
        lightness: Tensor = frame.image.lightness()
        return lightness if self._inside is None else lightness[..., *self._inside.slices]

    def finish(self) -> Shot:
        """Write the remaining frames and return the finished shot."""
        self._write(self._colors.flush())
        self._writer.close()
        return replace(self._shot, notes=tuple(self._colorer.notes))

    def _write(self, colors: list[Tensor]) -> None:
        """Write the next buffered frames with their ab ``(1, 2, h, w)``."""
        for ab in colors:
            self._writer.write(self._waiting.popleft(), ab[0], self._inside)


def _small_copy(lightness: Tensor, size: tuple[int, int]) -> Tensor:
    """Downscale lightness ``(1, 1, H, W)`` with a fast method, for motion estimation."""
    is_near = lightness.shape[-1] < 2 * size[1]  # bilinear sampling has no aliasing below a factor of 2
    interpolation = cv2.INTER_LINEAR if is_near else cv2.INTER_AREA
    small = cv2.resize(lightness[0, 0].numpy(), size[::-1], interpolation=interpolation)
    return torch.from_numpy(small.reshape(1, 1, *size))

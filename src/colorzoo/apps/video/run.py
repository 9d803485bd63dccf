"""Colorization of a video shot by shot.

Finished shots are stored, so an interrupted run can resume.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.exposure import ExposureHold, exposed
from colorzoo.apps.video.file import FilePart, VideoFile
from colorzoo.apps.video.folder import FolderPart, FrameFolder
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.shots import group_shots
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.color import lab_to_rgb
from colorzoo.guidance import BorderSetting
from colorzoo.image_io import ImageProvenance, RasterImage, write_whole
from colorzoo.inference import select_part, shrink_lightness, working_size

Source = VideoFile | FrameFolder
_WAITING_BYTES = 2**28  # memory in bytes for frames buffered until the colors of later frames are available
_MOST_WAITING = 72


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
    """Folder ``OUT.parts`` with the finished shots of a video.

    The folder contains a video file or folder for each shot. A JSON file marks each finished shot.

    Args:
        out: Path of the result.
        settings: Text that identifies source and settings. An existing folder with a different text is
            deleted.

    Raises:
        VideoError: The folder cannot be created, or a folder with this name was not created by colorzoo.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.path = parts_path(out)
        note = self.path / "job.json"
        try:
            if not (note.is_file() and note.read_text(encoding="utf-8") == settings):
                self._remove_other_run(note)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VideoError(f"{self.path} cannot be created: {error.strerror}") from error
        if not note.exists():
            write_whole(note, settings.encode())

    def _remove_other_run(self, note: Path) -> None:
        """Remove the shots of a run with other settings; raise an error for a folder of another program."""
        if not self.path.exists():
            return
        if any(self.path.iterdir()) and not note.is_file():
            raise VideoError(
                f"{self.path} already exists and was not created by colorzoo. Rename this folder."
            )
        shutil.rmtree(self.path)

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

    def publish(self, result: Path, out: Path) -> None:
        """Move the result to its destination and delete the folder of shots.

        Args:
            result: Complete result inside the folder of shots.
            out: Destination.

        Raises:
            VideoError: The result cannot be moved.
        """
        try:
            if out.is_dir():  # not replaced as a whole, because it may contain other files
                for frame in sorted(result.iterdir()):
                    frame.replace(out / frame.name)
            else:
                result.replace(out)
        except OSError as error:
            raise VideoError(f"{out} cannot be written: {error.strerror}") from error
        shutil.rmtree(self.path, ignore_errors=True)

    def _note(self, first: int) -> Path:
        return self.path / f"shot-{first:08d}.json"


def parts_path(out: Path) -> Path:
    """Return the path of the `PartsFolder` of a result."""
    return out.with_name(f"{out.name}.parts")


@torch.inference_mode()
def color_video(
    source: Source,
    colorer: FrameColorer,
    parts: PartsFolder,
    out: Path,
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
        parts: Folder of shots; finished shots of earlier runs are reused.
        out: Path of the result, which is written atomically.
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
    for frames in group_shots(source.frames()):
        first = next(frames)
        shot_frames = itertools.chain([first], frames)
        shot = parts.finished(first.number)
        if shot is None:
            writer = source.part(parts.part(first.number, source.extension))
            shot_colorizer = _ShotColorizer(writer, colorer, first, steady=steady, size=size, border=border)
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
    result = parts.path / f"whole{out.suffix}"
    source.join([parts.part(shot.first, source.extension) for shot in shots], result, origin)
    parts.publish(result, out)
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
        window = _window(self._lightness(first).numel())
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


def _window(pixels: int) -> int:
    """Return the maximum number of buffered frames for a frame size in pixels."""
    return max(6, min(_MOST_WAITING, _WAITING_BYTES // (3 * pixels)))

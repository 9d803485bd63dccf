"""Folders of frames as video sources, in natural order of the file names.

Each output file has the name of its source file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.apps.video.frames import (
    ALL_FRAMES,
    SAMPLES,
    ReadIssues,
    VideoError,
    VideoFrame,
    count_selected,
)
from colorzoo.errors import ImageError
from colorzoo.files import sha256_of
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io import (
    ImageProvenance,
    RasterImage,
    fill_hidden,
    output_bit_depth,
    read_image,
    write_image,
)
from colorzoo.image_io.frames import describe_frames
from colorzoo.inference import ColorizedImage, FullLightness, compose_image
from colorzoo.pixels.find import result_name, visible_entries
from colorzoo.pixels.formats import READABLE


@dataclass(frozen=True)
class FolderFrame(VideoFrame):
    """Frame from an image file.

    Attributes:
        number: Frame number, counted from 0.
        image: Decoded image.
        name: Name of the output file.
    """

    image: RasterImage
    name: str

    def lightness(self) -> Tensor:
        """Return the lightness ``(1, 1, H, W)`` at full size."""
        return FullLightness(self.image.levels).whole()

    def rgb_image(self) -> RasterImage:
        """Return the image in its own colors."""
        return self.image

    def gray(self) -> NDArray[np.uint8]:
        """Return the mean of the color channels as 8-bit gray ``(H, W)``."""
        return (self.image.rgb.mean(axis=2) * 255).astype(np.uint8)


class FrameFolder:
    """Folder of frames to colorize.

    Args:
        path: Path of the folder.
        selected: Numbers of the frames to colorize; the other frames are not part of the result.
        files: Image file of each frame; by default all images in the folder.

    Raises:
        VideoError: The folder contains no readable image, or two frames have the same result name.
    """

    extension = ""

    def __init__(self, path: Path, selected: range = ALL_FRAMES, files: Sequence[Path] | None = None) -> None:
        self.path, self.selected = path, selected
        self.issues = ReadIssues()
        self.files = files or [file for file in visible_entries(path) if file.suffix.lower() in READABLE]
        if not self.files:
            raise VideoError(f"{path} contains no image in a supported format. Convert the frames to PNG.")
        by_result: dict[str, Path] = {}
        for file in self.files:
            if (other := by_result.setdefault(result_name(file), file)) is not file:
                raise VideoError(
                    f"frames must have different results, but the result of {other.name} and {file.name} is "
                    f"{result_name(file)}. Rename one of the frames."
                )
        images = (_read(file) for file in self.files)
        self._first = next((image for image in images if image is not None), None)
        if self._first is None:
            raise VideoError(f"no image file in {path} can be read. Replace the damaged files.")

    def describe(self) -> dict[str, Any]:
        """Return the frame size, frame count, and formats of the source and the result."""
        assert self._first is not None
        width, height = self._first.size
        return {
            "width": width,
            "height": height,
            "frames": count_selected(len(self.files), self.selected),
            "from": "a folder of images",
            "to": "a folder of images",
        }

    def sample(self) -> Iterator[RasterImage]:
        """Yield images at regular intervals; unreadable images are omitted."""
        step = -(-len(self.files) // SAMPLES)  # rounded up
        images = map(_read, self.files[::step])
        return (image for image in images if image is not None)

    def digest(self) -> str:
        """Return a hash of the names and contents of all files."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0{sha256_of(file)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def frames(self, first: int = 0) -> Iterator[FolderFrame]:
        """Yield the images in order from a frame on; record problems in the attribute ``issues``.

        Unreadable images are counted, so that the frame number is the position of the file.
        """
        assert self._first is not None
        self.issues.broken.clear()
        self.issues.resized.clear()
        for number, file in enumerate(self.files):
            if number not in self.selected or number < first:
                continue
            image = _read(file)
            if image is None:
                self.issues.broken.append(file.name)
                continue
            if image.size != self._first.size:
                width, height = image.size
                note = f"have {width} x {height} pixels, which is not the size of the first frame"
                self.issues.resized.setdefault(note, []).append(number)
            with file.open("rb") as stream:
                pages = describe_frames(stream, file.name)
            if pages is not None:
                note = f"{file.name} has {pages.count} {pages.kind}; only the first was used"
                if note not in self.issues.notes:
                    self.issues.notes.append(note)
            yield FolderFrame(number, image, result_name(file))

    def part(self, path: Path) -> FolderPart:
        """Return a writer that stores the frames of one shot in the folder ``path``."""
        return FolderPart(path)

    def join(self, parts: Sequence[Path], result: Path, origin: ImageProvenance | None = None) -> None:
        """Link the frames of all shots into one folder.

        Args:
            parts: Folders of the shots, in order.
            result: Output folder.
            origin: Ignored; accepted for compatibility with `VideoFile.join`.
        """
        del origin
        try:
            if result.exists():  # of a run that was interrupted here
                shutil.rmtree(result)
            result.mkdir()
            for part in parts:
                # hidden files are temporary files of a killed process
                for file in visible_entries(part):
                    try:
                        os.link(file, result / file.name)
                    except OSError:  # a file system without hard links
                        shutil.copyfile(file, result / file.name)
        except OSError as error:
            raise VideoError(f"{result} cannot be written: {error.strerror}") from error


class FolderPart:
    """Writer for the frames of one shot.

    Args:
        path: Output folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(exist_ok=True)

    def write(self, frame: Any, ab: Tensor, inside: Rectangle | None) -> None:
        """Write a frame in the format of its source; see `colorzoo.apps.video.file.FilePart.write`."""
        rgb = compose_frame(frame, ab, inside)
        write_image(self._path / frame.name, rgb, frame.image, overwrite=True)

    def copy(self, frame: Any) -> None:
        """Write a frame with its own colors."""
        image = frame.image
        levels = image.levels if image.levels.ndim == 3 else np.repeat(image.levels[..., None], 3, axis=2)
        write_image(self._path / frame.name, levels, image, overwrite=True)

    def write_drawing(self, frame: Any, colored: ColorizedImage) -> None:
        """Write a colorized drawing, whose lightness differs from the lightness of the source."""
        name, source = frame.name, colored.source(frame.image)
        levels = colored.levels(output_bit_depth(name, source))
        write_image(self._path / name, levels, replace(source, levels=levels), overwrite=True)

    def close(self) -> None:
        """Do nothing, because `write` writes each frame completely."""


def compose_frame(frame: VideoFrame, ab: Tensor, inside: Rectangle | None) -> NDArray[Any]:
    """Return the RGB image ``(H, W, 3)`` of a frame; see `colorzoo.apps.video.file.FilePart.write`."""
    lightness = frame.lightness()[0, 0]
    if inside is None:
        return compose_image(lightness, ab)
    whole = compose_image(lightness, torch.zeros(2, 1, 1))  # the border stays gray
    whole[inside.slices] = compose_image(lightness[inside.slices], ab)
    return whole


def _read(file: Path) -> RasterImage | None:
    try:
        image = read_image(file)
    except ImageError:
        return None
    if image.alpha is None:
        return image
    # hidden colors must not change the colors of this frame and of the frames that copy them
    is_hidden = image.alpha == 0 if image.levels.ndim == 2 else (image.alpha == 0)[..., None]
    return replace(image, levels=np.where(is_hidden, fill_hidden(image).levels, image.levels))

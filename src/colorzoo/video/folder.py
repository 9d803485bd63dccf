"""A folder of frames: pictures in the order of their names, each written under its own name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import PictureError
from colorzoo.inference.full_size import full_luma
from colorzoo.inference.paths import READABLE, WRITABLE
from colorzoo.inference.picture import FloatArray, Picture
from colorzoo.inference.picture_io import read_picture, write_picture
from colorzoo.video.frame import Findings, Frame
from colorzoo.video.library import VideoError
from colorzoo.weights._files import sha256_of


@dataclass(frozen=True)
class FolderPicture:
    """One frame as a picture file.

    Attributes:
        picture: What was read.
        name: Of the file to write.
    """

    picture: Picture
    name: str

    def luma(self) -> Tensor:
        """Return its lightness at full size."""
        return full_luma(self.picture.levels)

    def gray(self) -> NDArray[np.uint8]:
        """Return the mean of its channels in 8 bits."""
        gray: NDArray[np.uint8] = (self.picture.rgb.mean(axis=2) * 255).astype(np.uint8)
        return gray


class FrameFolder:
    """A folder of frames to color.

    Args:
        path: The folder.

    Raises:
        VideoError: None of its files can be read as a picture.
    """

    extension = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings = Findings()
        self.files = sorted(file for file in path.iterdir() if file.suffix.lower() in READABLE)
        if not self.files:
            raise VideoError(f"{path} holds no picture")
        self._first = next((found for file in self.files if (found := _read(file)) is not None), None)
        if self._first is None:
            raise VideoError(f"none of the pictures in {path} can be read")

    def describe(self) -> dict[str, Any]:
        """Return what is known before any frame is colored."""
        assert self._first is not None
        width, height = self._first.size
        return {
            "width": width,
            "height": height,
            "frames": len(self.files),
            "from": "a folder of pictures",
            "to": "a folder of pictures",
        }

    def digest(self) -> str:
        """Return a hash of all names and contents."""
        found = hashlib.sha256()
        for file in self.files:
            found.update(f"{file.name}\0{sha256_of(file)}\n".encode("utf-8", "surrogateescape"))
        return found.hexdigest()

    def frames(self) -> Iterator[Frame]:
        """Read all pictures in order; where one cannot be, the one before it is shown again."""
        assert self._first is not None
        shown = replace(self._first, levels=np.full_like(self._first.rgb, 0.5))
        for number, file in enumerate(self.files):
            found = _read(file)
            if found is None:
                self.findings.broken.append(file.name)
            shown = shown if found is None else found
            name = file.name if file.suffix.lower() in WRITABLE else f"{file.name}.png"
            yield Frame(
                number, file.name, FolderPicture(shown, name), "missing" if found is None else "whole"
            )

    def part(self, path: Path) -> FolderPart:
        """Begin the folder of one shot."""
        return FolderPart(path)

    def join(self, parts: Sequence[Path], whole: Path) -> None:
        """Move all frames into one folder."""
        try:
            whole.mkdir(exist_ok=True)
            for part in parts:
                for file in sorted(part.iterdir()) if part.exists() else ():
                    file.replace(whole / file.name)
        except OSError as error:
            raise VideoError(f"{whole} cannot be written: {error.strerror}") from error


class FolderPart:
    """Writes the frames of one shot.

    Args:
        path: Folder to write to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise VideoError(f"{path} cannot be made: {error.strerror}") from error

    def write(self, frame: Frame, rgb: FloatArray) -> None:
        """Write a frame as its source was."""
        shown = frame.picture
        write_picture(self._path / shown.name, rgb, shown.picture, overwrite=True)

    def close(self) -> None:
        """Do nothing: every frame is whole at once."""


def _read(file: Path) -> Picture | None:
    try:
        return read_picture(file)
    except PictureError:
        return None

"""Color stored pictures into a folder that mirrors theirs: each once, whatever broke off before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from colorzoo import __version__
from colorzoo.data.originals import Original
from colorzoo.errors import PictureError, failure
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.digest import model_digest
from colorzoo.inference.done import DoneList
from colorzoo.inference.frames import look_for_frames
from colorzoo.inference.moving import color_frames
from colorzoo.inference.origin import Origin, read_origin, write_with_origin
from colorzoo.inference.picture_io import depth_at, holds_frames, read_frames, read_picture, write_picture
from colorzoo.picture_formats import open_picture

FileStatus = Literal["colored", "done", "failed"]


@dataclass(frozen=True)
class FileResult:
    """What became of one picture of many.

    Attributes:
        source: The picture.
        output: Where its result is, or would be.
        status: ``"colored"`` now; ``"done"`` before, from the same bytes with the same settings; or
            ``"failed"``.
        error: Why it failed, as one line that names the picture; else empty.
    """

    source: str
    output: str
    status: FileStatus
    error: str = ""


class ResumedColoring:
    """Colors stored pictures into a folder; those that are done already are left alone.

    A picture is done if the notes in the folder say that its result was made of these bytes by this model
    with these settings, and the file is as it was then. Where notes are missing (lost by a kill, left out of
    a copy, another process' of a moment ago) the file itself may say so, if it can be read to its end.

    Args:
        colorizer: The model.
        folder: Of the results.
        process: Names the notes of this process; no other that writes at the same time may have it.
    """

    def __init__(self, colorizer: Colorizer, folder: Path, process: int | str = 0) -> None:
        self.colorizer, self.folder = colorizer, folder
        self._settings = model_digest(colorizer.model, colorizer.size)
        self._done = DoneList(folder, process)

    def color(self, original: Original) -> FileResult:
        """Color one picture, unless it is done; a failure is an answer like any other."""
        target = self.folder / original.relative
        found = partial(FileResult, original.name, str(target))
        try:
            return found(self._color(original, target))
        except Exception as error:  # of a library that reads, colors or writes
            return found("failed", failure(error, original.name, str(target)))

    def color_file(self, path: str | Path, relative: str | Path) -> FileResult:
        """Color a file; see `color`.

        Args:
            path: The file.
            relative: The place of its result below the folder.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            return FileResult(
                str(path), str(self.folder / relative), "failed", f"{path} cannot be read: {error}"
            )
        return self.color(Original(str(path), str(relative), data))

    def _color(self, original: Original, target: Path) -> FileStatus:
        relative, source = Path(original.relative), hashlib.sha256(original.data)
        made_of = self._settings + source.digest()
        if self._done.has(relative, made_of):
            return "done"
        # the digest of the settings covers the weights, which may have no file
        kind = type(self.colorizer.model).__name__
        origin = Origin(source.hexdigest(), self._settings.hex(), kind, version=__version__)
        done = _is_made(target, origin)
        if not done:
            self._write(original, target, origin)
        self._done.add(relative, made_of)
        return "done" if done else "colored"

    def _write(self, original: Original, target: Path, origin: Origin) -> None:
        """Color a picture, or all frames or pages of a file that holds several."""
        frames = look_for_frames(original.data)
        if frames is None:
            picture = read_picture(original.data)
            levels = self.colorizer.colorize(picture).levels(depth_at(target, picture))
            write_with_origin(partial(write_picture, target, levels, overwrite=True), target, picture, origin)
            return
        if not holds_frames(target, frames):
            raise PictureError(
                f"it holds {frames.count} {frames.kind}, which a file named {target.suffix} cannot hold; "
                "rename it (.tif), or take its first one by `colorzoo colorize`"
            )
        others = read_frames(original.data, frames)
        color_frames(self.colorizer.colorize, next(others), others, frames, target, origin, overwrite=True)


def _is_made(target: Path, origin: Origin) -> bool:
    """Say whether a file is there that says it was made so, and is whole."""
    if not target.is_file():
        return False
    found = read_origin(target)
    if found is None or (found.source, found.settings) != (origin.source, origin.settings):
        return False
    try:
        with open_picture(target) as picture:
            picture.load()
    except Exception:  # a torn file raises whatever its format's parser stumbles on; it is made again
        return False
    return True

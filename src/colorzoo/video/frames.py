"""Frames of a video: the interface of video files and folders, and extraction of single frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance.border import Rectangle
from colorzoo.image_io.provenance import ImageProvenance
from colorzoo.image_io.raster_image import RasterImage

_LISTED = 5  # broken frames listed in a note


class VideoError(ColorzooError):
    """A video cannot be read, colorized or written."""


@dataclass(frozen=True)
class VideoFrame:
    """A frame.

    Attributes:
        number: Frame number, from 0.
        stamp: Time code or file name, for messages.
        image: Image data of the frame; a missing frame has the data of the previous frame.
        state: ``"intact"``, ``"damaged"`` (decoded with errors) or ``"missing"`` (not decodable).
    """

    number: int
    stamp: str
    image: Any
    state: Literal["intact", "damaged", "missing"] = "intact"


@dataclass
class ReadIssues:
    """Problems found while a source is read.

    Attributes:
        broken: Time codes or names of damaged and missing frames.
        notes: Other remarks for the user.
        incomplete: Description of data missing at the end of the source; empty if the source is complete.
    """

    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: str = ""

    def lines(self) -> tuple[str, ...]:
        """Return all problems as short lines of text."""
        notes = (*([self.incomplete] if self.incomplete else ()), *self.notes)
        if not self.broken:
            return notes
        first = ", ".join(self.broken[:_LISTED]) + (" ..." if len(self.broken) > _LISTED else "")
        count = f"{len(self.broken)} broken frame{'s' if len(self.broken) > 1 else ''}"
        return (f"{count} with the colors of the previous frame, at {first}", *notes)


class PartWriter(Protocol):
    """Writer for the frames of one shot."""

    def write(self, frame: VideoFrame, ab: Tensor, inside: Rectangle | None) -> None:
        """Add a frame.

        Args:
            frame: The frame.
            ab: ``(2, h, w)`` in CIE units, upright, at any size.
            inside: Part of the upright frame covered by ``ab``; the rest stays gray. None for the whole
                frame.
        """

    def close(self) -> None:
        """Finish writing, so that `FrameSource.join` can read the part."""


class FrameSource(Protocol):
    """A video to color.

    Attributes:
        path: File or folder.
        issues: Problems; complete after `frames` has finished.
        extension: File suffix of the parts.
    """

    path: Path
    issues: ReadIssues
    extension: str

    def describe(self) -> dict[str, Any]:
        """Return ``width``, ``height``, ``frames`` (or None) and formats without decoding all frames."""

    def digest(self) -> str:
        """Return a hash of the content."""

    def frames(self) -> Iterator[VideoFrame]:
        """Read the frames in order."""

    def result(self, path: Path) -> FrameSource:
        """Return the colorized video at ``path`` as a source."""

    def part(self, path: Path) -> PartWriter:
        """Return a writer for one shot."""

    def join(self, parts: Sequence[Path], result: Path, origin: ImageProvenance | None = None) -> None:
        """Join the parts of all shots, in order, into the result, with provenance if the format stores it."""


def pick_frames(source: FrameSource, numbers: Collection[int]) -> dict[int, RasterImage]:
    """Return frames as gray 8-bit images by number, upright and at full size.

    Args:
        source: The video; it is read up to the last requested frame.
        numbers: Numbers of the frames, from 0.

    Raises:
        VideoError: A frame does not exist or is broken.
    """
    found: dict[int, RasterImage] = {}
    for frame in chosen_frames(source, numbers):
        lightness = frame.image.lightness()
        lab = torch.cat([lightness, lightness.new_zeros(1, 2, *lightness.shape[-2:])], dim=1)
        gray = lab_to_rgb(lab)[0, 0].clamp(0, 1)
        found[frame.number] = RasterImage((gray * 255).round().numpy().astype(np.uint8))
    return found


def chosen_frames(source: FrameSource, numbers: Collection[int]) -> Iterator[VideoFrame]:
    """Yield the frames with these numbers in order; arguments and errors are described in `pick_frames`."""
    missing = set(numbers)
    count = 0
    for frame in source.frames() if numbers else ():
        count = frame.number + 1
        if frame.number not in missing:
            continue
        if frame.state != "intact":
            stamp = f"frame {frame.number} ({frame.stamp})"
            raise VideoError(f"{source.path}: {stamp} is broken; choose another frame")
        missing.remove(frame.number)
        yield frame
        if not missing:
            return
    if missing:
        raise VideoError(f"{source.path}: frame {min(missing)} does not exist; the last frame is {count - 1}")

"""Frames of a video, and problems found while reading the video."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.image_io import RasterImage

SAMPLES = 5
"""Number of frames that are tested for line art."""
ALL_FRAMES = range(sys.maxsize)
"""Numbers of all frames of a film."""
NO_FRAMES = "--frames selects no frame, because the film is shorter"
_LISTED = 5  # maximum number of broken frames listed in a note


class VideoError(ColorzooError):
    """Error for a video that cannot be read, colorized or written."""


@dataclass(frozen=True)
class VideoFrame:
    """Frame of a video: `colorzoo.apps.video.file.FileFrame` or `colorzoo.apps.video.folder.FolderFrame`.

    Attributes:
        number: Frame number, counted from 0.
    """

    number: int

    def lightness(self) -> Tensor:
        """Return the upright lightness ``(1, 1, H, W)`` at full size."""
        raise NotImplementedError

    def rgb_image(self) -> RasterImage:
        """Return the upright image in its own colors."""
        raise NotImplementedError

    def gray(self) -> NDArray[np.uint8]:
        """Return the upright frame as 8-bit gray ``(H, W)``, for the comparison of frames."""
        raise NotImplementedError


@dataclass
class ReadIssues:
    """Problems found while reading a video or a folder of frames.

    Attributes:
        broken: Time codes of damaged packets, or file names of unreadable frames.
        notes: Other notes for the user.
        incomplete: Description of data missing at the end of the video; empty if the video is complete.
        resized: Numbers of the frames whose size differs from the first frame, by the text of their note.
    """

    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: str = ""
    resized: dict[str, list[int]] = field(default_factory=dict)

    def lines(self) -> tuple[str, ...]:
        """Return a short message for each problem and note."""
        lines = [self.incomplete, *self.notes] if self.incomplete else [*self.notes]
        for note, numbers in self.resized.items():
            starts = [number for number in numbers if number - 1 not in numbers]
            ends = [number for number in numbers if number + 1 not in numbers]
            spans = [
                f"{first} to {last}" if first < last else f"{first}"
                for first, last in zip(starts, ends, strict=True)
            ]
            lines.append(f"frames {_listed(spans)} {note}")
        if self.broken:
            lines.insert(0, f"{len(self.broken)} damaged frames, at {_listed(self.broken)}")
        return tuple(lines)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (" ..." if len(names) > _LISTED else "")


def count_selected(count: int | None, selected: range) -> int | None:
    """Return the number of selected frames of a film with ``count`` frames; None if it is unknown."""
    if count is None:
        return None if selected == ALL_FRAMES or selected.stop == sys.maxsize else len(selected)
    return len(range(count)[selected.start : selected.stop])

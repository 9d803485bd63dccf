"""Frames of a video, and problems found while reading the video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from colorzoo.errors import ColorzooError

SAMPLES = 5
"""Number of frames that are tested for line art."""
_LISTED = 5  # maximum number of broken frames listed in a note


class VideoError(ColorzooError):
    """Error for a video that cannot be read, colorized or written."""


@dataclass(frozen=True)
class VideoFrame:
    """Frame of a video file or of a folder of frames.

    Attributes:
        number: Frame number, counted from 0.
        image: Image data: `colorzoo.apps.video.file.FileImage` or `colorzoo.apps.video.folder.FolderImage`.
    """

    number: int
    image: Any


@dataclass
class ReadIssues:
    """Problems found while reading a video or a folder of frames.

    Attributes:
        broken: Time codes of damaged packets, or file names of unreadable frames.
        notes: Other notes for the user.
        incomplete: Description of data missing at the end of the video; empty if the video is complete.
    """

    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: str = ""

    def lines(self) -> tuple[str, ...]:
        """Return a short message for each problem and note."""
        lines = [self.incomplete, *self.notes] if self.incomplete else [*self.notes]
        if self.broken:
            first = ", ".join(self.broken[:_LISTED]) + (" ..." if len(self.broken) > _LISTED else "")
            lines.insert(0, f"{len(self.broken)} damaged frames, at {first}")
        return tuple(lines)

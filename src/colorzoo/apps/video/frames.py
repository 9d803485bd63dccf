"""Frames of a video, problems found while reading the video, and detection of shot boundaries.

A frame starts a shot if it passes two tests: the histograms of its quadrants differ from the histograms of
the previous frame, and the two frames are uncorrelated. One test alone is not sufficient, because fast
motion also makes frames uncorrelated, and a flash also changes the histograms.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import ColorzooError

SAMPLES = 5
"""Number of frames that are tested for line art."""
_LISTED = 5  # maximum number of broken frames listed in a note
_SIZE = (64, 36)
_BINS = 32
_MIN_CHANGE = 0.2  # threshold of the histogram distance, measured on joined clips (docs/video.md)
_MAX_CORRELATION = 0.6


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


def group_shots(frames: Iterable[VideoFrame], starts: Container[int] = ()) -> Iterator[Iterator[VideoFrame]]:
    """Yield the frames of each shot; a shot must be consumed before the next shot is requested.

    Args:
        frames: Frames of a video in order.
        starts: Numbers of the first frame of each shot. If empty, the shots are detected.
    """
    detector, shot = ShotDetector(), 0

    def shot_number(frame: VideoFrame) -> int:
        nonlocal shot
        shot += frame.number in starts if starts else detector.starts(frame)
        return shot

    return (group for _, group in itertools.groupby(frames, shot_number))


class ShotDetector:
    """Detector of the first frame of each shot.

    Frames must be passed in order, because each frame is compared with the previous frame.
    """

    def __init__(self) -> None:
        # previous frame at a size of 64 x 36 pixels, and its histograms
        self._previous: tuple[NDArray[np.float32], NDArray[np.float64]] | None = None
        self._shape: tuple[int, ...] = ()

    def starts(self, frame: VideoFrame) -> bool:
        """Return whether a frame starts a shot.

        A shot starts at the first frame, after a cut, and when the frame size changes.
        """
        gray = frame.image.gray()
        previous_shape, self._shape = self._shape, gray.shape
        return self.is_cut(gray) or gray.shape != previous_shape

    def is_cut(self, gray: NDArray[np.uint8]) -> bool:
        """Return whether a frame follows a cut; True for the first frame.

        Args:
            gray: Gray frame ``(H, W)`` at any size.
        """
        small = cv2.resize(gray, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        histograms = _histograms(small)
        previous, self._previous = self._previous, (small, histograms)
        if previous is None:
            return True
        previous_small, previous_histograms = previous
        # the histogram distance in [0, 1], averaged over quadrants
        change = np.abs(previous_histograms - histograms).sum(axis=1).mean() / 2
        if change <= _MIN_CHANGE:
            return False
        # the correlation of the two frames in [-1, 1]; 0 if one frame is uniform
        a, b = previous_small - previous_small.mean(), small - small.mean()
        norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
        correlation = float((a * b).sum()) / norm if norm > 1 else 0.0
        return correlation < _MAX_CORRELATION


def _histograms(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the smoothed normalized histograms ``(4, bins)`` of the quadrants of a gray image ``(H, W)``."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    corners = ((top, left) for top in (0, rows) for left in (0, columns))
    quadrants = [image[top : top + rows, left : left + columns] for top, left in corners]
    counts = [cv2.calcHist([quadrant], [0], None, [_BINS], [0, 256]) for quadrant in quadrants]
    padded = np.pad(np.asarray(counts, np.float64).reshape(len(counts), -1), ((0, 0), (1, 1)))
    weights = (0.25, 0.5, 0.25)  # smoothed, because a slow fade moves values to adjacent bins
    smooth = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=1) @ weights
    return smooth / smooth.sum(axis=1, keepdims=True)

"""Frames of a video, problems found while reading the video, and detection of shot boundaries.

A frame starts a shot if it passes two tests: the histograms of its quadrants differ from the histograms of
the previous frame, and the two frames are uncorrelated. One test alone is not sufficient, because fast
motion also makes frames uncorrelated, and a flash also changes the histograms.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
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
_SIZE = (64, 36)
_BINS = 32
_MIN_CHANGE = 0.2  # threshold of the histogram distance, measured on joined clips (docs/video.md)
_MAX_CORRELATION = 0.6


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


def read_shots(
    frames: Iterable[VideoFrame],
    join: Sequence[int] = (),
    split: Sequence[int] = (),
    visit: Callable[[VideoFrame], None] = lambda _: None,
) -> list[range]:
    """Read a film, and return the frame numbers of each shot.

    Args:
        frames: Frames of a video in order.
        join: Numbers of frames at which a detected shot continues the previous shot.
        split: Numbers of frames at which a shot starts that is not detected.
        visit: Function called with each frame, so that the film is read only once.

    Raises:
        VideoError: No shot starts at a frame of ``join``, or a frame of ``split`` does not exist.
    """
    detector, starts, numbers = ShotDetector(), list[int](), list[int]()
    for frame in frames:
        size, number = detector.shape, frame.number
        is_start = detector.starts(frame)
        if number in join:
            if not is_start or not starts or detector.shape != size:
                reason = "the frame size changes" if is_start and starts else "no shot starts"
                raise VideoError(f"shots.join contains frame {number}, but {reason} at this frame")
            is_start = False
        if is_start or number in split:
            starts.append(number)
        numbers.append(number)
        visit(frame)
    for name, listed in (("join", join), ("split", split)):
        if missing := sorted(set(listed).difference(numbers)):
            raise VideoError(f"shots.{name} contains frame {missing[0]}, which the film does not have")
    if not starts:
        raise VideoError(NO_FRAMES)
    return [range(first, end) for first, end in itertools.pairwise([*starts, numbers[-1] + 1])]


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
        self.shape: tuple[int, ...] = ()  # of the previous frame

    def starts(self, frame: VideoFrame) -> bool:
        """Return whether a frame starts a shot.

        A shot starts at the first frame, after a cut, and when the frame size changes.
        """
        gray = frame.gray()
        previous_shape, self.shape = self.shape, gray.shape
        return self.is_cut(gray) or gray.shape != previous_shape

    def is_cut(self, gray: NDArray[np.uint8]) -> bool:
        """Return whether a frame follows a cut; True for the first frame.

        Args:
            gray: Gray frame ``(H, W)`` at any size.
        """
        small = cv2.resize(gray, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        # the smoothed normalized histograms ``(4, bins)`` of the quadrants
        rows, columns = small.shape[0] // 2, small.shape[1] // 2
        corners = ((top, left) for top in (0, rows) for left in (0, columns))
        quadrants = [small[top : top + rows, left : left + columns] for top, left in corners]
        counts = [cv2.calcHist([quadrant], [0], None, [_BINS], [0, 256]) for quadrant in quadrants]
        padded = np.pad(np.asarray(counts, np.float64).reshape(len(counts), -1), ((0, 0), (1, 1)))
        weights = (0.25, 0.5, 0.25)  # smoothed, because a slow fade moves values to adjacent bins
        smooth = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=1) @ weights
        histograms = smooth / smooth.sum(axis=1, keepdims=True)
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

"""Where one shot ends and the next begins.

A frame begins a shot if the gray values of its quarters are others than before *and* its picture has nothing
in common with the last one. Either alone fails: fast motion changes the picture, a flash the gray values.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (64, 36)
_BINS = 32
HISTOGRAM = 0.2  # share of gray values that changed; measured on joined clips, see docs/video.md
CORRELATION = 0.6


class ShotFinder:
    """Tells which frames begin a shot; frames are given in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def begins(self, gray: NDArray[np.uint8]) -> bool:
        """Say whether a frame begins a shot; the first one does.

        Args:
            gray: ``(H, W)``, of any size.
        """
        small = cv2.resize(gray, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, small
        if last is None:
            return True
        return changed(last, small) > HISTOGRAM and correlation(last, small) < CORRELATION


def changed(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the share of gray values, 0 to 1, that differ between two pictures; the mean of the quarters."""
    return float(np.abs(_histograms(first) - _histograms(second)).sum(axis=1).mean() / 2)


def correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return how alike two pictures are, -1 to 1; 0 where one of them is flat."""
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1 else 0.0


def _histograms(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
    quarters = (
        picture[top : top + rows, left : left + columns] for top in (0, rows) for left in (0, columns)
    )
    return np.stack([_histogram(quarter) for quarter in quarters])


def _histogram(part: NDArray[np.float32]) -> NDArray[np.float64]:
    counts = np.bincount((part / 256 * _BINS).astype(int).ravel(), minlength=_BINS)
    smooth = np.convolve(
        counts, (0.25, 0.5, 0.25), "same"
    )  # a slow fade moves values across the edges of bins
    shares: NDArray[np.float64] = smooth / max(smooth.sum(), 1)
    return shares

"""Line layer of a drawing: the ink relative to the paper, at full size and full bit depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Levels = NDArray[Any]
Map = NDArray[np.float32]
Darkness = NDArray[np.uint8]

INK = 64
"""Darkness from 0 to 255 above which a pixel separates regions."""
PROBE = 256
"""Shorter side in pixels of the copy for the tests of `is_line_art`."""
FEWEST_INK = 1e-4
"""Minimum fraction of line pixels in a drawing."""

_MOST_REMAPPED = 32_000  # pixels per side; cv2.remap supports at most 32,766
_PAPER_SIDE = 400  # shorter side in pixels of the copy from which the paper color is estimated
_PAPER_REACH = 12  # the paper is the maximum within 1/12 of the shorter side
_DARK = 0.35  # gray level below which a pixel is black
_CLOSED = 7  # width in pixels of the dark lines that are removed from the light parts, at the size `PROBE`
_LEAST_LIGHT_LINES = 0.55  # minimum fraction of the light parts that belongs to lines of white ink
_DOT = 0.006  # diameter of the largest screentone dot, as a fraction of the shorter side
_DOTS = 0.25  # fraction of the ink that must be dots before the dots count as tone
_DARKEST_MIDTONE, _LIGHTEST_MIDTONE = 0.15, 0.85  # 0 for the darkest ink and 1 for paper
_MOST_MIDTONES = 0.22  # maximum fraction in line art; samples have up to 0.16, paintings 0.3 and more
_MOST_INK = 0.45  # maximum fraction of ink
_UNEVEN = 0.04  # maximum standard deviation of the gray level of the visible paper
_LEAST_PAPER = 0.55  # minimum fraction of pixels with the gray level of paper
_CLEAN, _LEAST_CLEAN = 0.92, 0.75  # gray level relative to black paper, and minimum fraction of such pixels
_THIN = 5.0  # distance in pixels from the paper up to which ink belongs to a line, at the size `PROBE`
_LEAST_DRAWN = 0.9  # minimum fraction of ink that belongs to lines or is solid black
_FAINTEST = 10  # smallest darkness of faint lines
_NOISE = 6.0  # minimum difference of faint lines from the paper, in standard deviations of the paper
_LIGHT_INK = 1.5 * INK  # 90th percentile of the darkness of ink below which lines are faint
_LEAST_THIN = 0.75  # minimum fraction of faint ink that belongs to lines; tone has wide areas
_PAPER = 0.7  # minimum gray level of paper


@dataclass(frozen=True, eq=False)
class LineArt:
    """A drawing as ink on paper.

    Examples:
        >>> art = LineArt.read(np.full((48, 64), 240, np.uint8))
        >>> int(art.darkness.max()), float(art.transmission(0, 48).min())
        (0, 1.0)

    Attributes:
        levels: Stored pixel values, ``(H, W)`` or ``(H, W, 3)``, uint8, uint16 or float.
        paper: ``(h, w, 3)`` float32 in (0, 1], color of the paper at a reduced size.
        inverted: Whether the drawing has white ink on black paper. The paper is then the paper of the
            inverted image.
    """

    levels: Levels
    paper: Map
    inverted: bool

    @classmethod
    def read(cls, levels: Levels) -> LineArt:
        """Estimate the color of the paper: a smoothed maximum over a wide neighborhood.

        The ink is white if most pixels are black and the light parts are lines. A drawing with much black
        ink has wide light parts.

        Args:
            levels: ``(H, W)`` or ``(H, W, 3)``, uint8, uint16 or float.
        """
        small = _unit_rgb(shrink(levels, _PAPER_SIDE))
        inverted = bool(np.median(small.mean(2)) < _DARK)
        if inverted:
            light = (_unit_rgb(shrink(levels, PROBE)).mean(2) >= _DARK).astype(np.uint8)
            light = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((_CLOSED, _CLOSED), np.uint8))
            is_thin = cv2.distanceTransform(light, cv2.DIST_L2, 3)[light > 0] < _THIN
            inverted = bool(not is_thin.size or is_thin.mean() > _LEAST_LIGHT_LINES)
        if inverted:
            small = 1 - small
        reach = max(15, min(small.shape[:2]) // _PAPER_REACH) | 1
        paper = cv2.dilate(small, np.ones((reach, reach), np.uint8))
        # inside solid black that is wider than the neighborhood, the paper is the nearest paper
        gray = paper.mean(2)
        is_black = gray < _DARK * gray.max()
        if is_black.any():
            rows, columns = distance_transform_edt(is_black, return_distances=False, return_indices=True)
            paper = paper[rows, columns]
        paper = cv2.GaussianBlur(paper, (0, 0), reach / 3)
        return cls(levels, np.maximum(paper, 0.02), inverted)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.levels.shape[0], self.levels.shape[1]

    @property
    def white(self) -> float:
        """Level of the paper in [0, 1]: 1, or 0 below white ink."""
        return 0.0 if self.inverted else 1.0

    def rgb(self, first: int, last: int) -> Map:
        """Return the stored colors ``(rows, W, 3)`` in [0, 1] of rows ``first`` to ``last`` (exclusive)."""
        return _unit_rgb(self.levels[first:last])

    def transmission(self, first: int, last: int) -> Map:
        """Return the color of the ink relative to the paper in the rows ``first`` to ``last`` (exclusive).

        Returns:
            ``(rows, W, 3)`` in [0, 1]: 1 for paper, 0 for black ink.
        """
        rgb = self.rgb(first, last)
        if self.inverted:
            rgb = 1 - rgb
        # color of the paper in these rows
        height, width = self.shape
        rows = np.arange(first, min(last, height), dtype=np.float32)
        y = ((rows + 0.5) * self.paper.shape[0] / height - 0.5)[:, None]
        x = ((np.arange(width, dtype=np.float32) + 0.5) * self.paper.shape[1] / width - 0.5)[None]
        parts = []
        for left in range(0, width, _MOST_REMAPPED):
            part_x = x[:, left : left + _MOST_REMAPPED]
            columns, lines = (np.ascontiguousarray(each) for each in np.broadcast_arrays(part_x, y))
            parts.append(
                cv2.remap(self.paper, columns, lines, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            )
        return np.minimum(rgb / np.concatenate(parts, axis=1), 1)

    @cached_property
    def darkness(self) -> Darkness:
        """Ink that separates regions, ``(H, W)`` from 0 to 255.

        Screentone dots count as paper. The darkness of a drawing with faint lines only is increased.
        """
        darkness = np.empty(self.shape, np.uint8)
        for first in range(0, self.shape[0], 256):
            ink = self.transmission(first, first + 256)
            # four times as fast as the minimum along the last axis
            lightest = np.minimum(np.minimum(ink[..., 0], ink[..., 1]), ink[..., 2])
            darkness[first : first + 256] = np.rint(255 * (1 - lightest))
        return _without_screentone(_with_dark_lines(darkness))


def shrink_darkness(darkness: Darkness, size: tuple[int, int]) -> Darkness:
    """Resize a darkness map to ``size`` (height, width); thin lines keep about one pixel of ink.

    Examples:
        >>> shrink_darkness(np.zeros((96, 64), np.uint8), (24, 16)).shape
        (24, 16)
    """
    step = darkness.shape[0] / size[0]
    if step > 2:  # an average alone would fade lines that are thinner than one output pixel
        side = round(step / 2)
        darkness = cv2.dilate(darkness, np.ones((side, side), np.uint8))
    method = cv2.INTER_AREA if step > 1 else cv2.INTER_LINEAR
    return cv2.resize(darkness, size[::-1], interpolation=method)


def shrink(levels: Levels, side: int) -> Levels:
    """Return a copy of an image whose shorter side has at most ``side`` pixels.

    The longer side has at most 32,000 pixels.

    Examples:
        >>> shrink(np.zeros((48, 96, 3), np.uint8), 24).shape
        (24, 48, 3)
    """
    height, width = levels.shape[:2]
    scale = min(1.0, side / min(height, width), _MOST_REMAPPED / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(levels, size, interpolation=cv2.INTER_AREA)


def is_line_art(levels: Levels) -> bool:
    """Return whether an image ``(H, W)`` or ``(H, W, 3)`` has lines and solid black on even paper.

    Ink belongs to a line or is as dark as the darkest ink. The dark parts of photos are wide and have
    different gray levels. The ink can also be white on black paper.

    Examples:
        >>> is_line_art(np.full((32, 48), 120, dtype=np.uint8))
        False
    """
    art = LineArt.read(shrink(levels, PROBE))
    tones = _relative_tones(art)
    paper = art.paper.mean(2)[tones > _LIGHTEST_MIDTONE]
    if not paper.size or paper.std() > _UNEVEN:  # excludes most photos before their lines are extracted
        return False
    ink = (art.darkness >= INK).astype(np.uint8)
    if not FEWEST_INK <= ink.mean() <= _MOST_INK:
        return False
    if has_midtones(art):
        return False
    # most pixels must have the gray level of paper
    if art.inverted:  # stricter, because photos have dark backgrounds
        paper_share = (art.transmission(0, art.shape[0]).min(2) > _CLEAN).mean()
        least_share = _LEAST_CLEAN
    else:
        paper_share, least_share = (_unit_rgb(art.levels).mean(2) > _PAPER).mean(), _LEAST_PAPER
    if paper_share <= least_share:
        return False
    is_thin = cv2.distanceTransform(ink, cv2.DIST_L2, 3) < _THIN
    is_drawn = is_thin | (tones < _DARKEST_MIDTONE)
    return bool(is_drawn[ink > 0].mean() > _LEAST_DRAWN)


def has_midtones(art: LineArt) -> bool:
    """Return whether an image has the midtones of a photo or a painting, at a shorter side of `PROBE`."""
    tones = _relative_tones(art)
    is_midtone = (tones > _DARKEST_MIDTONE) & (tones < _LIGHTEST_MIDTONE)
    return bool(is_midtone.mean() > _MOST_MIDTONES)


def _relative_tones(art: LineArt) -> Map:
    """Return the gray level of each pixel: about 0 for the darkest ink and 1 for paper."""
    gray = art.transmission(0, art.shape[0]).mean(2)
    ink = min(float(np.quantile(gray, 0.01)), 0.7)
    tones: Map = (gray - ink) / max(_CLEAN - ink, 1e-3)
    return tones


def _unit_rgb(levels: Levels) -> Map:
    """Return pixels ``(H, W)`` or ``(H, W, 3)`` as float32 RGB ``(H, W, 3)`` in [0, 1]."""
    values = levels.astype(np.float32)
    if levels.dtype.kind == "u":
        values /= np.float32(np.iinfo(levels.dtype).max)
    return np.repeat(values[..., None], 3, 2) if values.ndim == 2 else values


def _with_dark_lines(darkness: Darkness) -> Darkness:
    """Increase the darkness of a drawing whose lines are all faint, such as light pencil lines."""
    # from the histogram, because large drawings need much memory
    counts = cv2.calcHist([darkness], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    steps = np.arange(256)
    paper = _quantile(counts, 0.5)
    noise = 1.4826 * _quantile(np.bincount(abs(steps - paper), counts), 0.5)  # standard deviation
    faintest = max(_FAINTEST, paper + _NOISE * noise)
    ink_counts = np.where(steps >= faintest, counts, 0)
    if faintest >= INK or not ink_counts.any():
        return darkness
    typical = _quantile(ink_counts, 0.9)
    if typical >= _LIGHT_INK:
        return darkness
    ink = (darkness >= faintest).astype(np.uint8)
    thin = _THIN * max(1.0, min(darkness.shape) / PROBE)
    is_thin = cv2.distanceTransform(ink, cv2.DIST_L2, 3)[ink > 0] < thin
    if is_thin.mean() < _LEAST_THIN:
        return darkness
    gain = min(255 / typical, INK / faintest)  # the noise of the paper stays below `INK`
    return cv2.convertScaleAbs(darkness, alpha=gain)


def _quantile(counts: NDArray[Any], fraction: float) -> int:
    """Return the quantile of integers from 0 that a histogram counts."""
    total = counts.cumsum()
    return int(np.searchsorted(total, fraction * total[-1]))


def _without_screentone(darkness: Darkness) -> Darkness:
    """Remove isolated dots if they make up a large part of the ink."""
    largest = max(2.0, _DOT * min(darkness.shape))
    ink = (darkness >= INK).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    is_dot = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) <= largest
    is_dot[0] = False
    if areas[is_dot].sum() <= _DOTS * areas[1:].sum():
        return darkness
    return np.where(is_dot[labels], 0, darkness).astype(np.uint8)

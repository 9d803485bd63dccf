"""The picture that travels through inference, and what its colors say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.inference.metadata import Metadata

FloatArray = NDArray[np.float32]
AlphaArray = NDArray[np.uint8] | NDArray[np.uint16]
Levels = NDArray[Any]  # uint8, uint16 or float32

_SAMPLES = 256  # a tint is judged on at most 256 x 256 pixels
_GRAY_SAMPLES = 1024  # and grayness, which is cheaper, on 1024 x 1024
_FEWEST = 64  # and fewer than these say nothing about a tint
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
IN_COLOR = "already in color"
"""What is said of a picture whose colors are no tint."""
_WHITE = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True)
class Picture:
    """A picture as read from a file, an array or PIL.

    Attributes:
        levels: sRGB, upright: (H, W) of a gray picture or (H, W, 3), as uint8, uint16, or float32 in [0, 1].
        alpha: (H, W) uint8 or uint16, the exact values of the source; None where it is opaque.
        bit_depth: 8 or 16, what the source holds per channel.
        metadata: EXIF, color profile and the like.
        notes: What the user may want to know about the reading, such as ``"first of 12 frames"``.
    """

    levels: Levels
    alpha: AlphaArray | None = None
    bit_depth: int = 8
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.levels.shape[1], self.levels.shape[0]

    @property
    def rgb(self) -> FloatArray:
        """(H, W, 3) float32 sRGB in [0, 1], made anew; a gray picture has three equal channels."""
        return as_rgb(self.levels)


def as_rgb(levels: Levels) -> FloatArray:
    """Return (H, W, 3) float32 in [0, 1] of gray or color levels."""
    values = unit_range(levels)
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def unit_range(levels: Levels) -> FloatArray:
    """Return float32 in [0, 1] of levels of any shape."""
    values = levels.astype(np.float32)
    if levels.dtype.kind == "u":
        values /= np.float32(np.iinfo(levels.dtype).max)
    return values


def without_copies(levels: Levels) -> Levels:
    """Return one plane (H, W) of a picture whose three channels are equal, other pictures as they are."""
    if levels.ndim == 2 or levels.dtype.kind == "f":
        return levels
    red = levels[..., 0]
    for rows in (slice(None, None, 64), slice(None)):  # a few rows tell most pictures in color
        if not all(np.array_equal(red[rows], levels[rows, :, channel]) for channel in (1, 2)):
            return levels
    return np.ascontiguousarray(red)


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored rows (H, W, ...) into the picture as seen, by EXIF orientation 1 to 8."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def is_gray(picture: Picture) -> bool:
    """Whether all but one pixel in a thousand have channels within 3 of 255 of each other.

    A large picture is judged on a regular sample of about a million pixels.
    """
    if picture.levels.ndim == 2:
        return True
    red, green, blue = _sampled(picture.levels, _GRAY_SAMPLES).T  # by channel: ten times faster than by pixel
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(np.mean(spread > 3.01 / 255) <= 0.001)


def is_tinted(picture: Picture) -> bool:
    """Whether the picture is gray seen through a tint: sepia, cyanotype, a yellowed scan.

    In a tinted picture chroma depends on lightness alone, so what is left of ab after the mean of each
    lightness is taken away is small. A picture of strong chroma, such as a blue wall, is no tint.
    """
    return not is_gray(picture) and _is_tinted(_sampled_lab(picture.levels))


def _is_tinted(lab: NDArray[np.float64]) -> bool:
    """Do as `is_tinted` for ``(N, 3)`` Lab of a picture that is not gray."""
    ab = lab[:, 1:]
    if np.percentile(np.hypot(ab[:, 0], ab[:, 1]), 95) > 50:
        return False
    bins = np.clip(lab[:, 0] / 100 * 16, 0, 15).astype(int)
    count = np.maximum(np.bincount(bins, minlength=16), 1)
    means = np.stack([np.bincount(bins, ab[:, i], 16) / count for i in (0, 1)], axis=1)
    freedom = len(ab) - len(np.unique(bins))
    if freedom < _FEWEST:
        return False
    return bool(np.sqrt(np.sum((ab - means[bins]) ** 2) / (2 * freedom)) < 2.5)


def chroma_note(picture: Picture) -> str | None:
    """Say what colorizing will do to the color already there: None for a gray picture."""
    if is_gray(picture):
        return None
    lab = _sampled_lab(picture.levels)
    if not _is_tinted(lab):
        return IN_COLOR
    a, b = lab[:, 1:].mean(axis=0)
    sepia = 30 <= np.degrees(np.arctan2(b, a)) <= 120
    return "sepia tint dropped" if sepia else "tint dropped"


def _sampled(levels: Levels, side: int) -> FloatArray:
    """(N, 3) pixels in [0, 1] at equal steps, at most `side` in each direction."""
    step_y, step_x = (max(1, -(-length // side)) for length in levels.shape[:2])
    return as_rgb(levels[::step_y, ::step_x]).reshape(-1, 3)


def _sampled_lab(levels: Levels) -> NDArray[np.float64]:
    """(N, 3) CIE Lab of a regular sample of pixels."""
    sample = _sampled(levels, _SAMPLES).astype(np.float64)
    linear = np.where(sample <= 0.04045, sample / 12.92, ((sample + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness = 116 * f[:, 1] - 16
    return np.stack([lightness, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)

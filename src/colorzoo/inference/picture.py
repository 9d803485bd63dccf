"""The picture that travels through inference, and what its colors say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.inference.metadata import Metadata

FloatArray = NDArray[np.float32]
AlphaArray = NDArray[np.uint8] | NDArray[np.uint16]

_SAMPLES = 256  # a tint is judged on at most 256 x 256 pixels
_GRAY_SAMPLES = 1024  # and grayness, which is cheaper, on 1024 x 1024
_FEWEST = 64  # and fewer than these say nothing about a tint
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True)
class Picture:
    """A picture as read from a file, an array or PIL.

    Attributes:
        rgb: (H, W, 3) float32 sRGB in [0, 1], upright; a gray picture has three equal channels.
        alpha: (H, W) uint8 or uint16, the exact values of the source; None where it is opaque.
        bit_depth: 8 or 16, what the source holds per channel.
        metadata: EXIF, color profile and the like.
        notes: What the user may want to know about the reading, such as ``"first of 12 frames"``.
    """

    rgb: FloatArray
    alpha: AlphaArray | None = None
    bit_depth: int = 8
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


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
    spread = np.ptp(_sampled(picture.rgb, _GRAY_SAMPLES), axis=-1)
    return bool(np.mean(spread > 3.01 / 255) <= 0.001)


def is_tinted(picture: Picture) -> bool:
    """Whether the picture is gray seen through a tint: sepia, cyanotype, a yellowed scan.

    In a tinted picture chroma depends on lightness alone, so what is left of ab after the mean of each
    lightness is taken away is small. A picture of strong chroma, such as a blue wall, is no tint.
    """
    if is_gray(picture):
        return False
    lab = _sampled_lab(picture.rgb)
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
    if not is_tinted(picture):
        return "already in color"
    a, b = _sampled_lab(picture.rgb)[:, 1:].mean(axis=0)
    sepia = 30 <= np.degrees(np.arctan2(b, a)) <= 120
    return "sepia tint dropped" if sepia else "tint dropped"


def _sampled(rgb: FloatArray, side: int) -> FloatArray:
    """(N, 3) pixels at equal steps, at most `side` in each direction."""
    step_y, step_x = (max(1, -(-length // side)) for length in rgb.shape[:2])
    return rgb[::step_y, ::step_x].reshape(-1, 3)


def _sampled_lab(rgb: FloatArray) -> NDArray[np.float64]:
    """(N, 3) CIE Lab of a regular sample of pixels."""
    sample = _sampled(rgb, _SAMPLES).astype(np.float64)
    linear = np.where(sample <= 0.04045, sample / 12.92, ((sample + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness = 116 * f[:, 1] - 16
    return np.stack([lightness, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)

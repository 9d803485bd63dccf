"""`RasterImage`, gray detection, and conversion of pixels for results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.image_io.metadata import Metadata
from colorzoo.pixels.raster import BAND, AlphaArray, Levels, Raster, RasterT, as_rgb, blend, unit_range

_TINT_SIDE = 256  # tint detection samples at most 256 x 256 pixels
_GRAY_SIDE = 1024  # gray detection samples at most 1024 x 1024 pixels
_MAX_TINT_CHROMA = 50  # maximum 95th percentile of the chroma of a tinted image, in CIE units
_MAX_DEVIATION = 2.5  # maximum deviation of ab from a parabola in a tinted image, in CIE units (RMS)
_MIN_SAMPLES = 64  # fewer samples cannot distinguish a tint from colors
IN_COLOR = "already in color"
"""Note of `chroma_note` for an image that has colors."""
_LEAST_ALPHA = 1 / 1024  # alpha in [0, 1] below which resampled pixels are transparent
_KEPT_ALPHA = 0.25  # part of the largest alpha from which `fill_hidden` keeps colors
_FILL_SIDE = 1024  # maximum longer side in pixels at which `fill_hidden` computes colors


@dataclass(frozen=True)
class RasterImage(Raster):
    """Image with pixels, alpha and metadata, as read from a file; the pixels are upright.

    Examples:
        >>> image = RasterImage(np.zeros((32, 48, 3), dtype=np.float32))
        >>> image.size
        (48, 32)

    Attributes:
        metadata: Metadata of the source file, such as EXIF and color profile.
    """

    metadata: Metadata = field(default_factory=Metadata)


def quantized(rgb: Levels, alpha_of: Raster | None, depth: int) -> NDArray[Any]:
    """Convert colorized pixels to 8-bit or 16-bit integers and append an alpha channel.

    Args:
        rgb: ``(H, W, 3)`` sRGB: uint8, uint16, or float, which is clipped to [0, 1].
        alpha_of: Image whose alpha channel is appended; None appends no alpha channel.
        depth: Bits per channel of the returned array, 8 or 16. Colors and alpha are rounded to this depth.

    Returns:
        Array of type uint8 or uint16. The shape is ``(H, W, 4)`` with alpha, or ``(H, W, 3)`` if ``alpha_of``
        is None or opaque.
    """
    integer_type = np.uint16 if depth == 16 else np.uint8
    color: Levels = rgb
    if rgb.dtype != integer_type:
        color = np.empty(rgb.shape, dtype=integer_type)
        maximum = np.float32(np.iinfo(integer_type).max)
        for first in range(0, len(rgb), BAND):  # rounded in bands, because float copies need much memory
            rows = slice(first, first + BAND)
            color[rows] = np.rint(np.clip(unit_range(rgb[rows]), 0, 1) * maximum)
    if alpha_of is None or alpha_of.alpha is None:
        return np.ascontiguousarray(color)
    return np.dstack([color, alpha_of_depth(alpha_of.alpha, depth)])


def alpha_of_depth(alpha: AlphaArray, depth: int) -> AlphaArray:
    """Convert an alpha channel to integers of 8 or 16 bits."""
    if alpha.dtype.itemsize * 8 == depth:
        return alpha
    if depth == 16:
        return alpha.astype(np.uint16) * np.uint16(257)  # maps 255 to 65,535
    return ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)


def resample_visible(
    levels: Levels, alpha: AlphaArray | None, resample: Callable[[Levels], Levels]
) -> Levels:
    """Resample pixels weighted by their alpha, so that transparent pixels do not change visible colors.

    The alpha channel itself is not returned; the caller must resample it too.

    Args:
        levels: Pixels ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float in [0, 1].
        alpha: Alpha channel ``(H, W)``, uint8 or uint16; None for an opaque image.
        resample: Linear function that resamples an image of any data type and number of channels, and returns
            a new array of the same type.

    Returns:
        Resampled colors, which are not premultiplied, in the data type of ``levels``. Pixels whose resampled
        alpha is at most 1/1024 are resampled without weights.
    """
    resampled = resample(levels)
    if alpha is None:
        return resampled
    opacity = unit_range(alpha)
    resampled_opacity = resample(opacity)
    is_visible = resampled_opacity > _LEAST_ALPHA
    if levels.ndim == 3:  # all channels have the same opacity
        opacity, resampled_opacity = opacity[..., None], resampled_opacity[..., None]
    # weighted mean of the colors: the sum of color times opacity, divided by the sum of the opacities
    colors = resample(levels * opacity)[is_visible] / resampled_opacity[is_visible]
    if levels.dtype.kind == "f":
        resampled[is_visible] = colors.clip(0, 1)
    else:
        resampled[is_visible] = np.rint(colors.clip(0, float(np.iinfo(levels.dtype).max)))
    return resampled


def fill_hidden(image: RasterT) -> RasterT:
    """Fill transparent pixels with the visible colors around them; return an opaque image unchanged.

    A network, a color palette or an inpainting method that uses the result does not depend on the hidden
    colors of transparent pixels. Pixels keep their colors if their alpha is at least a quarter of the largest
    alpha. Below this alpha, they are mixed with the fill. An image without a visible pixel becomes gray.

    Examples:
        >>> levels, alpha = np.array([[40, 255]], np.uint8), np.array([[255, 0]], np.uint8)
        >>> fill_hidden(RasterImage(levels, alpha)).levels
        array([[40, 40]], dtype=uint8)
    """
    if image.alpha is None:
        return image
    import cv2  # few images are transparent

    opacity = unit_range(image.alpha)
    if not opacity.any():
        return replace(image, levels=blend(image.levels, image.alpha, 0.5), alpha=None)
    opacity = np.minimum(opacity / (_KEPT_ALPHA * opacity.max()), 1)
    if opacity.min() == 1:
        return replace(image, alpha=None)
    levels = unit_range(image.levels) * (opacity if image.levels.ndim == 2 else opacity[..., None])
    # pull: premultiplied means of larger and larger cells
    scale = min(1, _FILL_SIDE / max(opacity.shape))
    size = [max(1, round(length * scale)) for length in reversed(opacity.shape)]
    pyramid = [[cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (levels, opacity)]]
    del levels
    while max(size) > 1:
        size = [(length + 1) // 2 for length in size]
        pyramid.append([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in pyramid[-1]])
    # push: the transparent part of each cell gets the color of the larger cell
    filled = pyramid[-1][0] / pyramid[-1][1].max()
    for colors, share in reversed(pyramid):
        larger = cv2.resize(filled, colors.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        filled = colors + larger * (1 - (share if colors.ndim == 2 else share[..., None]))
    background = cv2.resize(filled, opacity.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return replace(image, levels=blend(image.levels, opacity, background), alpha=None)


def is_gray(image: Raster) -> bool:
    """Return whether an image is gray.

    An image is gray if at most 0.1 % of its pixels have channels that differ by more than 3 of 255 levels on
    a gray background. Transparent pixels do not differ. At most 1024 x 1024 pixels on a regular grid are
    tested.
    """
    if image.levels.ndim == 2:
        return True
    # the maximum of three arrays is ten times faster than the maximum over the last axis
    red, green, blue = as_rgb(_sampled(image.levels, _GRAY_SIDE)).reshape(-1, 3).T
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    if image.alpha is not None:
        spread = spread * unit_range(_sampled(image.alpha, _GRAY_SIDE)).ravel()
    return bool(np.mean(spread > 3.01 / 255) <= 0.001)


def chroma_note(image: Raster) -> str | None:
    """Return a note if an image has colors or a tint; None for a gray image.

    The note informs the user that colorization replaces these colors. Colors of transparent pixels do not
    count.
    """
    if is_gray(image):
        return None
    # imported here, because torch takes a second to import and reading images does not require it
    import torch

    from colorzoo.color.lab import linear_rgb_to_lab
    from colorzoo.color.levels import linear_of

    pixels = as_rgb(_sampled(image.levels, _TINT_SIDE)).reshape(-1, 3)
    linear = linear_of(pixels.astype(np.float64))
    lab = linear_rgb_to_lab(torch.from_numpy(linear.T)).T.numpy()  # (N, 3)
    if image.alpha is not None:
        opacity = _sampled(image.alpha, _TINT_SIDE).ravel()
        lab = lab[opacity >= 0.5 * opacity.max()]
    if not _is_tinted(lab):
        return IN_COLOR
    a, b = lab[:, 1:].mean(axis=0)
    sepia = 30 <= np.degrees(np.arctan2(b, a)) <= 120
    return "sepia tint dropped" if sepia else "tint dropped"


def _is_tinted(lab: NDArray[np.float64]) -> bool:
    """Return whether Lab pixels ``(N, 3)`` have a tint, such as sepia, instead of colors.

    In a tinted image, ab is a smooth function of lightness, so the pixels are close to a parabola over
    lightness. The threshold is lower for images with few colors, because few colors are closer to a parabola.
    Images with at most four colors must have a single hue. Images with strong chroma, such as a blue wall, do
    not count as tinted.
    """
    lightness, ab = lab[:, 0], lab[:, 1:]
    if len(ab) < _MIN_SAMPLES or np.percentile(np.hypot(ab[:, 0], ab[:, 1]), 95) > _MAX_TINT_CHROMA:
        return False
    color_count = len(np.unique(lab, axis=0))
    if color_count <= 4:
        a, b = ab.mean(axis=0)
        from_mean_hue = ab @ [-b, a]  # perpendicular to the mean, multiplied by its chroma
        return bool(np.sqrt(np.mean(from_mean_hue**2)) < 2.5 * np.hypot(a, b))
    powers = np.vander(lightness / 100, 3)
    residual = powers @ np.linalg.lstsq(powers, ab, rcond=None)[0] - ab
    deviation = np.sqrt(np.mean(residual**2))
    return bool(deviation < (_MAX_DEVIATION if color_count > 256 else _MAX_DEVIATION / 2))


def _sampled(levels: Levels, side: int) -> Levels:
    """Return the pixels on a grid of at most ``side`` rows and columns."""
    step_y, step_x = (max(1, -(-length // side)) for length in levels.shape[:2])
    return levels[::step_y, ::step_x]

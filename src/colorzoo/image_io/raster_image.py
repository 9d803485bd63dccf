"""`RasterImage`, gray detection, and conversion of stored pixels to sRGB.

imagecodecs applies color profiles with LittleCMS. Pillow is not used for this step, because it supports only
8 bits and converts gray profiles with errors of up to 9 of 255 levels in dark pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from imagecodecs import CMS, cms_transform
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colorzoo.errors import ImageError
from colorzoo.image_io.metadata import Metadata

FloatArray = NDArray[np.float32]
AlphaArray = NDArray[np.uint8] | NDArray[np.uint16]
Levels = NDArray[Any]  # uint8, uint16 or float32

_TINT_SIDE = 256  # tint detection samples at most 256 x 256 pixels
_GRAY_SIDE = 1024  # gray detection samples at most 1024 x 1024 pixels
_MAX_TINT_CHROMA = 50  # maximum 95th percentile of the chroma of a tinted image, in CIE units
_MAX_DEVIATION = 2.5  # maximum deviation of ab from a parabola in a tinted image, in CIE units (RMS)
_MIN_SAMPLES = 64  # fewer samples cannot distinguish a tint from colors
IN_COLOR = "already in color"
"""Note of `chroma_note` for an image that has colors."""
_LIGHTEST_INK = 0.9  # gray level in [0, 1]; on white paper, lighter ink is not visible
_LEAST_ALPHA = 1 / 1024  # alpha in [0, 1] below which resampled pixels are transparent
_KEPT_ALPHA = 0.25  # part of the largest alpha from which `fill_hidden` keeps colors
_FILL_SIDE = 1024  # maximum longer side in pixels at which `fill_hidden` computes colors
_BAND = 64  # rows that fit into the CPU cache


@dataclass(frozen=True)
class RasterImage:
    """Image with pixels, alpha and metadata, as read from a file.

    Examples:
        >>> image = RasterImage(np.zeros((32, 48, 3), dtype=np.float32))
        >>> image.size
        (48, 32)

    Attributes:
        levels: Upright sRGB pixels, ``(H, W)`` for gray or ``(H, W, 3)``: uint8, uint16, or float32 in [0,
            1].
        alpha: Alpha channel as stored in the file, ``(H, W)`` uint8 or uint16; None for an opaque image.
        bit_depth: Bits per channel of the source, 8 or 16.
        metadata: Metadata of the source file, such as EXIF and color profile.
        notes: Notes for the user about the conversion, such as ``"first of 12 frames"``.
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
        """``(H, W, 3)`` float32 sRGB in [0, 1], computed on each access."""
        return as_rgb(self.levels)


def as_rgb(levels: Levels) -> FloatArray:
    """Convert gray or color pixels to float32 RGB ``(H, W, 3)`` in [0, 1].

    Args:
        levels: ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float in [0, 1].
    """
    values = unit_range(levels)
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def quantized(rgb: Levels, alpha_of: RasterImage | None, depth: int) -> NDArray[Any]:
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
        for first in range(0, len(rgb), _BAND):  # rounded in bands, because float copies need much memory
            rows = slice(first, first + _BAND)
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


def unit_range(levels: Levels) -> FloatArray:
    """Convert pixel values of any shape to float32; scale uint8 and uint16 to [0, 1].

    Float values, which should be in [0, 1], are neither scaled nor clipped.
    """
    values = levels.astype(np.float32)
    if levels.dtype.kind == "u":
        values /= np.float32(np.iinfo(levels.dtype).max)
    return values


def composite_on_white(image: RasterImage) -> RasterImage:
    """Composite a transparent image on white; return an opaque image unchanged."""
    if image.alpha is None:
        return image
    return replace(image, levels=_blend(image.levels, image.alpha, 1), alpha=None)


def composite_on_paper(image: RasterImage) -> RasterImage:
    """Composite a transparent drawing on white paper, or on black paper if its ink is white.

    The ink is white if most of the image is transparent and the drawing is blank on white paper. An opaque
    image is returned unchanged.
    """
    if image.alpha is None:
        return image
    on_white = composite_on_white(image)
    if not image.alpha.any():
        return on_white
    opacity = image.alpha.mean() / np.iinfo(image.alpha.dtype).max
    is_mostly_transparent = opacity < 0.5  # erased pixels can have an alpha above 0
    is_blank = unit_range(on_white.levels).min() > _LIGHTEST_INK
    if is_mostly_transparent and is_blank:
        return replace(image, levels=_blend(image.levels, image.alpha, 0), alpha=None)
    return on_white


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


def fill_hidden(image: RasterImage) -> RasterImage:
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
        return replace(image, levels=_blend(image.levels, image.alpha, 0.5), alpha=None)
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
    return replace(image, levels=_blend(image.levels, opacity, background), alpha=None)


def _blend(levels: Levels, alpha: AlphaArray | FloatArray, background: float | FloatArray) -> Levels:
    """Composite transparent pixels on a background; integer pixels keep their type.

    Args:
        levels: Pixels ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float in [0, 1].
        alpha: Alpha channel ``(H, W)``: uint8, uint16, or float in [0, 1].
        background: Gray level of the background in [0, 1], 1 for white and 0 for black; or an image with the
            shape of ``levels``.
    """
    opacity = unit_range(alpha) if levels.ndim == 2 else unit_range(alpha)[..., None]
    blended = unit_range(levels) * opacity + background * (1 - opacity)
    if levels.dtype.kind == "f":
        return blended
    return np.rint(blended * np.float32(np.iinfo(levels.dtype).max)).astype(levels.dtype)


def drop_equal_channels(levels: Levels, alpha: AlphaArray | None = None) -> Levels:
    """Return one channel ``(H, W)`` of integer pixels ``(H, W, 3)`` if all three channels are equal.

    Other pixels, including float pixels, are returned unchanged. Hidden colors of transparent pixels are not
    compared, because gray and color images are rounded differently.

    Args:
        levels: Pixels.
        alpha: Alpha channel ``(H, W)``; None for an opaque image.
    """
    if levels.dtype.kind == "f":
        return levels
    # every 64th row first, because it detects most color images quickly
    for rows in (slice(None, None, 64), slice(None)):
        visible = levels[rows] if alpha is None else levels[rows][alpha[rows] > 0]
        if not all(np.array_equal(visible[..., 0], visible[..., channel]) for channel in (1, 2)):
            return levels
    return np.ascontiguousarray(levels[..., 0])


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate and flip an array ``(H, W, ...)`` according to its EXIF orientation.

    The orientation is a number from 1 to 8.
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def is_gray(image: RasterImage) -> bool:
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


def chroma_note(image: RasterImage) -> str | None:
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


@dataclass(frozen=True)
class Pixels:
    """Decoded sRGB pixels before EXIF rotation.

    Attributes:
        levels: sRGB, ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float32 in [0, 1].
        alpha: ``(H, W)`` uint8 or uint16; None for an opaque image.
        bit_depth: Bits per channel of the source, 8 or 16.
        icc: sRGB profile of ``levels``; None if the source has no color profile.
        notes: Notes for the user about conversions and dropped data.
    """

    levels: Levels
    alpha: AlphaArray | None
    bit_depth: int = 8
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


class ProfileError(ValueError):
    """Error for a color profile that is damaged, unsupported, or for another color space."""


def array_pixels(array: NDArray[Any]) -> Pixels:
    """Convert an sRGB array of uint8, uint16 or floats in [0, 1] to `Pixels`.

    Args:
        array: ``(H, W)`` or ``(H, W, 1)`` gray, ``(H, W, 3)`` RGB, or ``(H, W, 4)`` RGB with alpha.

    Raises:
        ImageError: The shape, type or range of the array is not supported.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"the array must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    channels = array.shape[2]
    is_float = array.dtype.kind == "f"
    if not is_float and array.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"the pixel type must be uint8, uint16 or float, got {array.dtype}")
    if is_float and not (array.min() >= 0 and array.max() <= 1):
        raise ImageError(f"pixels of type float must be in [0, 1], got {array.min()} to {array.max()}")
    color = array[..., 0] if channels == 1 else array[..., :3]
    levels = color.astype(np.float32 if is_float else array.dtype)  # a copy
    alpha = None
    if channels == 4:
        stored_alpha = array[..., 3]
        if is_float:  # float16 numbers are at most 65504
            alpha = np.round(stored_alpha.astype(np.float32) * 65535).astype(np.uint16)
        else:
            alpha = stored_alpha.copy()
    return Pixels(levels, alpha, bit_depth=8 if array.dtype == np.uint8 else 16)


def image_pixels(image: Image.Image) -> Pixels:
    """Convert a PIL image of at most 8 bits per channel to sRGB `Pixels`.

    The color profile of the image is applied.
    """
    profile = image.info.get("icc_profile") or None  # an empty profile is ignored
    alpha = None
    opaque_mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        image = image.convert(f"{opaque_mode}A")
        alpha = np.asarray(image.getchannel("A")).copy()
    if image.mode not in (opaque_mode, "CMYK"):
        image = image.convert(opaque_mode)  # the variable is reused so that the image with alpha is freed
    channels = len(image.getbands())
    size = (image.height, image.width)
    levels = np.empty(size if channels == 1 else (*size, channels), np.uint8)
    # a band of rows at a time, because np.asarray(image) makes three copies
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        levels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    pixels = Pixels(levels, alpha)
    return with_profile(pixels, profile) if profile or image.mode == "CMYK" else pixels


def with_profile(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Convert gray, RGB or CMYK pixels to sRGB.

    Gray and RGB pixels without a valid profile are assumed to be sRGB. CMYK pixels without a valid profile
    are converted by a simple formula.

    Args:
        pixels: Pixels before the conversion; ``levels`` has the shape ``(H, W, 4)`` for CMYK.
        profile: ICC profile of the pixels, or None.
    """
    is_cmyk = pixels.levels.ndim == 3 and pixels.levels.shape[2] == 4
    problem = ""
    if profile is not None:
        try:
            levels, icc = to_srgb(pixels.levels, profile)
        except ProfileError as error:
            problem = f"{error}; "
        else:
            notes = (*pixels.notes, "converted from CMYK") if is_cmyk else pixels.notes
            return replace(pixels, levels=levels, icc=icc, notes=notes)
    if is_cmyk:
        paper = 1 - unit_range(pixels.levels)  # part of the paper that each ink leaves free
        rgb = paper[..., :3] * paper[..., 3:]  # each color ink absorbs one of R, G and B; black absorbs all
        note = f"{problem}converted from CMYK without a color profile"
        return replace(pixels, levels=rgb, notes=(*pixels.notes, note))
    if problem:
        return replace(pixels, notes=(*pixels.notes, f"{problem}pixels were interpreted as sRGB"))
    return pixels


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return an sRGB ICC profile, which is embedded in output files.

    The profile has a fixed creation time, so that output files are reproducible.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">6H", profile, 24, 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def to_srgb(pixels: NDArray[Any], profile: bytes) -> tuple[NDArray[Any], bytes]:
    """Convert gray, RGB or CMYK pixels of any type to sRGB.

    The shape is ``(H, W)`` for gray, ``(H, W, 3)`` for RGB and ``(H, W, 4)`` for CMYK. The result is
    uint8 for uint8 color pixels, and float for other pixels.

    Args:
        pixels: Pixels before the conversion.
        profile: ICC profile of the pixels.

    Returns:
        Converted pixels and an sRGB profile. If ``profile`` is already an sRGB profile, ``pixels`` and
        ``profile`` are returned unchanged.

    Raises:
        ProfileError: The profile is damaged, or does not match the color space of the pixels.
    """
    space = profile[16:20].decode("latin-1").strip()  # field of the ICC header
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    pixel_space = {1: "GRAY", 3: "RGB", 4: "CMYK"}[channels]
    is_gray_with_rgb_profile = pixel_space == "GRAY" and space == "RGB"
    if space != pixel_space and not is_gray_with_rgb_profile:
        raise ProfileError(f"the color profile is for {space}, but the pixels are {pixel_space}")
    if space == "RGB" and _is_srgb(profile):
        return pixels, profile
    if is_gray_with_rgb_profile:
        pixels = as_rgb(pixels)
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return _converted(pixels, profile, space, "uint8"), srgb_profile()
    values = unit_range(pixels)
    if space == "CMYK":  # LittleCMS expects ink in percent for floats
        values *= 100
    return np.clip(_converted(values, profile, space, "float32"), 0, 1), srgb_profile()


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Return whether a profile changes colors by at most 2 of 255 levels."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    change = _converted(lattice, profile, "RGB", "uint8").astype(int) - lattice
    return bool(np.abs(change).max() <= 2)


def _converted(pixels: NDArray[Any], profile: bytes, space: str, dtype: str) -> NDArray[Any]:
    # Matrix profiles use the relative colorimetric intent, because the perceptual intent compensates the
    # black point, even if it was raised on purpose. Profiles with tables use the perceptual intent.
    tag_count = min(int.from_bytes(profile[128:132], "big"), 100)
    tag_table = profile[132 : 132 + 12 * tag_count]  # 12 bytes for each tag, starting with its name
    has_table = b"A2B0" in {tag_table[start : start + 4] for start in range(0, len(tag_table), 12)}
    try:
        converted: NDArray[Any] = cms_transform(
            np.ascontiguousarray(pixels),
            profile,
            srgb_profile(),
            colorspace=space.lower(),
            outcolorspace="rgb",
            outdtype=dtype,
            intent=CMS.INTENT.PERCEPTUAL if has_table else CMS.INTENT.RELATIVE_COLORIMETRIC,
        )
    except (RuntimeError, ValueError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error
    return converted

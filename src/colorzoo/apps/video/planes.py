"""Conversion between the Y'CbCr planes of a video frame and CIE Lab.

The conversion uses the color matrix and range of the frame. The lightness is computed from Y' alone, so
adding ab = 0 does not change a gray frame. This module converts colors in float32, because swscale rounds
intermediate values and treats every untagged frame as BT.601.

The output planes are interpolated from tables, which is five times as fast as a conversion of each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.apps.video.container import BT709, SMPTE170M, default_color_matrix
from colorzoo.color import lab_to_rgb_in_gamut
from colorzoo.inference import FullLightness
from colorzoo.pixels.raster import FloatArray

_WEIGHTS = {  # weights of red and blue in Y' for each color matrix (code point of ITU-T H.273)
    BT709: (0.2126, 0.0722),
    5: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
LIMITED_RANGE, FULL_RANGE = 1, 2  # codes of FFmpeg
_FARTHEST, _APART = 128, 8  # range of ab in the table and spacing of its entries, in CIE units


@dataclass(frozen=True)
class Layout:
    """Pixel format and color matrix of a frame.

    Attributes:
        across: Horizontal subsampling factor of the chroma, 1 or 2.
        down: Vertical subsampling factor of the chroma, 1 or 2.
        bits: Bits per sample.
        full: Whether samples use the full range instead of the limited range (16 to 235 for 8 bits).
        matrix: Color matrix, as a code point of ITU-T H.273.
    """

    across: int
    down: int
    bits: int
    full: bool
    matrix: int

    @property
    def name(self) -> str:
        """FFmpeg name of the pixel format."""
        kind = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}[self.across, self.down]
        return f"yuv{kind}p" + ("" if self.bits == 8 else f"{self.bits}le")

    @property
    def level(self) -> float:
        """Difference of two neighboring levels of an 8-bit frame with the same range, as sample values."""
        return (2.0**self.bits - 1) / 255 if self.full else 2.0 ** (self.bits - 8)

    @property
    def luma_scale(self) -> tuple[float, float]:
        """Black level of Y', and difference between the white and black levels, as sample values."""
        unit = 2.0 ** (self.bits - 8)
        return (0.0, 2.0**self.bits - 1) if self.full else (16 * unit, 219 * unit)

    @property
    def chroma_scale(self) -> tuple[float, float]:
        """Sample value of Cb and Cr for gray, and difference of their highest and lowest values."""
        unit = 2.0 ** (self.bits - 8)
        return 128 * unit, 2.0**self.bits - 1 if self.full else 224 * unit


def layout_of(frame: Any) -> Layout:
    """Return the pixel format of a PyAV frame; RGB frames are treated as YUV 4:4:4."""
    parts, height = frame.format.components, frame.format.height
    bits = 12 if parts[0].bits == 12 else 10  # other depths above 8 bits are converted to 10 bits
    if max(part.bits for part in parts) <= 8:
        bits = 8
    matrix = frame.colorspace if frame.colorspace in _WEIGHTS else default_color_matrix(height)
    if is_rgb(frame.format):
        return Layout(1, 1, bits, False, matrix)
    gray = len(parts) < 3
    across, down = 1, 1
    if not gray:
        down = 1 if parts[1].height == height else 2
        across = 1 if parts[1].width == parts[0].width and down == 1 else 2  # 4:4:0 is read as 4:2:0
    is_full = frame.format.name.startswith("yuvj") or (gray and frame.color_range == 0)
    return Layout(across, down, bits, is_full or frame.color_range == FULL_RANGE, matrix)


def is_rgb(form: Any) -> bool:
    """Return whether a pixel format stores RGB, palette colors, raw sensor data or XYZ."""
    return bool(form.is_rgb or form.has_palette or form.is_bayer or form.name.startswith("xyz"))


def read_luma(frame: Any) -> NDArray[Any]:
    """Return the luma Y' ``(H, W)`` of a PyAV frame, with the bits and range of `layout_of`."""
    layout = layout_of(frame)
    target_format = layout.name
    if len(frame.format.components) < 3 and not is_rgb(frame.format):
        target_format = "gray" if layout.bits == 8 else f"gray{layout.bits}le"
    if frame.format.name.replace("yuvj", "yuv") != target_format:
        target_range = FULL_RANGE if layout.full else LIMITED_RANGE
        colorspace = 5 if layout.matrix == SMPTE170M else layout.matrix
        frame = frame.reformat(
            format=target_format,
            src_color_range=FULL_RANGE if is_rgb(frame.format) else target_range,
            dst_color_range=target_range,
            src_colorspace=colorspace,
            dst_colorspace=colorspace,
        )
    return samples(frame.planes[0], layout.bits)


def samples(plane: Any, bits: int) -> NDArray[Any]:
    """Return the samples of a PyAV plane as an array ``(H, W)`` that shares its memory."""
    kind = np.uint8 if bits == 8 else np.uint16
    rows: NDArray[Any] = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width]


def lightness_of(luma: NDArray[Any], layout: Layout) -> Tensor:
    """Convert luma Y' ``(H, W)`` to lightness ``(1, 1, H, W)`` in [0, 100]."""
    table = _luma_table(layout.bits, layout.luma_scale)
    # OpenCV looks up values five times as fast, but supports only 8-bit indices
    light = cv2.LUT(luma, table) if layout.bits == 8 else table[luma]
    return torch.from_numpy(light)[None, None]


@cache
def _luma_table(bits: int, scale: tuple[float, float]) -> NDArray[np.float32]:
    """Return the lightness of each value of Y'."""
    black, span = scale
    gray = ((np.arange(2**bits, dtype=np.float32) - black) / span).clip(0, 1)
    return FullLightness(gray[None]).whole()[0, 0, 0].numpy()


def from_rgb(rgb: FloatArray, layout: Layout) -> list[NDArray[Any]]:
    """Convert RGB ``(H, W, 3)`` in [0, 1] to the planes Y', Cb and Cr of a layout."""
    red, blue = _WEIGHTS[layout.matrix]
    r, g, b = np.moveaxis(rgb, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    black, span = layout.luma_scale
    middle, reach = layout.chroma_scale
    kind = np.uint8 if layout.bits == 8 else np.uint16
    scaled = [y * span + black, *(_reduced(part, layout) * reach + middle for part in (cb, cr))]
    return [np.rint(part).clip(0, 2**layout.bits - 1).astype(kind) for part in scaled]


def colored_planes(luma: NDArray[Any], ab: FloatArray, layout: Layout) -> list[NDArray[Any]]:
    """Add colors to a gray frame and return the planes Y', Cb and Cr.

    Args:
        luma: ``(H, W)`` luma Y' of the gray frame, with the bit depth of ``layout``.
        ab: ``(2, H, W)`` colors in CIE units. The chroma of colors outside sRGB is reduced at constant
            lightness and hue.
        layout: Pixel format and color matrix.
    """
    level = np.float32(layout.level)
    of_luma, of_chroma = _change_tables(layout.full, layout.matrix)
    light = luma.astype(np.float32) / level
    reduced = [_reduced(values, layout) for values in (light, *ab)]
    y = luma + level * _looked_up(of_luma, light, *ab)
    chroma = level * _looked_up(of_chroma, *reduced) + np.float32(layout.chroma_scale[0])
    planes = (y, *cv2.split(chroma)[:2])
    return [np.rint(part).clip(0, 2**layout.bits - 1).astype(luma.dtype) for part in planes]


def _looked_up(table: FloatArray, luma: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Interpolate a table of `_change_tables` linearly in a and b; round Y' to an entry."""
    side = table.shape[1]
    scale, middle = np.float32(1 / _APART), np.float32(_FARTHEST / _APART)
    # row coordinates are clipped here; for columns, OpenCV repeats the table border
    row = (b * scale + middle).clip(0, side - 1)
    row += np.rint(luma) * np.float32(side)
    return cv2.remap(table, a * scale + middle, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@cache
def _change_tables(full: bool, matrix: int) -> tuple[FloatArray, FloatArray]:
    """Return tables of the changes of Y', Cb and Cr when an ab color is added to gray.

    The first table contains the change of Y'. The second table contains the changes of Cb and Cr and two
    channels of zeros, because OpenCV looks up four channels twice as fast as two channels. Changes are in
    8-bit levels. Each row corresponds to a pair of Y' and b, and each column to a value of a.
    """
    ab_values = torch.arange(-_FARTHEST, _FARTHEST + 1, _APART).float()
    side = len(ab_values)
    layout = Layout(across=1, down=1, bits=8, full=full, matrix=matrix)
    lightness = torch.from_numpy(_luma_table(layout.bits, layout.luma_scale))
    light, b, a = torch.meshgrid(lightness, ab_values, ab_values, indexing="ij")
    lab = torch.stack([light, a, b]).flatten(1, 2)
    rgb = lab_to_rgb_in_gamut(lab).numpy()
    deep_layout = replace(layout, bits=16)  # 16 bits, because `from_rgb` rounds
    planes = from_rgb(np.moveaxis(rgb, 0, -1), deep_layout)
    levels = np.stack(planes, axis=-1).astype(np.float32) / np.float32(deep_layout.level)
    levels = levels.reshape(256, side, side, 3)  # axes: Y', b, a, plane
    zero = side // 2  # index of a = 0 and b = 0
    changes = levels - levels[:, zero, zero, None, None]
    y, cb, cr = cv2.split(changes.reshape(-1, side, 3))
    return y, cv2.merge([cb, cr, np.zeros_like(y), np.zeros_like(y)])


def _reduced(values: FloatArray, layout: Layout) -> FloatArray:
    """Subsample chroma; the samples are aligned with left pixels, as in MPEG."""
    if (layout.across, layout.down) == (1, 1):
        return values
    across = np.array([0.25, 0.5, 0.25] if layout.across == 2 else [1], np.float32)
    down = np.array([0.5, 0.5] if layout.down == 2 else [1], np.float32)
    smooth = cv2.sepFilter2D(values, -1, across, down, anchor=(-1, 0), borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(smooth[:: layout.down, :: layout.across])

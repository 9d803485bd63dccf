"""The published pipeline, bit-exact, for comparison.

Images are square and have 8 bits, and their luma is restored in OpenCV's YUV. `Colorizer` keeps the aspect
and works in floats instead.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.networks.imagenet import denormalized, normalized
from colorzoo.zoo.antic2019.model import STRIDE

Pixels = NDArray[np.uint8]

_BITS = 14  # of OpenCV's fixed-point factors, which are rounded to 2 ** -14
_FROM_RGB = (4899, 9617, 1868)  # 0.299, 0.587, 0.114
_TO_U, _TO_V = 8061, 14369  # 0.492 (B - Y), 0.877 (R - Y)
_RED_V, _GREEN_V, _GREEN_U, _BLUE_U = 18678, -9519, -6472, 33292  # 1.140, -0.581, -0.395, 2.032
_MIDDLE = 128


@torch.no_grad()
def square_gray(rgb: Pixels, render_factor: int) -> Pixels:
    """Return an image squashed to a square and gray, ``(S, S, 3)``."""
    side = STRIDE * render_factor
    square = Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(square.convert("LA").convert("RGB"))


def network_input(square: Pixels) -> Tensor:
    """Return the network's input ``(1, 3, S, S)`` of pixels ``(S, S, 3)``."""
    return normalized(torch.from_numpy(square.astype(np.float32) / 255).permute(2, 0, 1)[None])


def raw_image(answer: Tensor, size: tuple[int, int]) -> Pixels:
    """Return an output ``(3, S, S)`` of the network as an image of a width and height, levels floored."""
    levels = denormalized(answer[None].float())[0].clamp(0, 1) * 255
    square = Image.fromarray(levels.permute(1, 2, 0).numpy().astype(np.uint8))
    return np.asarray(square.resize(size, Image.Resampling.BILINEAR))


def restore_luma(raw: Pixels, original: Pixels) -> Pixels:
    """Return an image with Y of the original and U, V of the raw result, both ``(H, W, 3)``."""
    yuv = to_yuv(raw)
    yuv[..., 0] = to_yuv(original)[..., 0]
    return from_yuv(yuv)


def to_yuv(rgb: Pixels) -> NDArray[np.int64]:
    """Return OpenCV's 8-bit YUV of RGB, ``(..., 3)`` in 0 .. 255."""
    wide = rgb.astype(np.int64)
    y = _round(wide @ np.array(_FROM_RGB))
    u = _round((wide[..., 2] - y) * _TO_U) + _MIDDLE
    v = _round((wide[..., 0] - y) * _TO_V) + _MIDDLE
    return np.stack([y, u, v], axis=-1).clip(0, 255)


def from_yuv(yuv: NDArray[np.int64]) -> Pixels:
    """Return RGB of OpenCV's 8-bit YUV, the inverse of `to_yuv` up to rounding."""
    y, u, v = yuv[..., 0], yuv[..., 1] - _MIDDLE, yuv[..., 2] - _MIDDLE
    red = y + _round(v * _RED_V)
    green = y + _round(v * _GREEN_V + u * _GREEN_U)
    blue = y + _round(u * _BLUE_U)
    rgb: Pixels = np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)
    return rgb


def _round(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return fixed-point numbers rounded to whole ones."""
    return (values + (1 << (_BITS - 1))) >> _BITS

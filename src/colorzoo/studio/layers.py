"""Exports in layers: the colors alone with transparency, and an OpenRaster file of photo and colors.

The layer of the colors is the most transparent one that gives the result when it is laid over the gray photo
in the ordinary way, so that any program shows it right without a blend mode.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color.levels import encoded, luma_of_levels
from colorzoo.color.linear import luma_to_luminance
from colorzoo.inference.encode import quantized
from colorzoo.inference.picture_io import Picture

Bytes = NDArray[np.uint8]

LAYERED = {"layer": ".colors.png", "ora": ".color.ora"}
"""Formats of an export in layers, and how their files end."""

_THUMBNAIL = 256
_ROWS = 256  # at a time: what is computed in between takes sixteen times the memory of the pixels


def encode_layers(kind: str, picture: Picture, levels: NDArray[Any]) -> bytes:
    """Return the file of an export in layers.

    Args:
        kind: One of `LAYERED`.
        picture: The photo.
        levels: ``(H, W, 3)`` of the result.
    """
    gray, result = gray_levels(picture), quantized(levels, None, 8)
    colors = color_layer(gray, result)
    return png(colors) if kind == "layer" else _open_raster(gray, colors, result)


def gray_levels(picture: Picture) -> Bytes:
    """Return the photo as gray of the same lightness, ``(H, W)``."""
    if picture.levels.ndim == 2:
        gray: Bytes = quantized(picture.levels, None, 8)
        return gray
    gray = np.empty(picture.levels.shape[:2], np.uint8)
    for first in range(0, len(gray), _ROWS):
        luminance = luma_to_luminance(luma_of_levels(picture.levels[first : first + _ROWS]))
        gray[first : first + _ROWS] = (encoded(luminance) * 255).round().to(torch.uint8).numpy()
    return gray


def color_layer(gray: Bytes, result: Bytes) -> Bytes:
    """Return ``(H, W, 4)`` that laid over the gray ``(H, W)`` gives the result ``(H, W, 3)``."""
    layer = np.empty((*gray.shape, 4), np.uint8)
    for first in range(0, len(gray), _ROWS):
        rows = slice(first, first + _ROWS)
        below = gray[rows, :, None].astype(np.float32)
        change = result[rows].astype(np.float32) - below
        room = np.where(change > 0, 255 - below, below)
        alpha = np.ceil((np.abs(change) / np.maximum(room, 1)).max(axis=2, keepdims=True).clip(0, 1) * 255)
        layer[rows, :, :3] = np.rint((below + change * 255 / np.maximum(alpha, 1)).clip(0, 255))
        layer[rows, :, 3:] = alpha
    return layer


def png(levels: Bytes) -> bytes:
    """Encode levels as PNG."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _open_raster(gray: Bytes, colors: Bytes, result: Bytes) -> bytes:
    small = Image.fromarray(result)
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    thumbnail = io.BytesIO()
    small.save(thumbnail, "PNG")
    parts = {
        "stack.xml": _stack(gray.shape[1], gray.shape[0]).encode(),
        "data/colors.png": png(colors),
        "data/photo.png": png(gray),
        "mergedimage.png": png(result),
        "Thumbnails/thumbnail.png": thumbnail.getvalue(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        pack.writestr("mimetype", "image/openraster")  # first and stored, as its specification wants
        for name, data in parts.items():
            pack.writestr(name, data)
    return file.getvalue()


def _stack(width: int, height: int) -> str:
    layers = "".join(
        f"<layer name={quoteattr(name)} src={quoteattr(source)} x='0' y='0' opacity='1.0' "
        "visibility='visible' composite-op='svg:src-over'/>"
        for name, source in (("Colors", "data/colors.png"), ("Photo", "data/photo.png"))
    )
    head = f"<?xml version='1.0' encoding='UTF-8'?><image version='0.0.3' w='{width}' h='{height}'>"
    return f"{head}<stack>{layers}</stack></image>"

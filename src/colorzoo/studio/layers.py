"""Export of colors as layers: a transparent PNG or an OpenRaster file.

Normal alpha compositing of the layers reproduces the result. No blend modes are used, so all programs
display the file correctly. Each layer has the lowest alpha that reproduces the result. Paint strokes are
stored in a separate layer.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color.lab import encoded, lightness_of_levels, lightness_to_luminance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.write import quantized

Bytes = NDArray[np.uint8]

LAYERED = {"layer": ".colors.png", "ora": ".color.ora"}
"""Suffixes of the export formats with layers."""

_THUMBNAIL = 256
_ROWS = 256  # number of rows per step, because intermediate values take 16 times the memory of the pixels


def encode_layers(
    kind: str, image: RasterImage, levels: NDArray[Any], unpainted: NDArray[Any] | None = None
) -> bytes:
    """Encode a colorized photo as a transparent PNG or as an OpenRaster file with layers.

    Args:
        kind: ``layer`` for a PNG that contains only the color layer, or ``ora`` for an OpenRaster file.
        image: Source photo.
        levels: Colorized photo, RGB ``(H, W, 3)``.
        unpainted: Colorized photo without paint strokes, RGB ``(H, W, 3)``; None if the recipe has no paint
            strokes.
    """
    gray, merged = gray_levels(image), quantized(levels, image, 8)
    result = merged[..., :3]
    if kind == "layer":
        layers = {"Colors": color_layer(gray, result)}
    elif unpainted is None:
        layers = {"Photo": gray, "Colors": color_layer(gray, result)}
    else:
        below = quantized(unpainted, None, 8)
        layers = {"Photo": gray, "Colors": color_layer(gray, below), "Paint": color_layer(below, result)}
    if image.alpha is not None:
        layers = _with_alpha(layers, merged[..., 3])
    return _png(layers["Colors"]) if kind == "layer" else _open_raster(layers, merged)


def gray_levels(image: RasterImage) -> Bytes:
    """Convert a photo to 8-bit gray ``(H, W)`` with the same lightness."""
    if image.levels.ndim == 2:
        gray: Bytes = quantized(image.levels, None, 8)
        return gray
    gray = np.empty(image.levels.shape[:2], np.uint8)
    for first in range(0, len(gray), _ROWS):
        luminance = lightness_to_luminance(lightness_of_levels(image.levels[first : first + _ROWS]))
        gray[first : first + _ROWS] = (encoded(luminance) * 255).round().to(torch.uint8).numpy()
    return gray


def color_layer(image: Bytes, result: Bytes) -> Bytes:
    """Return the RGBA layer that produces a result when composited over an image.

    Args:
        image: 8-bit image below the layer: gray ``(H, W)``, or RGB ``(H, W, 3)``.
        result: 8-bit RGB ``(H, W, 3)`` that the compositing produces.

    Returns:
        ``(H, W, 4)`` uint8, with straight alpha.
    """
    if image.ndim == 2:
        image = image[..., None]
    layer = np.empty((*result.shape[:2], 4), np.uint8)
    for first in range(0, len(result), _ROWS):
        rows = slice(first, first + _ROWS)
        below = image[rows].astype(np.float32)
        change = result[rows].astype(np.float32) - below
        largest = np.where(change > 0, 255 - below, below)
        alpha = np.ceil((np.abs(change) / np.maximum(largest, 1)).max(axis=2, keepdims=True).clip(0, 1) * 255)
        layer[rows, :, :3] = np.rint((below + change * 255 / np.maximum(alpha, 1)).clip(0, 255))
        layer[rows, :, 3:] = alpha
    return layer


def _with_alpha(layers: dict[str, Bytes], alpha: Bytes) -> dict[str, Bytes]:
    """Return layers with reduced opacity; compositing them produces the alpha channel of the photo.

    Args:
        layers: Gray ``(H, W)`` or RGBA ``(H, W, 4)`` layers by name, starting with the lowest layer.
        alpha: ``(H, W)`` alpha channel of the photo.
    """
    found = {
        name: np.dstack([layer, np.full_like(layer, 255)]) if layer.ndim == 2 else layer.copy()
        for name, layer in layers.items()
    }
    for first in range(0, len(alpha), _ROWS):
        rows = slice(first, first + _ROWS)
        rest = alpha[rows] / np.float32(255)  # alpha that the remaining layers must produce
        for layer in reversed(found.values()):
            opacity = layer[rows, :, -1]
            opacity[:] = np.rint(rest * opacity)
            share = opacity / np.float32(255)
            rest = np.where(share < 1, (rest - share).clip(0) / np.maximum(1 - share, 1e-6), 1)
    return found


def _png(levels: Bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _open_raster(layers: dict[str, Bytes], result: Bytes) -> bytes:
    """Encode layers and their composite as an OpenRaster file; ``layers`` starts with the lowest layer."""
    small = Image.fromarray(result)
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    thumbnail = io.BytesIO()
    small.save(thumbnail, "PNG")
    stack = "".join(
        f"<layer name='{name}' src='data/{name.lower()}.png' x='0' y='0' opacity='1.0' visibility='visible' "
        "composite-op='svg:src-over'/>"
        for name in reversed(layers)
    )
    height, width = result.shape[:2]
    image = f"<image version='0.0.3' w='{width}' h='{height}'><stack>{stack}</stack></image>"
    parts = {
        "stack.xml": f"<?xml version='1.0' encoding='UTF-8'?>{image}".encode(),
        **{f"data/{name.lower()}.png": _png(levels) for name, levels in layers.items()},
        "mergedimage.png": _png(result),
        "Thumbnails/thumbnail.png": thumbnail.getvalue(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        # the specification requires this entry to be first and uncompressed
        pack.writestr("mimetype", "image/openraster")
        for name, data in parts.items():
            pack.writestr(name, data)
    return file.getvalue()

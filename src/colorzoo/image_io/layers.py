"""Images with layers: a transparent PNG of the colors, or an OpenRaster file.

Normal alpha compositing of the layers reproduces the result. No blend modes are used, so all programs
display the file correctly. Each layer has the lowest alpha that reproduces the result.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color.lab import lightness_to_luminance
from colorzoo.color.levels import encoded, lightness_of_levels
from colorzoo.image_io.raster_image import Levels, RasterImage, alpha_of_depth, quantized

Bytes = NDArray[np.uint8]

_THUMBNAIL = 256  # maximum side of the thumbnail in pixels
_ROWS = 256  # number of rows per step, because intermediate values take 16 times the memory of the pixels


def color_png(steps: Mapping[str, Levels], like: RasterImage) -> bytes:
    """Encode the color layer of a photo as a transparent PNG.

    Args:
        steps: See `encode_layers`; the first two are the gray photo and the result.
        like: Source image.
    """
    return _png(_with_alpha(_stacked(steps), like)["Colors"])


def encode_layers(steps: Mapping[str, Levels], like: RasterImage) -> bytes:
    """Encode an image and its layers as an OpenRaster file.

    Args:
        steps: Image after each layer has been added, by the name of the layer: gray ``(H, W)`` or RGB
            ``(H, W, 3)``, as floats in [0, 1] or integers. The first image is the lowest layer, and the last
            image is the result.
        like: Source image, which provides the alpha channel.
    """
    merged = quantized(list(steps.values())[-1], like, 8)
    layers = _with_alpha(_stacked(steps), like)
    paths = {name: f"data/{name.lower()}.png" for name in layers}
    # the list of layers, from top to bottom
    height, width = merged.shape[:2]
    items = "".join(
        f"<layer name='{name}' src='{path}' x='0' y='0' opacity='1.0' visibility='visible' "
        "composite-op='svg:src-over'/>"
        for name, path in reversed(paths.items())
    )
    stack = f"<image version='0.0.3' w='{width}' h='{height}'><stack>{items}</stack></image>"
    # an image of at most 256 x 256 pixels
    thumbnail = Image.fromarray(merged)
    thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
    thumbnail_png = io.BytesIO()
    thumbnail.save(thumbnail_png, "PNG")
    parts = {
        "stack.xml": f"<?xml version='1.0' encoding='UTF-8'?>{stack}".encode(),
        **{paths[name]: _png(levels) for name, levels in layers.items()},
        "mergedimage.png": _png(merged),
        "Thumbnails/thumbnail.png": thumbnail_png.getvalue(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # the specification requires this entry to be first and uncompressed
        archive.writestr("mimetype", "image/openraster")
        for path, data in parts.items():
            archive.writestr(path, data)
    return file.getvalue()


def _stacked(steps: Mapping[str, Levels]) -> dict[str, Bytes]:
    """Return the layers that produce each image from the image below."""
    layers: dict[str, Bytes] = {}
    below = None
    for name, levels in steps.items():
        result = quantized(levels, None, 8)
        layers[name] = result if below is None else color_layer(below, result)
        below = result
    return layers


def gray_levels(image: RasterImage) -> Bytes:
    """Convert a photo to 8-bit gray ``(H, W)`` with the same lightness."""
    if image.levels.ndim == 2:
        return quantized(image.levels, None, 8)
    gray = np.empty(image.levels.shape[:2], np.uint8)
    for first in range(0, len(gray), _ROWS):
        luminance = lightness_to_luminance(lightness_of_levels(image.levels[first : first + _ROWS]))
        gray[first : first + _ROWS] = (encoded(luminance) * 255).round().to(torch.uint8).numpy()
    return gray


def color_layer(image: Bytes, result: Bytes) -> Bytes:
    """Return the RGBA layer that produces a result when composited over an image.

    The alpha of each pixel is the lowest alpha that can produce the result, up to rounding.

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
        # An opaque layer can change a channel at most to 0 or 255. Alpha scales this largest change, so each
        # channel requires an alpha of at least |change| / largest_change.
        largest_change = np.where(change > 0, 255 - below, below)
        channel_opacity = np.abs(change) / np.maximum(largest_change, 1)
        opacity = channel_opacity.max(axis=2, keepdims=True).clip(0, 1)
        alpha = np.ceil(opacity * 255)
        # solve result = below + alpha / 255 * (color - below) for color
        color = below + change * 255 / np.maximum(alpha, 1)
        layer[rows, :, :3] = np.rint(color.clip(0, 255))
        layer[rows, :, 3:] = alpha
    return layer


def _with_alpha(layers: dict[str, Bytes], like: RasterImage) -> dict[str, Bytes]:
    """Return layers with reduced opacity; compositing them produces the alpha channel of the source image.

    Args:
        layers: Gray ``(H, W)``, RGB or RGBA layers by name, starting with the lowest layer.
        like: Source image; if it is opaque, the layers are returned unchanged.

    Returns:
        New layers by name, in the same order. Layers without an alpha channel get an alpha channel.
    """
    if like.alpha is None:
        return layers
    # copies; gray and RGB layers get an opaque alpha channel
    translucent = {
        name: layer.copy()
        if layer.shape[2:] == (4,)
        else np.dstack([layer, np.full(layer.shape[:2], 255, np.uint8)])
        for name, layer in layers.items()
    }
    source_alpha = alpha_of_depth(like.alpha, 8)
    for first in range(0, len(source_alpha), _ROWS):
        rows = slice(first, first + _ROWS)
        needed = source_alpha[rows] / np.float32(255)  # alpha that the remaining layers must produce
        for layer in reversed(translucent.values()):  # starts with the highest layer
            layer_alpha = layer[rows, :, -1]  # a view: the next line changes the layer
            layer_alpha[:] = np.rint(needed * layer_alpha)
            opacity = layer_alpha / np.float32(255)
            # solve needed = opacity + (1 - opacity) * x for the alpha x of the layers below; x = 1 if opaque
            missing = (needed - opacity).clip(0)
            needed = np.divide(missing, 1 - opacity, out=np.ones_like(missing), where=opacity < 1)
    return translucent


def _png(levels: Bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG", compress_level=3)
    return file.getvalue()

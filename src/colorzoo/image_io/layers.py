"""Images with layers: a transparent PNG of the colors, or an OpenRaster or PSD file.

The layers of a photo use normal alpha compositing. Each layer has the lowest alpha that reproduces the
result. A drawing has one layer for each flat color. Its lines are blended by multiply, or by screen for white
ink, so the colors below the lines can be changed in other programs.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy.ndimage import find_objects

from colorzoo.color.lab import lightness_to_luminance
from colorzoo.color.levels import encoded, lightness_of_levels
from colorzoo.errors import ImageError
from colorzoo.image_io.raster_image import RasterImage, alpha_of_depth, quantized
from colorzoo.pixels.raster import Levels

Bytes = NDArray[np.uint8]

_THUMBNAIL = 256  # maximum side of the thumbnail in pixels
_MOST_FLATS = 64  # maximum number of layers for flat colors
_ROWS = 256  # number of rows per step, because intermediate values take 16 times the memory of the pixels


@dataclass(frozen=True, eq=False)
class Layer:
    """Layer of an image.

    Attributes:
        name: Name of the layer.
        levels: ``(h, w)`` gray, ``(h, w, 3)`` RGB, or ``(h, w, 4)`` RGBA with straight alpha.
        blending: Blend mode.
        left: First column of the layer in the image.
        top: First row of the layer in the image.
        is_flat: Whether the layer contains flat colors of a drawing; these layers form a group.
    """

    name: str
    levels: Bytes
    blending: Literal["normal", "multiply", "screen"] = "normal"
    left: int = 0
    top: int = 0
    is_flat: bool = False


def color_png(steps: Mapping[str, Levels], like: RasterImage) -> bytes:
    """Encode the color layer of a photo as a transparent PNG.

    Args:
        steps: See `encode_layers`; the first two are the gray photo and the result.
        like: Source image.
    """
    return _png(_with_alpha(_stacked(steps), like)["Colors"])


def encode_layers(steps: Mapping[str, Levels], like: RasterImage, ink: Levels | None = None) -> bytes:
    """Encode an image and its layers as an OpenRaster file.

    Args:
        steps: Image after each layer has been added, by the name of the layer: gray ``(H, W)`` or RGB
            ``(H, W, 3)``, as floats in [0, 1] or integers. The first image is the lowest layer, and the last
            image is the result. The image *Flats* is divided into one layer for each color. RGBA
            ``(H, W, 4)`` is a layer that multiplies the layers below.
        like: Source image, which provides the alpha channel.
        ink: Lines of a drawing alone, ``(H, W, 3)``, black on white or white on black. The layer *Lines* is
            then blended by multiply or screen. None uses normal alpha compositing.
    """
    merged = quantized(list(steps.values())[-1], like, 8)
    height, width = merged.shape[:2]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # the specification requires this entry to be first and uncompressed
        archive.writestr("mimetype", "image/openraster")
        flats, others = "", ""  # from top to bottom
        for layer in image_layers(steps, like, ink):
            path = f"data/{layer.name.lower().lstrip('#').replace(' ', '-')}.png"
            archive.writestr(path, _png(layer.levels))
            operation = "src-over" if layer.blending == "normal" else layer.blending
            item = (
                f"<layer name='{layer.name}' src='{path}' x='{layer.left}' y='{layer.top}' opacity='1.0' "
                f"visibility='visible' composite-op='svg:{operation}'/>"
            )
            if layer.is_flat:
                flats = item + flats
            else:
                others = item + others
        if flats:
            others += f"<stack name='Flats' opacity='1.0' visibility='visible'>{flats}</stack>"
        dpi = like.metadata.dpi
        resolution = "" if dpi is None else f" xres='{round(dpi[0])}' yres='{round(dpi[1])}'"
        stack = f"<image version='0.0.3' w='{width}' h='{height}'{resolution}><stack>{others}</stack></image>"
        archive.writestr("stack.xml", f"<?xml version='1.0' encoding='UTF-8'?>{stack}")
        archive.writestr("mergedimage.png", _png(merged))
        thumbnail = Image.fromarray(merged)  # at most 256 x 256 pixels
        thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
        archive.writestr("Thumbnails/thumbnail.png", _png(np.asarray(thumbnail)))
    return file.getvalue()


def encode_psd(steps: Mapping[str, Levels], like: RasterImage, ink: Levels | None = None) -> bytes:
    """Encode an image and its layers as a PSD file; see `encode_layers` for the arguments.

    Raises:
        ImageError: The package extra ``colorzoo[psd]`` is not installed.
    """
    check_psd()
    from psd_tools import PSDImage
    from psd_tools.constants import BlendMode, Resource
    from psd_tools.psd.image_resources import ImageResource

    merged = Image.fromarray(quantized(list(steps.values())[-1], like, 8))
    psd = PSDImage.frompil(merged.convert("RGBA"))  # in RGB files, alpha would become a layer mask
    flats = None
    for layer in image_layers(steps, like, ink):
        image = Image.fromarray(layer.levels).convert("RGBA")
        blending = BlendMode[layer.blending.upper()]
        place = {"name": layer.name, "left": layer.left, "top": layer.top, "blend_mode": blending}
        written = psd.create_pixel_layer(image, **place)
        if layer.is_flat:
            flats = flats or psd.create_group(name="Flats")
            flats.append(written)
    data = like.metadata
    resources = {
        Resource.EXIF_DATA_1: data.exif,
        Resource.XMP_METADATA: data.xmp,
        Resource.IPTC_NAA: data.iptc,
        Resource.ICC_PROFILE: data.icc,
    }
    if data.dpi is not None:  # 16.16 fixed point, in pixels per inch (1)
        horizontal, vertical = (round(each * 65536) for each in data.dpi)
        resources[Resource.RESOLUTION_INFO] = struct.pack(">LHHLHH", horizontal, 1, 1, vertical, 1, 1)
    for key, value in resources.items():
        if value:
            psd.image_resources[key] = ImageResource(key=key, data=value)
    file = io.BytesIO()
    psd.save(file)
    content = bytearray(file.getvalue())
    position = 26  # after the header: color table, resources, and the size of all layers with their number
    for _ in range(2):
        position += 4 + int.from_bytes(content[position : position + 4], "big")
    (count,) = struct.unpack_from(">h", content, position + 8)
    struct.pack_into(">h", content, position + 8, -abs(count))  # negative: the merged image is transparent
    return bytes(content)


def check_psd() -> None:
    """Raise `ImageError` if the package that writes PSD files is not installed."""
    if find_spec("psd_tools") is None:
        raise ImageError("PSD files require psd-tools. Run `python -m pip install 'colorzoo[psd]'`.")


def image_layers(steps: Mapping[str, Levels], like: RasterImage, ink: Levels | None) -> Iterator[Layer]:
    """Yield the layers of an image, the lowest first; see `encode_layers` for the arguments."""
    if like.alpha is not None:  # photos only, because transparent parts of drawings are filled with paper
        for name, levels in _with_alpha(_stacked(steps), like).items():
            yield Layer(name, levels)
        return
    below = None
    for name, levels in steps.items():
        if below is not None and levels.shape[2:] == (4,):
            yield Layer(name, levels, "multiply")
            below = _multiplied(below, levels)
            continue
        result = quantized(levels, None, 8)
        if name == "Flats":
            yield from flat_layers(result)
        elif below is None:
            yield Layer(name, result)
        elif name == "Lines" and ink is not None:
            yield lines_layer(below, result, quantized(ink, None, 8))
        else:
            yield Layer(name, color_layer(below, result))
        below = result


def flat_layers(image: Bytes) -> Iterator[Layer]:
    """Divide flat colors ``(H, W, 3)`` into one layer for each color, named by the color.

    The layer *Other colors* contains the pixels of all colors except the 64 most frequent colors, for example
    the pixels of a gradient. The layers do not overlap. Each layer covers only the bounding box of its
    pixels.
    """
    packed = image[..., 0].astype(np.uint32)
    for channel in (1, 2):
        packed <<= 8
        packed |= image[..., channel]
    # runs of equal pixels, because there are much fewer runs than pixels
    pixels = packed.ravel()
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    lengths = np.diff(starts, append=pixels.size)
    colors, run_colors = np.unique(pixels[starts], return_inverse=True)
    counts = np.bincount(run_colors, lengths)
    frequent = np.argsort(-counts, kind="stable")[:_MOST_FLATS]
    numbers = np.zeros(len(colors), np.uint8)  # 0 for other colors
    numbers[frequent] = 1 + np.arange(len(frequent))
    labels = np.repeat(numbers[run_colors], lengths).reshape(packed.shape)
    if len(colors) > _MOST_FLATS:
        is_other = labels == 0
        others = np.dstack([image * is_other[..., None], np.where(is_other, np.uint8(255), np.uint8(0))])
        yield Layer("Other colors", others, is_flat=True)
    for number, (rows, columns) in enumerate(find_objects(labels), 1):
        rgb = [int(colors[frequent[number - 1]]) >> shift & 255 for shift in (16, 8, 0)]
        pair = np.array([(0, 0, 0, 0), (*rgb, 255)], np.uint8)
        levels = pair.take((labels[rows, columns] == number).view(np.uint8), axis=0)
        name = "#{:02x}{:02x}{:02x}".format(*rgb)
        yield Layer(name, levels, left=columns.start, top=rows.start, is_flat=True)


def shade_layer(factors: Bytes, colors: Sequence[str]) -> Bytes:
    """Return the RGBA layer whose multiplication changes white to ``factors`` ``(H, W, 3)``.

    A layer of one color can be recolored in a painting program: the alpha channel contains the shading. With
    several colors, the layer is opaque.

    Examples:
        >>> shade_layer(np.full((1, 1, 3), 191, np.uint8), ["#808080"]).tolist()
        [[[128, 128, 128, 129]]]

    Args:
        factors: Factors on each channel, from 0 to 255.
        colors: Colors ``#rrggbb`` of the layer.
    """
    if len(colors) > 1:
        return np.dstack([factors, np.full(factors.shape[:2], 255, np.uint8)])
    rgb = ImageColor.getrgb(colors[0])
    darkest = int(np.argmin(rgb[:3]))
    layer = np.empty((*factors.shape[:2], 4), np.uint8)
    layer[...] = (*rgb[:3], 0)
    layer[..., 3] = np.rint((255 - factors[..., darkest]) * np.float32(255 / max(255 - rgb[darkest], 1)))
    return layer


def lines_layer(image: Bytes, result: Bytes, ink: Bytes) -> Layer:
    """Return the lines of a drawing, which produce a result when multiplied with an image.

    The layer is the ink, changed by rounding only, so that the product is exactly the result. White ink is
    blended by screen, which is the multiplication of the negatives. If neither is possible, the blending is
    normal.

    Args:
        image: 8-bit RGB ``(H, W, 3)`` below the lines.
        result: 8-bit RGB of the result.
        ink: 8-bit RGB of the lines alone.
    """
    is_multiplied = bool((result <= image).all())
    if not is_multiplied and not (result >= image).all():
        return Layer("Lines", color_layer(image, result))
    layer = np.empty_like(result)
    for first in range(0, len(result), _ROWS):
        rows = slice(first, first + _ROWS)
        below, product, factor = (
            (part[rows] if is_multiplied else 255 - part[rows]).astype(np.float32)
            for part in (image, result, ink)
        )
        # smallest and largest factor whose product with the image is rounded to the result
        scale = 255 / np.maximum(below, 1)
        smallest, largest = np.ceil((product - 0.5) * scale), np.floor((product + 0.5) * scale)
        exact = np.where(below > 0, factor.clip(smallest, largest), factor).clip(0, 255)
        layer[rows] = exact if is_multiplied else 255 - exact
    return Layer("Lines", layer, "multiply" if is_multiplied else "screen")


def _multiplied(image: Bytes, layer: Bytes) -> Bytes:
    """Return 8-bit RGB ``(H, W, 3)`` multiplied by an RGBA layer."""
    product = np.empty_like(image)
    for first in range(0, len(image), _ROWS):
        rows = slice(first, first + _ROWS)
        alpha = layer[rows, :, 3:] * np.float32(1 / 255)
        product[rows] = np.rint(image[rows] * (1 - alpha + alpha * layer[rows, :, :3] / np.float32(255)))
    return product


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

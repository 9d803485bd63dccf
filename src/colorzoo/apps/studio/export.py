"""Encoding of exported images: image files with a provenance record, and files with layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, Literal

import cv2
from numpy.typing import NDArray

from colorzoo.apps.studio.coloring import PadRequest
from colorzoo.apps.studio.opened_image import fit_size
from colorzoo.batch import ColorSettings, result_provenance, used_files, with_prediction, with_source
from colorzoo.guidance import Recipe
from colorzoo.image_io import (
    ImageProvenance,
    RasterImage,
    add_provenance,
    color_png,
    encode,
    encode_layers,
    encode_psd,
    gray_levels,
    output_bit_depth,
    resample_visible,
    without_positions,
)
from colorzoo.inference import ColorizedImage
from colorzoo.pixels.formats import WRITABLE
from colorzoo.pixels.raster import AlphaArray
from colorzoo.settings import PositiveInt, Range

_FORMATS = {  # suffix of the file name, and MIME type
    "png": (".color.png", "image/png"),
    "jpeg": (".color.jpg", "image/jpeg"),
    "tiff": (".color.tif", "image/tiff"),
    "webp": (".color.webp", "image/webp"),
    "layer": (".colors.png", "image/png"),
    "ora": (".color.ora", "image/openraster"),
    "psd": (".color.psd", "image/vnd.adobe.photoshop"),
}


@dataclass(frozen=True)
class ExportOptions:
    """Options of the ``export`` message.

    Attributes:
        format: File format.
        quality: Quality of JPEG and WebP, 1 to 100.
        side: Maximum longer side of the result in pixels; None keeps the size.
        dpi: Resolution in the metadata; None keeps the resolution of the photo.
    """

    format: Literal["png", "jpeg", "tiff", "webp", "layer", "ora", "psd"] = "png"
    quality: Annotated[int, Range(1, 100)] = 95
    side: PositiveInt | None = None
    dpi: Annotated[float, Range(1, 9999)] | None = None

    @property
    def has_layers(self) -> bool:
        """Return whether the file contains layers or is a layer."""
        return self.format in ("layer", "ora", "psd")

    @property
    def mime(self) -> str:
        """MIME type of the file."""
        return _FORMATS[self.format][1]

    def file_name(self, name: str) -> str:
        """Return the name of the file for a photo with this name."""
        return PurePath(name).stem + _FORMATS[self.format][0]


def encode_with_layers(colored: ColorizedImage, image: RasterImage, options: ExportOptions) -> bytes:
    """Encode the colors as a layer over the gray photo, or all steps of a result as layers.

    Args:
        colored: Result of the photo.
        image: The photo.
        options: Options with the format ``layer``, ``ora`` or ``psd``.

    Raises:
        ImageError: The package extra ``colorzoo[psd]`` is not installed.
    """
    source = colored.source(image)
    downscaled = _with_resolution(_downscale(source, options.side), options)
    downscale_layer = partial(_downscale_levels, side=options.side, alpha=source.alpha)
    if options.format == "layer":
        colors = downscale_layer(colored.levels())
        return color_png({"Photo": gray_levels(downscaled), "Colors": colors}, downscaled)
    layers = {name: downscale_layer(levels) for name, levels in colored.layers(source).items()}
    ink = colored.ink()
    encode_file = encode_psd if options.format == "psd" else encode_layers
    return encode_file(layers, downscaled, None if ink is None else downscale_layer(ink))


def encode_with_provenance(
    colored: ColorizedImage, image: RasterImage, name: str, origin: ImageProvenance, options: ExportOptions
) -> bytes:
    """Encode a result as an image file with a provenance record.

    Args:
        colored: Result of the photo.
        image: The photo.
        name: Name of the file.
        origin: Provenance record, without the values that the colorization computes.
        options: Options with the format of an image.
    """
    levels = colored.levels(output_bit_depth(name, image))
    result = _downscale(replace(colored.source(image), levels=levels), options.side)
    result = _with_resolution(result, options)
    metadata = add_provenance(result.metadata, with_prediction(origin, colored))
    file_format = WRITABLE[PurePath(name).suffix]
    return encode(result.levels, replace(result, metadata=metadata), file_format, options.quality)


def export_provenance(
    request: PadRequest, recipe: Recipe, options: ExportOptions, size: tuple[int, int]
) -> ImageProvenance:
    """Return the provenance record of an exported file, as ``colorzoo colorize`` writes it.

    The reference is recorded only if the model accepts references, and the maximum side only if the result is
    downscaled.

    Args:
        request: Photo, model and attached reference.
        recipe: Recipe of the result, with coordinates in pixels of the whole photo.
        options: Options of the export.
        size: Width and height of the result in pixels, before it is downscaled.

    Raises:
        ColorzooError: The model does not exist, or its weights cannot be downloaded.
    """
    colorizer, opened, reference = request.colorizer, request.opened, request.reference
    is_downscaled = options.side is not None and options.side < max(size)
    files = used_files(recipe, folder=None)  # label images only
    if reference is not None and "exemplar" in colorizer.model.accepts:
        # the upload replaces all references of the recipe
        recipe = replace(recipe, exemplar=replace(recipe.exemplar, path=reference.file.name, more=()))
        files = [reference.file, *files]
    provenance = result_provenance(
        colorizer.name if colorizer.is_registered else colorizer,
        recipe,
        ColorSettings(quality=options.quality),
        files,
        weights=colorizer.weights,
        loaded=colorizer,
        size=colorizer.size,  # of the network input
        max_side=options.side if is_downscaled else None,
    )
    return with_source(provenance, opened.sha256, opened.name)


def _with_resolution(image: RasterImage, options: ExportOptions) -> RasterImage:
    if options.dpi is None:
        return image
    return replace(image, metadata=replace(image.metadata, dpi=(options.dpi, options.dpi)))


def _downscale(image: RasterImage, side: int | None) -> RasterImage:
    """Downscale an image to a longer side of at most ``side`` pixels."""
    alpha = None if image.alpha is None else _downscale_levels(image.alpha, side)
    levels = _downscale_levels(image.levels, side, image.alpha)
    metadata = image.metadata
    if levels is not image.levels:
        metadata = without_positions(metadata, scaled=True)
    return replace(image, levels=levels, alpha=alpha, metadata=metadata)


def _downscale_levels(
    levels: NDArray[Any], side: int | None, alpha: AlphaArray | None = None
) -> NDArray[Any]:
    """Downscale ``(H, W[, 3])`` levels to a longer side of at most ``side`` pixels, weighted by alpha."""
    height, width = levels.shape[:2]
    if side is None or side >= max(height, width):
        return levels
    rows, columns = fit_size(height, width, side)
    resize = partial(cv2.resize, dsize=(columns, rows), interpolation=cv2.INTER_AREA)
    return resample_visible(levels, alpha, resize)

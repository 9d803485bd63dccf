"""Image files in and out: formats, profiles, metadata, frames and provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from colorzoo.image_io.metadata import Metadata as Metadata
    from colorzoo.image_io.provenance import ImageProvenance as ImageProvenance
    from colorzoo.image_io.provenance import read_provenance as read_provenance
    from colorzoo.image_io.raster_image import RasterImage as RasterImage
    from colorzoo.image_io.read import read_image as read_image
    from colorzoo.image_io.write import to_pil as to_pil
    from colorzoo.image_io.write import write_image as write_image

# Name -> module. Resolved at first use, so that light modules of the package import nothing heavy.
_PUBLIC = {
    "Metadata": "metadata",
    "RasterImage": "raster_image",
    "ImageProvenance": "provenance",
    "read_image": "read",
    "read_provenance": "provenance",
    "to_pil": "write",
    "write_image": "write",
}

__all__ = [
    "ImageProvenance",
    "Metadata",
    "RasterImage",
    "read_image",
    "read_provenance",
    "to_pil",
    "write_image",
]

__getattr__ = lazy_names("colorzoo.image_io", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)

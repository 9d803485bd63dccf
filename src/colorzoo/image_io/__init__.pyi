from colorzoo.image_io.metadata import Metadata as Metadata
from colorzoo.image_io.provenance import ImageProvenance as ImageProvenance
from colorzoo.image_io.provenance import read_provenance as read_provenance
from colorzoo.image_io.raster_image import RasterImage as RasterImage
from colorzoo.image_io.read import read_image as read_image
from colorzoo.image_io.write import to_pil as to_pil
from colorzoo.image_io.write import write_image as write_image

__all__ = [
    "ImageProvenance",
    "Metadata",
    "RasterImage",
    "read_image",
    "read_provenance",
    "to_pil",
    "write_image",
]

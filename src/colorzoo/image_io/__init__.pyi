from .metadata import Metadata as Metadata
from .provenance import ImageProvenance as ImageProvenance
from .provenance import read_provenance as read_provenance
from .raster_image import RasterImage as RasterImage
from .read import read_image as read_image
from .write import to_pil as to_pil
from .write import write_image as write_image

__all__ = [
    "ImageProvenance",
    "Metadata",
    "RasterImage",
    "read_image",
    "read_provenance",
    "to_pil",
    "write_image",
]

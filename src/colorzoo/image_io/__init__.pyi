from .layers import color_png as color_png
from .layers import encode_layers as encode_layers
from .layers import encode_psd as encode_psd
from .layers import gray_levels as gray_levels
from .metadata import Metadata as Metadata
from .metadata import without_positions as without_positions
from .provenance import ImageProvenance as ImageProvenance
from .provenance import add_provenance as add_provenance
from .provenance import read_provenance as read_provenance
from .provenance import update_sidecar as update_sidecar
from .raster_image import IN_COLOR as IN_COLOR
from .raster_image import RasterImage as RasterImage
from .raster_image import chroma_note as chroma_note
from .raster_image import fill_hidden as fill_hidden
from .raster_image import is_gray as is_gray
from .raster_image import quantized as quantized
from .raster_image import resample_visible as resample_visible
from .read import check_image as check_image
from .read import read_file as read_file
from .read import read_image as read_image
from .write import NOT_SAVED as NOT_SAVED
from .write import encode as encode
from .write import output_bit_depth as output_bit_depth
from .write import output_format as output_format
from .write import to_pil as to_pil
from .write import write_image as write_image
from .write import write_notes as write_notes

__all__ = [
    "IN_COLOR",
    "NOT_SAVED",
    "ImageProvenance",
    "Metadata",
    "RasterImage",
    "add_provenance",
    "check_image",
    "chroma_note",
    "color_png",
    "encode",
    "encode_layers",
    "encode_psd",
    "fill_hidden",
    "gray_levels",
    "is_gray",
    "output_bit_depth",
    "output_format",
    "quantized",
    "read_file",
    "read_image",
    "read_provenance",
    "resample_visible",
    "to_pil",
    "update_sidecar",
    "without_positions",
    "write_image",
    "write_notes",
]

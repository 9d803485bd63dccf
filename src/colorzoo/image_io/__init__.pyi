from .find import find_images as find_images
from .find import images_and_videos as images_and_videos
from .find import join_names as join_names
from .find import read_list as read_list
from .find import result_name as result_name
from .find import skipped_files_message as skipped_files_message
from .find import visible_entries as visible_entries
from .formats import READABLE as READABLE
from .formats import VIDEO_EXTENSIONS as VIDEO_EXTENSIONS
from .formats import WRITABLE as WRITABLE
from .layers import color_png as color_png
from .layers import encode_layers as encode_layers
from .layers import encode_psd as encode_psd
from .layers import gray_levels as gray_levels
from .metadata import Metadata as Metadata
from .metadata import without_positions as without_positions
from .provenance import ImageProvenance as ImageProvenance
from .provenance import add_provenance as add_provenance
from .provenance import foreign_sidecar as foreign_sidecar
from .provenance import read_provenance as read_provenance
from .provenance import sidecar_path as sidecar_path
from .provenance import update_sidecar as update_sidecar
from .raster_image import IN_COLOR as IN_COLOR
from .raster_image import AlphaArray as AlphaArray
from .raster_image import FloatArray as FloatArray
from .raster_image import Levels as Levels
from .raster_image import RasterImage as RasterImage
from .raster_image import as_rgb as as_rgb
from .raster_image import chroma_note as chroma_note
from .raster_image import composite_on_paper as composite_on_paper
from .raster_image import composite_on_white as composite_on_white
from .raster_image import fill_hidden as fill_hidden
from .raster_image import is_gray as is_gray
from .raster_image import quantized as quantized
from .raster_image import resample_visible as resample_visible
from .read import MAX_PIXELS as MAX_PIXELS
from .read import check_image as check_image
from .read import read_file as read_file
from .read import read_image as read_image
from .read import stored_format as stored_format
from .write import NOT_SAVED as NOT_SAVED
from .write import encode as encode
from .write import output_bit_depth as output_bit_depth
from .write import output_format as output_format
from .write import to_pil as to_pil
from .write import write_image as write_image
from .write import write_notes as write_notes

__all__ = [
    "IN_COLOR",
    "MAX_PIXELS",
    "NOT_SAVED",
    "READABLE",
    "VIDEO_EXTENSIONS",
    "WRITABLE",
    "AlphaArray",
    "FloatArray",
    "ImageProvenance",
    "Levels",
    "Metadata",
    "RasterImage",
    "add_provenance",
    "as_rgb",
    "check_image",
    "chroma_note",
    "color_png",
    "composite_on_paper",
    "composite_on_white",
    "encode",
    "encode_layers",
    "encode_psd",
    "fill_hidden",
    "find_images",
    "foreign_sidecar",
    "gray_levels",
    "images_and_videos",
    "is_gray",
    "join_names",
    "output_bit_depth",
    "output_format",
    "quantized",
    "read_file",
    "read_image",
    "read_list",
    "read_provenance",
    "resample_visible",
    "result_name",
    "sidecar_path",
    "skipped_files_message",
    "stored_format",
    "to_pil",
    "update_sidecar",
    "visible_entries",
    "without_positions",
    "write_image",
    "write_notes",
]

"""Any picture in, the same picture out: reading, writing and finding picture files.

The parts live in `picture`, `read`, `write` and `paths`; import them from here.
"""

from __future__ import annotations

from colorzoo.inference.metadata import Metadata
from colorzoo.inference.paths import FoundPicture, find_pictures, output_path, output_paths
from colorzoo.inference.picture import Picture, chroma_note, is_gray, is_tinted
from colorzoo.inference.read import MAX_PIXELS, read_picture
from colorzoo.inference.write import depth_at, to_pil, write_notes, write_picture

__all__ = [
    "MAX_PIXELS",
    "FoundPicture",
    "Metadata",
    "Picture",
    "chroma_note",
    "depth_at",
    "find_pictures",
    "is_gray",
    "is_tinted",
    "output_path",
    "output_paths",
    "read_picture",
    "to_pil",
    "write_notes",
    "write_picture",
]

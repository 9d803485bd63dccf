"""Any picture in, the same picture out: reading, writing and finding picture files.

The parts live in `picture`, `read`, `frames`, `write`, `animate` and `paths`; import them from here.
"""

from __future__ import annotations

from colorzoo.inference.animate import ColoredFrame
from colorzoo.inference.frames import Frame, Frames, look_for_frames, read_frames
from colorzoo.inference.metadata import Metadata
from colorzoo.inference.paths import FoundPicture, find_pictures, output_path, output_paths
from colorzoo.inference.picture import Picture, chroma_note, is_gray, is_tinted
from colorzoo.inference.read import MAX_PIXELS, read_picture
from colorzoo.inference.write import (
    depth_at,
    frames_notes,
    holds_frames,
    to_pil,
    write_frames,
    write_notes,
    write_picture,
)

__all__ = [
    "MAX_PIXELS",
    "ColoredFrame",
    "FoundPicture",
    "Frame",
    "Frames",
    "Metadata",
    "Picture",
    "chroma_note",
    "depth_at",
    "find_pictures",
    "frames_notes",
    "holds_frames",
    "is_gray",
    "is_tinted",
    "look_for_frames",
    "output_path",
    "output_paths",
    "read_frames",
    "read_picture",
    "to_pil",
    "write_frames",
    "write_notes",
    "write_picture",
]

"""Frames of a file, for tests of several folders."""

from pathlib import Path

from colorzoo.image_io.frames import Frames, describe_frames
from colorzoo.pixels.decode import open_source


def frames_in(source: str | Path | bytes) -> Frames | None:
    """Describe a file of several images; see `describe_frames`."""
    with open_source(source) as (file, name):
        return describe_frames(file, name)

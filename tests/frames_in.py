"""Frames of a file, for tests of several folders."""

from pathlib import Path

from colorzoo.image_io.frames import Frames, frames_of
from colorzoo.image_io.read import opened


def frames_in(source: str | Path | bytes) -> Frames | None:
    """Describe a file of several images; see `frames_of`."""
    with opened(source) as (file, name):
        return frames_of(file, name)

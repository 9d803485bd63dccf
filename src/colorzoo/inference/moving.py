"""Color all frames of an animation, or all pages of a TIFF, as each would be colored alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.inference.animate import ColoredFrame
from colorzoo.inference.frames import Frame, Frames, look_for_frames
from colorzoo.inference.origin import Origin, write_with_origin
from colorzoo.inference.picture import Picture
from colorzoo.inference.write import depth_at, frames_notes, holds_frames, write_frames

if TYPE_CHECKING:
    from colorzoo.inference.colorizer import Colored


@dataclass(frozen=True)
class ColoredFile:
    """What there is to say of a file that was colored.

    Attributes:
        model: What colored it.
        notes: What the user should know, of all frames, each once.
    """

    model: str
    notes: tuple[str, ...]


def frames_to_color(source: Path, target: Path) -> Frames | None:
    """Return what a file holds, if that is several pictures which the target can hold too."""
    frames = look_for_frames(source)
    return frames if frames and holds_frames(target, frames) else None


def color_frames(
    color: Callable[[Picture], Colored],
    first: Frame,
    others: Iterator[Frame],
    frames: Frames,
    target: Path,
    origin: Origin | None,
    *,
    quality: int = 95,
    overwrite: bool = False,
) -> ColoredFile:
    """Color frames one after the other, each written before the next is read.

    Args:
        color: Colors one.
        first: The first frame, whose metadata are the file's.
        others: The rest.
        frames: What the file holds that they come from.
        target: Where they are written.
        origin: How they are made, which the file says; None for a result that says nothing.
        quality: As `write_picture`.
        overwrite: As `write_picture`.

    Raises:
        ColorzooError: A frame cannot be read, colored or written; there is no file then.
    """
    notes: dict[str, None] = dict.fromkeys(frames_notes(target, frames))
    model = ""

    def colored(frame: Frame, like: Picture) -> ColoredFrame:
        nonlocal model
        result = color(frame.picture)
        model = result.model
        notes.update(dict.fromkeys((*frame.picture.notes, *result.notes)))
        levels = result.levels(depth_at(target, like))
        return ColoredFrame(levels, like, frame.milliseconds, frame.hidden)

    def save(marked: Picture) -> Path:
        written = _chain(colored, first, marked, others)
        return write_frames(target, written, frames, quality=quality, overwrite=overwrite)

    kept = write_with_origin(save, target, first.picture, origin)
    return ColoredFile(model, (*notes, *kept))


def _chain(
    colored: Callable[[Frame, Picture], ColoredFrame], first: Frame, marked: Picture, others: Iterator[Frame]
) -> Iterator[ColoredFrame]:
    yield colored(first, marked)
    for frame in others:
        yield colored(frame, frame.picture)

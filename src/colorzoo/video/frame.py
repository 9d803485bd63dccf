"""What all moving pictures are made of: frames in order, of a file or of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.inference.picture import FloatArray

_TOLD = 5  # first places of broken frames that are named


class FramePicture(Protocol):
    """The picture of one frame, as its source holds it."""

    def luma(self) -> Tensor:
        """Return its lightness ``(1, 1, H, W)`` in [0, 100], upright, at full size."""
        ...

    def gray(self) -> NDArray[np.uint8]:
        """Return gray values ``(H, W)`` for a first look."""
        ...


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        number: From 0.
        stamp: Its time or its file's name, to name it to the user.
        picture: What it shows; of a missing one what the frame before it shows.
        state: ``"whole"``; ``"damaged"``, it shows something; ``"missing"``, it cannot be decoded.
    """

    number: int
    stamp: str
    picture: Any
    state: Literal["whole", "damaged", "missing"] = "whole"


@dataclass
class Findings:
    """What went wrong while a source was read.

    Attributes:
        broken: Stamps of damaged and missing frames.
        notes: What else the user should know.
    """

    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> tuple[str, ...]:
        """Return all of it as short texts."""
        if not self.broken:
            return tuple(self.notes)
        first = ", ".join(self.broken[:_TOLD]) + (" ..." if len(self.broken) > _TOLD else "")
        count = f"{len(self.broken)} broken frame{'s' if len(self.broken) > 1 else ''}"
        return (f"{count} with the colors of the one before, at {first}", *self.notes)


class PartWriter(Protocol):
    """Writes the frames of one shot."""

    def write(self, frame: Frame, rgb: FloatArray) -> None:
        """Add a frame; ``rgb`` is ``(H, W, 3)`` in [0, 1], upright."""
        ...

    def close(self) -> None:
        """Finish the part, so that `Source.join` can read it."""
        ...


class Source(Protocol):
    """A moving picture to color.

    Attributes:
        path: File or folder.
        findings: Filled while `frames` runs.
        extension: Of the parts it writes.
    """

    path: Path
    findings: Findings
    extension: str

    def describe(self) -> dict[str, Any]:
        """Return what is known without decoding all: ``width``, ``height``, ``frames`` (or None) ..."""
        ...

    def digest(self) -> str:
        """Return a hash of the content."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Read the frames in order."""
        ...

    def part(self, path: Path) -> PartWriter:
        """Begin the part of one shot."""
        ...

    def join(self, parts: Sequence[Path], whole: Path) -> None:
        """Make the result out of the parts of all shots, in order."""
        ...

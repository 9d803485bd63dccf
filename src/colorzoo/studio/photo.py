"""A photo on the pad: its file as it came, and the small maps that every edit needs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.inference.full_size import FullLuma
from colorzoo.inference.picture import IN_COLOR
from colorzoo.inference.picture_io import Picture, chroma_note, read_picture
from colorzoo.inference.resample import shrink_luma, working_size
from colorzoo.inference.sketches import looks_drawn
from colorzoo.studio.limits import Limits
from colorzoo.studio.opening import Step, measure, read_in_steps, shown_image, shrink_levels

_QUALITY = 90
_THUMBNAIL = 512


@dataclass(frozen=True)
class Photo:
    """An opened photo; full-size pixels are not kept but decoded again for an export.

    Attributes:
        name: File name for display and for exports, never a path.
        data: The file.
        sha256: Its hash.
        size: Width and height in pixels.
        colored: Whether it has colors of its own.
        kind: ``"sketch"`` for line art, ``"gray"`` or ``"color"`` for other pictures.
        notes: What the user may want to know.
        luma: ``(1, 1, h, w)`` lightness at the size of the view.
        small: Lightness at the sizes at which networks saw it, by the shorter side asked for; see `seen`.
        coarse: The same for what is dragged, made of ``luma``; see `roughly`.
        gray: JPEG of the lightness.
        source: JPEG of the photo as it came.
    """

    name: str
    data: bytes
    sha256: str
    size: tuple[int, int]
    colored: bool
    kind: str
    notes: tuple[str, ...]
    luma: Tensor
    small: dict[int, Tensor] = field(repr=False)
    gray: bytes = field(repr=False)
    source: bytes = field(repr=False)
    coarse: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def view(self) -> tuple[int, int]:
        """Width and height of the preview."""
        return int(self.luma.shape[3]), int(self.luma.shape[2])

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        maps = [self.luma, *self.small.values(), *self.coarse.values()]
        return len(self.data) + len(self.gray) + len(self.source) + sum(m.nbytes for m in maps)

    def picture(self, limits: Limits) -> Picture:
        """Decode the file again, as the command line would."""
        return read_picture(self.data, max_pixels=limits.pixels)

    def seen(self, size: int) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` at which a network sees it.

        For a size that no model here asked for before, the file is decoded again.

        Args:
            size: The shorter side, see `working_size`.
        """
        if size not in self.small:
            width, height = self.size
            luma = FullLuma(read_picture(self.data, max_pixels=width * height).levels)
            self.small[size] = luma.shrunk(working_size(height, width, size))
        return self.small[size]

    def roughly(self, size: int) -> Tensor:
        """Return about what `seen` returns, at once: while something is dragged nobody can tell."""
        if size not in self.coarse:
            self.coarse[size] = shrink_luma(self.luma, working_size(self.size[1], self.size[0], size))
        return self.coarse[size]

    def describe(self, network: int) -> dict[str, Any]:
        """Return what the message ``photo`` says of it."""
        width, height = self.size
        return {
            "name": self.name,
            "width": width,
            "height": height,
            "image": {"width": width, "height": height, "sha256": self.sha256},
            "network": network,
            "view": list(self.view),
            "colored": self.colored,
            "kind": self.kind,
            "notes": list(self.notes),
        }


def open_photo(data: bytes, name: str, limits: Limits, network: int) -> Photo:
    """Decode a picture file, whatever its name says; see `opening`."""
    *_, photo = opening(data, name, limits, network)
    assert isinstance(photo, Photo)
    return photo


def opening(data: bytes, name: str, limits: Limits, network: int) -> Iterator[Step | Photo]:
    """Decode a picture file, whatever its name says. Of a large one steps are told; the photo comes last.

    Args:
        data: The file.
        name: As the user calls it.
        limits: Most pixels, and the size of the view.
        network: Shorter side at which most networks see it.

    Raises:
        PictureError: No picture, damaged, or too many pixels.
    """
    for found in read_in_steps(data, limits.pixels):
        if isinstance(found, Step):
            yield found
        else:
            picture = found
    width, height = picture.size
    shape = fit(height, width, limits.view_side)
    for made in measure(picture, shape, working_size(height, width, network)):
        if isinstance(made, Step):
            yield made
        else:
            maps = made
    tint = chroma_note(picture)
    colored = tint is not None
    drawn = tint != IN_COLOR and looks_drawn(maps.exact)
    gray = gray_jpeg(maps.view)
    yield Photo(
        name=plain_name(name),
        data=data,
        sha256=sha256(data).hexdigest(),
        size=picture.size,
        colored=colored,
        kind="sketch" if drawn else "color" if colored else "gray",
        notes=(*picture.notes, *((tint,) if tint else ())),
        luma=maps.view,
        small={network: maps.exact},
        gray=gray,
        source=gray if picture.levels.ndim == 2 else jpeg(shown_image(maps.shown)),
    )


def fit(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width of a picture whose longer side is at most ``side``."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def plain_name(name: str) -> str:
    """Return the bare name of a file, without folders and control characters, at most 120 characters."""
    bare = PurePosixPath(name.replace("\\", "/")).name
    bare = re.sub(r'[\x00-\x1f\x7f"<>|:*?]', "_", bare).strip(". ")
    stem, dot, end = bare.rpartition(".")
    return (f"{stem[:100]}{dot}{end[:12]}" if dot else bare[:112]) or "picture"


def thumbnail(picture: Picture) -> bytes:
    """Return a small JPEG of a picture."""
    return jpeg(shown_image(shrink_levels(picture.levels, fit(picture.size[1], picture.size[0], _THUMBNAIL))))


def gray_jpeg(luma: Tensor) -> bytes:
    """Return the JPEG of a lightness ``(1, 1, h, w)`` as the gray of the same lightness."""
    y = ((luma[0, 0] + 16) / 116).clamp(min=0)
    linear = torch.where(luma[0, 0] > 8, y**3, luma[0, 0] / 903.3)
    encoded = torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    )
    return jpeg(Image.fromarray(to_levels(encoded.numpy())))


def to_levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round values in [0, 1] to 8 bits."""
    levels: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)
    return levels


def jpeg(image: Image.Image) -> bytes:
    """Encode a preview: small colored points stay sharp, since no channel is halved."""
    memory = io.BytesIO()
    image.save(memory, "JPEG", quality=_QUALITY, subsampling=0)
    return memory.getvalue()

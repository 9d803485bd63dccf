"""A photo on the pad: its file as it came, and the small maps that every edit needs."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.inference.encode import quantized
from colorzoo.inference.full_size import full_luma
from colorzoo.inference.picture_io import Picture, chroma_note, is_gray, read_picture
from colorzoo.inference.resample import shrink_luma, working_size
from colorzoo.studio.limits import Limits

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
        notes: What the user may want to know.
        luma: ``(1, 1, h, w)`` lightness at the size of the view.
        small: Lightness at the sizes at which networks saw it, by the shorter side asked for; see `seen`.
        gray: JPEG of the lightness.
        source: JPEG of the photo as it came.
    """

    name: str
    data: bytes
    sha256: str
    size: tuple[int, int]
    colored: bool
    notes: tuple[str, ...]
    luma: Tensor
    small: dict[int, Tensor] = field(repr=False)
    gray: bytes = field(repr=False)
    source: bytes = field(repr=False)

    @property
    def view(self) -> tuple[int, int]:
        """Width and height of the preview."""
        return int(self.luma.shape[3]), int(self.luma.shape[2])

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        maps = [self.luma, *self.small.values()]
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
            luma = full_luma(read_picture(self.data, max_pixels=width * height).levels)
            self.small[size] = shrink_luma(luma, working_size(height, width, size))
        return self.small[size]

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
            "notes": list(self.notes),
        }


def open_photo(data: bytes, name: str, limits: Limits, network: int) -> Photo:
    """Decode a picture file, whatever its name says.

    Args:
        data: The file.
        name: As the user calls it.
        limits: Most pixels, and the size of the view.
        network: Shorter side at which most networks see it; half of it serves while dragging.

    Raises:
        PictureError: No picture, damaged, or too many pixels.
    """
    picture = read_picture(data, max_pixels=limits.pixels)
    tint = chroma_note(picture)
    luma = full_luma(picture.levels)
    width, height = picture.size
    view = shrink_luma(luma, fit(height, width, limits.view_side))
    sizes = {size: working_size(height, width, size) for size in (network, network // 2)}
    return Photo(
        name=plain_name(name),
        data=data,
        sha256=sha256(data).hexdigest(),
        size=picture.size,
        colored=not is_gray(picture),
        notes=(*picture.notes, *((tint,) if tint else ())),
        luma=view,
        small={size: shrink_luma(luma, shape) for size, shape in sizes.items()},
        gray=gray_jpeg(view),
        source=view_jpeg(picture, view.shape[3], view.shape[2]),
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
    height, width = fit(picture.size[1], picture.size[0], _THUMBNAIL)
    return view_jpeg(picture, width, height)


def view_jpeg(picture: Picture, width: int, height: int) -> bytes:
    """Return a picture as JPEG of another size."""
    image = Image.fromarray(quantized(picture.levels, None, 8)).convert("RGB")
    return jpeg(
        image.resize((width, height), Image.Resampling.LANCZOS) if image.size != (width, height) else image
    )


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

"""Opening a photo in steps, so that a large one shows at once, tells how far it is, and can be given up."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from colorzoo.color.levels import luma_of_levels
from colorzoo.inference.encode import quantized
from colorzoo.inference.full_size import FullLuma, bands
from colorzoo.inference.picture import Levels
from colorzoo.inference.picture_io import Picture, read_picture
from colorzoo.inference.read import check_pixels
from colorzoo.inference.resample import BandShrinker
from colorzoo.picture_formats import open_picture

_LARGE = 4_000_000  # pixels; a smaller photo is open before anyone could look at its progress
_GLIMPSE = 512  # longer side
_GLIMPSE_QUALITY = 80
_BEGUN, _DECODED, _MEASURED = 0.1, 0.5, 0.95  # shares of the work
_FINER = 2  # the first of two steps to the view leaves at least so many times its size


@dataclass(frozen=True)
class Step:
    """How far the opening of a photo is.

    Attributes:
        share: Of the work, in [0, 1].
        glimpse: A small gray JPEG of the photo, with the first step that has one.
    """

    share: float
    glimpse: bytes | None = None


@dataclass(frozen=True)
class Maps:
    """A photo at the sizes at which it is needed.

    Attributes:
        shown: The photo itself for the screen, ``(h, w)`` or ``(h, w, 3)``.
        view: Its lightness, ``(1, 1, h, w)``.
        exact: What `colorizer.see` makes at the size of the network.
    """

    shown: Levels
    view: Tensor
    exact: Tensor


def check_head(head: bytes, name: str, most: int) -> tuple[int, int] | None:
    """Return width and height of a picture by the beginning of its file, None where that does not tell.

    Args:
        head: The first bytes of the file.
        name: What to call it in errors.
        most: Pixels that are let in.

    Raises:
        PictureError: It has more pixels.
    """
    size = None
    with suppress(Exception), open_picture(io.BytesIO(head)) as image:  # what is wrong, all of it will tell
        size = image.size
    if size is not None:
        check_pixels(name, size, most)
    return size


def read_in_steps(data: bytes, most: int) -> Iterator[Step | Picture]:
    """Decode a picture file; steps are told of a large one only, the picture comes last.

    Raises:
        PictureError: No picture, damaged, or of more than ``most`` pixels.
    """
    glimpse = _first_glimpse(data)
    if glimpse is not None:
        yield Step(_BEGUN, glimpse)
    picture = read_picture(data, max_pixels=most)
    if glimpse is None and is_large(picture):
        yield Step(_DECODED, _sampled_glimpse(picture.levels))
    yield picture


def is_large(picture: Picture) -> bool:
    """Whether opening a picture takes so long that steps are worth telling."""
    return picture.size[0] * picture.size[1] > _LARGE


def measure(picture: Picture, view: tuple[int, int], exact: tuple[int, int]) -> Iterator[Step | Maps]:
    """Make what the pad keeps of a photo, in one pass over its lightness; it comes last.

    Args:
        picture: The photo.
        view: Height and width for the screen.
        exact: Height and width at which the network sees it.
    """
    luma = FullLuma(picture.levels)
    seen = BandShrinker(luma.shape, exact)
    for first, last in bands(*luma.shape):
        seen.add(luma.rows(first, last))
        if is_large(picture):
            yield Step(_DECODED + (_MEASURED - _DECODED) * last / luma.shape[0])
    shown = shrink_levels(picture.levels, view)
    yield Maps(shown, luma_of_levels(shown)[None, None], seen.result())


def shrink_levels(levels: Levels, size: tuple[int, int]) -> Levels:
    """Return a picture at a height and width for the screen: means of what each pixel covers."""
    # whole boxes first: they take a tenth of the time of cut ones; what is left of a box is left out
    factor = max(1, min(levels.shape[side] // (_FINER * size[side]) for side in (0, 1)))
    height, width = (levels.shape[side] // factor for side in (0, 1))
    return _averaged(_averaged(levels[: height * factor, : width * factor], (height, width)), size)


def shown_image(levels: Levels) -> Image.Image:
    """Return levels of any depth as an image for the screen."""
    return Image.fromarray(quantized(levels, None, 8)).convert("RGB")


def _averaged(levels: Levels, size: tuple[int, int]) -> Levels:
    if levels.shape[:2] == size:
        return levels
    return np.asarray(cv2.resize(levels, (size[1], size[0]), interpolation=cv2.INTER_AREA))


def _first_glimpse(data: bytes) -> bytes | None:
    """Return a small view of a large JPEG, decoded at an eighth of its size; None of other files."""
    with suppress(Exception), open_picture(io.BytesIO(data)) as image:  # what is wrong, reading will tell
        if image.format in ("JPEG", "MPO") and image.width * image.height > _LARGE:
            image.draft("L", (_GLIMPSE, _GLIMPSE))
            return _glimpse(ImageOps.exif_transpose(image).convert("L"))
    return None


def _sampled_glimpse(levels: NDArray[Any]) -> bytes:
    """Return a small view of what was decoded: single pixels, at once."""
    step = max(1, max(levels.shape[:2]) // _GLIMPSE)
    return _glimpse(shown_image(np.ascontiguousarray(levels[::step, ::step])).convert("L"))


def _glimpse(image: Image.Image) -> bytes:
    image.thumbnail((_GLIMPSE, _GLIMPSE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_GLIMPSE_QUALITY)
    return file.getvalue()

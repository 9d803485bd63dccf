"""Photorealistic stylization: a picture in color in, the same picture in the colors of another one out.

As in coloring the network sees a small copy. What it changes, in Lab, is enlarged and added to the picture,
so that a result is as sharp as its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.errors import ColorzooError, PictureError
from colorzoo.inference.picture import Picture
from colorzoo.inference.references import as_reference, require_color
from colorzoo.inference.resample import BicubicUpsampler
from colorzoo.picture_formats import open_picture
from colorzoo.tasks import ColoringModel

Transform = Literal["adain", "wct"]
_TILE_PIXELS = 2**16


@runtime_checkable
class Stylizes(Protocol):
    """A model that moves the colors of one picture to another."""

    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: Transform = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return ``(B, 3, H, W)`` in [0, 1] for content ``(B, 3, H, W)`` and style ``(B, 3, H', W')``."""


@dataclass(frozen=True)
class Stylization:
    """How to stylize.

    Attributes:
        transform: ``adain`` or ``wct``.
        alpha: How far to go, 0 to 1.
        labels: Integer maps of content and style at their full size, or None.
        size: Shorter side that the network sees.
    """

    transform: Transform = "adain"
    alpha: float = 1.0
    labels: tuple[Tensor, Tensor] | None = None
    size: int = 512


def stylize(model: ColoringModel, content: Picture, style: Picture, how: Stylization) -> NDArray[np.float32]:
    """Return the content ``(H, W, 3)`` in [0, 1] with the colors of the style, at the size of the content.

    Raises:
        ColorzooError: The model cannot stylize, or the style has no color.
    """
    if not isinstance(model, Stylizes):
        raise ColorzooError(f"{type(model).__name__} cannot stylize; xu2020_small can.")
    require_color(style, "STYLE")
    small, other = as_reference(content, how.size), as_reference(style, how.size)
    labels = None
    if how.labels is not None:
        labels = _shrunk(how.labels[0], small), _shrunk(how.labels[1], other)
    found = model.stylize(
        small.to(model.device),
        other.to(model.device),
        transform=how.transform,
        alpha=how.alpha,
        labels=labels,
    )
    change = (rgb_to_lab(found.cpu()) - rgb_to_lab(small))[0]
    return add_change(content.rgb, change)


def add_change(rgb: NDArray[np.float32], change: Tensor) -> NDArray[np.float32]:
    """Add a small change of Lab ``(3, h, w)`` to a picture ``(H, W, 3)``, in bands of rows."""
    height, width = rgb.shape[:2]
    enlarged = BicubicUpsampler(change, (height, width))
    result = np.empty((height, width, 3), dtype=np.float32)
    step = max(1, _TILE_PIXELS // width)
    for first in range(0, height, step):
        last = min(first + step, height)
        band = torch.from_numpy(np.ascontiguousarray(rgb[first:last])).permute(2, 0, 1)
        lab = rgb_to_lab(band) + enlarged.rows(first, last)
        lab[0].clamp_(0, 100)
        result[first:last] = lab_to_rgb_in_gamut(lab).permute(1, 2, 0).numpy()
    return result


def read_labels(path: Path, size: tuple[int, int]) -> Tensor:
    """Read a label map ``(H, W)`` int64: the levels of a gray or palette picture.

    Args:
        path: The file.
        size: Width and height that it must have.

    Raises:
        PictureError: It cannot be read, has another size or several channels.
    """
    try:
        with open_picture(path) as image:
            image.load()
            levels = np.asarray(image)
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is no picture; a label map as PNG was expected") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    if levels.ndim != 2:
        raise PictureError(f"{path} has {levels.shape[2]} channels; a label map has one")
    if levels.shape != size[::-1]:
        raise PictureError(
            f"{path} is {levels.shape[1]} x {levels.shape[0]} pixels, but its picture is "
            f"{size[0]} x {size[1]}"
        )
    return torch.from_numpy(levels.astype(np.int64))


def _shrunk(labels: Tensor, like: Tensor) -> Tensor:
    """Return a label map at the size of a picture that was shrunk."""
    small = F.interpolate(labels[None, None].double(), size=like.shape[-2:], mode="nearest-exact")
    return small[0, 0].long().to(like.device)

"""How pictures are brought to the size of a protocol; the key of every number says which way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

ResizeMode = Literal["squash", "crop", "short", "none"]


@dataclass(frozen=True)
class Resize:
    """A way to resize.

    Attributes:
        mode: ``squash`` to a square, aspect lost; ``crop`` the central square of the picture whose shorter
            side is the size; ``short``: that without the crop; ``none``.
        size: Side in pixels.
    """

    mode: ResizeMode
    size: int

    @property
    def key(self) -> str:
        """In short, for the keys of numbers."""
        return "original-size" if self.mode == "none" else f"{self.mode}{self.size}-bicubic"

    def __call__(self, rgb: Tensor) -> Tensor:
        """Return ``(3, h, w)`` uint8 of ``(3, H, W)`` uint8."""
        height, width = rgb.shape[1:]
        if self.mode == "none":
            return rgb
        if self.mode == "squash":
            return _interpolate(rgb, self.size, self.size)
        factor = self.size / min(height, width)
        rgb = _interpolate(rgb, max(1, round(height * factor)), max(1, round(width * factor)))
        return _center(rgb, self.size) if self.mode == "crop" else rgb


def _interpolate(rgb: Tensor, height: int, width: int) -> Tensor:
    if (height, width) == tuple(rgb.shape[1:]):
        return rgb
    return F.interpolate(rgb[None], (height, width), mode="bicubic", antialias=True)[0]


def _center(rgb: Tensor, size: int) -> Tensor:
    top, left = (rgb.shape[1] - size) // 2, (rgb.shape[2] - size) // 2
    return rgb[:, top : top + size, left : left + size]

"""Position of the area inside a scan border, and its maps extended to the whole photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorzoo.guidance import Rectangle

_LONGEST = 2048  # maximum side of a map of the whole photo in pixels


@dataclass(frozen=True)
class Window:
    """Position, within the photo, of the area inside a scan border.

    Attributes:
        inside: Rectangle of the inner area in photo pixels.
        size: Width and height of the photo in pixels.
    """

    inside: Rectangle
    size: tuple[int, int]

    def scaled(self, columns: int, rows: int) -> Rectangle:
        """Return the inner area in pixels of the photo scaled to ``columns`` x ``rows``."""
        return self.inside.scaled(self.size, columns, rows)

    def surrounded(self, values: NDArray[Any], *, edge: bool = False) -> NDArray[Any]:
        """Extend a map of the inner area to the size of the whole photo.

        Args:
            values: Map ``(h, w)`` or ``(h, w, C)`` of the inner area, at any resolution.
            edge: Whether to fill pixels outside the inner area with the nearest edge value instead of 0.
        """
        left, top, width, height = self.inside
        right, bottom = self.size[0] - left - width, self.size[1] - top - height
        longest = max(values.shape[1] / width * self.size[0], values.shape[0] / height * self.size[1])
        if longest > _LONGEST:
            values = _shrunk(values, _LONGEST / longest)
        across, down = values.shape[1] / width, values.shape[0] / height  # map pixels per photo pixel
        rows = round(top * down), round(bottom * down)
        columns = round(left * across), round(right * across)
        sides = (rows, columns, (0, 0))[: values.ndim]
        return np.pad(values, sides, mode="edge") if edge else np.pad(values, sides)


def _shrunk(values: NDArray[Any], factor: float) -> NDArray[Any]:
    """Shrink a map; each pixel keeps the value of an original pixel."""
    rows, columns = (max(1, int(side * factor)) for side in values.shape[:2])
    small = cv2.resize(values.astype(np.float32), (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small).astype(values.dtype)

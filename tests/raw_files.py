"""Raw files of cameras, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile


def write_raw(path: Path, seen: np.ndarray, white: int, *tags: tuple[Any, ...]) -> Path:
    """Write a linear Bayer mosaic as DNG, with further tags."""
    matrix = [32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570]
    given = [
        (33421, "H", 2, (2, 2)),  # a pattern of 2 x 2 filters, red, green, green, blue
        (33422, "B", 4, (0, 1, 1, 2)),
        (50706, "B", 4, (1, 4, 0, 0)),
        (50708, "s", 0, "a test"),
        (50721, "2i", 9, tuple(value for number in matrix for value in (number, 10000))),
        (50717, "H", 1, white),
        (50728, "2I", 3, (1, 1) * 3),
        (50778, "H", 1, 21),
        *tags,
    ]
    extra = [(*tag, True) for tag in given]
    tifffile.imwrite(path, seen, photometric=32803, extratags=extra, metadata=None)
    return path

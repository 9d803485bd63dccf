"""Full-size work the plain way, as colorzoo did it before: floats of all pixels, a search for each color.

The reference of `colorize` and `batch`.
"""

from __future__ import annotations

from pathlib import Path

import kornia.color
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.oklab import ChromaPath
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.picture_io import chroma_note, read_picture, write_picture
from colorzoo.inference.resample import bicubic_matrix, shrink_luma, working_size

TILE, TOLERANCE, STEPS = 2**16, 1e-4, 12
_TO_RGB = (
    (3.0799803023, -1.5371515163, -0.5428213080),
    (-0.9212477523, 1.8759900015, 0.0452473395),
    (0.0528904611, -0.2040413384, 1.1512320120),
)


def color_file(colorizer: Colorizer, source: Path, target: Path) -> None:
    """Color one file from beginning to end."""
    picture = read_picture(source)
    chroma_note(picture)
    rgb = picture.rgb
    luma = full_luma(rgb)
    height, width = rgb.shape[:2]
    seen = shrink_luma(luma, working_size(height, width, colorizer.size))
    ab = colorizer.predict_ab(seen, Guidance())[0]
    write_picture(target, join(luma[0, 0], ab), picture, overwrite=True)


def full_luma(rgb: NDArray[np.float32]) -> Tensor:
    """Return the lightness ``(1, 1, H, W)`` of ``(H, W, 3)`` RGB in [0, 1]."""
    height, width = rgb.shape[:2]
    luma = torch.empty(1, 1, height, width)
    step = max(1, TILE // width)
    for first in range(0, height, step):
        rows = slice(first, first + step)
        tile = torch.from_numpy(np.ascontiguousarray(rgb[rows])).permute(2, 0, 1)
        luma[0, 0, rows] = kornia.color.rgb_to_lab(tile)[0]
    return luma


def join(luma: Tensor, ab: Tensor) -> NDArray[np.float32]:
    """Return the ``(H, W, 3)`` RGB in [0, 1] of a lightness ``(H, W)`` and a small ``(2, h, w)`` ab."""
    height, width = luma.shape
    down, across = bicubic_matrix(ab.shape[1], height), bicubic_matrix(ab.shape[2], width)
    rgb = np.empty((height, width, 3), dtype=np.float32)
    step = max(1, TILE // width)
    for first in range(0, height, step):
        rows = slice(first, first + step)
        linear = _linear_in_gamut(luma[rows].flatten(), (down[rows] @ ab @ across.T).flatten(1))
        shown = kornia.color.linear_rgb_to_rgb(linear.view(3, -1, width).clamp(0, 1))
        rgb[rows] = shown.permute(1, 2, 0).numpy()
    return rgb


def _linear_in_gamut(luma: Tensor, ab: Tensor) -> Tensor:
    fy = (luma + 16) / 116
    x, y, z = (_uncone(cone) for cone in (fy + ab[0] / 500, fy, (fy - ab[1] / 200).clamp(min=0)))
    linear = torch.stack([of_x * x + of_y * y + of_z * z for of_x, of_y, of_z in _TO_RGB])
    outside = (~_within(linear, TOLERANCE)).nonzero().squeeze(-1)
    if outside.numel():
        linear[:, outside] = search(linear[:, outside], luma[outside])
    return linear


def search(linear: Tensor, luma: Tensor) -> Tensor:
    """Return ``(3, N)`` colors outside sRGB with as much chroma as it shows, by bisection."""
    path = ChromaPath(linear, _uncone((luma.clamp(0, 100) + 16) / 116))
    low, high = torch.zeros_like(luma), torch.ones_like(luma)
    for _ in range(STEPS):
        middle = (low + high) / 2
        inside = _within(path.at(middle), TOLERANCE / 2)
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return path.at(low)


def _uncone(cone: Tensor) -> Tensor:
    return torch.where(cone > 0.2068966, cone**3, (cone - 16 / 116) / 7.787)


def _within(linear: Tensor, tolerance: float) -> Tensor:
    red, green, blue = linear
    lowest = torch.minimum(torch.minimum(red, green), blue)
    highest = torch.maximum(torch.maximum(red, green), blue)
    within: Tensor = (lowest >= -tolerance) & (highest <= 1 + tolerance)
    return within

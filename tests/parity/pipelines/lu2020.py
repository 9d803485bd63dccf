"""The published preparation and saving, for comparison; `colorzoo.Colorizer` keeps size and lightness.

Images are ``(H, W, 3)`` uint8 in RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.networks.scaling import AB_SCALE, scaled_lab
from colorzoo.zoo.lu2020.model import STRIDE

Bytes = NDArray[np.uint8]


def fit_sides(image: Bytes) -> Bytes:
    """Resize an image to the nearest multiples of 8, bicubically; halves go to even numbers of eights."""
    rows, columns = (round(side / STRIDE) * STRIDE for side in image.shape[:2])
    return resized(image, (rows, columns))


def resized(image: Bytes, size: tuple[int, int]) -> Bytes:
    """Resize an image bicubically; an image of that size is unchanged."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))


def scaled_labs(image: Bytes) -> list[Tensor]:
    """Return L / 50 - 1 and ab / 110 ``(1, 3, h, w)`` of an image at a quarter, a half and its size."""
    labs = []
    for scale in (0.25, 0.5, 1.0):
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        levels = torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None]
        labs.append(scaled_lab(levels / 255))
    return labs


def scaled_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Return RGB ``(B, 3, H, W)`` of an image in L / 50 - 1 and ab / 110."""
    return lab_to_rgb(torch.cat([50 * (lab[:, :1] + 1), AB_SCALE * lab[:, 1:]], dim=1), clip=clip)


def saved(values: Tensor, size: tuple[int, int]) -> Bytes:
    """Return values ``(1, C, h, w)`` in [0, 1] as they are written: enlarged linearly and truncated.

    Args:
        values: RGB, or one channel.
        size: Height and width of the file.
    """
    planes = 255 * values[0].permute(1, 2, 0).numpy()
    levels: Bytes = cv2.resize(planes, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return levels


def common_share(histogram: Tensor, other: Tensor) -> Tensor:
    """Return the printed score, the intersection ``(B,)`` of two histograms ``(B, 441)``."""
    return torch.minimum(histogram, other).sum(dim=1)

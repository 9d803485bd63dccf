"""Augmentation of a whole batch on the device: random zoom, place and mirror in one resampling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.draws import Generators, uniform_draws


def random_resized_crop_flip(
    rgb: Tensor, size: int, generators: Generators, *, min_scale: float = 0.5
) -> Tensor:
    """Cut a random square of each picture, resize it, and mirror half of them.

    Args:
        rgb: ``(B, 3, S, S)`` float32.
        size: Side of the result in pixels.
        generators: Source of all randomness: one for the batch, or one for each picture.
        min_scale: The side of the cut is uniform on [``min_scale``, 1] of the picture's.

    Returns:
        ``(B, 3, size, size)`` float32.
    """
    batch = rgb.shape[0]
    draws = uniform_draws(generators, batch, 4, rgb.device)
    scale = min_scale + (1 - min_scale) * draws[:, 0]
    shift = (1 - scale)[:, None] * (2 * draws[:, 1:3] - 1)
    mirror = torch.where(draws[:, 3] < 0.5, -1.0, 1.0)
    theta = torch.zeros(batch, 2, 3, device=rgb.device)
    theta[:, 0, 0], theta[:, 1, 1] = scale * mirror, scale
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, [batch, 3, size, size], align_corners=False)
    return F.grid_sample(rgb, grid, mode="bilinear", padding_mode="border", align_corners=False)

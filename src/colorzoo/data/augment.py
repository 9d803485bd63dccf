"""Augmentation of batches on the device: random windows, color jitter, white balance."""

from __future__ import annotations

import math
from typing import Any

import torch
from kornia.color import hsv_to_rgb, rgb_to_hsv
from torch import Tensor
from torch.nn import functional as F

from colorzoo.randomness import Generators, draw_uniform


def augment_batch(
    batch: dict[str, Any], size: int, generators: Generators, *, min_scale: float, max_stretch: float = 1.0
) -> dict[str, Any]:
    """Crop a random window from each image, resize it to a square, and flip it randomly.

    The probability of a horizontal flip is 0.5. The entries ``sketch``, ``classes`` and ``boxes`` of the
    batch are transformed like ``rgb``. Boxes smaller than a pixel are dropped.

    Args:
        batch: Entries of `colorzoo.data.Batch`, with float images ``(B, C, S, S)``.
        size: Side of the output images in pixels.
        generators: A random generator for the batch, or a generator for each image.
        min_scale: Minimum length of the window's longer side relative to the image side.
        max_stretch: Maximum aspect ratio of a window; see `random_windows`.

    Returns:
        A new dict with the transformed entries and the other entries of ``batch``.
    """
    rgb = batch["rgb"]
    side = rgb.shape[-1]
    windows = random_windows(len(rgb), generators, min_scale, rgb.device, max_stretch)
    names = [name for name in ("rgb", "sketch") if name in batch]
    cut: dict[str, Any] = {name: cut_windows(batch[name], windows, size) for name in names}
    if "classes" in batch:
        cut["classes"] = cut_windows(batch["classes"].float(), windows, size, mode="nearest").to(torch.uint8)
    if "boxes" in batch:
        cut["boxes"] = [
            cut_boxes(boxes, window, side, size)
            for boxes, window in zip(batch["boxes"], windows, strict=True)
        ]
    return {**batch, **cut}


def jitter_colors(rgb: Tensor, generators: Generators, degrees: float = 40.0) -> Tensor:
    """Change the colors of each image randomly, as in the published code of Cho et al. 2023.

    With probability 0.5, the channels are multiplied by a contrast factor in [0.8, 1.2] and shifted by a
    brightness in [-0.2, 0.2]. Independently, with probability 0.5, the hue rotates by up to ``degrees``, the
    HSV saturation shifts by up to 30 / 255, and the HSV value shifts by up to 20 / 255, in either direction.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: A random generator for the batch, or a generator for each image.
        degrees: Maximum hue rotation in degrees; 40 in the published code, 180 for all hues.

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    draws = draw_uniform(generators, len(rgb), 7, rgb.device)
    light, tint = (draws[:, :2] < 0.5).float().unbind(1)
    shifts = (2 * draws[:, 2:] - 1)[..., None, None, None]
    brightness, contrast, hue, saturation, value = shifts.unbind(1)
    light, tint = light[:, None, None, None], tint[:, None, None, None]
    rgb = (rgb * (1 + 0.2 * light * contrast) + 0.2 * light * brightness).clamp(0, 1)
    h, s, v = rgb_to_hsv(rgb).split(1, dim=1)
    h = (h + tint * hue * math.radians(degrees)) % (2 * math.pi)
    s = (s + tint * saturation * 30 / 255).clamp(0, 1)
    v = (v + tint * value * 20 / 255).clamp(0, 1)
    jittered: Tensor = hsv_to_rgb(torch.cat([h, s, v], dim=1))
    return jittered.clamp(0, 1)


def random_windows(
    count: int, generators: Generators, min_scale: float, device: torch.device, max_stretch: float = 1.0
) -> Tensor:
    """Draw a random crop window for each image, flipped horizontally with probability 0.5.

    Args:
        count: Number of images.
        generators: A random generator for the batch, or a generator for each image.
        min_scale: Minimum length of the window's longer side relative to the image side. The length is drawn
            uniformly from [``min_scale``, 1].
        device: Device of the result.
        max_stretch: Maximum aspect ratio of the window. The ratio of width to height is drawn log-uniformly
            from [1 / ``max_stretch``, ``max_stretch``].

    Returns:
        ``(count, 2, 3)`` float32 matrices for `F.affine_grid` that map the output square to the window.
    """
    draws = draw_uniform(generators, count, 5, device)
    scale = min_scale + (1 - min_scale) * draws[:, :1]
    stretch = max_stretch ** (2 * draws[:, 4:] - 1)
    sides = scale * torch.cat([stretch, 1 / stretch], dim=1).clamp(max=1)
    mirror = torch.where(draws[:, 3] < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = sides[:, 0] * mirror, sides[:, 1]
    theta[:, :, 2] = (1 - sides) * (2 * draws[:, 1:3] - 1)
    return theta


def cut_windows(images: Tensor, windows: Tensor, size: int, *, mode: str = "bilinear") -> Tensor:
    """Crop the window of each image and resize it to a square.

    Args:
        images: ``(B, C, S, S)`` float32.
        windows: ``(B, 2, 3)`` matrices from `random_windows`.
        size: Side of the output square in pixels.
        mode: Interpolation: ``bilinear``, or ``nearest`` for class maps.

    Returns:
        ``(B, C, size, size)`` float32.
    """
    grid = F.affine_grid(windows, [*images.shape[:2], size, size], align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


def cut_boxes(boxes: Tensor, window: Tensor, side: int, size: int) -> Tensor:
    """Transform boxes to window coordinates, clip them, and drop boxes smaller than a pixel.

    Args:
        boxes: ``(K, 4)`` left, top, right, bottom in pixels of the image.
        window: ``(2, 3)`` matrix from `random_windows`.
        side: Side of the square image in pixels.
        size: Side in pixels of the square to which the window is resized.

    Returns:
        Remaining boxes ``(N, 4)`` in pixels of the resized window.
    """
    scale, shift = window.diagonal()[:2], window[:, 2]
    corners = (boxes.view(-1, 2, 2) * (2 / side) - 1 - shift) / scale
    corners = (corners + 1) * (size / 2)
    return clip_boxes(torch.cat([corners.amin(1), corners.amax(1)], 1), size)


def clip_boxes(boxes: Tensor, size: int) -> Tensor:
    """Clip boxes ``(K, 4)`` in pixels to a square of side ``size``; drop tiny boxes.

    Boxes with a side below one pixel are dropped.
    """
    clipped = boxes.clamp(0, size)
    return clipped[(clipped[:, 2:] - clipped[:, :2] >= 1).all(1)]


# An image has a color cast if most of its opponent colors (R - G, (R + G) / 2 - B) have a similar direction.
# The ratio |mean color| / mean |color| is then at least this value.
_CAST_RATIO = 0.88
_MIN_WARMTH = 0.02  # minimum mean of (R + G) / 2 - B; other casts are usually water or leaves
_MIN_EXPONENT = 0.4  # minimum exponent t, see `white_balance`
_WHITE_QUANTILE = 0.995  # this quantile of the values must not exceed 1
_MIN_MEAN = 1e-3  # lower bound of a channel mean


def white_balance(rgb: Tensor, generators: Generators, prob: float) -> Tensor:
    """Partially remove warm color casts from random images, like a camera's white balance.

    Each channel is multiplied by (mean of all channels / mean of this channel) ** t, where t is uniform on
    [0.4, 1], following the gray-world assumption (Buchsbaum 1980). If values exceed 1, the image is darkened.
    Images without a warm cast are unchanged.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: A random generator for the batch, or a generator for each image.
        prob: Probability in [0, 1] that an image with a warm cast is corrected.

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    chance, draw = draw_uniform(generators, len(rgb), 2, rgb.device).T
    chosen = (chance < prob) & has_warm_cast(rgb)
    means = rgb.mean(dim=(2, 3)).clamp(min=_MIN_MEAN)
    exponent = _MIN_EXPONENT + (1 - _MIN_EXPONENT) * draw[:, None]
    gains = (means.mean(dim=1, keepdim=True) / means) ** exponent
    corrected = rgb * gains[:, :, None, None]
    values = corrected.flatten(1)  # torch.quantile does not support large batches
    white = values.kthvalue(round(_WHITE_QUANTILE * values.shape[1]), dim=1).values.clamp(min=1)
    corrected = (corrected / white[:, None, None, None]).clamp(max=1)
    return torch.where(chosen[:, None, None, None], corrected, rgb)


def has_warm_cast(rgb: Tensor) -> Tensor:
    """Return whether each image has a warm color cast, as a ``(B,)`` bool tensor.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """
    red, green, blue = rgb.unbind(dim=1)
    opponent = torch.stack([red - green, (red + green) / 2 - blue], dim=1)
    mean: Tensor = opponent.mean(dim=(2, 3))
    length: Tensor = opponent.square().sum(dim=1).sqrt().mean(dim=(1, 2)).clamp(min=1e-6)
    return (mean.square().sum(dim=1).sqrt() >= _CAST_RATIO * length) & (mean[:, 1] >= _MIN_WARMTH)

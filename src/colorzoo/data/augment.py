"""Augmentation of batches on the device: random windows, color jitter, white balance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from kornia.color import hsv_to_rgb, rgb_to_hsv
from torch import Tensor
from torch.nn import functional as F

from colorzoo.randomness import Generators, draw_uniform

WindowKind = Literal["side", "area", "crop", "zoom"]
"""Distribution of random windows.

``side`` draws the length of the longer side uniformly. ``area`` draws the area uniformly, like torchvision's
`RandomResizedCrop`. ``crop`` uses windows of the crop size, so images are not resized. ``zoom`` is equivalent
to resizing the image to a side drawn uniformly between the crop size and its own side, followed by ``crop``.
"""
_TRIES = 10  # as in RandomResizedCrop: the whole image if no window fits


class Window(NamedTuple):
    """Crop window in pixels of the image.

    Attributes:
        left: First column.
        top: First row.
        width: Number of columns.
        height: Number of rows.
        mirrored: Whether the window is flipped horizontally.
    """

    left: int
    top: int
    width: int
    height: int
    mirrored: bool


def augment_batch(batch: dict[str, Any], windows: Sequence[Window], size: int) -> dict[str, Any]:
    """Crop a window from each image and resize it to a square.

    The entries ``sketch``, ``classes`` and ``boxes`` of the batch are transformed like ``rgb``. Boxes smaller
    than a pixel are dropped.

    Args:
        batch: Entries of `colorzoo.data.Batch`, with float images ``(B, C, S, S)``.
        windows: Window of each image, from `random_windows`.
        size: Side of the output images in pixels.

    Returns:
        A new dict with the transformed entries and the other entries of ``batch``.
    """
    transformed: dict[str, Any] = {}
    for name in ("rgb", "sketch"):
        if name in batch:
            transformed[name] = cut_windows(batch[name], windows, size)
    if "classes" in batch:
        classes = cut_windows(batch["classes"].float(), windows, size, mode="nearest-exact")
        transformed["classes"] = classes.to(torch.uint8)
    if "boxes" in batch:
        pairs = zip(batch["boxes"], windows, strict=True)
        transformed["boxes"] = [cut_boxes(boxes, window, size) for boxes, window in pairs]
    return {**batch, **transformed}


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
    draws = draw_uniform(generators, len(rgb), 7, rgb.device)[..., None, None, None]
    changes_rgb, changes_hsv = (draws[:, :2] < 0.5).unbind(1)  # (B, 1, 1, 1) each
    brightness, contrast, hue, saturation, value = (2 * draws[:, 2:] - 1).unbind(1)  # in [-1, 1]
    contrast_factor = torch.where(changes_rgb, 1 + 0.2 * contrast, 1.0)
    brightness_shift = torch.where(changes_rgb, 0.2 * brightness, 0.0)
    rgb = (rgb * contrast_factor + brightness_shift).clamp(0, 1)
    h, s, v = rgb_to_hsv(rgb).split(1, dim=1)
    h = (h + torch.where(changes_hsv, hue * math.radians(degrees), 0.0)) % (2 * math.pi)
    s = (s + torch.where(changes_hsv, saturation * 30 / 255, 0.0)).clamp(0, 1)
    v = (v + torch.where(changes_hsv, value * 20 / 255, 0.0)).clamp(0, 1)
    jittered: Tensor = hsv_to_rgb(torch.cat([h, s, v], dim=1))
    return jittered.clamp(0, 1)


def rotate_hue(rgb: Tensor, turns: Tensor) -> Tensor:
    """Rotate the HSV hue of each image.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        turns: ``(B,)`` angle of each image as a fraction of a full turn.

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    h, s, v = rgb_to_hsv(rgb).split(1, dim=1)
    h = (h + 2 * math.pi * turns[:, None, None, None]) % (2 * math.pi)
    rotated: Tensor = hsv_to_rgb(torch.cat([h, s, v], dim=1))
    return rotated.clamp(0, 1)


def random_windows(
    count: int,
    generators: Generators,
    side: int,
    crop: int,
    *,
    kind: WindowKind,
    min_scale: float,
    max_stretch: float = 1.0,
) -> list[Window]:
    """Draw a random crop window for each image, mirrored with probability 0.5.

    Args:
        count: Number of images.
        generators: A random generator for the batch, or a generator for each image.
        side: Side of the square images in pixels.
        crop: Crop size in pixels, used by ``"crop"`` and ``"zoom"``.
        kind: Distribution of the window size; see `WindowKind`.
        min_scale: Minimum side or area of a window relative to the image, used by ``"side"`` and ``"area"``.
        max_stretch: Maximum aspect ratio of a window, used by ``"side"`` and ``"area"``. The ratio of width
            to height is drawn log-uniformly from [1 / ``max_stretch``, ``max_stretch``].
    """
    # three random numbers for the position and mirroring, and two for the size of each tried window
    draws = draw_uniform(generators, count, 3 + 2 * _TRIES, torch.device("cpu"))
    windows = []
    for x_draw, y_draw, mirror_draw, *size_draws in draws.tolist():
        if kind == "crop":
            width = height = crop
        elif kind == "zoom":  # the part of the image that a crop of the resized image contains
            resized_side = crop + (side - crop) * size_draws[0]
            width = height = round(crop * side / resized_side)
        else:  # the first drawn window that is not larger than the image
            width = height = side
            for scale_draw, ratio_draw in zip(size_draws[::2], size_draws[1::2], strict=True):
                scale = min_scale + (1 - min_scale) * scale_draw
                ratio = max_stretch ** (2 * ratio_draw - 1)  # width to height, log-uniform
                if kind == "area":
                    across, down = math.sqrt(scale * ratio), math.sqrt(scale / ratio)
                else:
                    across, down = scale * min(1.0, ratio), scale * min(1.0, 1 / ratio)
                if max(across, down) <= 1:
                    width, height = max(1, round(side * across)), max(1, round(side * down))
                    break
        left = int(x_draw * (side - width + 1))
        top = int(y_draw * (side - height + 1))
        windows.append(Window(left, top, width, height, mirrored=mirror_draw < 0.5))
    return windows


def cut_windows(
    images: Tensor,
    windows: Sequence[Window],
    size: int,
    *,
    mode: Literal["bicubic", "nearest-exact"] = "bicubic",
) -> Tensor:
    """Crop the window of each image and resize it to a square, with the resize filter of the decoder.

    Args:
        images: ``(B, C, S, S)`` float32; values in [0, 1] for bicubic interpolation.
        windows: Window of each image.
        size: Side of the output square in pixels.
        mode: Interpolation: ``bicubic``, or ``nearest-exact`` for class maps.

    Returns:
        ``(B, C, size, size)`` float32.
    """
    cut = []
    for image, window in zip(images, windows, strict=True):
        bottom, right = window.top + window.height, window.left + window.width
        part = image[None, :, window.top : bottom, window.left : right]
        if mode == "bicubic":
            part = F.interpolate(part, (size, size), mode=mode, antialias=True).clamp(0, 1)
        else:
            part = F.interpolate(part, (size, size), mode=mode)
        cut.append(part.flip(-1) if window.mirrored else part)
    return torch.cat(cut)


def cut_boxes(boxes: Tensor, window: Window, size: int) -> Tensor:
    """Transform boxes to window coordinates, clip them, and drop boxes smaller than a pixel.

    Args:
        boxes: ``(K, 4)`` left, top, right, bottom in pixels of the image.
        window: Window of the image.
        size: Side in pixels of the square to which the window is resized.

    Returns:
        Remaining boxes ``(N, 4)`` in pixels of the resized window.
    """
    shift = boxes.new_tensor([window.left, window.top]).repeat(2)
    scale = boxes.new_tensor([size / window.width, size / window.height]).repeat(2)
    moved = (boxes - shift) * scale
    if window.mirrored:
        moved = torch.stack([size - moved[:, 2], moved[:, 1], size - moved[:, 0], moved[:, 3]], dim=1)
    return clip_boxes(moved, size)


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
    """Reduce warm color casts of random images, like a camera's white balance.

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
    chance, strength = draw_uniform(generators, len(rgb), 2, rgb.device).T
    chosen = (chance < prob) & has_warm_cast(rgb)
    means = rgb.mean(dim=(2, 3)).clamp(min=_MIN_MEAN)
    exponent = _MIN_EXPONENT + (1 - _MIN_EXPONENT) * strength[:, None]
    gains = (means.mean(dim=1, keepdim=True) / means) ** exponent
    corrected = rgb * gains[:, :, None, None]
    values = corrected.flatten(1)
    rank = round(_WHITE_QUANTILE * values.shape[1])  # torch.quantile does not support large batches
    white = values.kthvalue(rank, dim=1).values.clamp(min=1)  # at least 1, so images are not brightened
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
    length_of_mean = mean.square().sum(dim=1).sqrt()
    lengths: Tensor = opponent.square().sum(dim=1).sqrt()
    mean_length = lengths.mean(dim=(1, 2)).clamp(min=1e-6)
    has_cast = length_of_mean >= _CAST_RATIO * mean_length
    is_warm = mean[:, 1] >= _MIN_WARMTH
    return has_cast & is_warm

"""Color warping and feature distances of dense matches between two images.

A match map ``(B, 2, H, W)`` int64 contains the x and y coordinates of each pixel's match in the other image.
A `Match` function computes match maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.he2018.network import SCALES

Size = tuple[int, int]

Match = Callable[[Sequence[Tensor], Sequence[Tensor], Size, Size], Tensor]
"""Function that returns the matches ``(B, 2, H, W)`` of all pixels of an image in another image.

The arguments are the VGG-19 feature maps of both images, coarse first, and the sizes of both images.
"""

_NEIGHBORS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_MIN_NORM = 1e-8  # minimum norm of a feature vector
_CHANNELS = 16  # number of channels that are compared at once, which limits memory


def pixel_grid(size: Size, device: torch.device) -> Tensor:
    """Return the x and y coordinates of all pixels, ``(1, 2, H, W)``.

    Args:
        size: Height and width of the image.
        device: Device of the result.
    """
    y, x = torch.meshgrid(*(torch.arange(side, device=device) for side in size), indexing="ij")
    return torch.stack([x, y])[None]


def inside(matches: Tensor, size: Size) -> Tensor:
    """Return a bool map ``(B, 1, H, W)``: True where a match lies inside the other image.

    Args:
        matches: x and y coordinates in the other image, ``(B, 2, H, W)``.
        size: Height and width of the other image.
    """
    x, y = matches[:, :1], matches[:, 1:]
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def read_at(maps: Tensor, matches: Tensor) -> Tensor:
    """Sample maps at the coordinates of matches and return ``(B, C, H, W)``.

    Args:
        maps: ``(B, C, h, w)``.
        matches: x and y coordinates in ``maps``, ``(B, 2, H, W)``. The value for coordinates outside ``maps``
            is 0.
    """
    size = (maps.shape[2], maps.shape[3])
    return _gather(maps, rows_of(matches, size)) * inside(matches, size).to(maps.dtype)


def warp(image: Tensor, matches: Tensor) -> Tensor:
    """Warp an image with matches by averaging overlapping 3 x 3 patches (patch voting).

    The match of each of the nine neighbors of a pixel, shifted back to the pixel, gives one vote.

    Args:
        image: Source image ``(B, C, h, w)``.
        matches: x and y coordinates in the source image for each pixel of the result, ``(B, 2, H, W)``.

    Returns:
        Warped image ``(B, C, H, W)``, 0 where all patches lie outside the source image.
    """
    size = (image.shape[2], image.shape[3])
    padded = F.pad(matches, (1, 1, 1, 1), value=-2)  # -2 is outside of the image for every shift
    height, width = matches.shape[-2:]
    color_sum = image.new_zeros(len(matches), image.shape[1], height, width)
    votes = image.new_zeros(len(matches), 1, height, width)
    for dx, dy in _NEIGHBORS:
        neighbor_matches = padded[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        offset = torch.tensor([dx, dy], device=matches.device).view(2, 1, 1)
        sources = neighbor_matches - offset
        color_sum += read_at(image, sources)
        votes += inside(sources, size).to(votes.dtype)
    return color_sum / votes.clamp(min=1)


def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """Follow matches to the second image and back to the first image.

    Args:
        there: Matches of the first image in the second image, ``(B, 2, H, W)``.
        back: Matches of the second image in the first image, ``(B, 2, h, w)``.

    Returns:
        x and y coordinates ``(B, 2, H, W)`` in the first image. A pixel with a match outside the second image
        maps to itself.
    """
    stay = pixel_grid((there.shape[2], there.shape[3]), there.device)
    return torch.where(inside(there, (back.shape[2], back.shape[3])), read_at(back, there), stay)


def distances(
    target: Sequence[Tensor], reference: Sequence[Tensor], forward: Tensor, backward: Tensor
) -> tuple[Tensor, Tensor]:
    """Return feature distances of matches in both directions (section 3.1).

    Args:
        target: Five feature maps of the target, ``(B, C, ceil(H/s), ceil(W/s))`` for each stride s in
            `SCALES`.
        reference: Five feature maps of the reference with the same strides.
        forward: Matches of the target in the reference, ``(B, 2, H, W)``.
        backward: Matches of the reference in the target, ``(B, 2, h, w)``.

    Returns:
        Two maps ``(B, 5, H, W)`` of negative cosine similarities, one channel for each stride; 0 for matches
        outside the image. The first map compares each pixel with its match, and the second map compares the
        match with its own match in the target.
    """
    forward_maps, backward_maps = [], []
    for target_map, reference_map, scale in zip(target, reference, SCALES, strict=True):
        forward_map, backward_map = feature_distances(target_map, reference_map, forward, backward, scale)
        forward_maps.append(forward_map)
        backward_maps.append(backward_map)
    target_size = (forward.shape[2], forward.shape[3])
    reference_size = (backward.shape[2], backward.shape[3])
    forward_distances = torch.cat(forward_maps, dim=1) * inside(forward, reference_size)
    backward_distances = torch.cat(backward_maps, dim=1) * inside(backward, target_size)
    return forward_distances, read_at(backward_distances, forward)


def errors_of(distance: Tensor) -> Tensor:
    """Map negative cosine similarities to errors in [0, 255].

    A similarity of 1 (distance -1) gives the error 0. Similarities of 0 or less give the error 255.

    Args:
        distance: Negative cosine similarities in [-1, 1].
    """
    return 255 * (distance + 1).clamp(0, 1)


def feature_distances(
    target: Tensor, reference: Tensor, forward: Tensor, backward: Tensor, scale: int
) -> tuple[Tensor, Tensor]:
    """Return negative cosine similarities of matches in both directions.

    The features are upsampled to pixel resolution before the comparison. Dot products and norms are sums over
    groups of channels, because all upsampled channels would need too much memory.

    Args:
        target: Features of the target, ``(B, C, ceil(H/scale), ceil(W/scale))``.
        reference: Features of the reference, ``(B, C, ceil(h/scale), ceil(w/scale))``.
        forward: Matches of the target in the reference, ``(B, 2, H, W)``. Coordinates outside the reference
            are clamped.
        backward: Matches of the reference in the target, ``(B, 2, h, w)``. Coordinates outside the target
            are clamped.
        scale: Stride of the features in pixels.

    Returns:
        Maps ``(B, 1, H, W)`` for the target and ``(B, 1, h, w)`` for the reference.
    """
    target_size = (forward.shape[2], forward.shape[3])
    reference_size = (backward.shape[2], backward.shape[3])
    forward_rows = rows_of(forward, reference_size)
    backward_rows = rows_of(backward, target_size)

    # sums over the channels: dot products of matched features, and squared norms
    forward_dots = target.new_zeros(len(target), 1, *target_size)
    backward_dots = target.new_zeros(len(target), 1, *reference_size)
    target_squares = torch.zeros_like(forward_dots)
    reference_squares = torch.zeros_like(backward_dots)
    target_parts = torch.split(target, _CHANNELS, dim=1)
    reference_parts = torch.split(reference, _CHANNELS, dim=1)
    for target_part, reference_part in zip(target_parts, reference_parts, strict=True):
        target_pixels = _at_pixels(target_part, target_size, scale)
        reference_pixels = _at_pixels(reference_part, reference_size, scale)
        forward_products = target_pixels * _gather(reference_pixels, forward_rows)
        backward_products = reference_pixels * _gather(target_pixels, backward_rows)
        forward_dots = forward_dots + forward_products.sum(dim=1, keepdim=True)
        backward_dots = backward_dots + backward_products.sum(dim=1, keepdim=True)
        target_squares = target_squares + target_pixels.square().sum(dim=1, keepdim=True)
        reference_squares = reference_squares + reference_pixels.square().sum(dim=1, keepdim=True)

    target_norm = target_squares.sqrt().clamp(min=_MIN_NORM)
    reference_norm = reference_squares.sqrt().clamp(min=_MIN_NORM)
    forward_distance = -forward_dots / (target_norm * _gather(reference_norm, forward_rows))
    backward_distance = -backward_dots / (reference_norm * _gather(target_norm, backward_rows))
    return forward_distance, backward_distance


def _at_pixels(maps: Tensor, size: Size, scale: int) -> Tensor:
    """Upsample features ``(B, C, ceil(H/scale), ceil(W/scale))`` to pixel resolution.

    As in the published code, pixel x samples position (x + scale/2) / scale, a shift of up to half a cell.
    """
    if scale == 1:
        return maps
    padded = F.pad(maps, (0, 2, 0, 2), mode="replicate")  # extrapolate beyond the border
    fine_size = [(side - 1) * scale + 1 for side in padded.shape[-2:]]  # aligned corners map x to x / scale
    fine = F.interpolate(padded, size=fine_size, mode="bilinear", align_corners=True)
    start = scale // 2
    return fine[:, :, start : start + size[0], start : start + size[1]]


def rows_of(matches: Tensor, size: Size) -> Tensor:
    """Return row-major indices ``(B, H, W)`` of matches, clamped to the image."""
    return matches[:, 1].clamp(0, size[0] - 1) * size[1] + matches[:, 0].clamp(0, size[1] - 1)


def _gather(maps: Tensor, rows: Tensor) -> Tensor:
    """Gather values ``(B, C, H, W)`` from maps ``(B, C, h, w)`` at row-major indices."""
    positions = rows.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, positions).view(*maps.shape[:2], *rows.shape[1:])

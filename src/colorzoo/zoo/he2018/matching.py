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

_VOTERS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_TINY = 1e-8  # minimum norm of a feature vector
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
    """Warp an image with matches by averaging overlapping 3 x 3 patches.

    Args:
        image: Source image ``(B, C, h, w)``.
        matches: x and y coordinates in the source image for each pixel of the result, ``(B, 2, H, W)``.

    Returns:
        Warped image ``(B, C, H, W)``, 0 where all patches lie outside the source image.
    """
    size = (image.shape[2], image.shape[3])
    nowhere = -2 - max(size)  # match of padding pixels, outside of the image for every shift
    padded = F.pad(matches, (1, 1, 1, 1), value=nowhere)
    height, width = matches.shape[-2:]
    total = image.new_zeros(len(matches), image.shape[1], height, width)
    votes = image.new_zeros(len(matches), 1, height, width)
    for dx, dy in _VOTERS:
        shift = torch.tensor([dx, dy], device=matches.device).view(2, 1, 1)
        shown = padded[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] - shift
        total += read_at(image, shown)
        votes += inside(shown, size).to(votes.dtype)
    return total / votes.clamp(min=1)


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
    ours: Sequence[Tensor], theirs: Sequence[Tensor], there: Tensor, back: Tensor
) -> tuple[Tensor, Tensor]:
    """Return feature distances of matches in both directions (section 3.1).

    Args:
        ours: Five feature maps of the first image, ``(B, C, ceil(H/s), ceil(W/s))`` for each stride s in
            `SCALES`.
        theirs: Five feature maps of the second image with the same strides.
        there: Matches of the first image in the second image, ``(B, 2, H, W)``.
        back: Matches of the second image in the first image, ``(B, 2, h, w)``.

    Returns:
        Two maps ``(B, 5, H, W)`` of negative cosine similarities, one channel for each stride; 0 for matches
        outside the image. The first map compares each pixel with its match, and the second map compares the
        match with its own match in the first image.
    """
    levels = zip(ours, theirs, SCALES, strict=True)
    pairs = [feature_distances(a, b, there, back, scale) for a, b, scale in levels]
    forward, backward = (torch.cat(each, dim=1) for each in zip(*pairs, strict=True))
    forward = forward * inside(there, (back.shape[2], back.shape[3]))
    backward = backward * inside(back, (there.shape[2], there.shape[3]))
    return forward, read_at(backward, there)


def errors_of(distance: Tensor) -> Tensor:
    """Map negative cosine similarities to errors in [0, 255].

    A similarity of 1 (distance -1) gives the error 0. Similarities of 0 or less give the error 255.

    Args:
        distance: Negative cosine similarities in [-1, 1].
    """
    return 255 * (distance + 1).clamp(0, 1)


def feature_distances(
    ours: Tensor, theirs: Tensor, there: Tensor, back: Tensor, scale: int
) -> tuple[Tensor, Tensor]:
    """Return negative cosine similarities of matches in both directions.

    Args:
        ours: Features of the first image, ``(B, C, ceil(H/scale), ceil(W/scale))``.
        theirs: Features of the second image, ``(B, C, ceil(h/scale), ceil(w/scale))``.
        there: Matches of the first image in the second image, ``(B, 2, H, W)``. Coordinates outside the
            second image are clamped.
        back: Matches of the second image in the first image, ``(B, 2, h, w)``. Coordinates outside the first
            image are clamped.
        scale: Stride of the features in pixels.

    Returns:
        Maps ``(B, 1, H, W)`` for the first image and ``(B, 1, h, w)`` for the second image.
    """
    size, other_size = (there.shape[2], there.shape[3]), (back.shape[2], back.shape[3])
    rows_there, rows_back = rows_of(there, other_size), rows_of(back, size)
    dots_there = squares = ours.new_zeros(len(ours), 1, *size)
    dots_back = other_squares = ours.new_zeros(len(ours), 1, *other_size)
    for part, other_part in zip(
        *(torch.split(each, _CHANNELS, dim=1) for each in (ours, theirs)), strict=True
    ):
        own, other = _at_pixels(part, size, scale), _at_pixels(other_part, other_size, scale)
        dots_there = dots_there + (own * _gather(other, rows_there)).sum(dim=1, keepdim=True)
        dots_back = dots_back + (other * _gather(own, rows_back)).sum(dim=1, keepdim=True)
        squares = squares + own.square().sum(dim=1, keepdim=True)
        other_squares = other_squares + other.square().sum(dim=1, keepdim=True)
    length, other_length = (each.sqrt().clamp(min=_TINY) for each in (squares, other_squares))
    forward = -dots_there / (length * _gather(other_length, rows_there))
    backward = -dots_back / (other_length * _gather(length, rows_back))
    return forward, backward


def _at_pixels(maps: Tensor, size: Size, scale: int) -> Tensor:
    """Upsample features ``(B, C, ceil(H/scale), ceil(W/scale))`` to pixel resolution.

    As in the published code, pixel x samples position (x + scale/2) / scale, a shift of up to half a cell.
    """
    if scale == 1:
        return maps
    padded = F.pad(maps, (0, 2, 0, 2), mode="replicate")  # extrapolate beyond the border
    fine = [(side - 1) * scale + 1 for side in padded.shape[-2:]]  # aligned corners map x to x / scale
    dense = F.interpolate(padded, size=fine, mode="bilinear", align_corners=True)
    first = scale // 2
    return dense[:, :, first : first + size[0], first : first + size[1]]


def rows_of(matches: Tensor, size: Size) -> Tensor:
    """Return row-major indices ``(B, H, W)`` of matches, clamped to the image."""
    return matches[:, 1].clamp(0, size[0] - 1) * size[1] + matches[:, 0].clamp(0, size[1] - 1)


def _gather(maps: Tensor, rows: Tensor) -> Tensor:
    """Gather values ``(B, C, H, W)`` from maps ``(B, C, h, w)`` at row-major indices."""
    positions = rows.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, positions).view(*maps.shape[:2], *rows.shape[1:])

"""Dense matches of two pictures, colors that follow them, and how well the matched places agree.

A map of matches is ``(B, 2, H, W)`` int64: x and y in the other picture for each pixel of this one. Any dense
method may supply it. `dense_matches` stands in for the authors' Deep Image Analogy (Liao et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.blocks import cells
from colorzoo.networks.matching import match
from colorzoo.zoo.he2018.network import SCALES

Size = tuple[int, int]

_VOTERS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_MATCHED = SCALES[:-1]  # as in Deep Image Analogy, relu1_1 is not matched
_BEST_ONLY = 1e-10  # temperature
_TINY = 1e-8  # least length of a feature vector
_CHANNELS = 16  # that are compared at once


def pixel_grid(size: Size, device: torch.device) -> Tensor:
    """Return x and y of the pixels of a picture, ``(1, 2, H, W)`` int64."""
    y, x = torch.meshgrid(*(torch.arange(side, device=device) for side in size), indexing="ij")
    return torch.stack([x, y])[None]


def inside(matches: Tensor, size: Size) -> Tensor:
    """Return ``(B, 1, H, W)`` bool: True where a match lies in the other picture."""
    x, y = matches[:, :1], matches[:, 1:]
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def read_at(maps: Tensor, matches: Tensor) -> Tensor:
    """Return the values ``(B, C, H, W)`` of maps ``(B, C, h, w)`` at their matches; 0 outside."""
    size = (maps.shape[2], maps.shape[3])
    return _gather(maps, _rows_of(matches, size)) * inside(matches, size).to(maps.dtype)


def warp(picture: Tensor, matches: Tensor) -> Tensor:
    """Carry a picture over to its matches; overlapping patches of 3 x 3 pixels vote.

    Args:
        picture: ``(B, C, h, w)``.
        matches: ``(B, 2, H, W)`` into it.

    Returns:
        ``(B, C, H, W)``: at each pixel the mean of what the matches of the 3 x 3 pixels around it show there;
        0 if all of it lies outside.
    """
    size = (picture.shape[2], picture.shape[3])
    nowhere = -2 - max(size)  # a match of pixels beyond the border, outside for every shift
    padded = F.pad(matches, (1, 1, 1, 1), value=nowhere)
    height, width = matches.shape[-2:]
    total = picture.new_zeros(len(matches), picture.shape[1], height, width)
    votes = picture.new_zeros(len(matches), 1, height, width)
    for dx, dy in _VOTERS:
        shift = torch.tensor([dx, dy], device=matches.device).view(2, 1, 1)
        shown = padded[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] - shift
        total += read_at(picture, shown)
        votes += inside(shown, size).to(votes.dtype)
    return total / votes.clamp(min=1)


def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """Return where pixels of the first picture arrive that go to the second and back, ``(B, 2, H, W)``.

    Args:
        there: ``(B, 2, H, W)`` matches in the second picture; pixels with one outside stay.
        back: ``(B, 2, h, w)`` matches of the second picture in the first.
    """
    stay = pixel_grid((there.shape[2], there.shape[3]), there.device)
    return torch.where(inside(there, (back.shape[2], back.shape[3])), read_at(back, there), stay)


def distances(
    ours: Sequence[Tensor], theirs: Sequence[Tensor], there: Tensor, back: Tensor
) -> tuple[Tensor, Tensor]:
    """Return how far matched places differ, in both directions and at all levels (section 3.1).

    Args:
        ours: Features of the first picture at the levels of `SCALES`, ``(B, C, ceil(H/s), ceil(W/s))``.
        theirs: Those of the second picture.
        there: ``(B, 2, H, W)`` matches of the first picture in the second.
        back: ``(B, 2, h, w)`` matches of the second in the first.

    Returns:
        Two maps ``(B, 5, H, W)`` of negative cosines, 0 where a match lies outside: of each pixel and its
        match, and of the match and the place that it matches itself.
    """
    levels = zip(ours, theirs, SCALES, strict=True)
    pairs = [feature_distances(a, b, there, back, scale) for a, b, scale in levels]
    forward, backward = (torch.cat(each, dim=1) for each in zip(*pairs, strict=True))
    forward = forward * inside(there, (back.shape[2], back.shape[3]))
    backward = backward * inside(back, (there.shape[2], there.shape[3]))
    return forward, read_at(backward, there)


def errors_of(distance: Tensor) -> Tensor:
    """Return errors in [0, 255] of negative cosines: 0 for one direction, 255 for a right angle or more."""
    return 255 * (distance + 1).clamp(0, 1)


def feature_distances(
    ours: Tensor, theirs: Tensor, there: Tensor, back: Tensor, scale: int
) -> tuple[Tensor, Tensor]:
    """Return the negative cosines of the features of pixels and of their matches, in both directions.

    Args:
        ours: ``(B, C, ceil(H/scale), ceil(W/scale))``.
        theirs: Likewise of the other picture.
        there: ``(B, 2, H, W)``; a match outside counts as the nearest pixel inside.
        back: ``(B, 2, h, w)``, likewise.
        scale: Pixels per place, each way.

    Returns:
        ``(B, 1, H, W)`` and ``(B, 1, h, w)``.
    """
    sizes = [(each.shape[2], each.shape[3]) for each in (there, back)]
    rows = _rows_of(there, sizes[1]), _rows_of(back, sizes[0])
    dots = [ours.new_zeros(len(ours), 1, *size) for size in sizes]
    squares = [torch.zeros_like(each) for each in dots]
    for parts in zip(*(torch.split(each, _CHANNELS, dim=1) for each in (ours, theirs)), strict=True):
        a, b = (_at_pixels(part, size, scale) for part, size in zip(parts, sizes, strict=True))
        for index, (own, other) in enumerate(((a, b), (b, a))):
            dots[index] += (own * _gather(other, rows[index])).sum(dim=1, keepdim=True)
            squares[index] += own.square().sum(dim=1, keepdim=True)
    length = [each.sqrt().clamp(min=_TINY) for each in squares]
    forward = -dots[0] / (length[0] * _gather(length[1], rows[0]))
    return forward, -dots[1] / (length[1] * _gather(length[0], rows[1]))


def _at_pixels(maps: Tensor, size: Size, scale: int) -> Tensor:
    """Interpolate maps ``(B, C, ceil(H/scale), ceil(W/scale))`` at the pixels of a picture.

    As published, the value of pixel x is that at (x + scale/2) / scale, up to half a place further.
    """
    if scale == 1:
        return maps
    padded = F.pad(maps, (0, 2, 0, 2), mode="replicate")  # beyond the border its values go on
    fine = [(side - 1) * scale + 1 for side in padded.shape[-2:]]  # with corners aligned, x becomes x / scale
    dense = F.interpolate(padded, size=fine, mode="bilinear", align_corners=True)
    first = scale // 2
    return dense[:, :, first : first + size[0], first : first + size[1]]


def dense_matches(ours: Sequence[Tensor], theirs: Sequence[Tensor], size: Size, other: Size) -> Tensor:
    """Match every pixel of one picture with the most similar place of another one, coarse to fine (ours).

    Places are compared by the cosine of their features about the mean of each picture, averaged over 3 x 3
    places: with the whole picture at relu5_1, then around the match of the coarser level, down to relu2_1.
    Every match lies inside.

    Args:
        ours: Features at the levels of `SCALES` of the picture that gets matches.
        theirs: Features of the other picture.
        size: Height and width of the first picture.
        other: Height and width of the second picture.
    """
    matches = _best_of_all(_directions(ours[0]), _directions(theirs[0]))
    for index, scale in enumerate(_MATCHED[1:], start=1):
        ours_size, theirs_size = ((cells(each[0], scale), cells(each[1], scale)) for each in (size, other))
        matches = _enlarge(matches, ours_size, theirs_size, 2)
        matches = _best_nearby(_directions(ours[index]), _directions(theirs[index]), matches)
    return _enlarge(matches, size, other, _MATCHED[-1])


def _rows_of(matches: Tensor, size: Size) -> Tensor:
    """Return the number ``(B, H, W)`` of the pixel of a match, row by row; of the nearest one inside."""
    return matches[:, 1].clamp(0, size[0] - 1) * size[1] + matches[:, 0].clamp(0, size[1] - 1)


def _gather(maps: Tensor, rows: Tensor) -> Tensor:
    """Return the values ``(B, C, H, W)`` of maps ``(B, C, h, w)`` at the pixels `_rows_of` ``(B, H, W)``."""
    places = rows.flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, places).view(*maps.shape[:2], *rows.shape[1:])


def _best_of_all(ours: Tensor, theirs: Tensor) -> Tensor:
    places = pixel_grid((theirs.shape[2], theirs.shape[3]), theirs.device).expand(len(theirs), -1, -1, -1)
    found = match(_rows(ours), _rows(theirs), _rows(places), tau=_BEST_ONLY).values
    return found.round().long().transpose(1, 2).reshape(len(ours), 2, *ours.shape[-2:])


def _best_nearby(ours: Tensor, theirs: Tensor, matches: Tensor, reach: int = 2) -> Tensor:
    """Replace each match by the best place up to ``reach`` away."""
    rows, other = _rows(ours), _rows(theirs)
    height, width = theirs.shape[-2:]
    shifts = sorted((dx * dx + dy * dy, dx, dy) for dx in _around(reach) for dy in _around(reach))
    best, found = None, matches
    for _, dx, dy in shifts:  # the nearest first, which then wins a tie
        x = (matches[:, :1] + dx).clamp(0, width - 1)
        y = (matches[:, 1:] + dy).clamp(0, height - 1)
        candidate = torch.cat([x, y], dim=1)
        score = torch.linalg.vecdot(rows, _take(other, _rows_of(candidate, (height, width)).flatten(1)))
        score = score.view(len(ours), 1, *ours.shape[-2:])
        found = candidate if best is None else torch.where(score > best, candidate, found)
        best = score if best is None else torch.maximum(score, best)
    return found


def _around(reach: int) -> range:
    return range(-reach, reach + 1)


def _enlarge(matches: Tensor, size: Size, other: Size, times: int) -> Tensor:
    """Bring matches to a grid that is ``times`` finer; the places inside a former one keep their order."""
    fine = pixel_grid(size, matches.device)
    coarse = fine // times
    found = matches[:, :, coarse[0, 1], coarse[0, 0]] * times + fine % times
    x, y = found[:, :1].clamp(0, other[1] - 1), found[:, 1:].clamp(0, other[0] - 1)
    return torch.cat([x, y], dim=1)


def _directions(features: Tensor) -> Tensor:
    """Return features of length 1, averaged over 3 x 3 places, about their mean over the picture."""
    local = F.avg_pool2d(F.normalize(features, dim=1), 3, stride=1, padding=1, count_include_pad=False)
    return F.normalize(local - local.mean(dim=(2, 3), keepdim=True), dim=1)


def _rows(maps: Tensor) -> Tensor:
    """Return ``(B, H W, C)``, contiguous."""
    return maps.flatten(2).transpose(1, 2).contiguous()


def _take(rows: Tensor, places: Tensor) -> Tensor:
    """Return the rows ``(B, N, C)`` of ``(B, M, C)`` at places ``(B, N)``."""
    first = torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]
    return rows.flatten(0, 1).index_select(0, (places + first).flatten()).view(*places.shape, -1)

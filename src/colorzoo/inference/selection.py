"""Selection of the thing at a click, of a named part such as skin or sky, and of the object in an outline.

A small network over the features of the ImageNet encoder finds things and parts; outlines are searched by
GrabCut. ``python -m benchmarks selection`` measures the clicks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Mask
from colorzoo.inference.steps.area_masks import polygon_map
from colorzoo.networks.click_segmenter import PARTS, SegmenterFeatures
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.imagenet_encoder import MULTIPLE
from colorzoo.weights.encoder import click_segmenter

_SEEN_SIZE = 256  # shorter side of the photo that the network sees
_CUT = 4  # a second look is at this part of the shorter side
_STEP = 1.25  # factor of the size from one thing to the next larger one
_SAME = 0.9  # intersection over union from which two masks are one thing
_PER_SIZE = 2.5  # log odds per e-fold of the size, beyond the smallest and the largest thing
_HOLE = 0.02  # share of a selection up to which a hole in it is filled
_LEAST_PART = 0.001  # share of the photo
_CERTAIN = 2.0  # score above those of all masks
_PARTS_FIRST = ("lips", "teeth", "eyes")  # a click on them seldom means the face
_SURE = 0.7  # mean probability of a part
_BORDER_PER_SIZE = 0.1  # how far a border moves per e-fold of the size, as a share of the root of the area
_ROUNDS = 4  # of GrabCut
_BAND = 0.35  # of the distance from an outline to the middle of its inside: there the border is searched
_LEAST_PIXELS = 24
_LEAST_SHARE = 0.05  # of the outlined pixels; a smaller result is replaced by the outline itself
_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 2.0  # levels of 8 bits per unit


def select_outlined(
    lightness: Tensor, ab: Tensor, path: Sequence[tuple[float, float]], image_size: tuple[int, int]
) -> Mask:
    """Return the object in a rough outline.

    Examples:
        >>> lightness, ab = torch.full((1, 1, 32, 48), 50.0), torch.zeros(2, 32, 48)
        >>> path = [(10, 5), (40, 5), (40, 28), (10, 28)]
        >>> select_outlined(lightness, ab, path, image_size=(48, 32)).array().shape
        (32, 48)

    The outside is background, the middle is the object, and between them GrabCut (Rother et al. 2004) finds
    the border by lightness and by the model's colors.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units, the model's own answer.
        path: Outline in pixels of the image.
        image_size: Width and height of the image.
    """
    size = (int(lightness.shape[2]), int(lightness.shape[3]))
    inside = polygon_map(path, image_size, size) > 0.5
    if inside.sum() < _LEAST_PIXELS or inside.all():
        return Mask.of(inside)
    depth = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    marks = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    marks[depth > _BAND * depth.max() + 1] = cv2.GC_FGD
    found = _grab_cut(lightness, ab, marks) & inside
    if found.sum() < _LEAST_SHARE * inside.sum():
        return Mask.of(inside)
    # crumbs are removed, and small holes filled
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return Mask.of(cast("NDArray[np.bool_]", cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0))


def _grab_cut(lightness: Tensor, ab: Tensor, marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the object's pixels, given the marks of `cv2.grabCut`."""
    lab = torch.cat([lightness[0] * _LIGHTNESS_SCALE, ab * _AB_SCALE + 128]).clamp(0, 255)
    levels = np.ascontiguousarray(lab.permute(1, 2, 0).round().byte().numpy())
    if np.isin(marks, (cv2.GC_BGD, cv2.GC_PR_BGD)).any() and np.isin(marks, (1, 3)).any():
        models = (np.zeros((1, 65)), np.zeros((1, 65)))
        cv2.setRNGSeed(0)  # for its random first clusters: the same outline gives the same object
        cv2.grabCut(levels, marks, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))


def outline_mask(lightness: Tensor, path: Sequence[tuple[float, float]], image_size: tuple[int, int]) -> Mask:
    """Return the inside of an outline itself; see `select_outlined`."""
    return Mask.of(polygon_map(path, image_size, (int(lightness.shape[2]), int(lightness.shape[3]))) > 0.5)


def resize_mask(mask: Mask, size: float) -> Mask:
    """Grow a mask at its border, or shrink it.

    Args:
        mask: It is never shrunk to nothing.
        size: More than 1 grows it, as a factor of its size; 1 leaves it.
    """
    inside = mask.array()
    radius = round(_BORDER_PER_SIZE * math.sqrt(inside.sum()) * math.log(size))
    if radius == 0:
        radius = (size > 1) - (size < 1)
    if radius == 0:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1, 2 * abs(radius) + 1))
    change = cv2.dilate if radius > 0 else cv2.erode
    found = change(inside.astype(np.uint8), kernel) > 0
    return Mask.of(cast("NDArray[np.bool_]", found)) if found.any() else mask


def segmenter_features(lightness: Tensor) -> SegmenterFeatures:
    """Run the network that finds things and parts on a lightness ``(1, 1, h, w)`` in [0, 100]."""
    encoder, network = click_segmenter()
    factor = _SEEN_SIZE / min(lightness.shape[2:])
    sides = [max(1, round(side * factor / MULTIPLE)) * MULTIPLE for side in lightness.shape[2:]]
    with torch.inference_mode():
        small = F.interpolate(lightness.float().cpu(), sides, mode="bilinear", antialias=True)
        found: SegmenterFeatures = network(encoder(small))
    return found


def select_at(
    lightness: Tensor,
    place: tuple[float, float],
    image_size: tuple[int, int],
    size: float = 1.0,
    *,
    visible: float = 1.0,
    see: Callable[[Tensor], SegmenterFeatures] = segmenter_features,
) -> Mask:
    """Return the thing at a place.

    Examples:
        >>> lightness = torch.full((1, 1, 32, 48), 20.0)
        >>> lightness[..., 8:24, 12:36] = 80
        >>> select_at(lightness, place=(24, 16), image_size=(48, 32)).array().shape
        (32, 48)

    A place belongs to up to three things, such as a lip, a face and a person. The likeliest is selected; on
    lips, teeth and eyes these come first. Smaller ones than these are found by a second look, at a cut around
    the place.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        place: x and y in pixels of the image.
        image_size: Width and height of the image.
        size: Each factor of 1.25 selects the next larger thing, or the next smaller one; beyond the last one
            its border moves.
        visible: Fraction of the image in view; larger things are not the first choice.
        see: `segmenter_features`, perhaps one that remembers its results.
    """
    height, width = int(lightness.shape[2]), int(lightness.shape[3])
    at = place[0] / image_size[0] * width, place[1] / image_size[1] * height
    things = _masks_at(lightness, at, see(lightness))
    first, logits = things.likeliest, things.logits
    while first > 0 and things.masks[first].mean() > visible:
        first -= 1
    wanted = first + round(math.log(size, _STEP))
    if wanted < 0:
        closer = _refine_in_crop(lightness, at, see, most=int(things.masks[0].sum()))
        wanted, logits = wanted + len(closer), [*closer, *logits]
    nearest = min(max(wanted, 0), len(logits) - 1)
    change = _PER_SIZE * math.log(_STEP) * (wanted - nearest)
    return Mask.of(_piece(logits[nearest] + change > 0, _pixel(at, lightness)))


def find_parts(lightness: Tensor, *, seen: SegmenterFeatures | None = None) -> dict[str, Mask]:
    """Find the parts of a photo that have names: skin, hair, lips, teeth, eyes, clothes, sky, water, plants.

    Examples:
        >>> lightness = torch.rand(1, 1, 32, 48) * 100
        >>> isinstance(find_parts(lightness), dict)
        True

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        seen: Result of `segmenter_features`; None runs the network.

    Returns:
        The masks of the parts that are there with some certainty, by name, in the order of `PARTS`.
    """
    with torch.inference_mode():
        logits = (segmenter_features(lightness) if seen is None else seen).parts
        shares = torch.from_numpy(_at_size(logits, lightness)).softmax(0)
    likeliest = shares.argmax(0)
    found = {}
    for number, name in enumerate(PARTS):
        inside = likeliest == number
        if (
            name != "other"
            and inside.float().mean() >= _LEAST_PART
            and shares[number][inside].mean() >= _SURE
        ):
            found[name] = Mask.of(inside.numpy())
    return found


def _part_at(logits: Tensor, place: tuple[float, float]) -> list[Tensor]:
    """Return the log odds ``(1, 1, h, w)`` of the lips, teeth or eyes at a place; nothing elsewhere.

    Args:
        logits: ``(1, 10, h, w)`` of `PARTS`.
        place: x and y as shares of width and height.
    """
    height, width = logits.shape[2:]
    row, column = min(int(place[1] * height), height - 1), min(int(place[0] * width), width - 1)
    number = int(logits[0, :, row, column].argmax())
    if PARTS[number] not in _PARTS_FIRST:
        return []
    others = torch.cat([logits[:, :number], logits[:, number + 1 :]], dim=1).logsumexp(1)
    return [logits[:, number : number + 1] - others[:, None]]


class _Masks(NamedTuple):
    """Things at a place from small to large, and the number of the likeliest."""

    logits: list[NDArray[np.float32]]
    masks: list[NDArray[np.bool_]]
    likeliest: int


def _masks_at(lightness: Tensor, at: tuple[float, float], seen: SegmenterFeatures) -> _Masks:
    """Return the things at x and y in pixels of a lightness."""
    height, width = lightness.shape[2:]
    place = at[0] / width, at[1] / height
    with torch.inference_mode():
        found = click_segmenter()[1].segment_clicks(seen, torch.tensor([place]))
        part = _part_at(seen.parts, place)
        logits = _at_size(torch.cat([found.logits, *part], dim=1), lightness)
    masks = [_piece(each > 0, _pixel(at, lightness)) for each in logits]
    return _distinct_masks(logits, masks, [*found.scores[0].tolist(), *(_CERTAIN for _ in part)])


def _refine_in_crop(
    lightness: Tensor, at: tuple[float, float], see: Callable[[Tensor], SegmenterFeatures], most: int
) -> list[NDArray[np.float32]]:
    """Return the things at a place that end within a cut around it and are smaller than the known ones.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        at: x and y in its pixels.
        see: As in `select_at`.
        most: Pixels of the smallest known thing.

    Returns:
        Log odds ``(h, w)`` from small to large, minus infinity outside of the cut.
    """
    height, width = int(lightness.shape[2]), int(lightness.shape[3])
    side = math.ceil(min(height, width) / _CUT)
    left, top = (
        min(max(round(middle - side / 2), 0), whole - side)
        for middle, whole in zip(at, (width, height), strict=True)
    )
    cut = lightness[:, :, top : top + side, left : left + side]
    things = _masks_at(cut, (at[0] - left, at[1] - top), see(cut))
    found = []
    for logits, mask in zip(things.logits, things.masks, strict=True):
        ends = (
            *((top, mask[0]), (height - top - side, mask[-1])),
            *((left, mask[:, 0]), (width - left - side, mask[:, -1])),
        )
        if mask.sum() < _SAME * most and not any(beyond and line.any() for beyond, line in ends):
            whole = np.full((height, width), -np.inf, np.float32)
            whole[top : top + side, left : left + side] = logits
            found.append(whole)
    return found


def _distinct_masks(
    logits: NDArray[np.float32], masks: Sequence[NDArray[np.bool_]], scores: Sequence[float]
) -> _Masks:
    """Sort things by size, and keep the better one of two that are nearly the same."""
    kept: list[int] = []
    for number in sorted(range(len(masks)), key=lambda number: -scores[number]):
        if all(_overlap(masks[number], masks[other]) < _SAME for other in kept):
            kept.append(number)
    order = sorted(kept, key=lambda number: masks[number].sum())
    return _Masks(
        [logits[number] for number in order], [masks[number] for number in order], order.index(kept[0])
    )


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks that have a place in common."""
    return float((one & other).sum() / (one | other).sum())


def _at_size(logits: Tensor, lightness: Tensor) -> NDArray[np.float32]:
    """Return log odds ``(C, H, W)`` enlarged to a lightness, along its edges."""
    light = F.interpolate(lightness.float().cpu(), logits.shape[2:], mode="area")
    return cast("NDArray[np.float32]", enlarge_along_edges(logits, light, lightness.cpu())[0].numpy())


def _pixel(at: tuple[float, float], lightness: Tensor) -> tuple[int, int]:
    """Return row and column of the pixel at x and y."""
    height, width = int(lightness.shape[2]), int(lightness.shape[3])
    return min(int(at[1]), height - 1), min(int(at[0]), width - 1)


def _piece(inside: NDArray[np.bool_], home: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the connected piece of a mask at a place (row and column), without small holes."""
    row, column = home
    inside = inside.copy()
    inside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    _, pieces = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    piece = pieces == pieces[row, column]
    _, holes, facts, _ = cv2.connectedComponentsWithStats((~piece).astype(np.uint8), connectivity=4)
    small_holes = np.flatnonzero(facts[:, cv2.CC_STAT_AREA] < _HOLE * piece.sum())
    return cast("NDArray[np.bool_]", piece | (np.isin(holes, small_holes) & ~piece))

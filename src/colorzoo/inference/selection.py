"""Segmentation of objects by clicks and outlines, and of parts such as skin or sky.

`ClickSegmenter` segments objects and parts. GrabCut segments outlined objects. ``python -m benchmarks
selection`` measures the IoU of click segmentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance.areas import Mask
from colorzoo.inference.full_size import map_size
from colorzoo.inference.steps.areas import polygon_map
from colorzoo.networks.click_segmenter import PARTS, ClickSegmenter, SegmenterFeatures
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.imagenet_encoder import MULTIPLE, ImageNetEncoder
from colorzoo.weights.catalog import EMBEDDED_FOLDER, load_imagenet_encoder
from colorzoo.weights.load import read_weights

SEGMENTER_FILE = "things.safetensors"
"""File of the segmenter weights, which this project trained; see ``NOTICE``."""
_NETWORK_SIZE = 256  # shorter side of the network input
_LONGEST = 8  # maximum ratio of the longer side to `_NETWORK_SIZE`
_CROP = 4  # the crop of the second run has 1 / 4 of the shorter side
_STEP = 1.25  # ratio of the argument `size` that selects the next larger object
_SAME_IOU = 0.9  # IoU above which two masks are the same object
_LOGIT_PER_SIZE = 2.5  # logit offset per unit of log(`size`), beyond the smallest and the largest object
_HOLE = 0.02  # maximum area of a hole that is filled, as a fraction of the selection
_LEAST_PART = 0.001  # minimum area of a part, as a fraction of the image
_CERTAIN = 2.0  # greater than the score of any mask
_PARTS_FIRST = ("lips", "teeth", "eyes")  # a click on these parts seldom means the face
_SURE = 0.7  # minimum mean probability of a part
_BORDER_PER_SIZE = 0.1  # radius of the dilation per unit of log(`size`), relative to sqrt(mask area)
_ROUNDS = 4  # iterations of GrabCut
_BAND = 0.35  # width of the searched band, as a fraction of the depth of the outlined region
_LEAST_PIXELS = 24
_LEAST_SHARE = 0.05  # minimum fraction of the outlined pixels; a smaller result is replaced by the outline
_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 2.0  # 8-bit levels per CIE unit


@cache
def click_segmenter() -> tuple[ImageNetEncoder, ClickSegmenter]:
    """Return the ImageNet encoder and the interactive segmenter that decodes its features.

    The segmenter predicts the region of an object from clicks. The networks are loaded once and cached.
    """
    segmenter = ClickSegmenter()
    segmenter.load_state_dict(read_weights(EMBEDDED_FOLDER / SEGMENTER_FILE).state_dict)
    return load_imagenet_encoder(), segmenter.eval().requires_grad_(False)


def select_outlined(
    lightness: Tensor, ab: Tensor, path: Sequence[tuple[float, float]], image_size: tuple[int, int]
) -> Mask:
    """Segment the object inside a rough outline and return its mask.

    Examples:
        >>> lightness, ab = torch.full((1, 1, 32, 48), 50.0), torch.zeros(2, 32, 48)
        >>> path = [(10, 5), (40, 5), (40, 28), (10, 28)]
        >>> select_outlined(lightness, ab, path, image_size=(48, 32)).array().shape
        (32, 48)

    Pixels outside the outline are background, and pixels far inside the outline are foreground. GrabCut
    (Rother et al. 2004) classifies the other pixels by lightness and predicted color.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units, the prediction without hints.
        path: Corners (x, y) of the outline in pixels of the image.
        image_size: Width and height of the image.
    """
    size = map_size(lightness)
    inside = polygon_map(path, image_size, size) > 0.5
    if inside.sum() < _LEAST_PIXELS or inside.all():
        return Mask.of(inside)
    padded = np.pad(inside.astype(np.uint8), 1)  # pixels outside the image are background
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    marks = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    marks[depth > _BAND * depth.max() + 1] = cv2.GC_FGD
    lab = torch.cat([lightness[0] * _LIGHTNESS_SCALE, ab * _AB_SCALE + 128]).clamp(0, 255)
    levels = np.ascontiguousarray(lab.permute(1, 2, 0).round().byte().numpy())
    cv2.setRNGSeed(0)  # GrabCut initializes its clusters at random
    background_model, foreground_model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(levels, marks, None, background_model, foreground_model, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)) & inside
    if found.sum() < _LEAST_SHARE * inside.sum():
        return Mask.of(inside)
    # remove small components and fill small holes
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    return Mask.of(cast("NDArray[np.bool_]", closed > 0))


def outline_mask(lightness: Tensor, path: Sequence[tuple[float, float]], image_size: tuple[int, int]) -> Mask:
    """Rasterize an outline to a mask without segmentation.

    Examples:
        >>> path = [(10, 5), (40, 5), (40, 28), (10, 28)]
        >>> outline_mask(torch.full((1, 1, 32, 48), 50.0), path, image_size=(48, 32)).array().shape
        (32, 48)

    Args:
        lightness: ``(1, 1, h, w)``, which determines the size ``(h, w)`` of the mask.
        path: Corners (x, y) of the outline in pixels of the image.
        image_size: Width and height of the image.
    """
    return Mask.of(polygon_map(path, image_size, map_size(lightness)) > 0.5)


def resize_mask(mask: Mask, size: float) -> Mask:
    """Dilate or erode a mask; a mask that erosion would empty is returned unchanged.

    Examples:
        >>> path = [(10, 5), (40, 5), (40, 28), (10, 28)]
        >>> mask = outline_mask(torch.full((1, 1, 32, 48), 50.0), path, image_size=(48, 32))
        >>> bool(resize_mask(mask, 1.5).array().sum() > mask.array().sum())
        True

    Args:
        mask: Mask to resize.
        size: Relative size of the result: above 1 dilates, below 1 erodes.
    """
    if size == 1:
        return mask
    inside = mask.array()
    radius = round(_BORDER_PER_SIZE * math.sqrt(inside.sum()) * math.log(size))  # negative for erosion
    if radius == 0:
        radius = 1 if size > 1 else -1
    diameter = 2 * abs(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    change = cv2.dilate if radius > 0 else cv2.erode
    found = change(inside.astype(np.uint8), kernel) > 0
    return Mask.of(cast("NDArray[np.bool_]", found)) if found.any() else mask


def segmenter_features(lightness: Tensor) -> SegmenterFeatures:
    """Compute `ClickSegmenter` features for a lightness map ``(1, 1, h, w)`` in [0, 100].

    Examples:
        >>> segmenter_features(torch.full((1, 1, 32, 48), 50.0)).coarse.shape[1]
        64
    """
    encoder, network = click_segmenter()
    height, width = map_size(lightness)
    factor = _NETWORK_SIZE * min(1 / min(height, width), _LONGEST / max(height, width))
    sides = [max(1, round(side * factor / MULTIPLE)) * MULTIPLE for side in lightness.shape[2:]]
    with torch.inference_mode():
        small = F.interpolate(lightness.float().cpu(), sides, mode="bilinear", antialias=True)
        found: SegmenterFeatures = network(encoder(small))
    return found


def select_at(
    lightness: Tensor,
    point: tuple[float, float],
    image_size: tuple[int, int],
    size: float = 1.0,
    *,
    visible: float = 1.0,
    features: Callable[[Tensor], SegmenterFeatures] = segmenter_features,
) -> Mask:
    """Segment the object at a point and return its mask.

    Examples:
        >>> lightness = torch.full((1, 1, 32, 48), 20.0)
        >>> lightness[..., 8:24, 12:36] = 80
        >>> select_at(lightness, point=(24, 16), image_size=(48, 32)).array().shape
        (32, 48)

    The network proposes up to three nested objects at the point, for example a lip, a face and a person. The
    object with the highest score is selected, except that lips, teeth and eyes have priority. If ``size``
    requests a smaller object, the network runs again on a crop around the point.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        point: x and y in pixels of the image.
        image_size: Width and height of the image.
        size: Relative size of the selection. 1 selects the most likely object. Each factor of 1.25 selects
            the next larger object, and each factor of 0.8 selects the next smaller object. If there is no
            such object, the mask is dilated or eroded.
        visible: Fraction of the image visible on the screen. If ``size`` is 1, objects that cover a larger
            fraction are not selected.
        features: Function that computes the features of a lightness map: `segmenter_features`, or a cached
            version of this function.
    """
    height, width = map_size(lightness)
    at = point[0] / image_size[0] * width, point[1] / image_size[1] * height
    logits, masks, best = _objects_at(lightness, at, features(lightness))
    while best > 0 and masks[best].mean() > visible:
        best -= 1
    requested = best + round(math.log(size, _STEP))  # negative: smaller than all found objects
    if requested < 0:
        smaller = _refine_in_crop(lightness, at, features, most=int(masks[0].sum()))
        logits = [*smaller, *logits]
        requested += len(smaller)
    nearest = min(max(requested, 0), len(logits) - 1)
    # an offset of the logits dilates the largest object or erodes the smallest object
    offset = _LOGIT_PER_SIZE * math.log(_STEP) * (requested - nearest)
    return Mask.of(_piece(logits[nearest] + offset > 0, _pixel(at, lightness)))


def find_parts(lightness: Tensor, *, features: SegmenterFeatures | None = None) -> dict[str, Mask]:
    """Segment skin, hair, lips, teeth, eyes, clothes, sky, water and plants.

    Examples:
        >>> lightness = torch.rand(1, 1, 32, 48) * 100
        >>> isinstance(find_parts(lightness), dict)
        True

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        features: Result of `segmenter_features`; None runs the network.

    Returns:
        Dictionary that maps part names to masks, in the order of `PARTS`. Parts with a mean probability below
        0.7 are omitted.
    """
    with torch.inference_mode():
        if features is None:
            features = segmenter_features(lightness)
        shares = torch.from_numpy(_at_size(features.parts, lightness)).softmax(0)
    likeliest = shares.argmax(0)
    found = {}
    for number, name in enumerate(PARTS):
        inside = likeliest == number
        if name == "other" or inside.float().mean() < _LEAST_PART:
            continue
        mean_probability = shares[number][inside].mean()
        if mean_probability >= _SURE:
            found[name] = Mask.of(inside.numpy())
    return found


def _objects_at(
    lightness: Tensor, at: tuple[float, float], features: SegmenterFeatures
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.bool_]], int]:
    """Segment the objects at x and y in pixels of a lightness map.

    Returns:
        Logits and mask ``(h, w)`` of each object, from small to large, and the index of the object with the
        highest score.
    """
    height, width = lightness.shape[2:]
    point = at[0] / width, at[1] / height
    with torch.inference_mode():
        found = click_segmenter()[1].click(features, torch.tensor([point]))
        # logits of the lips, teeth or eyes at the point, if any
        parts, part = features.parts, []
        rows, columns = parts.shape[2:]
        row, column = min(int(point[1] * rows), rows - 1), min(int(point[0] * columns), columns - 1)
        number = int(parts[0, :, row, column].argmax())
        if PARTS[number] in _PARTS_FIRST:
            others = torch.cat([parts[:, :number], parts[:, number + 1 :]], dim=1).logsumexp(1)
            part = [parts[:, number : number + 1] - others[:, None]]
        logits = _at_size(torch.cat([found.logits, *part], dim=1), lightness)
    masks = [_piece(each > 0, _pixel(at, lightness)) for each in logits]
    scores = [*found.scores[0].tolist(), *(_CERTAIN for _ in part)]
    # keep only the higher-scoring of two nearly equal objects
    kept: list[int] = []
    for number in sorted(range(len(masks)), key=lambda number: -scores[number]):
        mask = masks[number]
        if all((mask & masks[one]).sum() / (mask | masks[one]).sum() < _SAME_IOU for one in kept):
            kept.append(number)
    order = sorted(kept, key=lambda number: masks[number].sum())
    return [logits[number] for number in order], [masks[number] for number in order], order.index(kept[0])


def _refine_in_crop(
    lightness: Tensor, at: tuple[float, float], features: Callable[[Tensor], SegmenterFeatures], most: int
) -> list[NDArray[np.float32]]:
    """Segment smaller objects at a point in a square crop around the point.

    Near the border of the image, the crop is moved into the image. Objects that the crop cuts off are
    omitted. Objects of nearly the size ``most`` or above are omitted, too.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        at: x and y in pixels of the lightness map.
        features: Function that computes the segmenter features of a lightness map.
        most: Size in pixels of the smallest object found in the whole image. Objects must have less than 0.9
            times this size.

    Returns:
        Logits ``(h, w)`` of each object, from small to large; minus infinity outside the crop.
    """
    height, width = map_size(lightness)
    side = math.ceil(min(height, width) / _CROP)
    x, y = at
    left = min(max(round(x - side / 2), 0), width - side)
    top = min(max(round(y - side / 2), 0), height - side)
    crop = lightness[:, :, top : top + side, left : left + side]
    all_logits, masks, _ = _objects_at(crop, (x - left, y - top), features(crop))
    found = []
    for logits, mask in zip(all_logits, masks, strict=True):
        # the object touches a side of the crop that lies inside the image
        is_cut_off = (
            (top > 0 and mask[0].any())
            or (top + side < height and mask[-1].any())
            or (left > 0 and mask[:, 0].any())
            or (left + side < width and mask[:, -1].any())
        )
        is_smaller = mask.sum() < _SAME_IOU * most
        if is_smaller and not is_cut_off:
            image_logits = np.full((height, width), -np.inf, np.float32)
            image_logits[top : top + side, left : left + side] = logits
            found.append(image_logits)
    return found


def _at_size(logits: Tensor, lightness: Tensor) -> NDArray[np.float32]:
    """Upsample logits to ``(C, H, W)`` along the edges of a lightness map."""
    light = F.interpolate(lightness.float().cpu(), logits.shape[2:], mode="area")
    return cast("NDArray[np.float32]", enlarge_along_edges(logits, light, lightness.cpu())[0].numpy())


def _pixel(at: tuple[float, float], lightness: Tensor) -> tuple[int, int]:
    """Return row and column of the pixel at x and y."""
    height, width = map_size(lightness)
    return min(int(at[1]), height - 1), min(int(at[0]), width - 1)


def _piece(inside: NDArray[np.bool_], home: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the connected component of a mask at a row and column, without small holes."""
    row, column = home
    inside = inside.copy()
    inside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    _, pieces = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    piece = pieces == pieces[row, column]
    _, holes, facts, _ = cv2.connectedComponentsWithStats((~piece).astype(np.uint8), connectivity=4)
    small_holes = np.flatnonzero(facts[:, cv2.CC_STAT_AREA] < _HOLE * piece.sum())
    return cast("NDArray[np.bool_]", piece | (np.isin(holes, small_holes) & ~piece))

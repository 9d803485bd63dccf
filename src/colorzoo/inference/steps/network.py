"""Steps that prepare guidance for the network and query it.

Steps with the setting ``network`` query it for colors, similarity, boxes, reference embeddings or regions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance import (
    Boxes,
    BoxHint,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Regions,
    Scribbles,
    Stroke,
)
from colorzoo.guidance.objects import StatisticsHint
from colorzoo.guidance.rasterize import boxes_of, rasterize_scribbles
from colorzoo.inference.network import EditState, NetworkRunner
from colorzoo.inference.steps.reach import PointPatches
from colorzoo.prediction import Prediction

Size = tuple[int, int]


def draw_strokes(lightness: Tensor, *, strokes: tuple[Stroke, ...], image_size: Size) -> Scribbles | None:
    """Draw strokes of a recipe at the size of a lightness ``(1, 1, h, w)``."""
    size = int(lightness.shape[2]), int(lightness.shape[3])
    return rasterize_scribbles(strokes, *image_size, size)


def place_boxes(
    tensors: Guidance, *, boxes: tuple[BoxHint, ...] | None, image_size: Size, size: Size
) -> Guidance:
    """Combine the boxes of a recipe with tensor guidance, at the network's size.

    Args:
        tensors: Guidance as tensors.
        boxes: Boxes of the recipe; None means unspecified.
        image_size: Width and height of its image.
        size: Height and width at the network.
    """
    resized, placed = resize_maps(tensors, size=size), boxes_of(boxes, *image_size)
    return replace(resized, boxes=placed or resized.boxes)


def set_statistics(*, wanted: StatisticsHint) -> GlobalStatistics:
    """Convert the statistics of a recipe to tensors.

    Raises:
        GuidanceError: The histogram is empty.
    """
    saturation = wanted.saturation
    histogram = None if wanted.histogram is None else torch.tensor(wanted.histogram)[None]
    if histogram is not None:
        if not histogram.sum() > 0:
            raise GuidanceError("recipe.statistics.histogram must have a share above 0.")
        histogram = histogram / histogram.sum()
    return GlobalStatistics(histogram, None if saturation is None else torch.tensor([[saturation]]))


def resize_points(points: Points, *, size: Size) -> Points:
    """Resample points to ``size``; a cell gets the mean color of its hinted pixels."""
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    lightness = None if points.lightness is None else mean(points.lightness)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, lightness, exact)


def resize_maps(guidance: Guidance, *, size: Size) -> Guidance:
    """Resample scribbles, regions and classes to the size ``(h, w)`` of the network; see `resize_points`."""

    def labels(values: Tensor) -> Tensor:
        return F.interpolate(values.double(), size=size, mode="nearest-exact").to(values.dtype)

    scribbles, regions, classes = guidance.scribbles, guidance.regions, guidance.classes
    if scribbles is not None and tuple(scribbles.mask.shape[-2:]) != size:
        share = F.interpolate(scribbles.mask, size=size, mode="area")
        scribbles = Scribbles((share > 0).to(share.dtype))
    if regions is not None and tuple(regions.index.shape[-2:]) != size:
        segments = None if regions.segments is None else labels(regions.segments)
        regions = replace(regions, index=labels(regions.index), segments=segments)
    if classes is not None and tuple(classes.target.shape[-2:]) != size:
        classes = replace(classes, target=labels(classes.target))
    return replace(guidance, scribbles=scribbles, regions=regions, classes=classes)


def run_network(
    image: Tensor,
    guidance: Guidance,
    points: Points | None,
    strokes: Scribbles | None,
    state: EditState,
    *,
    network: NetworkRunner,
) -> Prediction:
    """Run the network; see `NetworkRunner.predict`.

    Args:
        image: ``(1, 1, h, w)`` lightness or sketch.
        guidance: All other guidance.
        points: The points; None for none.
        strokes: The strokes; None for none.
        state: Model state of earlier edits.
        network: The model.
    """
    return network.predict(image, replace(guidance, points=points, scribbles=strokes), state)


def compute_similarity(
    lightness: Tensor, state: EditState, *, network: NetworkRunner, patches: PointPatches
) -> Tensor:
    """Compute the similarity of all locations to points, ``(1, 1, h, w)`` in [0, 1] at any size.

    See `colorzoo.capabilities.ComputesSimilarity`.
    """
    mask = patches.mask((int(lightness.shape[2]), int(lightness.shape[3])))
    return network.similarity(lightness, mask, state)


def find_objects(lightness: Tensor, *, network: NetworkRunner) -> Boxes:
    """Detect boxes of objects; see `colorzoo.capabilities.FindsBoxes`.

    Raises:
        GuidanceError: The model has no detector.
    """
    found: Boxes = network.call(lambda model: model.find_boxes(lightness.to(model.device)).to("cpu"))
    return found


def embed_exemplar(exemplar: Exemplar, *, network: NetworkRunner) -> Exemplar:
    """Encode a reference; see `colorzoo.capabilities.EncodesReference`."""
    embedding = network.call(lambda model: model.encode_reference(exemplar.rgb.to(model.device)))
    embedding = embedding.float().cpu()
    return replace(exemplar, embedding=embedding)


def propose_regions(sketch: Tensor, *, network: NetworkRunner) -> Regions:
    """Propose the regions to color; see `colorzoo.capabilities.ProposesRegions`."""
    found: Regions = network.call(lambda model: model.propose(sketch.to(model.device)).to("cpu"))
    return found

"""Memory of the region colors of drawings, for frames and pages of one character.

Each region of a drawing is matched with the regions of colored drawings: color sheets, key frames, earlier
frames and earlier pages. As in DACoN (Nagata and Kaneko, ICCV 2025, https://arxiv.org/abs/2509.14685),
features are averaged over each region and compared by cosine similarity. Neighbors, area, and the overlap
with the previous frame are compared, too. A region copies the exact color of its best match.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.sketch import drawn_lines
from colorzoo.drawing.lines import Map, shrink, shrink_darkness
from colorzoo.drawing.region_colors import pool_embeddings
from colorzoo.errors import GuidanceError
from colorzoo.feature_extraction import features
from colorzoo.files import digest_of
from colorzoo.guidance import Guidance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.full_size import map_size
from colorzoo.inference.load import load_model
from colorzoo.inference.references import require_color
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.steps.drawing import Drawing, read_drawing, region_votes
from colorzoo.model import ColoringModel
from colorzoo.pixels.raster import composite_on_paper, unit_range
from colorzoo.registry import model_card
from colorzoo.weights.catalog import find_weights

_ENCODER = "colorzoo2026"  # its frozen ImageNet encoder matches regions better than the decoder for drawings
_SIDE, _MULTIPLE = 352, 32  # approximate shorter side of the network inputs in pixels, and divisor of both
_SHEET_SIDE = 448  # shorter side in pixels of the copy of a sheet in which lines are found
_PAPER = 24  # darkness below which a pixel shows the color of its region

# Weights of the cosine similarities of embeddings, of the encoder at 1/8 and 1/16, and of the neighbors; of
# the area ratio; and of the overlap with the previous frame. They were fitted on sequences as in
# `benchmarks.drawn_film`, made from training drawings.
_WEIGHTS = (5.0, 7.0, 9.0, 2.0)
_AREA, _OVERLAP = 0.3, 5.0
_LEAST = 17.5  # below this score, a quarter of the matches have the right color
_AUTOMATIC = 1.0  # smaller score of automatic colors, so that the colors of the user are preferred
_MOST_AUTOMATIC = 64  # number of automatically colored drawings in the memory
_RECENT = 2  # number of drawings with cached features: a frame and the previous frame


@dataclass(frozen=True, eq=False)
class RegionEntry:
    """Regions of a drawing in the memory.

    Attributes:
        features: ``(n, C)``. The dot product of two regions is the weighted sum of their similarities.
        log_areas: ``(n,)``, logarithm of the area of each region as a fraction of the drawing.
        colors: ``(n, 3)`` float32, sRGB in [0, 1].
    """

    features: Tensor
    log_areas: Tensor
    colors: Map


class DrawingColorizer(Protocol):
    """A model for drawings on its device, such as `Colorizer`."""

    name: str
    model: ColoringModel

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        ...


class RegionMemory:
    """Colors of the regions of drawings, which similar regions of other drawings copy.

    Args:
        colorizer: Colorizer with a model whose predictions contain embeddings.
    """

    def __init__(self, colorizer: DrawingColorizer) -> None:
        self._colorizer = colorizer
        encoder = load_model(_ENCODER, "default", {}, allow_untrained=False)
        self._encoder = encoder.float().to(colorizer.device).eval()
        self._fixed: list[RegionEntry] = []
        self._automatic: list[RegionEntry] = []
        self._recent: tuple[tuple[Drawing, Tensor, Tensor], ...] = ()  # with their features and areas

    @staticmethod
    def weights_hash() -> str:
        """Return the SHA-256 of the encoder weights, which determine the matches besides the model."""
        file, _ = find_weights(model_card(_ENCODER), "default")
        return "" if file is None else file.sha256 or digest_of(file.path)

    @property
    def is_empty(self) -> bool:
        """True if the memory contains no drawing."""
        return not (self._fixed or self._automatic)

    def add(self, colored: ColorizedImage, *, is_automatic: bool = False) -> None:
        """Store the region colors of a colorized drawing.

        Args:
            colored: Drawing.
            is_automatic: Whether the colors are automatic; the colors of other drawings are preferred, and
                the memory contains at most 64 such drawings.
        """
        entries = self._automatic if is_automatic else self._fixed
        entries.append(self._entry(colored.flats.drawing, colored.flats.colors))
        del self._automatic[:-_MOST_AUTOMATIC]

    def add_sheet(self, image: RasterImage, name: str = "sheet") -> None:
        """Store the region colors of a colored drawing, such as a color sheet, and of its mirror image.

        Args:
            image: Colored drawing.
            name: Name of the image in error messages.

        Raises:
            GuidanceError: The image is gray.
        """
        require_color(image, name)
        rgb = RasterImage(shrink(composite_on_paper(image).levels, _SHEET_SIDE)).rgb
        for each in (rgb, np.ascontiguousarray(rgb[:, ::-1])):
            lines = drawn_lines(torch.from_numpy(each).permute(2, 0, 1)[None])[0, 0].numpy()
            drawing = read_drawing(np.rint(lines * 255).astype(np.uint8))
            colors = frequent_colors(each, drawing, np.ones((len(drawing.areas), 3), np.float32))
            self._fixed.append(self._entry(drawing, colors))

    def match(
        self, drawing: Drawing, colors: Map, previous: ColorizedImage | None = None
    ) -> tuple[Map, NDArray[np.bool_]]:
        """Find the colors of the regions of a drawing.

        Args:
            drawing: Lines and regions.
            colors: ``(n, 3)``, colors of the regions without a match.
            previous: Previous frame of the film, whose regions are also compared by their overlap.

        Returns:
            Color of the best match of each region ``(n, 3)``, and the regions with a match ``(n,)``.
        """
        entry = self._entry(drawing, colors)
        entries = [(each, 0.0) for each in self._fixed] + [(each, _AUTOMATIC) for each in self._automatic]
        scores = [_scores(entry, each) - penalty for each, penalty in entries]
        if previous is not None:
            before = previous.flats
            entries.append((self._entry(before.drawing, before.colors), 0.0))
            overlap = torch.from_numpy(overlap_of(drawing, before.drawing))
            scores.append(_scores(entry, entries[-1][0]) + _OVERLAP * overlap)
        if not entries:
            return colors, np.zeros(len(colors), bool)
        best, match = torch.cat(scores, dim=1).max(dim=1)
        is_matched = (best > _LEAST).numpy()
        found = np.concatenate([each.colors for each, _ in entries])[match.numpy()]
        return np.where(is_matched[:, None], found, colors).astype(np.float32), is_matched

    def _entry(self, drawing: Drawing, colors: Map) -> RegionEntry:
        """Return the regions of a drawing; the features of the last drawings are cached."""
        for cached, features_of, log_areas in self._recent:
            if cached is drawing:
                return RegionEntry(features_of, log_areas, colors)
        features_of = self._features(drawing)
        log_areas = torch.from_numpy(drawing.areas).log()
        self._recent = ((drawing, features_of, log_areas), *self._recent)[:_RECENT]
        return RegionEntry(features_of, log_areas, colors)

    @torch.inference_mode()
    def _features(self, drawing: Drawing) -> Tensor:
        """Average the features of the networks over each region; see `RegionEntry.features`."""
        scale = _SIDE / min(drawing.regions.shape)
        rows, columns = (
            max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in drawing.regions.shape
        )
        sketch, device = drawing.sketch((rows, columns)), self._colorizer.device
        prediction = self._colorizer.model(sketch.to(device), Guidance())
        if "embedding" not in prediction.extras:
            raise GuidanceError(f"{self._colorizer.name} has no embeddings of regions to match")
        votes = region_votes(prediction, drawing, sketch)
        embedding = prediction.extras["embedding"]
        maps8, maps16 = (
            F.interpolate(each.float(), map_size(embedding), mode="bilinear")
            for each in features(self._encoder, sketch * 100, [1, 2])
        )
        pooled = [pool_embeddings(each[0], votes).cpu() for each in (embedding, maps8, maps16)]
        # features of the neighbors of each region, weighted by the lengths of the common boundaries
        sides = (drawing.regions[:-1], drawing.regions[1:]), (drawing.regions[:, :-1], drawing.regions[:, 1:])
        touching = np.concatenate([np.stack([a[a != b], b[a != b]], 1) for a, b in sides])
        pairs, counts = np.unique(np.sort(touching, axis=1), axis=0, return_counts=True)
        first, second = torch.from_numpy(pairs.T.astype(np.int64))
        lengths = torch.from_numpy(counts).float()[:, None]
        around = torch.zeros_like(pooled[2])
        around.index_add_(0, first, lengths * pooled[2][second])
        around.index_add_(0, second, lengths * pooled[2][first])
        parts = [*pooled, F.normalize(around, dim=1)]
        weighted = [math.sqrt(weight) * part for weight, part in zip(_WEIGHTS, parts, strict=True)]
        return torch.cat(weighted, dim=1)


def with_region_colors(colored: ColorizedImage, colors: Map) -> ColorizedImage:
    """Return a colorized drawing with other region colors ``(n, 3)``."""
    changed = replace(colored.flats, colors=colors.astype(np.float32))
    canvas: Any = colored.canvas
    return replace(colored, canvas=replace(canvas, changed=changed))


def with_key_colors(colored: ColorizedImage, key: RasterImage) -> ColorizedImage:
    """Return a colorized drawing in the region colors of a key image of the same drawing.

    Regions that are transparent in the key image keep their colors.
    """
    flats = colored.flats
    rgb = RasterImage(shrink(composite_on_paper(key).levels, _SHEET_SIDE)).rgb
    drawing = flats.drawing.resized((rgb.shape[0], rgb.shape[1]))
    is_set = None
    if key.alpha is not None:
        opacity = unit_range(key.alpha)
        is_set = cv2.resize(opacity, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_AREA) > 0.5
    return with_region_colors(colored, frequent_colors(rgb, drawing, flats.colors, is_set))


def frequent_colors(rgb: Map, drawing: Drawing, missing: Map, is_set: NDArray[np.bool_] | None = None) -> Map:
    """Return the most frequent color between the lines of each region, ``(n, 3)``.

    Args:
        rgb: ``(H, W, 3)`` in [0, 1], colored drawing.
        drawing: Lines and regions of the drawing at this size.
        missing: ``(n, 3)``, colors of the regions without a counted pixel.
        is_set: ``(H, W)``, pixels to count; None for all pixels.
    """
    levels = np.rint(rgb * 255).astype(np.int64)
    regions = drawing.regions.astype(np.int64)
    is_counted = drawing.art.darkness < _PAPER
    if is_set is not None:
        is_counted &= is_set
    frequent = np.full(len(missing), -1, np.int64)
    for bits in (4, 8):  # exact colors are counted among the most frequent similar colors
        packed = (levels >> (8 - bits)) @ (1 << 2 * bits, 1 << bits, 1)
        values, counts = np.unique((regions << 3 * bits | packed)[is_counted], return_counts=True)
        values = values[np.argsort(counts, kind="stable")]
        frequent[values >> 3 * bits] = values & ((1 << 3 * bits) - 1)  # the last assignment counts
        is_counted &= packed == frequent[regions]
    exact = np.stack([frequent >> 16, frequent >> 8 & 255, frequent & 255], 1) / np.float32(255)
    return np.where((frequent >= 0)[:, None], exact, missing)


def overlap_of(drawing: Drawing, previous: Drawing) -> Map:
    """Return the IoU ``(n, m)`` of each region with each region of the previous frame.

    The previous frame is moved by optical flow.
    """
    scale = min(1.0, _SIDE / min(drawing.regions.shape))
    rows, columns = (max(16, round(side * scale)) for side in drawing.regions.shape)
    darkness, regions = zip(
        *(
            (
                cv2.GaussianBlur(shrink_darkness(each.art.darkness, (rows, columns)), (0, 0), 3),
                cv2.resize(each.regions, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT),
            )
            for each in (drawing, previous)
        ),
        strict=True,
    )
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Any = method.calc(*darkness, None)  # type: ignore[call-overload]
    y, x = np.indices((rows, columns))
    y = np.rint(y + flow[..., 1]).clip(0, rows - 1).astype(np.int64)
    x = np.rint(x + flow[..., 0]).clip(0, columns - 1).astype(np.int64)
    shape = len(drawing.areas), len(previous.areas)
    pairs = np.ravel_multi_index((regions[0], regions[1][y, x]), shape)
    shared = np.bincount(pairs.ravel(), minlength=math.prod(shape)).reshape(shape)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    return (shared / union.clip(1)).astype(np.float32)


def _scores(entry: RegionEntry, other: RegionEntry) -> Tensor:
    """Return the similarity ``(n, m)`` of the regions of two drawings, without their overlap."""
    area_ratio = (entry.log_areas[:, None] - other.log_areas).abs()
    return entry.features @ other.features.T - _AREA * area_ratio

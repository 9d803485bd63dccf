"""Stages for drawings: lines and regions at full size, and flat colors below the lines.

A drawing keeps its lines as a photo keeps its lightness. The network predicts colors at a reduced size. These
colors become one color for each region, and the result is the product of the flat colors and the lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageColor
from scipy.ndimage import find_objects
from torch import Tensor

from colorzoo.color import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.drawing.lines import (
    FEWEST_INK,
    INK,
    PROBE,
    Levels,
    LineArt,
    Map,
    has_midtones,
    shrink,
    shrink_darkness,
)
from colorzoo.drawing.region_colors import is_paper
from colorzoo.drawing.regions import GAP, SMALLEST, SPECKS, Labels, find_regions
from colorzoo.guidance import PointHint
from colorzoo.guidance.fields import format_hex
from colorzoo.guidance.hints import color_lab
from colorzoo.guidance.objects import Division
from colorzoo.inference.full_size import DTYPES, Overlay, bands, map_size
from colorzoo.prediction import Prediction

PHOTO_NOTE = "this looks like a photo or a painting instead of a sketch; lines were extracted from it first"
BLANK_NOTE = "no lines were found in the sketch, so the colors are arbitrary; darken the lines"

_SOFTNESS = 2.0  # standard deviation in pixels of the network input that smooths the shading
_EXACT = 1e-3  # difference of colors in [0, 1] that rounding causes; a quarter of an 8-bit level
_COPIED = 0.7  # smallest probability of one color at which a region copies the exact color of a point
_ROUNDED = 0.7  # distance in CIE units of ab values that the 8 bits of a color can cause
_END_REACH = 0.02  # longest connection of the end of a cut with a line, relative to the shorter side
_DIRECTION = 8  # pixels before the end of a cut that determine its direction
_AHEAD = 0.9  # smallest cosine of the angle between the direction and a connection straight ahead
_VOTE = 0.6  # pixels of the network input below this level are lines and have no vote


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawing as lines and the regions between the lines.

    Attributes:
        art: Lines at full size.
        regions: ``(H, W)`` int32, number of the region of each pixel, the largest region first.
        notes: Notes for the user.
        base: The drawing before a person divided or joined regions, or changed the gap to close; None if the
            regions did not change.
        divided: For each division, the number of each region before it, ``(n,)`` for the n regions after it.
    """

    art: LineArt
    regions: Labels
    notes: tuple[str, ...] = ()
    base: Drawing | None = None
    divided: tuple[NDArray[np.int64], ...] = ()

    @cached_property
    def parents(self) -> NDArray[np.int64]:
        """Number of the region of `base` that shares most pixels with each region, ``(n,)``."""
        assert self.base is not None, "callers test the base"
        return _parents(self.regions, self.base.regions)

    @cached_property
    def ancestors(self) -> list[NDArray[np.int64]]:
        """Number that each region had after 0, 1, ... and all divisions, ``(n,)`` each."""
        found = [np.arange(len(self.areas))]
        for before in reversed(self.divided):
            found.append(before[found[-1]])
        return found[::-1]

    @cached_property
    def closed(self) -> tuple[NDArray[np.int64], Map]:
        """Region of `base` that contains each region before the divisions, and areas, ``(n,)`` each."""
        assert self.base is not None, "callers test the base"
        first = self.ancestors[0]
        areas = np.bincount(first, self.areas, minlength=first.max() + 1)
        return _parents(first[self.regions].astype(np.int32), self.base.regions), areas.astype(np.float32)

    @cached_property
    def areas(self) -> Map:
        """Area of each region as a fraction of the image, ``(n,)``."""
        return (np.bincount(self.regions.ravel()) / self.regions.size).astype(np.float32)

    @cached_property
    def first_pixels(self) -> NDArray[np.int64]:
        """Row and column of the first pixel of each region, ``(n, 2)``."""
        first = np.zeros(len(self.areas), np.int64)
        first[self.regions.ravel()[::-1]] = np.arange(self.regions.size)[::-1]  # the last assignment counts
        return np.stack(np.unravel_index(first, self.regions.shape), axis=1)

    @cached_property
    def _sketches(self) -> dict[tuple[int, int], Tensor]:
        return {}

    @cached_property
    def _copies(self) -> dict[tuple[int, int], Drawing]:
        return {}

    def sketch(self, size: tuple[int, int]) -> Tensor:
        """Return the network input ``(1, 1, h, w)`` in [0, 1], 1 for paper; cached by its size."""
        if size not in self._sketches:
            darkness = shrink_darkness(self.art.darkness, size).astype(np.float32) / 255
            self._sketches[size] = torch.from_numpy(1 - darkness)[None, None]
        return self._sketches[size]

    def region_at(self, x: float, y: float, image_size: tuple[int, int]) -> int:
        """Return the number of the region at a position of an image of ``image_size`` (width, height)."""
        rows, columns = self.regions.shape
        row = min(max(int(y * rows / image_size[1]), 0), rows - 1)
        column = min(max(int(x * columns / image_size[0]), 0), columns - 1)
        return int(self.regions[row, column])

    @cached_property
    def middles(self) -> NDArray[np.int64]:
        """Row and column of the pixel of each region that is farthest from other regions, ``(n, 2)``."""
        regions = np.pad(self.regions, 1, constant_values=-1)
        is_inside = np.ones(self.regions.shape, bool)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            is_inside &= np.roll(regions, step, axis)[1:-1, 1:-1] == self.regions
        distance = cv2.distanceTransform(np.pad(is_inside, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        order = np.argsort(distance.ravel(), kind="stable")
        middles = np.zeros(len(self.areas), np.int64)
        middles[self.regions.ravel()[order]] = order  # the last assignment counts
        return np.stack(np.unravel_index(middles, distance.shape), axis=1)

    def resized(self, size: tuple[int, int]) -> Drawing:
        """Return a copy of another size (height, width), with the same region numbers; cached by its size."""
        if self.regions.shape == size:
            return self
        if size not in self._copies:
            levels = cv2.resize(self.art.levels, size[::-1], interpolation=cv2.INTER_AREA)
            regions = cv2.resize(self.regions, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            self._copies[size] = replace(
                self, art=replace(self.art, levels=levels), regions=regions, base=None, divided=()
            )
        return self._copies[size]

    def votes(self, sketch: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the weight of each cell of a network output in each region, ``(n, h * w)``.

        The weight is the number of paper pixels of the network input that the cell and the region share. Each
        shared pixel adds another 0.001, so that a region that consists of lines also has a weight. A region
        without any pixel of the network input gets the weight 1 in the cell of its first pixel.

        Args:
            sketch: ``(1, 1, H, W)`` in [0, 1], the network input.
            grid: Rows and columns of the network output.
        """
        rows, columns = sketch.shape[2:]
        height, width = self.regions.shape
        grid_rows, grid_columns = grid
        shape = (len(self.areas), grid_rows, grid_columns)
        # region and cell of each pixel of the network input
        regions = cv2.resize(self.regions, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
        cell_rows = np.arange(rows)[:, None] * grid_rows // rows
        cell_columns = np.arange(columns) * grid_columns // columns
        pairs = np.ravel_multi_index((regions, cell_rows, cell_columns), shape)
        # sum the pixel weights for each pair of a region and a cell; most pairs share no pixel
        pixel_weights = (sketch[0, 0].numpy() > _VOTE) + 1e-3
        shared, pixel_pairs = np.unique(pairs.ravel(), return_inverse=True)
        votes = np.zeros(shape, np.float32)
        votes.flat[shared] = np.bincount(pixel_pairs.ravel(), pixel_weights.ravel())
        # regions that are too small for the network input
        missing = np.bincount(regions.ravel(), minlength=len(self.areas)) == 0
        if missing.any():
            first_rows, first_columns = self.first_pixels[missing].T
            votes[missing, first_rows * grid_rows // height, first_columns * grid_columns // width] = 1
        return torch.from_numpy(votes).flatten(1)


@dataclass(frozen=True, eq=False)
class FlatColors:
    """Colors of the regions of a drawing.

    Attributes:
        drawing: Lines and regions.
        colors: ``(n, 3)`` float32 in [0, 1], sRGB color of each region.
        change: ``(3, h, w)``, change in Lab of the parts of regions that areas cover. It is not interpolated
            across lines. None if there is no such part.
        has_lines: Whether `compose` multiplies the colors by the lines.
        is_set: ``(n,)`` bool, regions whose color a point or an area sets. The strength does not change them.
            None if there is no such region.
    """

    drawing: Drawing
    colors: Map
    change: Tensor | None = None
    has_lines: bool = True
    is_set: NDArray[np.bool_] | None = None

    @property
    def is_paper(self) -> NDArray[np.bool_]:
        """Regions ``(n,)`` that nobody colors: they have the color of paper, and nobody set this color."""
        blank: NDArray[np.bool_] = np.all(abs(self.colors - self.drawing.art.white) < _EXACT, axis=1)
        return blank if self.is_set is None else blank & ~self.is_set

    def inherited(self, drawing: Drawing) -> FlatColors:
        """Return the colors of the regions of a drawing whose `Drawing.base` has these colors."""
        if drawing is self.drawing:
            return self
        return replace(self, drawing=drawing, colors=self.colors[drawing.parents])

    def over(self, size: tuple[int, int]) -> FlatColors:
        """Return the colors of a copy of the drawing of another size (height, width)."""
        return replace(self, drawing=self.drawing.resized(size))

    def compose(self, depth: int | None, overlays: Sequence[Overlay] = ()) -> NDArray[Any]:
        """Return the flat colors, multiplied by the lines. Blank paper has the stored colors of the drawing.

        Args:
            depth: Bits per channel, 8 or 16; None for float32 in [0, 1].
            overlays: Color changes at full size.

        Returns:
            ``(H, W, 3)``.
        """
        height, width = self.drawing.regions.shape
        result: NDArray[Any] = np.empty((height, width, 3), DTYPES[depth])
        art, is_paper = self.drawing.art, self.is_paper
        for first, last in bands(height, width):
            rgb = self.colors[self.drawing.regions[first:last]]  # (rows, W, 3) in [0, 1]
            if self.change is not None or overlays:
                lab = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None])[0]
                if self.change is not None:
                    lab = lab + _enlarge_within_regions(self.change, self.drawing, first, last)
                light, ab = lab[0].clamp(0, 100), lab[1:].contiguous()
                for overlay in overlays:
                    overlay(ab, light, first)
                changed = lab_to_rgb(torch.cat([light[None], ab])[None])[0]
                rgb = changed.permute(1, 2, 0).clamp(0, 1).numpy()
            if self.has_lines:
                # not where an overlay or a change of a part colors the paper
                is_blank = is_paper[self.drawing.regions[first:last]]
                is_blank &= (abs(rgb - art.white) < _EXACT).all(2)
                transmission = art.transmission(first, last)
                rgb = rgb * transmission
                if art.inverted:  # white ink
                    rgb = rgb + (1 - transmission)
                rgb = np.where(is_blank[..., None], art.rgb(first, last), rgb)
            if depth is not None:
                rgb = np.rint(rgb * np.iinfo(result.dtype).max)
            result[first:last] = rgb
        return result

    def at_network_size(self, size: tuple[int, int]) -> Tensor:
        """Return Lab ``(1, 3, h, w)`` of the result at the size of the network input."""
        rgb = self.over(size).compose(None)
        return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None])


def _enlarge_within_regions(change: Tensor, drawing: Drawing, first: int, last: int) -> Tensor:
    """Enlarge a change ``(3, h, w)`` to the rows ``first`` to ``last`` (exclusive) of a drawing.

    The interpolation is bilinear. Cells of other regions have the weight 0, so that a change ends at the
    lines. Pixels without a cell of their region do not change.

    Returns:
        ``(3, rows, W)``.
    """
    size = change.shape[1:]
    cell_regions = drawing.resized((size[0], size[1])).regions
    cells = change.permute(1, 2, 0).numpy()
    regions = drawing.regions[first:last]
    axes = []  # for each axis: the two nearest cells of each pixel, and their weights
    for count, length, pixels in zip(size, drawing.regions.shape, (range(first, last), None), strict=True):
        middle = np.asarray(range(length) if pixels is None else pixels) + 0.5
        place = (middle * count / length - 0.5).clip(0, count - 1)
        before = place.astype(np.int64)
        share = (place - before).astype(np.float32)
        axes.append(((before, 1 - share), (np.minimum(before + 1, count - 1), share)))
    total = np.zeros((*regions.shape, 3), np.float32)
    weights = np.full(regions.shape, 1e-6, np.float32)
    for row, row_share in axes[0]:
        for column, column_share in axes[1]:
            nearest = np.ix_(row, column)
            weight = row_share[:, None] * column_share * (cell_regions[nearest] == regions)
            total += weight[..., None] * cells[nearest]
            weights += weight
    return torch.from_numpy(total / weights[..., None]).permute(2, 0, 1)


def read_drawing(
    levels: Levels, gap: float = GAP, divisions: Sequence[Division] = (), specks: float = SPECKS
) -> Drawing:
    """Find the lines and the regions of a drawing.

    A photo or a painting is converted to lines with XDoG.

    Examples:
        >>> levels = np.full((200, 200), 255, dtype=np.uint8)
        >>> levels[:, 99:102] = 0
        >>> len(read_drawing(levels).areas)
        2

    Args:
        levels: ``(H, W)`` or ``(H, W, 3)`` pixel values.
        gap: Width of the largest gap to close; see `find_regions`.
        divisions: Lines that cut, outline or join regions; see `divide_regions`.
        specks: Area of the smallest region in percent of the image; see `find_regions`.
    """
    notes: tuple[str, ...] = ()
    art = LineArt.read(levels)
    is_photo = has_midtones(LineArt.read(shrink(levels, PROBE)))
    if is_photo:
        from colorzoo.color.sketch import rgb_to_gray, xdog  # imported here: drawings do not need it

        rgb = np.concatenate([art.transmission(first, last) for first, last in bands(*art.shape)])
        lines = xdog(rgb_to_gray(torch.from_numpy(rgb).permute(2, 0, 1)[None]))[0, 0].numpy()
        art = LineArt.read(np.rint(lines * 255).astype(np.uint8))
        notes = (PHOTO_NOTE,)
    if (art.darkness >= INK).mean() < FEWEST_INK:
        notes = (*notes, BLANK_NOTE)
    drawing = Drawing(art, find_regions(art.darkness), notes)
    if (gap, specks) != (GAP, SPECKS):
        drawing = replace(drawing, regions=find_regions(art.darkness, gap, specks), base=drawing)
    return divide_regions(drawing, divisions)


def divide_regions(drawing: Drawing, divisions: Sequence[Division]) -> Drawing:
    """Apply lines that cut, outline or join regions, in the order of drawing.

    Only the regions that a line touches change. The largest part of a cut region keeps its number, and the
    other parts get the next free numbers.

    Examples:
        >>> from colorzoo.guidance.objects import Division
        >>> division = Division(((0, 20), (60, 20)))
        >>> drawing = divide_regions(read_drawing(np.full((40, 60), 255, np.uint8)), [division])
        >>> len(drawing.areas)
        2

    Args:
        drawing: Lines and regions.
        divisions: Lines in pixels of the drawing.
    """
    for division in divisions:
        before = drawing.regions
        regions = before.copy()
        parents = np.arange(before.max() + 1)
        path = np.floor(np.asarray(division.path)).astype(np.int32)
        if division.closed:  # the inside of the outline is a new region
            drawn = cv2.fillPoly(np.zeros(regions.shape, np.uint8), [path], 1)
            regions[drawn > 0] = regions.max() + 1
        elif division.join:  # all regions that the path crosses become one
            drawn = cv2.polylines(np.zeros(regions.shape, np.uint8), [path], isClosed=False, color=1)
            crossed = np.unique(regions[drawn > 0])
            numbers = np.arange(regions.max() + 1, dtype=np.int32)
            numbers[crossed] = crossed[:1]  # nothing if the path lies outside the image
            regions = numbers[regions]
        else:
            _cut_regions(regions, drawing.art.darkness, path)
        for number in range(len(parents), regions.max() + 1):
            parents = np.append(parents, np.bincount(before[regions == number]).argmax())
        # remove the numbers of regions without pixels
        is_used = np.bincount(regions.ravel(), minlength=len(parents)) > 0
        if not is_used.all():
            regions = (np.cumsum(is_used) - 1).astype(np.int32)[regions]
        divided, notes = (*drawing.divided, parents[is_used]), drawing.notes
        if np.array_equal(regions, before):
            notes = (*notes, f"entry {len(divided)} of the divisions changes no region")
        drawing = replace(
            drawing, regions=regions, notes=notes, base=drawing.base or drawing, divided=divided
        )
    return drawing


def _parents(regions: Labels, before: Labels) -> NDArray[np.int64]:
    """Return the number of the region in ``before`` that shares most pixels with each region, ``(n,)``."""
    shape = int(regions.max()) + 1, int(before.max()) + 1
    pairs = np.ravel_multi_index((regions.ravel(), before.ravel()), shape)
    shared, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(counts, kind="stable")
    parents = np.zeros(shape[0], np.int64)
    children, found = np.unravel_index(shared[order], shape)
    parents[children] = found  # the last assignment counts
    return parents


def _cut_regions(regions: Labels, darkness: Levels, path: NDArray[np.int32]) -> None:
    """Cut the regions that a path crosses, in place.

    Args:
        regions: ``(H, W)``, number of the region of each pixel.
        darkness: ``(H, W)`` from 0 to 255; see `LineArt.darkness`.
        path: ``(n, 2)``, corners (x, y) in pixels.
    """
    height, width = regions.shape
    side = min(height, width)
    # paper pixels along the path, in order
    steps = [np.linspace(start, end, max(1, *abs(end - start)) + 1) for start, end in pairwise(path)]
    columns, rows = np.rint(np.concatenate(steps or [path])).astype(int).T
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows[inside], columns[inside]
    if not len(rows):
        return
    # An end that does not reach a line is connected to the next line ahead, or else to the nearest line. The
    # connection is at most half as long as the path in the region, so an end behind a line cuts nothing.
    ends = []
    for order in (1, -1):
        x, y = columns[::-order], rows[::-order]  # from the end
        region = regions[y[0], x[0]]
        is_free = (regions[y, x] == region) & (darkness[y, x] < INK)
        length = len(x) if is_free.all() else int(is_free.argmin())
        reach = int(min(_END_REACH * side, length / 2))
        if reach < 1:
            continue
        top, left = max(y[0] - reach, 0), max(x[0] - reach, 0)
        near = np.s_[top : y[0] + reach + 1, left : x[0] + reach + 1]
        barriers = np.pad((darkness[near] >= INK) | (regions[near] != region), 1)
        # beyond the edge of the image
        barriers[0] |= top == 0
        barriers[-1] |= y[0] + reach + 1 >= height
        barriers[:, 0] |= left == 0
        barriers[:, -1] |= x[0] + reach + 1 >= width
        barrier_rows, barrier_columns = np.nonzero(barriers)
        down, right = barrier_rows + top - 1 - y[0], barrier_columns + left - 1 - x[0]
        distances = np.hypot(down, right)
        back = min(length - 1, _DIRECTION)
        ahead = np.array([y[0] - y[back], x[0] - x[back]])
        is_ahead = (down * ahead[0] + right * ahead[1]) > _AHEAD * distances * np.hypot(*ahead)
        for chosen in (is_ahead & (distances <= reach), distances <= reach):
            if chosen.any():
                nearest = np.flatnonzero(chosen)[distances[chosen].argmin()]
                ends.append([(x[0], y[0]), (x[0] + right[nearest], y[0] + down[nearest])])
                break
    wall = np.zeros(regions.shape, np.uint8)
    lines = [path, *(np.asarray(end, np.int32) for end in ends)]
    cv2.polylines(wall, lines, isClosed=False, color=1, thickness=max(1, side // 500))

    smallest = max(4.0, SMALLEST * regions.size)
    boxes = find_objects(regions + 1)
    next_number = len(boxes)
    for region in np.unique(regions[rows, columns]):
        box = boxes[region]
        is_region = regions[box] == region
        paper = (is_region & (darkness[box] < INK)).astype(np.uint8)
        is_wall = wall[box] > 0
        _, before = cv2.connectedComponents(paper, connectivity=4)
        piece_count, pieces, stats, _ = cv2.connectedComponentsWithStats(paper * ~is_wall, connectivity=4)
        # large pieces of the parts of the paper that the wall divides
        parents = np.zeros(piece_count, np.int32)  # the part of each piece
        parents[pieces] = before
        is_large = stats[:, cv2.CC_STAT_AREA] >= smallest
        is_large[0] = False
        large_counts = np.bincount(parents[is_large], minlength=before.max() + 1)
        is_seed = is_large & (large_counts >= 2)[parents]
        if not is_seed.any():
            continue
        # each pixel belongs to the nearest piece, and undivided parts belong to one piece
        seeds = is_seed[pieces]
        _, nearest_pixel = cv2.distanceTransformWithLabels(
            (~seeds).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        piece_of_pixel = np.zeros(nearest_pixel.max() + 1, np.int32)
        piece_of_pixel[nearest_pixel[seeds]] = pieces[seeds]
        nearest = np.where(seeds, pieces, piece_of_pixel[nearest_pixel])
        votes = np.bincount(
            (before * piece_count + nearest).ravel(), minlength=len(large_counts) * piece_count
        )
        most = votes.reshape(-1, piece_count).argmax(1)
        is_whole = (large_counts < 2) & (np.arange(len(large_counts)) > 0)
        nearest = np.where(is_whole[before], most[before], nearest)
        # the largest piece keeps the number
        numbers = np.full(piece_count, region, np.int32)
        others = np.flatnonzero(is_seed)
        others = np.delete(others, stats[others, cv2.CC_STAT_AREA].argmax())
        numbers[others] = next_number + np.arange(len(others))
        next_number += len(others)
        regions[box][is_region] = numbers[nearest[is_region]]


def region_votes(prediction: Prediction, drawing: Drawing, sketch: Tensor) -> Tensor:
    """Return the weight of each cell of a color distribution in each region; see `Drawing.votes`.

    The weights are on the device of the distribution.
    """
    distribution = prediction.extras["color_log_probabilities"]
    return drawing.votes(sketch, map_size(distribution)).to(distribution.device)


def mean_colors(rgb: Tensor, drawing: Drawing, sketch: Tensor) -> Map:
    """Return the mean predicted color of each region, ``(n, 3)``, for models that predict RGB.

    Args:
        rgb: ``(1, 3, h, w)`` in [0, 1], prediction at the size of the network input.
        drawing: Lines and regions.
        sketch: ``(1, 1, h, w)``, the network input.
    """
    votes = drawing.votes(sketch, map_size(rgb))
    means = votes @ rgb[0].flatten(1).mT / votes.sum(1, keepdim=True)
    blank = is_paper(to_lab(means.numpy()).T)
    return torch.where(blank[:, None], torch.ones(3), means).numpy()


def soft_shading(rgb: Tensor, drawing: Drawing, sketch: Tensor, shade: float) -> Tensor:
    """Return where the prediction is darker than the mean of its region, as the opacity ``(h, w)`` of a gray.

    The product with the gray is twice as much darker, relative to the mean lightness of the region, because
    the lighter parts keep the flat color.

    Args:
        rgb: ``(1, 3, h, w)`` in [0, 1], prediction at the size of the network input.
        drawing: Lines and regions.
        sketch: ``(1, 1, h, w)``, the network input.
        shade: Level of the gray in [0, 1].
    """
    rows, columns = sketch.shape[2:]
    lightness = rgb_to_lab(rgb)[0, 0].numpy()
    paper = (sketch[0, 0].numpy() > _VOTE).astype(np.float32)
    regions = cv2.resize(drawing.regions, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
    count = len(drawing.areas)
    total = np.bincount(regions.ravel(), paper.ravel(), count).clip(1e-3)
    means = (np.bincount(regions.ravel(), (lightness * paper).ravel(), count) / total).clip(1)
    darker = (1 - lightness / means[regions]) * paper
    spread = cv2.GaussianBlur(paper, (0, 0), _SOFTNESS) + 1e-3
    soft = cv2.GaussianBlur(darker.astype(np.float32), (0, 0), _SOFTNESS) / spread
    return torch.from_numpy(2 * soft / np.float32(1 - shade)).clamp(0, 1)


def apply_ab(point: PointHint) -> PointHint:
    """Return a point whose color has the exact ab of the point, if any, and the lightness of its color.

    The chroma of the ab is limited to sRGB, as in photos.
    """
    if point.ab is None:
        return point
    lightness, *color_ab = color_lab(point.color)
    if math.dist(color_ab, point.ab) < _ROUNDED:
        return replace(point, ab=None)
    rgb = lab_to_rgb_in_gamut(torch.tensor([lightness, *point.ab]).view(3, 1, 1))
    return replace(point, color=_hex(rgb.flatten().numpy()), ab=None)


def mix_point(point: PointHint, flats: FlatColors, image_size: tuple[int, int]) -> PointHint:
    """Return a point of strength 1 with a mixture of its color and the color of its region.

    Args:
        point: Point with a strength below 1, the share of its color.
        flats: Colors without points.
        image_size: Width and height of the image.
    """
    own = flats.colors[flats.drawing.region_at(point.x, point.y, image_size)]
    mixed = own + np.float32(point.strength) * (_rgb(point.color) - own)
    return replace(point, color=_hex(mixed), strength=1.0)


def settle_points(
    points: Sequence[PointHint],
    drawing: Drawing,
    divisions: Sequence[Division],
    image_size: tuple[int, int],
) -> tuple[PointHint, ...]:
    """Return points that all were set in the present regions of a drawing.

    A point fills the region that it had when it was set, so each part into which a later division cuts this
    region gets a point of the same color, except parts that were filled since. If a larger gap setting
    closes an opening, the part without a point keeps the fill if it is smaller than the part with the point.
    Otherwise the fill had leaked.

    Args:
        points: Points in pixels of the image. A point without `PointHint.divisions` was set after the last
            outline that contains it, and before all other divisions.
        drawing: Drawing with all divisions.
        divisions: Divisions of the drawing.
        image_size: Width and height of the image.
    """
    if drawing.base is None or not points:
        return tuple(points)
    times = [min(_time_of(point, divisions), len(drawing.divided)) for point in points]
    own = [drawing.region_at(point.x, point.y, image_size) for point in points]
    latest: dict[int, int] = {}  # time of the latest point in each region
    for region, time in zip(own, times, strict=True):
        latest[region] = max(time, latest.get(region, 0))
    # the point whose region contained each part
    sources: dict[int, tuple[int, int, int]] = {}  # whether lines divide the part, time, number of the point
    parents, areas = drawing.closed
    for number, (region, time) in enumerate(zip(own, times, strict=True)):
        regions, first = drawing.ancestors[time], drawing.ancestors[0]
        parts = dict.fromkeys(np.flatnonzero(regions == regions[region]).tolist(), 1)
        is_pocket = (parents == parents[first[region]]) & (areas < areas[first[region]])
        parts = dict.fromkeys(np.flatnonzero(is_pocket[first]).tolist(), 0) | parts
        for part, is_divided in parts.items():
            if part not in latest:
                sources[part] = max(sources.get(part, (0, 0, 0)), (is_divided, time, number))
    settled: list[PointHint] = []
    rows, columns = drawing.regions.shape
    for number, (point, region, time) in enumerate(zip(points, own, times, strict=True)):
        if time == latest[region]:
            settled.append(point)
        for part in (each for each, source in sources.items() if source[2] == number):
            row, column = drawing.middles[part]
            x, y = (column + 0.5) * image_size[0] / columns, (row + 0.5) * image_size[1] / rows
            settled.append(replace(point, x=float(x), y=float(y)))
    return tuple(settled)


def _time_of(point: PointHint, divisions: Sequence[Division]) -> int:
    """Return the number of divisions that existed when a point was set."""
    if point.divisions is not None:
        return point.divisions
    place = point.x, point.y
    outlines = [
        division.closed
        and cv2.pointPolygonTest(np.asarray(division.path, np.float32), place, measureDist=False) >= 0
        for division in divisions
    ]
    return max((number for number, is_inside in enumerate(outlines, start=1) if is_inside), default=0)


def latest_points(
    points: Sequence[PointHint], drawing: Drawing, image_size: tuple[int, int]
) -> tuple[PointHint, ...]:
    """Return points without the points that a later point of another color replaces in their region.

    Colors change only at lines, so a region without a line inside has one color.

    Args:
        points: Points in pixels of the image.
        drawing: Regions.
        image_size: Width and height of the image.
    """
    colors = [(point.color, point.ab, point.strength) for point in points]
    regions = [drawing.region_at(point.x, point.y, image_size) for point in points]
    latest = dict(zip(regions, colors, strict=True))
    found = zip(points, regions, colors, strict=True)
    return tuple(point for point, region, color in found if color == latest[region])


def fill_points(flats: FlatColors, points: Sequence[PointHint], image_size: tuple[int, int]) -> FlatColors:
    """Give regions the exact color of the latest point inside them; see `FlatColors.is_set`.

    Args:
        flats: Colors of all regions.
        points: Points in pixels of the image.
        image_size: Width and height of the image.
    """
    colors, is_set = flats.colors.copy(), np.zeros(len(flats.colors), bool)
    for point in points:
        region = flats.drawing.region_at(point.x, point.y, image_size)
        colors[region], is_set[region] = _rgb(point.color), True
    return replace(flats, colors=colors, is_set=is_set if points else None)


def copy_points(
    flats: FlatColors,
    similarity: Mapping[int, Tensor],
    points: Sequence[PointHint],
    image_size: tuple[int, int],
) -> FlatColors:
    """Give regions without a point the exact color of the earliest point in a similar region.

    A later point does not change a region that copies the color of an earlier point.

    Args:
        flats: Colors of all regions.
        similarity: Probability ``(n,)`` that each region and the region of a point have one color, by the
            number of the region of the point.
        points: Points in pixels of the image.
        image_size: Width and height of the image.
    """
    colors: dict[int, Map] = {}
    for point in points:
        region = flats.drawing.region_at(point.x, point.y, image_size)
        colors.setdefault(region, _rgb(point.color))
    copied = flats.colors.copy()
    taken = set(colors)  # regions with a point, and regions that copy a point
    for region, color in colors.items():
        similar = (similarity[region] >= _COPIED).nonzero()[:, 0].tolist()
        new = sorted(set(similar) - taken)
        copied[new] = color
        taken.update(new)
    return replace(flats, colors=copied)


def add_change(flats: FlatColors, change: Tensor) -> FlatColors:
    """Add a change in Lab ``(3, h, w)`` to the colors.

    The median of each region changes the color of the region, so that the new color ends at the lines. The
    rest is the change of a part of the region.
    """
    size = change.shape[1], change.shape[2]
    own = torch.from_numpy(flats.drawing.resized(size).regions.astype(np.int64))
    medians = torch.from_numpy(region_medians(change, flats.drawing, len(flats.colors))).T
    before = to_lab(flats.colors)
    colors = np.where((medians != 0).any(0).numpy()[:, None], to_rgb(before + medians), flats.colors)
    # colors outside sRGB are clipped, so the applied change can differ from the median
    rest = change - (to_lab(colors) - before)[:, own]
    if flats.change is not None:
        rest = rest + flats.change
    return replace(flats, colors=colors, change=rest if rest.any() else None)


def region_medians(maps: Tensor, drawing: Drawing, count: int) -> Map:
    """Return the median of maps ``(C, h, w)`` in each region, ``(count, C)``.

    A region without a pixel at this size gets the value at its first pixel.
    """
    rows, columns = maps.shape[1:]
    regions = drawing.resized((rows, columns)).regions.ravel()
    values = maps.flatten(1).numpy()
    counts = np.bincount(regions, minlength=count)
    middles = np.maximum(np.cumsum(counts) - 1 - counts // 2, 0)  # of the sorted values of each region
    medians = np.zeros((count, len(values)), np.float32)
    for channel, plane in enumerate(values):
        medians[:, channel] = plane[np.lexsort((plane, regions))][middles]
    for region in np.flatnonzero(counts == 0):  # too small for the size of the maps
        row, column = drawing.first_pixels[region]
        height, width = drawing.regions.shape
        medians[region] = maps[:, row * rows // height, column * columns // width].numpy()
    return medians


def to_lab(colors: Map) -> Tensor:
    """Convert colors ``(n, 3)`` from sRGB to Lab ``(3, n)``."""
    return rgb_to_lab(torch.from_numpy(colors).T.reshape(1, 3, -1, 1))[0, :, :, 0]


def to_rgb(lab: Tensor) -> Map:
    """Convert Lab ``(3, n)`` to sRGB colors ``(n, 3)``, clipped to [0, 1]."""
    return lab_to_rgb(lab.reshape(1, 3, -1, 1)).clamp(0, 1)[0, :, :, 0].T.contiguous().numpy()


def remove_lines(lab: Tensor, weight: Tensor, drawing: Drawing) -> Tensor:
    """Return the colors of a drawing below its lines.

    Pixels on paper are divided by the transmission of the lines. Pixels on lines get the color of their
    region, which is fitted to all pixels of the region by least squares.

    Args:
        lab: ``(3, h, w)``, colors multiplied by the lines.
        weight: ``(h, w)``, weight of each pixel in the color of its region.
        drawing: Lines and regions.
    """
    small = drawing.resized(map_size(lab))
    transmission = small.art.transmission(0, lab.shape[1])
    rgb = lab_to_rgb(lab[None])[0].permute(1, 2, 0).numpy()
    if small.art.inverted:  # white ink
        rgb = rgb - (1 - transmission)
    regions, count = small.regions, len(drawing.areas)
    fitted = np.empty((count, 3), np.float32)
    for channel in range(3):
        ink = transmission[..., channel]
        products = np.bincount(regions.ravel(), (weight.numpy() * ink * rgb[..., channel]).ravel(), count)
        squares = np.bincount(regions.ravel(), (weight.numpy() * ink**2).ravel(), count)
        fitted[:, channel] = products / squares.clip(1e-6)
    is_paper = transmission.min(2, keepdims=True) > _VOTE
    below = np.where(is_paper, rgb / transmission.clip(_VOTE), fitted[regions]).clip(0, 1)
    return rgb_to_lab(torch.from_numpy(below).permute(2, 0, 1)[None])[0]


def palette_colors(palette: Sequence[str]) -> Tensor | None:
    """Return the colors ``#rrggbb`` of a palette as sRGB ``(P, 3)`` in [0, 1]; None for an empty palette."""
    return torch.from_numpy(np.stack([_rgb(color) for color in palette])) if palette else None


def _rgb(color: str) -> Map:
    return np.asarray(ImageColor.getrgb(color)[:3], np.float32) / np.float32(255)


def _hex(rgb: Map) -> str:
    return format_hex(round(255 * float(value)) for value in rgb)

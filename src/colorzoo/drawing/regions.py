"""Regions of a drawing: areas between the lines, with small gaps in the lines closed.

The distance to the nearest line has one peak in each chamber of a drawing and a saddle in each gap between
two chambers. Two chambers belong to one region if the gap is wide compared to the narrower chamber. This is
the trapped-ball segmentation of Zhang et al. 2009 (https://doi.org/10.1109/TVCG.2009.9) with balls of all
radii. Regions that meet at a narrow place without a line between them are joined.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorzoo.drawing.lines import INK, PROBE, Darkness, Levels, LineArt, Map, shrink, shrink_darkness

Labels = NDArray[np.int32]

GAP = 4.0
"""Default width of the gaps that are closed, in pixels of an image with a shorter side of 1,000."""
SMALLEST = 1.2e-5
"""Smallest part of a drawing that can be a region, as a fraction of the image."""
SPECKS = 0.02
"""Default area in percent of the image below which regions join a neighbor."""

_SIDE = 1000  # shorter side in pixels of the copy in which regions are found
_RADII = tuple(1.35**step for step in range(16, -3, -1))  # radii of the balls in pixels, from 122 to 0.5
_NARROW = 0.5  # at the default gap setting, a wider gap is closed below this fraction of the narrower chamber
_WIDEST = 80.0  # a gap above this width is never closed at the default setting, for a panel side of 1,000
_RECTANGULAR = 0.9  # smallest fraction of its bounding box that a panel covers
_LEAST_REGION = 0.002  # smallest region that counts as enclosed by lines, as a fraction of the image
_LEAST_ENCLOSED = 0.03  # fraction of a drawing that such regions cover at least
_LARGEST_LETTER = 0.125  # largest height of a letter of text, as a fraction of the shorter side
_LEAST_LARGE = 0.5  # fraction of the ink of a drawing that belongs to larger strokes at least
_OPEN = 0.5  # smallest fraction of openings in a boundary without a line
_LONG_OPEN = 0.35  # the same for long openings
_LONG = 0.4  # smallest total length of long openings, relative to the square root of the smaller area


def find_regions(darkness: Darkness, gap: float = GAP, specks: float = SPECKS) -> Labels:
    """Divide a drawing into the regions between its lines.

    Examples:
        >>> darkness = np.zeros((32, 64), np.uint8)
        >>> darkness[:, 31:33] = 255
        >>> np.unique(find_regions(darkness)).tolist()
        [0, 1]

    Args:
        darkness: ``(H, W)`` from 0 to 255; see `LineArt.darkness`.
        gap: Width of the gaps that are always closed, in pixels of an image with a shorter side of 1,000. The
            fraction of the chamber width up to which wider gaps are closed is proportional to this setting.
            Values above the default only divide the regions of the default.
        specks: Area in percent of the image below which regions join the neighbor with the longest common
            boundary.

    Returns:
        ``(H, W)`` int32: number of the region of each pixel, from 0, the largest region first. Pixels of a
        line belong to the nearer region, so neighboring regions meet below the middle of the line.
    """
    height, width = darkness.shape
    scale = min(1.0, _SIDE / min(height, width))
    small = darkness
    if scale < 1:
        small = shrink_darkness(darkness, (round(height * scale), round(width * scale)))
    chambers, distance = _chambers(small)
    sides = _panel_sides(small)
    labels = _merge_chambers(chambers, distance, sides, gap)
    open_boundaries = find_open_boundaries(labels, small, gap)
    home = None
    if gap > GAP:  # smaller regions have shorter boundaries, which can be open where the default has a line
        default_labels = _merge_chambers(chambers, distance, sides, GAP)
        default_regions = _join(default_labels, find_open_boundaries(default_labels, small))
        default_regions = _absorb_small(default_regions, distance, specks / 100)
        # only pairs of labels that mainly lie in the same region of the default
        overlap = np.stack([labels.ravel(), default_regions.ravel()], 1)
        overlap, counts = np.unique(overlap, axis=0, return_counts=True)
        overlap = overlap[np.argsort(counts, kind="stable")]
        home = np.zeros(int(labels.max()) + 1, np.int32)
        home[overlap[:, 0]] = overlap[:, 1]  # the last assignment, of the largest overlap, counts
        open_boundaries = open_boundaries[home[open_boundaries[:, 0]] == home[open_boundaries[:, 1]]]
    labels = _absorb_small(_join(labels, open_boundaries), distance, specks / 100, home)
    if scale < 1:
        labels = _at_full_size(labels, darkness)
    # renumber the regions from 0 by descending area
    areas = np.bincount(labels.ravel())
    numbers = np.empty(len(areas), np.int32)
    numbers[np.argsort(-areas, kind="stable")] = np.arange(len(areas))
    return numbers[labels]


def is_text(levels: Levels) -> bool:
    """Return whether line art ``(H, W)`` or ``(H, W, 3)`` is text.

    Text has many small strokes, which enclose only small areas. The lines of a drawing enclose regions to
    color, or most of the ink belongs to large strokes.

    Examples:
        >>> levels = np.full((64, 96), 255, np.uint8)
        >>> levels[8:56, 40:44] = levels[8:12, 20:64] = 0  # a large letter T
        >>> is_text(levels)
        False
    """
    darkness = LineArt.read(shrink(levels, PROBE)).darkness
    areas = np.bincount(find_regions(darkness).ravel())[1:] / darkness.size
    if areas[areas > _LEAST_REGION].sum() > _LEAST_ENCLOSED:
        return False
    _, _, boxes, _ = cv2.connectedComponentsWithStats((darkness >= INK).astype(np.uint8))
    strokes = boxes[1:]  # without the paper
    is_large = strokes[:, cv2.CC_STAT_HEIGHT] > _LARGEST_LETTER * min(darkness.shape)
    ink = strokes[:, cv2.CC_STAT_AREA]
    return bool(ink[is_large].sum() <= _LEAST_LARGE * ink.sum())


def find_open_boundaries(regions: Labels, darkness: Darkness, gap: float = GAP) -> Labels:
    """Find pairs of neighboring regions whose common boundary has no line.

    Examples:
        >>> regions = np.repeat(np.arange(3, dtype=np.int32), 20)[None].repeat(40, 0)
        >>> darkness = np.zeros((40, 60), np.uint8)
        >>> darkness[:, 39:41] = 255  # a line between the last two regions
        >>> find_open_boundaries(regions, darkness).tolist()
        [[0, 1]]

    Args:
        regions: ``(H, W)``, number of the region of each pixel.
        darkness: ``(H, W)`` from 0 to 255; see `LineArt.darkness`.
        gap: Width of the gaps that are closed, in pixels of an image with a shorter side of 1,000. Openings
            up to twice this width count as a line, because lines can be faint or dashed. Above the default,
            openings up to this width, but at least twice the default, count as a line, so that the free paper
            between figures stays one region.

    Returns:
        ``(n, 2)``, the numbers of the two regions of each pair.
    """
    distance = cv2.distanceTransform((darkness < INK).astype(np.uint8), cv2.DIST_L2, 5)
    pixels, pixel_pairs, distances = _boundary_pixels(regions, distance)
    # An opening is a connected part of the boundaries that no line covers. Half its width is the largest
    # distance of its pixels to a line.
    is_uncovered = distances > 0
    uncovered = np.zeros(regions.shape, np.uint8)
    uncovered.flat[pixels[is_uncovered]] = 1
    count, openings = cv2.connectedComponents(uncovered)
    pixel_openings = openings.ravel()[pixels]
    half_widths = np.zeros(count, np.float32)
    np.maximum.at(half_widths, pixel_openings, distances)
    max_half_width = max(gap / 2, min(gap, GAP)) * min(regions.shape) / _SIDE  # of openings that are lines
    is_open = is_uncovered & (half_widths[pixel_openings] > max_half_width)

    # compare the length of the openings with the length of the boundary and with the smaller region
    pairs, pair_indices, lengths = np.unique(pixel_pairs, axis=0, return_inverse=True, return_counts=True)
    open_lengths = np.bincount(pair_indices.ravel(), weights=is_open, minlength=len(pairs))
    smaller_areas = np.bincount(regions.ravel())[pairs].min(axis=1)
    is_mostly_open = open_lengths >= _OPEN * lengths
    is_partly_open = open_lengths >= _LONG_OPEN * lengths
    has_long_openings = open_lengths >= _LONG * np.sqrt(smaller_areas)
    open_pairs: Labels = pairs[is_mostly_open | (is_partly_open & has_long_openings)]
    return open_pairs


def _chambers(darkness: Darkness) -> tuple[Labels, Map]:
    """Return a fine segmentation with one label per chamber, and the distance to the nearest line."""
    free = (darkness < INK).astype(np.uint8)
    distance = cv2.distanceTransform(free, cv2.DIST_L2, 5)
    seeds, seed_count = np.zeros(distance.shape, np.int32), 0
    for radius in _RADII:
        core_count, cores = cv2.connectedComponents((distance > radius).astype(np.uint8), connectivity=4)
        is_new = np.ones(core_count, bool)
        is_new[cores[seeds > 0]] = False  # only cores without a seed
        is_new[0] = False  # the background
        new_count = int(is_new.sum())
        labels = np.zeros(core_count, np.int32)
        labels[is_new] = seed_count + 1 + np.arange(new_count)
        seed_count += new_count
        seeds = np.maximum(seeds, labels[cores])
    # from the middle of the chambers outwards, and below the lines last
    height = np.where(free, 100 * np.exp(-distance / 8), 128 + 0.5 * darkness)
    return _watershed(height, seeds), distance


def _panel_sides(darkness: Darkness) -> Labels:
    """Return the shorter side of the panel that contains each pixel; outside panels, of the image.

    A panel is a rectangle of the page that paper connected to the edge of the image surrounds.
    """
    _, papers = cv2.connectedComponents((darkness < INK).astype(np.uint8), connectivity=4)
    at_edge = np.unique(np.concatenate([papers[0], papers[-1], papers[:, 0], papers[:, -1]]))
    gutter = np.isin(papers, at_edge[at_edge > 0])
    _, panels, boxes, _ = cv2.connectedComponentsWithStats((~gutter).astype(np.uint8))
    sides = np.full(len(boxes), min(darkness.shape), np.int32)
    for panel, (_, _, width, height, area) in enumerate(boxes[1:], 1):
        if area >= _RECTANGULAR * width * height:
            sides[panel] = min(width, height)
    return sides[panels]


def _watershed(height: NDArray[Any], seeds: Labels, mask: NDArray[Any] | None = None) -> Labels:
    from skimage.segmentation import watershed  # imported here, because only drawings need it

    return watershed(height, seeds, mask=mask).astype(np.int32, copy=False)


def _merge_chambers(labels: Labels, distance: Map, sides: Labels, gap: float) -> Labels:
    """Join chambers whose connection is wide; return labels from 0.

    Connections are visited from the widest to the narrowest, as in a watershed by flooding. The narrower of
    two chambers decides whether they are joined.

    Args:
        labels: Chambers, ``(H, W)``.
        distance: ``(H, W)`` distance to the nearest line in pixels.
        sides: ``(H, W)`` shorter side in pixels of the panel that contains each pixel.
        gap: See `find_regions`.
    """
    count = int(labels.max()) + 1
    radii = np.zeros(count, np.float32)  # of the largest disc in each chamber
    np.maximum.at(radii, labels.ravel(), distance.ravel())
    panel_sides = np.full(count, min(labels.shape))  # of the smallest panel that each chamber touches
    is_paper = distance > 0
    np.minimum.at(panel_sides, labels[is_paper], sides[is_paper])

    max_closed_width = gap * min(labels.shape) / _SIDE  # up to this width, gaps of wider chambers are closed
    min_open_widths = panel_sides * _WIDEST * gap / GAP / _SIDE  # above these widths, gaps are never closed
    min_open_ratio = min(1.0, _NARROW * gap / GAP)  # relative to the narrower chamber
    pairs, saddles, _ = _adjacency(labels, distance)  # a saddle is half the width of a gap
    parents = np.arange(count)  # union-find forest of joined chambers
    for index in np.argsort(-saddles, kind="stable"):
        roots = [_root(parents, int(label)) for label in pairs[index]]
        wider, narrower = sorted(roots, key=lambda root: -radii[root])
        gap_width, chamber_width = 2 * float(saddles[index]), 2 * radii[narrower]
        is_small_gap = gap_width <= max_closed_width and chamber_width > max_closed_width
        if gap_width == 0 or is_small_gap:
            continue  # always closed
        is_relatively_wide = gap_width >= min_open_ratio * chamber_width
        if is_relatively_wide or gap_width > min_open_widths[narrower]:
            parents[narrower] = wider
    return _absorb_small(_renamed(labels, parents), distance, SMALLEST)


def _adjacency(labels: Labels, distance: Map) -> tuple[Labels, Map, NDArray[np.int64]]:
    """Return the pairs of neighboring labels, the saddle between them and their contact length.

    The saddle of two chambers is the largest distance to a line on their common boundary, in pixels.
    """
    _, pairs, heights = _boundary_pixels(labels, distance)
    keys, inverse, contacts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    saddles = np.zeros(len(keys), np.float32)
    np.maximum.at(saddles, inverse.ravel(), heights)
    return keys, saddles, contacts


def _boundary_pixels(labels: Labels, distance: Map) -> tuple[NDArray[np.int64], Labels, Map]:
    """Return index, labels on both sides ``(n, 2)``, and distance to a line of each boundary pixel."""
    pixels, pairs, heights = [], [], []
    index = np.arange(labels.size).reshape(labels.shape)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differ = labels[before] != labels[after]
        pixels.append(index[before][differ])
        pairs.append(np.stack([labels[before][differ], labels[after][differ]], 1))
        heights.append(np.minimum(distance[before], distance[after])[differ])
    return np.concatenate(pixels), np.sort(np.concatenate(pairs), axis=1), np.concatenate(heights)


def _join(labels: Labels, pairs: Labels) -> Labels:
    """Give all connected labels of a list of pairs one label."""
    parents = np.arange(int(labels.max()) + 1)
    for one, other in pairs:
        parents[_root(parents, int(one))] = _root(parents, int(other))
    return _renamed(labels, parents)


def _renamed(labels: Labels, parents: NDArray[np.int64]) -> Labels:
    """Replace each label with the root of its tree."""
    roots = np.array([_root(parents, each) for each in range(len(parents))])
    return roots[labels].astype(np.int32)


def _absorb_small(labels: Labels, distance: Map, fraction: float, home: Labels | None = None) -> Labels:
    """Join each small region with the neighbor that has the longest common boundary.

    Args:
        labels: ``(H, W)``, number of the region of each pixel.
        distance: ``(H, W)`` distance to the nearest line in pixels.
        fraction: Smallest region that remains, as a fraction of the image; at least 4 pixels.
        home: Region of a coarser division that contains each region; regions join within it. None for no
            limit.
    """
    smallest = max(4.0, fraction * labels.size)
    while True:
        areas = np.bincount(labels.ravel())
        small = (areas > 0) & (areas < smallest)
        if not small.any():
            break
        pairs, _, contacts = _adjacency(labels, distance)
        if home is not None:
            is_home = home[pairs[:, 0]] == home[pairs[:, 1]]
            pairs, contacts = pairs[is_home], contacts[is_home]
        target = np.arange(len(areas))
        for index in np.argsort(contacts, kind="stable"):
            one, other = pairs[index]
            for tiny, near in ((one, other), (other, one)):
                if small[tiny] and (areas[near], near) > (areas[tiny], tiny):  # without cycles
                    target[tiny] = near
        if (target == np.arange(len(target))).all():
            break
        labels = _renamed(labels, target)
    return labels


def _at_full_size(small: Labels, darkness: Darkness) -> Labels:
    """Enlarge labels; boundaries follow the lines at full size."""
    height, width = darkness.shape
    labels = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    reach = int(np.ceil(2 * max(height / small.shape[0], 2)))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    edges = np.zeros(labels.shape, np.uint8)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    near = cv2.dilate(edges, kernel)
    near_or_ring = cv2.dilate(near, np.ones((3, 3), np.uint8))
    is_seed = near_or_ring - near  # a ring around the boundaries
    # regions without seeds, because they lie near boundaries
    is_narrow = np.bincount(small.ravel()) > 0
    is_narrow[labels[is_seed > 0]] = False
    if is_narrow.any():  # their seeds are the pixels with the largest distance from the boundary
        pixels = np.flatnonzero(is_narrow[labels])
        owners = labels.ravel()[pixels]
        distances = cv2.distanceTransform(1 - edges, cv2.DIST_L2, 5).ravel()[pixels]
        largest = np.zeros(len(is_narrow), np.float32)
        np.maximum.at(largest, owners, distances)
        is_seed.flat[pixels] |= distances == largest[owners]
    seeds = labels  # in place, and enlarged again below, because large drawings need much memory
    seeds += 1
    seeds *= is_seed
    del labels, edges, is_seed
    ink_height = cv2.threshold(darkness, INK - 1, 255, cv2.THRESH_TOZERO)[1]
    grown = _watershed(ink_height, seeds, near_or_ring)
    del seeds
    grown -= 1
    labels = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    np.copyto(labels, grown, where=near > 0)
    return labels


def _root(parents: NDArray[np.int64], each: int) -> int:
    while parents[each] != each:
        parents[each] = parents[parents[each]]
        each = int(parents[each])
    return each

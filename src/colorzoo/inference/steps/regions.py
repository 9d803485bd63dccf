"""Edit and color the regions that a model proposes for a sketch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import OtherImageError
from colorzoo.guidance import RegionColor, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.guidance.fields import format_hex
from colorzoo.guidance.objects import Division

_INK = 0.5  # darker pixels are lines of a sketch
_LEAST_PIXELS = 4  # minimum size of a new region; smaller parts occur at the ends of lines

OTHER_PROPOSAL = (
    "region colors may be misplaced, because these edits were made for another image or coloring model"
)
"""Note for the user if `Recipe.proposal` differs from the hash of the proposed regions."""
Index = NDArray[np.int64]


def edit_regions(
    proposed: Regions, sketch: Tensor, divisions: Sequence[Division], image_size: tuple[int, int]
) -> Regions:
    """Divide the regions that a model proposes by the lines that the user draws.

    A new region gets the smallest unused index, so equal lines give equal indices. If all indices are used,
    the line is ignored. `Regions.segments` of the result is the index before all divisions, because it is an
    input of the network.

    Args:
        proposed: Regions that the model proposes.
        sketch: ``(1, 1, h, w)`` in [0, 1] with black lines (0), which separate the parts of a region.
        divisions: Lines that cut or outline regions, in the order of drawing. Lines that join regions are
            ignored, because only regions of drawings can be joined.
        image_size: Width and height of the image.
    """
    index = proposed.index[0, 0].cpu().numpy().copy()  # each division changes it in place
    ink = (sketch[0, 0] < _INK).cpu().numpy()
    height, width = index.shape
    image_width, image_height = image_size
    scale = np.array([width / image_width, height / image_height])
    max_regions = proposed.rgb.shape[1]
    for division in divisions:
        vertices = np.floor(np.asarray(division.path) * scale).astype(np.int32)
        if division.closed:
            # the inside of the closed line becomes a region
            inside = np.zeros(index.shape, np.uint8)
            cv2.fillPoly(inside, [vertices], 1)
            number = _free_number(index, max_regions)
            if number is not None and inside.sum() >= _LEAST_PIXELS:
                index[inside > 0] = number
        elif not division.join:
            _cut(index, vertices, ink, max_regions)
    edited = torch.from_numpy(index)[None, None].to(proposed.index)
    return replace(proposed, index=edited, segments=proposed.original_segments)


def proposal_hash(regions: Regions) -> str:
    """Return the SHA-256 of a region map: its height, its width and the region of each pixel.

    Examples:
        >>> index = torch.zeros(1, 1, 32, 48, dtype=torch.int64)
        >>> regions = Regions(index, rgb=torch.zeros(1, 1, 3), given=torch.zeros(1, 1))
        >>> len(proposal_hash(regions))
        64
    """
    index = regions.index[0, 0].to(torch.uint8)
    size = f"{index.shape[0]}x{index.shape[1]}:"
    return sha256(size.encode() + index.contiguous().numpy().tobytes()).hexdigest()


def color_regions(regions: Regions, colors: Sequence[RegionColor]) -> Regions:
    """Assign the region colors of a recipe to proposed regions.

    If a region has several colors, the last color applies.

    Raises:
        OtherImageError: The recipe colors a region that does not exist.
    """
    rgb, given = regions.rgb.clone(), regions.given.clone()
    for region in colors:
        if region.index >= rgb.shape[1]:
            raise OtherImageError(
                f"recipe.regions: index must be from 0 to {rgb.shape[1] - 1} for this image and model, "
                f"got {region.index}"
            )
        levels = [int(region.color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        rgb[:, region.index], given[:, region.index] = rgb.new_tensor(levels), 1
    return replace(regions, rgb=rgb, given=given)


def filled_regions(regions: Regions) -> list[int]:
    """Return the sorted indices of the regions that are not empty in the first image.

    Examples:
        >>> index = torch.zeros(1, 1, 32, 48, dtype=torch.int64)
        >>> regions = Regions(index, rgb=torch.zeros(1, 1, 3), given=torch.zeros(1, 1))
        >>> filled_regions(regions)
        [0]
    """
    found: list[int] = torch.unique(regions.index[0]).tolist()
    return found


def mean_region_colors(regions: Regions, rgb: Tensor) -> list[str]:
    """Return the mean color ``#rrggbb`` of each region in the current result.

    Examples:
        >>> index = torch.zeros(1, 1, 32, 48, dtype=torch.int64)
        >>> regions = Regions(index, rgb=torch.zeros(1, 1, 3), given=torch.zeros(1, 1))
        >>> mean_region_colors(regions, torch.ones(1, 3, 32, 48))
        ['#ffffff']

    Args:
        regions: Regions of one image.
        rgb: ``(1, 3, h, w)`` in [0, 1], of the same size.
    """
    colors, _ = region_means(regions.index, rgb, regions.rgb.shape[1])
    levels = (colors[0].clamp(0, 1) * 255).round().int().tolist()
    return [format_hex(color) for color in levels]


def _cut(index: Index, vertices: NDArray[np.int32], ink: NDArray[np.bool_], count: int) -> None:
    """Cut the region that a line crosses most; the smaller parts become new regions."""
    from scipy import ndimage  # imported here, because few recipes have lines that cut regions

    canvas = np.zeros(index.shape, np.uint8)
    cv2.polylines(canvas, [vertices], isClosed=False, color=1)
    line = canvas > 0
    if not line.any():
        return
    region = index == np.bincount(index[line]).argmax()
    labels, _ = ndimage.label(region & ~ink & ~line)
    beside_line = ndimage.binary_dilation(line, np.ones((3, 3))) & (labels > 0)
    sizes = np.bincount(labels.ravel())
    large_parts = [part for part in np.unique(labels[beside_line]) if sizes[part] >= _LEAST_PIXELS]
    if len(large_parts) < 2:
        return
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    nearest_part = labels[tuple(nearest)]  # lines belong to the nearest part
    _, *smaller_parts = sorted(large_parts, key=lambda part: -sizes[part])
    for part in smaller_parts:
        number = _free_number(index, count)
        if number is not None:
            index[region & (nearest_part == part)] = number


def _free_number(index: Index, count: int) -> int | None:
    used = set(np.unique(index).tolist())
    return next((number for number in range(count) if number not in used), None)

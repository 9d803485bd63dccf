"""Purity of the regions proposed for a sketch: fraction of a region in a single object, against SLIC.

Sketches are drawn from unseen illustrations at 128 pixels and from COCO photos at 256 pixels. The purity of a
region is the fraction of its pixels in its largest true segment; ink is excluded. True segments are the
panoptic masks of COCO; in illustrations, the connected components that are nearest to the same of eight
colors. SLIC produces as many superpixels as the model produces regions.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from skimage.segmentation import slic
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, where
from benchmarks.reach import read_images
from colorzoo.color import rgb_to_gray, rgb_to_lab, xdog
from colorzoo.data.decode import decode_rgb
from colorzoo.factory import create_coloring_model

FOLDER = Path("data")
IMAGES = 92  # of each set
DRAWN_SIDE, PHOTO_SIDE = 128, 256
COLORS = 8
PAPER = 0.5  # level of a sketch above which a pixel is no ink
COMPACTNESS = 0.1  # of SLIC, as of `SuperpixelRegions`
TRIES = 6  # to make SLIC give a number of superpixels: fewer come out than are asked for

Labels = NDArray[np.int64]


def run(options: Options) -> list[Row]:
    """Return the purity by pixel and by region, for illustrations and for photos."""
    folder, most = options.data or FOLDER, options.images or IMAGES
    model: Any = create_coloring_model(options.model or "cho2023_small")
    rows = []
    sets = {"illustrations": read_drawn(folder, most), "photos": read_photos(folder, most)}
    for name, images in sets.items():
        found: list[tuple[float, ...]] = []
        for rgb, objects in images:
            sketch = xdog(rgb_to_gray(rgb[None]))
            with torch.inference_mode():
                regions = model.propose(sketch).index[0, 0].numpy()
            lines = sketch[0, 0].numpy()
            paper = lines > PAPER
            cells = superpixels(lines, paper, len(np.unique(regions[paper])))
            found.append((*shares(regions[paper], objects[paper]), *shares(cells[paper], objects[paper])))
        ours_by_pixel, ours, slic_by_pixel, others = map(statistics.fmean, zip(*found, strict=True))
        place = f"{len(found)} {name}, {where()}"
        for kind, share, reference in (("pixel", ours_by_pixel, slic_by_pixel), ("region", ours, others)):
            claim = f"fraction of a region in one object, mean by {kind}, {name}, against SLIC"
            rows.append(Row(claim, share, reference, share / reference, 1.0, "higher", place))
    return rows


def read_drawn(folder: Path, most: int) -> Iterator[tuple[Tensor, Labels]]:
    """Yield unseen illustrations ``(3, H, W)`` in [0, 1] and their segments ``(H, W)``."""
    files = sorted((folder / "sketch" / "val").glob("*.jpg"))
    if not files:
        raise SkippedError(f"{folder / 'sketch' / 'val'} holds no *.jpg; name its folder with --data")
    for path in files[:most]:
        rgb = decode_rgb(path.read_bytes(), DRAWN_SIDE).float() / 255
        yield rgb, components_of_one_color(rgb)


def read_photos(folder: Path, most: int) -> Iterator[tuple[Tensor, Labels]]:
    """Yield photos of COCO ``(3, H, W)`` in [0, 1] and their true segments ``(H, W)``."""
    for rgb, segments, _ in read_images(folder / "coco_sample", most, PHOTO_SIDE):
        yield rgb, segments


def components_of_one_color(rgb: Tensor) -> Labels:
    """Return the connected components that are nearest to the same of a few colors."""
    lab = rgb_to_lab(rgb[None])[0].permute(1, 2, 0)
    _, nearest = kmeans2(lab.flatten(0, 1).numpy(), COLORS, minit="++", rng=0)
    nearest = ndimage.median_filter(nearest.reshape(lab.shape[:2]), 3)  # without specks of JPEG
    places: Labels = np.zeros(nearest.shape, np.int64)
    for color in range(COLORS):
        connected, _ = ndimage.label(nearest == color)
        places = np.where(connected > 0, connected + places.max(), places)
    return places


def superpixels(lines: NDArray[np.float32], paper: NDArray[np.bool_], count: int) -> Labels:
    """Return superpixels ``(H, W)`` of a sketch, about ``count`` of them on paper."""
    asked, tried = count, []
    for _ in range(TRIES):
        cells: Labels = slic(lines, n_segments=asked, compactness=COMPACTNESS, channel_axis=None)
        found = len(np.unique(cells[paper]))
        tried.append((abs(found - count), cells))
        asked = max(1, round(asked * count / found))
    return min(tried, key=lambda each: each[0])[1]


def shares(regions: Labels, objects: Labels) -> tuple[float, float]:
    """Return the mean purity of regions by pixel and by region.

    Args:
        regions: ``(N,)`` region of each pixel.
        objects: ``(N,)`` true segment of each pixel.
    """
    _, row = np.unique(regions, return_inverse=True)
    _, column = np.unique(objects, return_inverse=True)
    table = np.zeros((row.max() + 1, column.max() + 1))
    np.add.at(table, (row, column), 1)
    largest, size = table.max(axis=1), table.sum(axis=1)
    return float(largest.sum() / size.sum()), float((largest / size).mean())

"""Random line drawings of color images for training.

Real line drawings have lines of many kinds and no tone. Each image of a batch gets lines from a random
extractor with random settings, and a random pen: thicker, faint, broken or noisy lines. All random numbers
are drawn for each image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.sketch import color_edges, difference_lines, drawn_lines, rgb_to_gray
from colorzoo.randomness import copy_to, draw_normal, draw_uniform, image_generators

_CPU = torch.device("cpu")
_MAX_GAPS, _MAX_RADIUS = 20, 3


def random_lines(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Extract lines without tone; the seed of an image selects the extractor and its settings.

    The extractors are `color_edges` (42 % of the images), `drawn_lines` (34 %) and `difference_lines` (24 %).
    In 20 % of the images, very dark surfaces stay black. The fractions are choices of this project.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        seeds: ``(B,)`` random seed of each image.

    Returns:
        ``(B, 1, H, W)`` in [0, 1]: 1 for paper, 0 for ink.
    """
    draws = draw_uniform(image_generators(seeds, "lines"), len(rgb), 6, _CPU)
    extractor_draw, black_chance, black_draw, *style_draws = draws.T
    limits = torch.tensor([0.42, 0.42 + 0.34], device=_CPU)
    extractors = torch.bucketize(extractor_draw.contiguous(), limits)  # indices into _EXTRACTORS
    lines = torch.empty_like(rgb[:, :1])
    for index, extract in enumerate(_EXTRACTORS):
        rows = (extractors == index).nonzero()[:, 0]  # images of this extractor
        if len(rows):
            row_draws = [draw[rows] for draw in style_draws]
            device_rows = copy_to(rows, rgb.device)
            lines[device_rows] = extract(rgb[device_rows], *row_draws)
    # gray level below which surfaces stay black; no pixel is below -1
    black_level = torch.where(black_chance < 0.2, _between(black_draw, 0.06, 0.24), -1.0)
    # surfaces darker than this level that are at least 5 pixels wide
    bright = (rgb_to_gray(rgb) >= _column(black_level, rgb.device)).float()
    near_bright = F.max_pool2d(bright, 5, stride=1, padding=2)
    solid_black = F.max_pool2d(1 - near_bright, 5, stride=1, padding=2)
    return torch.minimum(lines, 1 - solid_black)


def vary_lines(lines: Tensor, seeds: Tensor) -> Tensor:
    """Draw lines with a random pen: thicker (20 %), broken (25 %), faint (30 %) or noisy (15 %).

    Args:
        lines: ``(B, 1, H, W)`` in [0, 1]: 1 for paper, 0 for ink.
        seeds: ``(B,)`` random seed of each image.

    Returns:
        ``(B, 1, H, W)`` in [0, 1].
    """
    device = lines.device
    height, width = lines.shape[2:]
    draws = draw_uniform(image_generators(seeds, "pen"), len(lines), 6 + 3 * _MAX_GAPS, _CPU)
    pen_draws, gap_draws = draws[:, :6], draws[:, 6:]
    thick_chance, broken_chance, count_draw, faint_chance, strength_draw, grain_chance = pen_draws.T
    # lines one pixel thicker
    thick = -F.max_pool2d(F.pad(-lines, (1, 0, 1, 0), mode="replicate"), 2, stride=1)
    lines = torch.where(_column(thick_chance < 0.2, device), thick, lines)
    # gaps: random discs without ink
    broken_count = 2 + (count_draw * (_MAX_GAPS - 1)).floor()  # from 2 to _MAX_GAPS
    gap_count = torch.where(broken_chance < 0.25, broken_count, 0.0)
    row, column, radius = copy_to(gap_draws, device).chunk(3, dim=1)
    gaps = disc_mask(
        (row * height).long(),
        (column * width).long(),
        1 + (radius * _MAX_RADIUS).long(),
        torch.arange(_MAX_GAPS, device=device) < copy_to(gap_count, device)[:, None],
        (height, width),
    )
    broken_lines = torch.maximum(lines, gaps)
    strength = torch.where(faint_chance < 0.3, _between(strength_draw, 0.5, 1.0), 1.0)
    lines = 1 - (1 - broken_lines) * _column(strength, device)
    # grain: Gaussian noise in some images
    noisy = (grain_chance < 0.15).nonzero()[:, 0]
    if len(noisy):
        rows = copy_to(noisy, device)
        grain = draw_normal(image_generators(seeds[noisy], "grain"), len(noisy), (1, height, width), device)
        deviation = _column(_between(grain_chance[noisy] / 0.15, 0.01, 0.05), device)
        lines[rows] = (lines[rows] + grain * deviation).clamp(0, 1)
    return lines


def disc_mask(rows: Tensor, columns: Tensor, radii: Tensor, valid: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the pixels inside of discs, as ``(B, 1, H, W)`` float32 in {0, 1}.

    Args:
        rows: ``(B, N)`` int64, row of each center.
        columns: ``(B, N)`` int64, column of each center.
        radii: ``(B, N)`` int64, radius in pixels from 1 to 3.
        valid: ``(B, N)`` bool; False for padding entries.
        size: Height and width of the images.
    """
    device = rows.device
    # number of centers at each pixel, in one plane for each radius
    centers = torch.zeros(len(rows), _MAX_RADIUS, *size, device=device)
    image_index = torch.arange(len(rows), device=device)[:, None]
    counts = valid.float()  # padding entries add 0
    centers.index_put_((image_index, radii - 1, rows, columns), counts, accumulate=True)
    offset = torch.arange(-_MAX_RADIUS, _MAX_RADIUS + 1, device=device)
    squared_distance = offset[:, None] ** 2 + offset**2
    radius = torch.arange(1, _MAX_RADIUS + 1, device=device)[:, None, None]
    discs = (squared_distance <= radius**2).float()  # one disc for each radius
    covering_discs = F.conv2d(centers, discs[None], padding=_MAX_RADIUS)
    return (covering_discs > 0.5).float()


def _edges(rgb: Tensor, threshold: Tensor, sigma: Tensor, _: Tensor) -> Tensor:
    return color_edges(rgb, _between(threshold, 6.0, 20.0), _between(sigma, 0.5, 1.1))


def _strokes(rgb: Tensor, level: Tensor, gain: Tensor, width: Tensor) -> Tensor:
    lines, sides = torch.empty_like(rgb[:, :1]), 3 + 2 * (3 * width).long()
    for side in sorted(set(sides.tolist())):
        rows = (sides == side).nonzero()[:, 0]
        own = copy_to(rows, rgb.device)
        levels, gains = _between(level[rows], 0.03, 0.15), _between(gain[rows], 1.5, 3.5)
        lines[own] = drawn_lines(rgb[own], side, levels, gains)
    return lines


def _differences(rgb: Tensor, sigma: Tensor, threshold: Tensor, gain: Tensor) -> Tensor:
    return difference_lines(
        rgb, _between(sigma, 0.6, 1.3), _between(threshold, 0.004, 0.015), _between(gain, 20.0, 60.0)
    )


_EXTRACTORS: tuple[Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], ...] = (_edges, _strokes, _differences)


def _between(draws: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * draws


def _column(values: Tensor, device: torch.device) -> Tensor:
    return copy_to(values, device).view(-1, 1, 1, 1)

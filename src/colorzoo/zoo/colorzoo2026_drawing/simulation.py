"""Simulated hints and references for the training of colorzoo2026_drawing.

A reference is a second view of the same drawing, so the color of each part is known in both views. All random
numbers are drawn for each image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.color.sketch import drawn_lines
from colorzoo.data.augment import rotate_hue
from colorzoo.data.line_art import disc_mask
from colorzoo.randomness import copy_to, draw_uniform, image_generators
from colorzoo.settings import Fraction, Probability
from colorzoo.zoo.colorzoo2026_drawing.network import masked_cell_means, scale_lab

PAPER = 0.6
"""Pixels of a sketch above this level are paper; pixels below it are lines, whose color is unknown."""

_MAX_HINTS, _TRIES = 32, 3
_REFERENCE_CELLS = (16, 128)  # minimum and maximum number of cells of a reference
_LEAST_PAPER = 0.1  # minimum fraction of paper in a cell whose color is predicted
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Simulation:
    """Settings of simulated hints and references. The values are choices of this project.

    Attributes:
        hinted: Fraction of the drawings with hints.
        stop_probability: Parameter p of the geometric distribution of the number of hints, which has the mean
            1 / p. The maximum is 32.
        copied: Fraction of the drawings with hints whose hints are also observations, from which colors are
            copied. In the other drawings, only the input of the network contains the hints.
        recolored: Fraction of the drawings with hints or a second view whose hue is rotated, so that the
            model learns to follow any color.
        paired: Fraction of the drawings with a second view.
        paired_hinted: Fraction of the views of these drawings with hints.
        referenced: Fraction of these views that have the other view as a reference.
    """

    hinted: Fraction = 0.55
    stop_probability: Probability = 0.14
    copied: Fraction = 0.75
    recolored: Fraction = 0.4
    paired: Fraction = 1 / 3
    paired_hinted: Fraction = 0.25
    referenced: Fraction = 0.85


@dataclass(frozen=True)
class Views:
    """Drawings of a batch, followed by second views of some drawings; V views in total.

    Attributes:
        drawings: Number of drawings B.
        drawing: ``(V,)`` int64, index of the drawing in the batch.
        sketch: ``(V, 1, H, W)`` in [0, 1], 1 for paper.
        color: ``(V, 3, H, W)``, scaled Lab.
        seeds: ``(V,)`` int64 on the CPU, random seed of each view.
        other: ``(V,)`` int64, index of the other view of the drawing; the own index if there is none.
        hinted: ``(V,)``, 1 for views with hints, else 0.
        copied: ``(V,)``, 1 for views whose hints are observations, else 0.
    """

    drawings: int
    drawing: Tensor
    sketch: Tensor
    color: Tensor
    seeds: Tensor
    other: Tensor
    hinted: Tensor
    copied: Tensor

    def mean(self, values: Tensor, weight: Tensor) -> Tensor:
        """Average values ``(V, N)`` over the cells of a drawing, then over the drawings.

        The mean for each drawing makes the loss independent of the distribution of drawings over processes.
        """
        zeros = values.new_zeros(self.drawings)
        sums = zeros.index_add(0, self.drawing, (values * weight).sum(1))
        return (sums / zeros.index_add(0, self.drawing, weight.sum(1)).clamp(min=1)).mean()


def random_views(rgb: Tensor, sketch: Tensor, seeds: Tensor, simulation: Simulation) -> Views:
    """Rotate the hue of some drawings, and add second views of some drawings.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        sketch: ``(B, 1, H, W)`` in [0, 1], 1 for paper.
        seeds: ``(B,)`` random seed of each drawing.
        simulation: Fractions of the drawings.
    """
    choices = _draw_choices(seeds, simulation)
    rgb = _rotate_hues(rgb, choices.turns)
    second = choices.paired.nonzero()[:, 0]  # drawings with a second view
    drawing = torch.cat([torch.arange(len(rgb), device="cpu"), second])
    view_seeds = torch.cat([seeds, ~seeds[second]])  # the complement has other random numbers
    hinted = _draw_hinted(view_seeds, choices.paired[drawing], choices.hinted[drawing], simulation)
    chosen = copy_to(second, rgb.device)
    warped_rgb, warped_sketch = _warped(rgb[chosen], sketch[chosen], view_seeds[len(rgb) :])
    lab = rgb_to_lab(torch.cat([rgb, warped_rgb]))
    return Views(
        drawings=len(rgb),
        drawing=copy_to(drawing, rgb.device),
        sketch=torch.cat([sketch, warped_sketch]),
        color=scale_lab(lab.movedim(1, -1)).movedim(-1, 1),
        seeds=view_seeds,
        other=copy_to(_other_views(len(rgb), second), rgb.device),
        hinted=copy_to(hinted.float(), rgb.device),
        copied=copy_to(choices.copied[drawing].float(), rgb.device),
    )


class _Choices(NamedTuple):
    """Random choices ``(B,)`` for each drawing, on the CPU.

    Attributes:
        paired: Whether the drawing has a second view.
        hinted: Whether a drawing without a second view has hints.
        copied: Whether the hints are observations.
        turns: Rotation of the hue in turns; 0 for an unchanged hue.
    """

    paired: Tensor
    hinted: Tensor
    copied: Tensor
    turns: Tensor


def _draw_choices(seeds: Tensor, simulation: Simulation) -> _Choices:
    """Draw the choices for each drawing."""
    draws = draw_uniform(image_generators(seeds, "views"), len(seeds), 5, _CPU)
    paired = draws[:, 0] < simulation.paired
    hinted = ~paired & (draws[:, 1] < simulation.hinted)
    copied = paired | (draws[:, 2] < simulation.copied)
    recolored = (paired | hinted) & (draws[:, 3] < simulation.recolored)
    return _Choices(paired, hinted, copied, turns=torch.where(recolored, draws[:, 4], 0.0))


def _rotate_hues(rgb: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue of drawings ``(B, 3, H, W)``; drawings with 0 turns are returned unchanged."""
    turns = copy_to(turns, rgb.device)
    return torch.where(turns[:, None, None, None] > 0, rotate_hue(rgb, turns), rgb)


def _draw_hinted(seeds: Tensor, paired: Tensor, hinted: Tensor, simulation: Simulation) -> Tensor:
    """Return whether each view has hints, ``(V,)`` bool.

    Args:
        seeds: ``(V,)`` random seed of each view.
        paired: ``(V,)``, whether the drawing has a second view; its views draw hints independently.
        hinted: ``(V,)``, whether a drawing without a second view has hints.
        simulation: Fractions of the drawings.
    """
    draws = draw_uniform(image_generators(seeds, "hinted"), len(seeds), 1, _CPU)[:, 0]
    return torch.where(paired, draws < simulation.paired_hinted, hinted)


def _other_views(drawings: int, second: Tensor) -> Tensor:
    """Return the index of the other view of each drawing, ``(V,)``; the own index if there is none.

    Args:
        drawings: Number of drawings.
        second: Indices of the drawings with a second view.
    """
    first = torch.arange(drawings, device="cpu")
    first[second] = drawings + torch.arange(len(second), device="cpu")
    return torch.cat([first, second])


def _warped(rgb: Tensor, sketch: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return drawings and sketches after a random affine transform; the border becomes white paper.

    The transform rotates, shears, shifts, scales and stretches the drawing. About half of the drawings are
    mirrored. About half of the sketches are extracted from the warped drawing, as for references at
    inference. The other sketches are warped like the drawing.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        sketch: ``(B, 1, H, W)`` in [0, 1], 1 for paper.
        seeds: ``(B,)`` random seed of each view.
    """
    if not len(seeds):
        return rgb, sketch
    # seven random numbers for the transform, and one for the choice of the sketch
    draws = draw_uniform(image_generators(seeds, "warp"), len(rgb), 7 + 1, rgb.device)
    inverted = 1 - torch.cat([rgb, sketch], dim=1)  # white becomes 0, the value of the padding
    grid = F.affine_grid(_affine_matrices(draws), list(inverted.shape), align_corners=False)
    warped = 1 - F.grid_sample(inverted, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    warped_rgb, warped_sketch = warped[:, :3].clamp(0, 1), warped[:, 3:].clamp(0, 1)
    is_extracted = draws[:, 7].view(-1, 1, 1, 1) < 0.5
    return warped_rgb, torch.where(is_extracted, drawn_lines(warped_rgb), warped_sketch)


def _affine_matrices(draws: Tensor) -> Tensor:
    """Convert random numbers to matrices ``(B, 2, 3)`` for `torch.nn.functional.affine_grid`.

    A matrix maps positions in the warped drawing to positions in the original drawing.

    Args:
        draws: ``(B, 7)`` or more random numbers in [0, 1); only the first seven columns are used.
    """
    centered = 2 * draws - 1  # in [-1, 1)
    # the angle is in radians; the shift is in the coordinates of `affine_grid`, from -1 to 1
    angle, shear, shift = 0.3 * centered[:, 0], 0.15 * centered[:, 1], 0.2 * centered[:, 2:4]
    scale, stretch = 1 + 0.2 * centered[:, 4], 1.18 ** centered[:, 5]
    mirror = torch.where(draws[:, 6] < 0.5, -1.0, 1.0)
    x_row = [mirror * scale * stretch * angle.cos(), shear - scale * angle.sin(), shift[:, 0]]
    y_row = [mirror * scale * stretch * angle.sin(), scale * angle.cos(), shift[:, 1]]
    return torch.stack([torch.stack(x_row, 1), torch.stack(y_row, 1)], 1)


def random_hints(views: Views, simulation: Simulation) -> Tensor:
    """Return hints for the network input: discs with a radius of 1 to 3 pixels in true colors.

    Three positions are drawn for each disc: the second position is used if it is on paper, else the first
    position if it is on paper, else the third position. The discs exclude lines. Views without hints get no
    discs.

    Args:
        views: Drawings.
        simulation: Distribution of the number of hints, of which at most 32 are used.

    Returns:
        ``(V, 4, H, W)``: scaled Lab and mask.
    """
    sketch, device = views.sketch, views.sketch.device
    count, (height, width) = len(sketch), sketch.shape[2:]
    generators = image_generators(views.seeds, "hints")
    # random numbers of each view: one for the number of hints, then for each hint a radius, rows and columns
    draws = draw_uniform(generators, count, 1 + (1 + 2 * _TRIES) * _MAX_HINTS, device)
    uniform = 1 - draws[:, :1]  # in (0, 1], so that the logarithm is finite
    stop = simulation.stop_probability
    log_continue = math.log(1 - stop) if stop < 1 else -math.inf
    hint_count = 1 + (uniform.log() / log_continue).floor()  # geometric
    is_hinted = views.hinted[:, None] > 0
    valid = (torch.arange(_MAX_HINTS, device=device) < hint_count) & is_hinted
    radius_draw, *position_draws = draws[:, 1:].view(count, 1 + 2 * _TRIES, _MAX_HINTS).unbind(1)
    rows = (torch.stack(position_draws[:_TRIES]) * height).long()
    columns = (torch.stack(position_draws[_TRIES:]) * width).long()
    pixel = _prefer_paper(rows * width + columns, sketch.flatten(1))
    radius = 1 + (3 * radius_draw).long()
    discs = disc_mask(pixel // width, pixel % width, radius, valid, (height, width))
    mask = discs * (sketch > PAPER)
    return torch.cat([views.color * mask, mask], dim=1)


def _prefer_paper(tries: Tensor, levels: Tensor) -> Tensor:
    """Select one of three pixels for each of n hints; see `random_hints` for the order.

    Args:
        tries: ``(3, V, n)``, indices of the pixels.
        levels: ``(V, H W)``, sketches; higher values are paper.

    Returns:
        Indices of the selected pixels, ``(V, n)``.
    """
    selected = tries[-1]
    for pixel in tries[:-1]:  # a later position on paper replaces an earlier position
        selected = torch.where(levels.gather(1, pixel) > PAPER, pixel, selected)
    return selected


def cell_colors(views: Views) -> tuple[Tensor, Tensor]:
    """Return the mean color of the paper pixels of each cell.

    Returns:
        Scaled Lab ``(V, N, 3)``, and ``(V, N)``: 1 for cells with paper, 0 for cells of ink.
    """
    paper = (views.sketch > PAPER).float()
    color, share = masked_cell_means(views.color, paper)
    return color, (share > _LEAST_PAPER).float()


def random_reference_cells(views: Views, is_paper: Tensor, simulation: Simulation) -> tuple[Tensor, Tensor]:
    """Select distinct random cells with paper in the other view of each drawing.

    The number of selected cells is log-uniform from 16 to 128, but at most the number of cells with paper. No
    cells are selected for views without a second view, and for some of the other views; see
    `Simulation.referenced`.

    Args:
        views: Drawings.
        is_paper: ``(V, N)``, 1 for cells with paper, else 0.
        simulation: Fraction of the views with a reference.

    Returns:
        Indices ``(V, M)`` of cells of the other view, and weights ``(V, M)``: 1 for selected cells, 0 for
        padding. M is the smaller of 128 and N.
    """
    view_count, cells = is_paper.shape
    draws = draw_uniform(image_generators(views.seeds, "cells"), view_count, cells + 2, is_paper.device)
    count_draw, use_draw, cell_draws = draws[:, :1], draws[:, 1], draws[:, 2:]
    least, most = _REFERENCE_CELLS
    is_eligible = is_paper[views.other]  # (V, N), 1 or 0
    # cells with paper in random order, then cells without paper, because random numbers are below 1
    index = (cell_draws + is_eligible).topk(min(most, cells), dim=1).indices
    selected_count = (least * (most / least) ** count_draw).floor()  # log-uniform
    has_other = views.other != torch.arange(view_count, device=draws.device)
    has_reference = (use_draw < simulation.referenced) & has_other
    is_within_count = torch.arange(index.shape[1], device=draws.device) < selected_count
    is_selected = is_within_count & has_reference[:, None]
    return index, is_selected.float() * is_eligible.gather(1, index)

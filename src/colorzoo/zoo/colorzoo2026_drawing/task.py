"""Training task of colorzoo2026_drawing, with simulated hints and references.

A reference is a second view of the same drawing, so the color of each part is known in both views. All random
numbers are drawn for each image. The settings of the simulation are choices of this project.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.color.sketch import drawn_lines
from colorzoo.data.augment import rotate_hue
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.data.line_art import disc_mask
from colorzoo.networks.blocks import take_cells
from colorzoo.randomness import copy_to, draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, PositiveInt, Probability
from colorzoo.training.muon import MuonModule, muon_groups
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.colorzoo2026_drawing.model import (
    Colorzoo2026Drawing,
    Observations,
    join_observations,
    masked_cell_means,
    observed_points,
    scale_lab,
    soft_assign,
)

PAPER = 0.6
"""Pixels of a sketch above this level are paper; pixels below it are lines, whose color is unknown."""

_MAX_HINTS, _TRIES = 32, 3
_REFERENCE_CELLS = (16, 128)  # minimum and maximum number of cells of a reference
_LEAST_PAPER = 0.1  # minimum fraction of paper in a cell whose color is predicted
_CPU = torch.device("cpu")


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


def random_views(
    rgb: Tensor,
    sketch: Tensor,
    seeds: Tensor,
    *,
    hinted: float,
    copied: float,
    recolored: float,
    paired: float,
    paired_hinted: float,
) -> Views:
    """Rotate the hue of some drawings, and add second views of some drawings.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        sketch: ``(B, 1, H, W)`` in [0, 1], 1 for paper.
        seeds: ``(B,)`` random seed of each drawing.
        hinted: See `Colorzoo2026DrawingTask`.
        copied: See `Colorzoo2026DrawingTask`.
        recolored: See `Colorzoo2026DrawingTask`.
        paired: See `Colorzoo2026DrawingTask`.
        paired_hinted: See `Colorzoo2026DrawingTask`.
    """
    # choices for each drawing: a second view, hints of a drawing without a second view, whether the hints are
    # observations, and a rotation of the hue in turns, 0 for an unchanged hue
    count = len(rgb)
    draws = draw_uniform(image_generators(seeds, "views"), count, 5, _CPU)
    is_paired = draws[:, 0] < paired
    is_hinted = ~is_paired & (draws[:, 1] < hinted)
    is_copied = is_paired | (draws[:, 2] < copied)
    is_recolored = (is_paired | is_hinted) & (draws[:, 3] < recolored)
    turns = copy_to(torch.where(is_recolored, draws[:, 4], 0.0), rgb.device)
    rgb = torch.where(turns[:, None, None, None] > 0, rotate_hue(rgb, turns), rgb)

    # second views follow the drawings; `other` is the index of the other view, or the own index
    second = is_paired.nonzero()[:, 0]  # drawings with a second view
    drawing = torch.cat([torch.arange(count, device="cpu"), second])
    view_seeds = torch.cat([seeds, ~seeds[second]])  # the complement has other random numbers
    other_of_first = torch.arange(count, device="cpu")
    other_of_first[second] = count + torch.arange(len(second), device="cpu")
    other = torch.cat([other_of_first, second])

    # the two views of a drawing draw hints independently
    draws = draw_uniform(image_generators(view_seeds, "hinted"), len(view_seeds), 1, _CPU)[:, 0]
    has_hints = torch.where(is_paired[drawing], draws < paired_hinted, is_hinted[drawing])

    chosen = copy_to(second, rgb.device)
    warped_rgb, warped_sketch = _warped(rgb[chosen], sketch[chosen], view_seeds[count:])
    lab = rgb_to_lab(torch.cat([rgb, warped_rgb]))
    return Views(
        drawings=count,
        drawing=copy_to(drawing, rgb.device),
        sketch=torch.cat([sketch, warped_sketch]),
        color=scale_lab(lab.movedim(1, -1)).movedim(-1, 1),
        seeds=view_seeds,
        other=copy_to(other, rgb.device),
        hinted=copy_to(has_hints.float(), rgb.device),
        copied=copy_to(is_copied[drawing].float(), rgb.device),
    )


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
    centered = 2 * draws - 1  # in [-1, 1)
    # matrices (B, 2, 3) that map positions in the warped drawing to positions in the original drawing; the
    # angle is in radians, and the shift is in the coordinates of `affine_grid`, from -1 to 1
    angle, shear, shift = 0.3 * centered[:, 0], 0.15 * centered[:, 1], 0.2 * centered[:, 2:4]
    scale, stretch = 1 + 0.2 * centered[:, 4], 1.18 ** centered[:, 5]
    mirror = torch.where(draws[:, 6] < 0.5, -1.0, 1.0)
    x_row = [mirror * scale * stretch * angle.cos(), shear - scale * angle.sin(), shift[:, 0]]
    y_row = [mirror * scale * stretch * angle.sin(), scale * angle.cos(), shift[:, 1]]
    matrices = torch.stack([torch.stack(x_row, 1), torch.stack(y_row, 1)], 1)

    inverted = 1 - torch.cat([rgb, sketch], dim=1)  # white becomes 0, the value of the padding
    grid = F.affine_grid(matrices, list(inverted.shape), align_corners=False)
    warped = 1 - F.grid_sample(inverted, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    warped_rgb, warped_sketch = warped[:, :3].clamp(0, 1), warped[:, 3:].clamp(0, 1)
    is_extracted = draws[:, 7].view(-1, 1, 1, 1) < 0.5
    return warped_rgb, torch.where(is_extracted, drawn_lines(warped_rgb), warped_sketch)


def random_hints(views: Views, stop_probability: float) -> Tensor:
    """Return hints for the network input: discs with a radius of 1 to 3 pixels in true colors.

    Three positions are drawn for each disc: the second position is used if it is on paper, else the first
    position if it is on paper, else the third position. The discs exclude lines. Views without hints get no
    discs.

    Args:
        views: Drawings.
        stop_probability: See `Colorzoo2026DrawingTask`.

    Returns:
        ``(V, 4, H, W)``: scaled Lab and mask.
    """
    sketch, device = views.sketch, views.sketch.device
    count, (height, width) = len(sketch), sketch.shape[2:]
    generators = image_generators(views.seeds, "hints")
    # random numbers of each view: one for the number of hints, then for each hint a radius, rows and columns
    draws = draw_uniform(generators, count, 1 + (1 + 2 * _TRIES) * _MAX_HINTS, device)
    uniform = 1 - draws[:, :1]  # in (0, 1], so that the logarithm is finite
    log_continue = math.log(1 - stop_probability) if stop_probability < 1 else -math.inf
    hint_count = 1 + (uniform.log() / log_continue).floor()  # geometric
    is_hinted = views.hinted[:, None] > 0
    valid = (torch.arange(_MAX_HINTS, device=device) < hint_count) & is_hinted
    radius_draw, *position_draws = draws[:, 1:].view(count, 1 + 2 * _TRIES, _MAX_HINTS).unbind(1)
    rows = (torch.stack(position_draws[:_TRIES]) * height).long()
    columns = (torch.stack(position_draws[_TRIES:]) * width).long()
    first, second, pixel = rows * width + columns
    for earlier in (first, second):  # a later position on paper replaces an earlier position
        pixel = torch.where(sketch.flatten(1).gather(1, earlier) > PAPER, earlier, pixel)
    radius = 1 + (3 * radius_draw).long()
    discs = disc_mask(pixel // width, pixel % width, radius, valid, (height, width))
    mask = discs * (sketch > PAPER)
    return torch.cat([views.color * mask, mask], dim=1)


def cell_colors(views: Views) -> tuple[Tensor, Tensor]:
    """Return the mean color of the paper pixels of each cell.

    Returns:
        Scaled Lab ``(V, N, 3)``, and ``(V, N)``: 1 for cells with paper, 0 for cells of ink.
    """
    paper = (views.sketch > PAPER).float()
    color, share = masked_cell_means(views.color, paper)
    return color, (share > _LEAST_PAPER).float()


def random_reference_cells(views: Views, is_paper: Tensor, referenced: float) -> tuple[Tensor, Tensor]:
    """Select distinct random cells with paper in the other view of each drawing.

    The number of selected cells is log-uniform from 16 to 128, but at most the number of cells with paper. No
    cells are selected for views without a second view, and for some of the other views; see
    ``referenced``.

    Args:
        views: Drawings.
        is_paper: ``(V, N)``, 1 for cells with paper, else 0.
        referenced: Fraction of the views with another view that have a reference.

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
    has_reference = (use_draw < referenced) & has_other
    is_within_count = torch.arange(index.shape[1], device=draws.device) < selected_count
    is_selected = is_within_count & has_reference[:, None]
    return index, is_selected.float() * is_eligible.gather(1, index)


class Colorzoo2026DrawingTask(MuonModule):
    """Training task of `Colorzoo2026Drawing`. Crop sides must be multiples of 32 pixels.

    Args:
        stem: See `Colorzoo2026Drawing`.
        widths: See `Colorzoo2026Drawing`.
        blocks: See `Colorzoo2026Drawing`.
        decoder: See `Colorzoo2026Drawing`.
        vector: See `Colorzoo2026Drawing`.
        embedding: See `Colorzoo2026Drawing`.
        classes: Weight of the cross-entropy of the color distribution after conditioning on hints and
            references.
        network: Weight of the cross-entropy of the color distribution that the network predicts alone.
        colors: Weight of the smooth L1 loss of the mean color in scaled Lab, summed over L, a and b.
        delta: Error at which the smooth L1 loss changes from quadratic to linear, in scaled Lab.
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
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: Colorzoo2026Drawing
    validation_points = (0, 1, 10, 30)

    def __init__(
        self,
        stem: tuple[int, int] = (32, 64),
        widths: tuple[int, int, int] = (96, 160, 256),
        blocks: tuple[int, int, int] = (2, 3, 3),
        decoder: PositiveInt = 64,
        vector: PositiveInt = 192,
        embedding: PositiveInt = 64,
        classes: NonNegativeFloat = 1.0,
        network: NonNegativeFloat = 0.4,
        colors: NonNegativeFloat = 3.0,
        delta: NonNegativeFloat = 0.2,
        hinted: Fraction = 0.55,
        stop_probability: Probability = 0.14,
        copied: Fraction = 0.75,
        recolored: Fraction = 0.4,
        paired: Fraction = 1 / 3,
        paired_hinted: Fraction = 0.25,
        referenced: Fraction = 0.85,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = Colorzoo2026Drawing(stem, widths, blocks, decoder, vector, embedding)
        super().__init__(model, **optimization)
        self.delta = delta
        self.hinted, self.stop_probability, self.copied = hinted, stop_probability, copied
        self.recolored, self.referenced = recolored, referenced
        self.paired, self.paired_hinted = paired, paired_hinted

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups: hidden weight matrices for Muon, other parameters for AdamW."""
        first_and_last = ("network.stem_half", "network.classes", "network.mean", "network.embed_out")
        return muon_groups(self, excluded=(*first_and_last, "position"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute and log the losses of a batch, and return their weighted sum.

        Some images have hints: small discs in true colors. Some images have a second view, which is a warped
        copy of the drawing with own hints. The colors of each view are references of the other view. The
        losses compare cells of 4 x 4 pixels with the mean color of their paper pixels. Cells of ink are
        excluded. Each loss is the mean over images of the mean over the cells of all views of an image.
        """
        del batch_idx
        views = random_views(
            batch["rgb"],
            sketches_of(batch),
            batch["seed"],
            hinted=self.hinted,
            copied=self.copied,
            recolored=self.recolored,
            paired=self.paired,
            paired_hinted=self.paired_hinted,
        )
        hints = random_hints(views, self.stop_probability)
        color, is_paper = cell_colors(views)
        maps = self.model.network(views.sketch, hints)
        with torch.autocast(color.device.type, enabled=False):
            # observations: the hinted cells of each view, and random cells of the other view of the drawing
            points = observed_points(maps, hints)
            points = points._replace(weight=points.weight * views.copied[:, None])
            cells, weight = random_reference_cells(views, is_paper, self.referenced)
            embedding = take_cells(maps.embedding[views.other], cells)
            reference = Observations(embedding, take_cells(color[views.other], cells), weight)
            observations = join_observations([points, reference])
            log_probabilities, mean = self.model.condition(maps, observations)
            nearest, shares = soft_assign(color, self.model.centers)
            network_log_probabilities = maps.logits.log_softmax(2)
            errors = {
                "classes": -(log_probabilities.gather(2, nearest) * shares).sum(2),
                "network": -(network_log_probabilities.gather(2, nearest) * shares).sum(2),
                "colors": F.smooth_l1_loss(mean, color, beta=self.delta, reduction="none").sum(2),
            }
            losses = {name: views.mean(error, is_paper) for name, error in errors.items()}
        # the weight of a loss has the name of the loss
        loss = torch.stack([self.hparams[name] * value for name, value in losses.items()]).sum()
        self.log_losses({**losses, "loss": loss}, len(batch["rgb"]))
        return loss

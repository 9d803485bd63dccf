"""Contents and hints of the two stages that are not in the paper of Xu et al. 2020."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Points
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.zoo.xu2020.color import grid_hints
from colorzoo.zoo.xu2020.extensions import ExemplarExtensions
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.references import foreign_references, reference_of

_WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # of contents whose true colors were moved, by CIE units at most


def recoloring_loss(network: ExemplarNetwork, batch: Batch) -> Tensor:
    """Return the squared error of pre-colored pictures that get their colors back (stage ``encoder``).

    The colors come from the moments of a reference that shows part of the picture.
    """
    rgb = batch["rgb"]
    lab = rgb_to_lab(rgb)
    look = network.look(reference_of(batch))
    with torch.no_grad():
        automatic, _ = network.color(lab[:, :1], Points.none(lab))
        content = lab_to_rgb(torch.cat([lab[:, :1], _contents(automatic, lab[:, 1:], batch)], dim=1))
    return F.mse_loss(network.transfer(content, network.adapt(look)), rgb)


def exposed_hints(
    network: ExemplarNetwork, extensions: ExemplarExtensions, drawn: Points, lab: Tensor, batch: Batch
) -> Points:
    """Give a share of the pictures the grid of inference, with true or with transferred colors.

    Args:
        network: Transfers.
        extensions: The shares.
        drawn: The hints of all other pictures.
        lab: ``(B, 3, H, W)`` truth.
        batch: Of the same pictures.
    """
    draws = draw_uniform(picture_generators(batch["seed"], "hints"), len(lab), 1, lab.device)
    share = draws[..., None, None]
    colors = lab[:, 1:]
    if extensions.transferred_share:
        colors = torch.where(
            share < extensions.transferred_share, _transferred(network, lab[:, :1], batch), colors
        )
    grid = grid_hints(colors, network.hint_grid, network.hint_patch)
    is_grid = share < extensions.transferred_share + extensions.grid_share
    return Points(torch.where(is_grid, grid.ab, drawn.ab), torch.where(is_grid, grid.mask, drawn.mask))


def _transferred(network: ExemplarNetwork, luma: Tensor, batch: Batch) -> Tensor:
    """Transfer from looks that are a picture's own, a foreign one, or a mix of both."""
    reference = reference_of(batch)
    own, foreign = network.look(reference), network.look(foreign_references(reference, batch["seed"]))
    draws = draw_uniform(picture_generators(batch["seed"], "mixture"), len(luma), 2, luma.device)
    part = torch.where(draws[:, :1] < 0.5, draws[:, 1:], (draws[:, 1:] < 0.5).float())[:, :, None]
    automatic, _ = network.color(luma, Points.none(luma))
    return network.transferred(luma, automatic, part * own + (1 - part) * foreign)


def _contents(automatic: Tensor, ab: Tensor, batch: Batch) -> Tensor:
    """Return the colors ``(B, 2, H, W)`` that transfers start from: mostly automatic, some true ones moved.

    The latter are as vivid as the pictures that people stylize; the network learns to give their colors up.
    """
    draws = draw_uniform(picture_generators(batch["seed"], "content"), len(ab), 4, ab.device)[..., None, None]
    wrong = ab * (1.5 * draws[:, :1]) + _WRONG_SHIFT * (2 * draws[:, 1:3] - 1)
    return torch.where(draws[:, 3:] < _WRONG_SHARE, wrong, automatic)

"""What is not in the paper of Xu et al. 2020: two more stages, the hints of inference, and weighing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Points
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks import Stage
from colorzoo.zoo.xu2020.color import grid_hints
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.references import foreign_references, reference_of

_WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # of contents whose true colors were moved, by CIE units at most
_COLOR_DECODER = (
    *("up8", "skip3", "block8", "attention", "inject", "up9", "skip2", "block9"),
    *("up10", "skip1", "block10", "ab_head"),
)

EXTRA_STAGES: Mapping[str, Stage] = {
    # both halves of the transfer sub-net together, where no VGG-19 can be had
    "encoder": Stage(trains=("network.transfer.*",)),
    # the decoder of the colorization sub-net alone, which learns what transferred hints are worth
    "exposure": Stage(trains=tuple(f"network.color.unet.{name}.*" for name in _COLOR_DECODER)),
}


@dataclass(frozen=True)
class ExemplarExtensions:
    """Extensions of Xu et al. 2020.

    Attributes:
        color_width: Multiplier of the channel counts of the colorization sub-net; None takes ``width``.
        hint_attention: See `HintUNet`.
        backbone: Registered Local Hints model whose weights the colorization sub-net stands on; weight files
            hold only what differs from it.
        transfer_error: Deviation of a good transfer, in CIE units: with it transferred colors count less
            where the network is surer, and the more they contradict it; None takes them as they are.
        none_share: Share of the training pictures that get no points.
        grid_share: Share whose hints are the grid of inference, with true colors.
        transferred_share: Share whose hints are the grid with transferred colors, from references that are
            related, foreign, or between.
    """

    color_width: float | None = None
    hint_attention: bool = False
    backbone: str | None = None
    transfer_error: float | None = None
    none_share: float = 0.0
    grid_share: float = 0.0
    transferred_share: float = 0.0


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

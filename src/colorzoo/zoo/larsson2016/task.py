"""Training of Larsson et al. 2016 with the settings of the authors' Caffe files.

The network predicts hue and chroma histograms at 128 positions per image. The targets are color histograms of
windows around the positions. https://arxiv.org/abs/1603.06668
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError
from colorzoo.precision import in_float32
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Positive, PositiveInt, Width
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization, parameter_groups
from colorzoo.zoo.larsson2016.model import (
    BINS,
    STRIDE,
    ChromaRule,
    Histograms,
    HueRule,
    HypercolumnColorization,
    bins_of,
    hue_and_chroma,
    sample,
)

_THIRD = 0.33333  # value of the authors' file


class Target(NamedTuple):
    """Ground truth at the sampled positions of a batch.

    Attributes:
        shares: True hue and chroma histograms, each ``(N, 32)``.
        hue_weight: ``(N, 1)``, weight of the hue loss, equal to the chroma at the position.
        chroma_weight: ``(N, 1)``, weight of the chroma loss, lower for dark and bright positions.
    """

    shares: Histograms
    hue_weight: Tensor
    chroma_weight: Tensor


class Larsson2016(SingleOptimizerModule):
    """Training task of `HypercolumnColorization`.

    Args:
        width: See `HypercolumnColorization`.
        mean: See `HypercolumnColorization`.
        normalization: See `HypercolumnColorization`.
        dropout: See `HypercolumnColorization`.
        chroma: See `HypercolumnColorization`.
        hue: See `HypercolumnColorization`.
        boost: See `HypercolumnColorization`.
        places: Number of sampled positions per image.
        margin: Width in pixels of the image margin in which no positions are sampled.
        window: Side in pixels of the square window whose color histograms are the targets of a position.
        hue_weight: Weight of the hue loss; the chroma loss has the weight 1.
        **optimization: See `Optimization`.
    """

    model: HypercolumnColorization

    def __init__(
        self,
        width: Width = 1.0,
        mean: Fraction = 0.0,
        normalization: bool = False,
        dropout: Fraction = 0.5,
        chroma: ChromaRule = "median",
        hue: HueRule = "expectation-cf",
        boost: Positive = 1.0,
        places: PositiveInt = 128,
        margin: NonNegativeInt = 96,
        window: PositiveInt = 7,
        hue_weight: NonNegativeFloat = 5.0,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(
            HypercolumnColorization(width, mean, normalization, dropout, chroma, hue, boost), **optimization
        )
        self.places = places
        self.margin = margin
        self.window = window
        self.hue_weight = hue_weight

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups for weights and biases.

        Biases have twice the learning rate and no weight decay.
        """
        rate = self.make_optimizer(parameter_groups(self)).param_groups[0]["lr"]
        weights, biases = parameter_groups(self)
        return [weights, {**biases, "lr": 2 * rate}]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of the histograms that are predicted at random positions."""
        losses = self.losses(batch["rgb"], self.places_of(batch))
        self.log_losses(losses, len(batch["rgb"]))
        return losses["loss"]

    def losses(self, rgb: Tensor, places: Tensor) -> dict[str, Tensor]:
        """Return a dict with the losses ``hue`` and ``chroma`` and their weighted sum ``loss``.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            places: Integer rows and columns of the sampled positions in pixels, ``(B, P, 2)``.
        """
        target = target_of(rgb, places, self.window)
        logits = self.model.network.logits_at(network_input(rgb, self.model.network.mean), places)
        hue = divergence(logits.hue, target.shares.hue, target.hue_weight)
        chroma = divergence(logits.chroma, target.shares.chroma, target.chroma_weight)
        return {"loss": self.hue_weight * hue + chroma, "hue": hue, "chroma": chroma}

    def places_of(self, batch: Batch) -> Tensor:
        """Sample pixel positions ``(B, P, 2)``, rows and columns, with the per-image seeds.

        Raises:
            DataError: The image height or width is too small or not a multiple of 32.
        """
        height, width = batch["rgb"].shape[-2:]
        margin, count = self.margin, self.places
        least = max(2 * STRIDE, 2 * margin + 1)
        if height % STRIDE or width % STRIDE or min(height, width) < least:
            raise DataError(
                f"--data.crop must be a multiple of {STRIDE} pixels and at least {least} pixels per side "
                f"(margin {margin}), got {height} x {width}. Set --data.crop 352, or reduce "
                "--model.margin."
            )
        inner = batch["rgb"].new_tensor([height - 2 * margin, width - 2 * margin])
        draws = [torch.rand(count, 2, generator=each) for each in image_generators(batch["seed"], "places")]
        return margin + (torch.stack(draws).to(inner) * inner).floor()


def network_input(rgb: Tensor, mean: float) -> Tensor:
    """Return the gray level of RGB minus ``mean``, ``(B, 1, H, W)``.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        mean: Mean gray level of the training images in [0, 1].
    """
    return _THIRD * (rgb - mean).sum(1, keepdim=True)


def target_of(rgb: Tensor, places: Tensor, window: int) -> Target:
    """Return the true histograms and the loss weights at sampled positions.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        places: Integer rows and columns of the positions in pixels, ``(B, P, 2)``.
        window: Side in pixels of the square window whose colors are counted.
    """
    hue, chroma = hue_and_chroma(rgb)
    gray = sample(_THIRD * rgb.sum(1, keepdim=True), places).flatten(0, 1)
    return Target(
        Histograms(*(window_shares(bins_of(each), places, window) for each in (hue, chroma))),
        sample(chroma[:, None], places).flatten(0, 1),
        3 * gray.clamp(max=1 / 3).minimum(1 - gray),
    )


def window_shares(bins: Tensor, places: Tensor, window: int) -> Tensor:
    """Return the histogram of a square window around each position.

    Args:
        bins: Bin index of each pixel, ``(B, H, W)`` int64.
        places: Integer rows and columns of the positions in pixels, ``(B, P, 2)``.
        window: Side of the window in pixels; pixels outside the image are ignored.

    Returns:
        Histograms ``(B P, 32)``, float32.
    """
    height, width = bins.shape[-2:]
    offsets = torch.arange(window, device=bins.device) - window // 2
    rows = (places[..., :1].long() + offsets)[..., :, None]  # (B, P, window, 1)
    columns = (places[..., 1:].long() + offsets)[..., None, :]  # (B, P, 1, window)
    is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)

    image = torch.arange(len(bins), device=bins.device)[:, None, None, None]
    window_bins = bins[image, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    one_hot = F.one_hot(window_bins, BINS)  # (B, P, window, window, 32)
    one_hot = one_hot.where(is_inside[..., None], 0)
    counts = one_hot.sum((2, 3)).flatten(0, 1).float()
    return counts / counts.sum(1, keepdim=True)


@in_float32
def divergence(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted Kullback-Leibler divergence of histograms, averaged over positions.

    Args:
        logits: Logits of the predicted histograms, ``(N, 32)``.
        target: True histograms ``(N, 32)``.
        weight: Loss weight of each position, ``(N, 1)``.
    """
    divergences = F.kl_div(logits.log_softmax(1), target, reduction="none")
    return (weight * divergences).sum() / len(logits)

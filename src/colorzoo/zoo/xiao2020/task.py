"""Training of DEPN (Xiao et al. 2020) as in the authors' Caffe files.

Each image is its own reference. Stage ``first`` trains the first-level network. Stage ``later`` trains the
network of the later levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError
from colorzoo.losses.color import with_weighted_gradient
from colorzoo.settings import Fraction, Width
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.xiao2020.model import (
    EIGHTH,
    QUARTER,
    PyramidColorization,
    color_codes,
    color_histogram,
)

_GRAY_BELOW = 5.0  # maximum |a| and |b| of a gray image in CIE units


class Xiao2020(SelfReferenced, SingleOptimizerModule):
    """Training task of `PyramidColorization`.

    Args:
        width: See `PyramidColorization`.
        level: See `PyramidColorization`.
        uniform: Weight of the uniform distribution when it is averaged with the color frequencies to compute
            the rebalancing weights; 1 gives equal weights. Rebalancing changes the gradient but not the loss
            value.
        stage: ``first`` trains the first-level network; ``later`` trains the network of the later levels.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages: ClassVar[Mapping[str, Stage]] = {
        "first": Stage(trains=("model.network.first.*",), complete=False),
        "later": Stage(trains=("model.network.later.*",)),
    }
    model: PyramidColorization
    class_weights: Tensor

    def __init__(
        self,
        width: Width = 1.0,
        level: Literal[64, 128, 256, 512, 1024] = 256,
        uniform: Fraction = 0.5,
        stage: Literal["first", "later"] = "first",
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(PyramidColorization(width, level), stage=stage, **optimization)
        # loss weights of the 313 color bins, which are higher for rare colors
        weights = rebalancing_weights(prior_probabilities().double(), uniform)
        self.register_buffer("class_weights", weights.float(), persistent=False)

    def continue_from(self, stage: str | None) -> None:
        """Copy the first-level network to the network of the later levels.

        The branch for coarse colors, which the first-level network does not have, keeps its weights.

        Args:
            stage: Stage that trained the loaded weights. Only ``first`` followed by the stage ``later``
                copies weights.
        """
        if (stage, self.stage) == ("first", "later"):
            self.model.network.later.load_state_dict(self.model.network.first.state_dict(), strict=False)

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return all trainable parameters as one group, so weight decay applies to biases."""
        return [{"params": [each for each in self.parameters() if each.requires_grad]}]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the current stage: the first level, or a later level.

        Raises:
            DataError: The height or width of the images is not a multiple of 16.
        """
        multiple = 2 * EIGHTH
        height, width = batch["rgb"].shape[-2:]
        if height % multiple or width % multiple:
            raise DataError(
                f"--data.crop must be a multiple of {multiple} pixels per side, got {height} x {width}. Set "
                "--data.crop 64, or --data.crop 128 for the stage 'later'."
            )
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        histogram = color_histogram(ab)
        if self.stage == "first":
            logits = self.model.network.first(lightness, histogram)
        else:
            logits = self.model.network.later(lightness, histogram, self.below(lightness, ab))
        loss = self.loss(logits, ab)
        self.log_losses({"loss": loss}, len(lab))
        return loss

    @torch.no_grad()
    def below(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return the first-level colors of half-size images, rounded to 8 bits.

        Stage ``later`` uses these colors as the output of the previous level.

        Args:
            lightness: ``(B, 1, S, S)`` in [0, 100].
            ab: True ab ``(B, 2, S, S)`` in CIE units, from which the histogram is computed.

        Returns:
            ab ``(B, 2, S/8, S/8)`` in CIE units.
        """
        half = F.avg_pool2d(torch.cat([lightness, ab], dim=1), 2)
        first = self.model.network.first
        colors = first.colors(first(half[:, :1], color_histogram(half[:, 1:])))
        small = torch.cat([F.avg_pool2d(lightness, EIGHTH), colors], dim=1)
        return rgb_to_lab((255 * lab_to_rgb(small)).round() / 255)[:, 1:]

    def loss(self, logits: Tensor, ab: Tensor) -> Tensor:
        """Return the Kullback-Leibler divergence of predicted from true color distributions.

        The divergence is computed at every fourth row and column, summed over each image and averaged over
        the batch. Rare colors have a higher gradient weight, and gray images have the gradient weight 0.

        Args:
            logits: Predicted color logits ``(B, 313, S/4, S/4)``.
            ab: True ab ``(B, 2, S, S)`` in CIE units.
        """
        true = ab[:, :, ::QUARTER, ::QUARTER]
        codes = color_codes(true)
        divergence = F.kl_div(logits.log_softmax(1), codes, reduction="none").sum(dim=1)
        return with_weighted_gradient(divergence, self.weights_of(true, codes)).sum() / len(ab)

    def weights_of(self, ab: Tensor, codes: Tensor) -> Tensor:
        """Return gradient weights ``(B, h, w)``: high for rare colors, 0 for gray images.

        Args:
            ab: True ab ``(B, 2, h, w)`` in CIE units.
            codes: Output of `color_codes` for ``ab``.
        """
        colorful = (ab.abs() > _GRAY_BELOW).flatten(1).any(dim=1)
        return self.class_weights[codes.argmax(dim=1)] * colorful[:, None, None]

    def made_reference(self, rgb: Tensor, seeds: Tensor) -> Tensor:
        """Return the images ``(B, 3, H, W)`` unchanged as their own references."""
        return rgb

"""Training of Example-Based Colourization via Dense Encoding Pyramids, as the authors' Caffe files have it.

The reference is the image itself. The first level learns alone; then the later ones do, which see the
colors of the level below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import with_weighted_gradient
from colorzoo.settings import Share
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.xiao2020.model import Architecture, PyramidColorization
from colorzoo.zoo.xiao2020.network import EIGHTH, QUARTER, color_codes, color_histogram

_GRAY_BELOW = 5.0  # CIE units


@dataclass(frozen=True)
class Objective:
    """Settings of the loss.

    Attributes:
        uniform: Fraction of the uniform distribution in the rebalancing of rare colors, which changes the
            gradient only; 1 turns it off.
    """

    uniform: Share = 0.5


class Xiao2020(SingleOptimizerModule):
    """Task of `PyramidColorization`.

    Args:
        architecture: The networks.
        objective: The loss.
        stage: ``first`` trains the network of the first level, ``later`` that of the later ones.
        **optimization: See `Optimization`.
    """

    stages: ClassVar[Mapping[str, Stage]] = {
        "first": Stage(trains=("model.network.first.*",)),
        "later": Stage(trains=("model.network.later.*",)),
    }
    model: PyramidColorization
    objective: Objective
    class_weights: Tensor

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        stage: Literal["first", "later"] = "first",
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(PyramidColorization(architecture), stage=stage, **optimization)

    def configure_losses(self) -> None:
        """Compute the weights of the 313 colors."""
        weights = rebalancing_weights(prior_probabilities().double(), self.objective.uniform)
        self.register_buffer("class_weights", weights.float(), persistent=False)

    def continue_from(self, stage: str | None) -> None:
        """Begin the later levels with the weights of the first one, which lacks one branch."""
        if (stage, self.stage) == ("first", "later"):
            self.model.network.later.load_state_dict(self.model.network.first.state_dict(), strict=False)

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return all weights in one group: biases decay, too."""
        return [{"params": [each for each in self.parameters() if each.requires_grad]}]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compare the distribution over the colors of a level with the truth.

        Raises:
            DataError: The sides of the images are no multiple of 16.
        """
        height, width = batch["rgb"].shape[-2:]
        if height % (2 * EIGHTH) or width % (2 * EIGHTH):
            raise DataError(
                f"xiao2020 trains with crops whose sides are multiples of {2 * EIGHTH} pixels, not {height} "
                f"x {width}; set --data.crop 64, or 128 for the stage later."
            )
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        network, histogram = self.model.network, color_histogram(ab)
        if self.stage == "first":
            logits = network.first(lightness, histogram)
        else:
            logits = network.later(lightness, histogram, self.below(lightness, ab))
        loss = self.loss(logits, ab)
        self.log_losses({"loss": loss}, len(lab))
        return loss

    @torch.no_grad()
    def below(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return the answer of the first level for images of half the size, as ab of an 8-bit image.

        Args:
            lightness: ``(B, 1, S, S)`` in [0, 100].
            ab: ``(B, 2, S, S)`` in CIE units, the reference.

        Returns:
            ``(B, 2, S/8, S/8)`` in CIE units.
        """
        half = F.avg_pool2d(torch.cat([lightness, ab], dim=1), 2)
        first = self.model.network.first
        colors = first.colors(first(half[:, :1], color_histogram(half[:, 1:])))
        small = torch.cat([F.avg_pool2d(lightness, EIGHTH), colors], dim=1)
        return rgb_to_lab((255 * lab_to_rgb(small)).round() / 255)[:, 1:]

    def loss(self, logits: Tensor, ab: Tensor) -> Tensor:
        """Return the divergence of the true colors of every fourth pixel, summed over each image.

        Rare colors count more in the gradient, images without color nothing.

        Args:
            logits: ``(B, 313, S/4, S/4)``.
            ab: ``(B, 2, S, S)`` in CIE units.
        """
        true = ab[:, :, ::QUARTER, ::QUARTER]
        codes = color_codes(true)
        each = (torch.xlogy(codes, codes) - codes * logits.log_softmax(1)).sum(dim=1)
        return with_weighted_gradient(each, self.weights_of(true, codes)).sum() / len(ab)

    def weights_of(self, ab: Tensor, codes: Tensor) -> Tensor:
        """Return the factors of the gradient ``(B, h, w)``."""
        colorful = (ab.abs() > _GRAY_BELOW).flatten(1).any(dim=1)
        return self.class_weights[codes.argmax(dim=1)] * colorful[:, None, None]

    def validation_settings(self) -> tuple[str, ...]:
        """Return the settings: no reference, and the image itself."""
        return ("automatic", "self")

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make the reference of a setting."""
        return Guidance() if setting == "automatic" else Guidance(exemplar=Exemplar(lab_to_rgb(lab)))

"""Training of the PhotoWCT decoders (Li et al., ECCV 2018) by image reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.settings import NonNegativeFloat
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import require_frozen
from colorzoo.zoo.li2018.model import Architecture, ClosedFormStylization
from colorzoo.zoo.li2018.network import LEVELS, PhotoWCT


@dataclass(frozen=True)
class Objective:
    """Settings of the reconstruction loss.

    Attributes:
        feature_weight: Weight of the squared error between encoder features of image and reconstruction; the
            squared pixel error has the weight 1.
    """

    feature_weight: NonNegativeFloat = 1.0


class Li2018(SelfReferenced, SingleOptimizerModule):
    """Training task of the decoders of `ClosedFormStylization`; the encoders are frozen.

    Args:
        architecture: Settings of the network and the smoothing step.
        objective: Settings of the reconstruction loss.
        **optimization: See `Optimization`.
    """

    model: ClosedFormStylization

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(ClosedFormStylization(architecture), **optimization)
        self.objective = objective

    def prepare_fit(self) -> None:
        """Check that the encoders have trained weights.

        Raises:
            WeightsError: The encoders have random weights, and ``allow_untrained`` is False.
        """
        super().prepare_fit()
        full = self.model.architecture.width == 1.0  # narrower encoders have no published weights
        if full and not self.allow_untrained:
            require_frozen(self.trained, "Li2018 trains decoders for a VGG-19 encoder", "li2018 VGG19.pth")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the reconstruction losses of the four autoencoders."""
        network, rgb = self.model.network, batch["rgb"]
        losses = {f"level{level}": self._rebuilding(network, rgb, level) for level in LEVELS}
        loss = sum(losses.values(), start=rgb.new_zeros(()))
        self.log_losses({"loss": loss, **losses}, len(rgb))
        return loss

    def _rebuilding(self, network: PhotoWCT, rgb: Tensor, level: int) -> Tensor:
        """Return the pixel error plus the weighted feature error of reconstructed images."""
        encoder = network.encoders[level - 1]
        encoded = encoder(rgb)
        reconstructed = network.decoders[level - 1](encoded.hooks[-1], encoded.pools)
        features = F.mse_loss(encoder(reconstructed).hooks[-1].float(), encoded.hooks[-1].float())
        return F.mse_loss(reconstructed.float(), rgb) + self.objective.feature_weight * features

    def validation_settings(self) -> tuple[str, ...]:
        """Return the only validation setting, ``reference``."""
        return ("reference",)

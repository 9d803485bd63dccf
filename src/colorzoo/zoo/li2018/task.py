"""Training of the PhotoWCT decoders (Li et al., ECCV 2018) by image reconstruction."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.settings import NonNegativeFloat, Width
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import require_frozen
from colorzoo.zoo.li2018.model import LEVELS, ClosedFormStylization, Smoothing


class Li2018(SelfReferenced, SingleOptimizerModule):
    """Training task of the decoders of `ClosedFormStylization`; the encoders are frozen.

    Args:
        width: See `ClosedFormStylization`.
        smoothing: See `ClosedFormStylization`.
        last_filter: See `ClosedFormStylization`.
        feature_weight: Weight of the squared error between encoder features of image and reconstruction; the
            squared pixel error has the weight 1.
        **optimization: See `Optimization`.
    """

    validation_names = ("reference",)
    model: ClosedFormStylization

    def __init__(
        self,
        width: Width = 1.0,
        smoothing: Smoothing = "closed_form",
        last_filter: bool = True,
        feature_weight: NonNegativeFloat = 1.0,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(ClosedFormStylization(width, smoothing, last_filter), **optimization)
        self.feature_weight = feature_weight

    def prepare_fit(self) -> None:
        """Check that the encoders have trained weights.

        Raises:
            WeightsError: The encoders have random weights, and ``allow_untrained`` is False.
        """
        super().prepare_fit()
        full = self.hparams["width"] == 1.0  # narrower encoders have no published weights
        if full and not self.allow_untrained:
            require_frozen(self.trained, "Li2018 trains decoders for a VGG-19 encoder", "li2018 VGG19.pth")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the reconstruction losses of the four autoencoders."""
        network, rgb = self.model.network, batch["rgb"]
        losses = {}
        for level, encoder, decoder in zip(LEVELS, network.encoders, network.decoders, strict=True):
            encoded = encoder(rgb)
            reconstructed = decoder(encoded.hooks[-1], encoded.pools)
            features = F.mse_loss(encoder(reconstructed).hooks[-1].float(), encoded.hooks[-1].float())
            pixels = F.mse_loss(reconstructed.float(), rgb)
            losses[f"level{level}"] = pixels + self.feature_weight * features
        loss = sum(losses.values(), start=rgb.new_zeros(()))
        self.log_losses({"loss": loss, **losses}, len(rgb))
        return loss

"""Training of Chroma-VQGAN, the first part of UniColor's (Huang, Zhao and Liao, 2022)."""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.prediction import RgbPrediction
from colorzoo.training.gan import Adversary, GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.huang2022.losses import (
    LPIPS,
    VQGANObjective,
    discriminator_hinge,
    generator_terms,
    generator_total,
    judged,
    patch_discriminator,
    published_lpips,
)
from colorzoo.zoo.huang2022.model import Matching, Sampling, UniColor
from colorzoo.zoo.huang2022.transformer import TransformerSizes
from colorzoo.zoo.huang2022.vqgan import VQGANSizes


class Huang2022VQGAN(GANColorizationModule[RgbPrediction]):
    """Task of the Chroma-VQGAN of `UniColor`; the transformer stays as it is.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the transformer.
        sampling: The drawing of codes, which training does not use.
        matching: The exemplar's matching, which training does not use.
        objective: The loss.
        adversary: The discriminator.
        **optimization: See `AdversarialOptimization`.
    """

    validation_metrics = ()
    model: UniColor
    lpips: FrozenNetwork | None
    objective: VQGANObjective
    adversary: Adversary

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        sampling: Sampling = Sampling(),
        matching: Matching = Matching(),
        objective: VQGANObjective = VQGANObjective(),
        adversary: Adversary = Adversary(),
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = UniColor(vqgan, transformer, sampling, matching)
        model.network.transformer.requires_grad_(False)
        super().__init__(model, **optimization)

    def configure_discriminator(self) -> None:
        """Build the discriminator, which reads RGB."""
        self.discriminator = patch_discriminator(self.adversary.discriminator_width)

    def configure_losses(self) -> None:
        """Leave LPIPS out, which `setup` loads."""
        self.lpips = None

    def setup(self, stage: str) -> None:
        """Begin training: load LPIPS.

        Raises:
            WeightsError: VGG-16 is not available.
        """
        super().setup(stage)
        if stage == "fit" and self.objective.perceptual_weight:
            self.lpips = FrozenNetwork(LPIPS() if self.allow_untrained else published_lpips())

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return [{"params": list(self.model.network.vqgan.parameters())}]

    def paint(self, batch: Batch) -> RgbPrediction:
        """Reconstruct a training batch, with gradients; the picture is not limited to [0, 1]."""
        found = self.model.network.vqgan(2 * batch["rgb"] - 1)
        extras = {"codebook": found.quantized.loss, "perplexity": found.quantized.perplexity}
        return RgbPrediction(rgb=(found.rgb + 1) / 2, extras=extras)

    def generator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the weighted sum of the losses, and log each."""
        rgb, target = 2 * painted.rgb - 1, 2 * batch["rgb"] - 1
        terms = generator_terms(rgb, target, painted.extras["codebook"], self.lpips, self.discriminator)
        self.log_losses({**terms, "perplexity": painted.extras["perplexity"]}, len(rgb))
        return generator_total(terms, self.objective, self.current_step())

    def discriminator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the hinge loss, 0 before the discriminator counts."""
        real, fake = (self.discriminator(2 * rgb - 1) for rgb in (batch["rgb"], painted.rgb))
        return judged(self.objective, self.current_step()) * discriminator_hinge(real, fake)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure reconstructions, as nothing is colored yet."""
        distance = F.l1_loss(self.paint(batch).rgb, batch["rgb"])
        self.log("val/l1", distance, batch_size=len(batch["rgb"]), sync_dist=True)

    def current_step(self) -> int:
        """Return the steps so far."""
        return self.trainer.global_step

"""DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders (Kang et al., ICCV 2023).

One decoder enlarges what an encoder saw of a gray picture, another turns learned queries into colors; their
product is ab. It is trained against a discriminator. https://arxiv.org/abs/2212.11613
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.metrics.frozen import Frozen
from colorzoo.tasks import AbPrediction, GANColorizationModule, settings_of
from colorzoo.zoo.kang2023.convnext import ConvNextEncoder
from colorzoo.zoo.kang2023.discriminator import ColorDiscriminator
from colorzoo.zoo.kang2023.extensions import Extensions
from colorzoo.zoo.kang2023.inference import Answers, build_network
from colorzoo.zoo.kang2023.losses import (
    colorfulness_loss,
    frozen_vgg,
    judged,
    perceptual,
    saturate,
    trained_vgg,
)
from colorzoo.zoo.kang2023.pipeline import Enlargement, network_luma, recolor
from colorzoo.zoo.kang2023.settings import Adversary, Architecture, Objective


class Kang2023(Answers, GANColorizationModule[AbPrediction]):
    """The paper's generator and its training.

    Args:
        architecture: The generator.
        objective: The losses.
        adversary: The discriminator.
        extensions: What is not in the paper.
        optimizer: See `GANColorizationModule`; that of the generator.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches for each step.
        clip: Largest norm of a gradient; 0 for none.
    """

    recorded_hparams = ("size", "width", "depth", "queries", "layers", "trunk")
    vgg: Frozen

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        adversary: Adversary = Adversary(),
        extensions: Extensions = Extensions(),
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.adversary = settings_of(Adversary, adversary)
        self.extensions = settings_of(Extensions, extensions)
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
        )

    def configure_network(self) -> None:
        """Build the encoder and both decoders."""
        self.take_size()
        self.network = build_network(self.architecture, self.extensions)

    def configure_discriminator(self) -> None:
        """Build the discriminator, which sees RGB."""
        self.discriminator = ColorDiscriminator(self.adversary.discriminator_width)

    def setup(self, stage: str) -> None:
        """Begin training: take the weights of ImageNet for the encoder and for the perceptual loss.

        Raises:
            WeightsError: They are not here and cannot be had, and `allow_untrained` is false.
        """
        super().setup(stage)
        if stage != "fit":
            return
        if self.objective.perceptual_weight:
            self.vgg = frozen_vgg(None) if self.allow_untrained else trained_vgg()
        name = self.architecture.pretrained
        encoder = self.network.encoder
        if name and isinstance(encoder, ConvNextEncoder) and not (self.trained or self.allow_untrained):
            encoder.begin_with(name)

    @torch.inference_mode()
    def colorize_as_published(
        self, rgb: Tensor, *, side: int = 512, enlargement: Enlargement = "nearest"
    ) -> Tensor:
        """Color pictures as the authors' code does; see `colorzoo.zoo.kang2023.pipeline`.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]; colors do not matter.
            side: Of the square that the network sees.
            enlargement: Of ab.

        Returns:
            ``(B, 3, H, W)`` in [0, 1].
        """
        return recolor(rgb, self.forward(network_luma(rgb, side)).ab, enlargement)

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return one group: published, weights decay alike, be they biases or factors of normalizations."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]

    def paint(self, batch: Batch) -> AbPrediction:
        """Color a training batch, with gradients."""
        return self.forward(rgb_to_lab(batch["rgb"])[:, :1])

    def is_judged(self) -> bool:
        """Say whether the adversarial loss has a weight."""
        return self.objective.adversarial_weight > 0

    def generator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return the weighted sum of the losses, and log each."""
        terms = self.generator_terms(rgb_to_lab(batch["rgb"]), painted)
        self.log_dict({f"train/{name}": term.detach() for name, term in terms.items()})
        return torch.stack([self.objective.weight(name) * term for name, term in terms.items()]).sum()

    def generator_terms(self, lab: Tensor, painted: AbPrediction) -> dict[str, Tensor]:
        """Return the losses of the generator without weights, those in use.

        Args:
            lab: ``(B, 3, H, W)`` truth.
            painted: Of the same pictures.
        """
        weigh = self.objective
        colored = painted.to_rgb(lab[:, :1])
        terms = {}
        if weigh.pixel_weight:
            terms["pixel"] = self._pixel_loss(painted.ab, lab[:, 1:])
        if weigh.perceptual_weight:
            with torch.no_grad():
                target = self.vgg(saturate(lab_to_rgb(lab), weigh.saturation))
            terms["perceptual"] = perceptual(self.vgg(colored), target)
        if weigh.adversarial_weight:
            terms["adversarial"] = judged(self.discriminator(colored).float(), real=True)
        if weigh.colorfulness_weight:
            terms["colorfulness"] = colorfulness_loss(colored)
        return terms

    def _pixel_loss(self, ab: Tensor, true: Tensor) -> Tensor:
        if not self.extensions.chroma:
            return F.l1_loss(ab, true)
        distance = smooth_l1_map(ab, true, delta=0.0) / 2
        return weighted_by_chroma(distance, true, self.extensions.chroma).mean()

    def discriminator_loss(self, batch: Batch, painted: AbPrediction) -> Tensor:
        """Return both cross-entropies, first of the truth: each call takes a power iteration."""
        rgb = batch["rgb"]
        real = self.discriminator(saturate(rgb, self.objective.saturation)).float()
        fake = self.discriminator(painted.to_rgb(rgb_to_lab(rgb)[:, :1])).float()
        return judged(real, real=True) + judged(fake, real=False)

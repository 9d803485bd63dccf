"""Training of the Hybrid-Transformer over a trained Chroma-VQGAN (Huang, Zhao and Liao, 2022).

Training of Chroma-VQGAN, the first part of UniColor's (Huang, Zhao and Liao, 2022).

Losses of Chroma-VQGAN: distances of pixels and of features, codes, and a patch discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchvision.models import VGG16_Weights

from colorzoo.data.dataset import Batch
from colorzoo.errors import WeightsError
from colorzoo.losses import sum_over_processes
from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.imagenet import outputs_of, vgg_layers
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Count, Weight
from colorzoo.training.gan import Adversary, GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.weights import load_state_dict_file
from colorzoo.zoo.huang2022.hints import MASKED, SEEN, Users, simulate
from colorzoo.zoo.huang2022.model import Matching, Sampling, UniColor
from colorzoo.zoo.huang2022.transformer import HybridTransformer, TransformerSizes
from colorzoo.zoo.huang2022.vqgan import CELL, VQGANSizes, gray_of


class Huang2022(SingleOptimizerModule):
    """Task of the transformer of `UniColor`; Chroma-VQGAN stays as it is.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the transformer.
        sampling: The drawing of codes, in validation.
        matching: The exemplar's matching, which training does not use.
        users: The simulated users.
        codes_of: ``trained`` needs the weights of Chroma-VQGAN, ``random`` is for tests.
        **optimization: See `Optimization`.
    """

    model: UniColor
    users: Users

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        sampling: Sampling = Sampling(),
        matching: Matching = Matching(),
        users: Users = Users(),
        codes_of: Literal["trained", "random"] = "trained",
        **optimization: Unpack[Optimization],
    ) -> None:
        self.codes_of = codes_of
        model = UniColor(vqgan, transformer, sampling, matching)
        model.network.vqgan.requires_grad_(False)
        super().__init__(model, **optimization)

    def setup(self, stage: str) -> None:
        """Begin training.

        Raises:
            WeightsError: Chroma-VQGAN has random weights.
        """
        super().setup(stage)
        loaded = self.trained or self.allow_untrained or self.codes_of == "random"
        if stage == "fit" and not loaded:
            raise WeightsError(
                "the transformer learns the codes of a trained Chroma-VQGAN; give the checkpoint of "
                "huang2022/vqgan_imagenet.yaml as --init_from FILE."
            )

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return two groups: weights of linear layers, which decay, and all others."""
        return transformer_groups(self.model.network.transformer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mask the codes of pictures, give some hints, and compare the prediction with the codes."""
        rgb, network = batch["rgb"], self.model.network
        with torch.no_grad():
            target = network.vqgan.encode(2 * rgb - 1)
            gray = network.vqgan.gray_features(gray_of(2 * rgb - 1)).flatten(2).mT
        shape = (rgb.shape[2] // CELL, rgb.shape[3] // CELL)
        mask, hints = simulate(rgb, batch["seed"].tolist(), shape, self.users)
        logits = network.transformer(gray, fed_codes(target, mask, network.transformer.mask_token), hints)
        loss = masked_cross_entropy(logits, target, mask)
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def fed_codes(codes: Tensor, mask: Tensor, mask_token: int) -> Tensor:
    """Return the codes ``(B, rows, columns)`` that the transformer reads.

    Candidates without a hint keep their true codes although the loss counts them, as published.
    """
    return codes.masked_fill(mask == MASKED, mask_token)


def masked_cross_entropy(logits: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over all cells that are not seen, with or without a hint.

    The mean is over the cells of all processes, however they share the pictures.

    Args:
        logits: ``(B, rows * columns, codes)``.
        codes: ``(B, rows, columns)``.
        mask: ``(B, rows, columns)``.
    """
    counted = (mask != SEEN).flatten()
    terms = F.cross_entropy(logits.float().flatten(0, 1), codes.flatten(), reduction="none")
    ones = counted.sum().to(terms)
    everywhere = sum_over_processes(torch.stack([ones, torch.ones_like(ones)]))
    return terms[counted].sum() * everywhere[1] / everywhere[0]


def transformer_groups(transformer: HybridTransformer) -> list[dict[str, Any]]:
    """Return the parameter groups of the transformer: embeddings, biases and normalizations do not decay."""
    decaying = {module.weight for module in transformer.modules() if isinstance(module, nn.Linear)}
    others = [p for p in transformer.parameters() if p.requires_grad and p not in decaying]
    weights = [p for p in transformer.parameters() if p.requires_grad and p in decaying]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


_TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}
"""Channels after the last ReLU of each block of VGG-16, by the number of the layer."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TINY = 1e-6
_DEVIATION = 0.02


@dataclass(frozen=True)
class VQGANObjective:
    """Settings of the loss of Chroma-VQGAN; the L1 distance has weight 1.

    Attributes:
        perceptual_weight: Weight of LPIPS; 0 needs no VGG-16.
        codebook_weight: Weight of the distance of codes and features.
        adversarial_weight: Weight of the discriminator's judgment.
        disc_start: Steps after which the discriminator counts and is trained: 6001 for ImageNet, 5001 for
            COCO.
    """

    perceptual_weight: Weight = 1.0
    codebook_weight: Weight = 1.0
    adversarial_weight: Weight = 0.8
    disc_start: Count = 6001


class LPIPS(nn.Module):
    """LPIPS over VGG-16 as in taming-transformers; a root of a sum keeps the length of features from 0."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_layers(16, max(_TAPS) + 1)
        self.linear = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in _TAPS.values()])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1))

    def forward(self, rgb: Tensor, target: Tensor) -> Tensor:
        """Return the terms ``(B, 5)`` of the distance of pictures ``(B, 3, H, W)`` in [-1, 1]."""
        pairs = zip(self.linear, self.taps(rgb), self.taps(target), strict=True)
        terms = [linear((_unit(a) - _unit(b)).square()).mean(dim=(1, 2, 3)) for linear, a, b in pairs]
        return torch.stack(terms, dim=1)

    def normalized(self, rgb: Tensor) -> Tensor:
        """Return the input of VGG-16."""
        return (rgb - self.shift) / self.scale

    def taps(self, rgb: Tensor) -> list[Tensor]:
        """Return five maps of pictures in [-1, 1]."""
        return outputs_of(self.features, self.normalized(rgb), _TAPS)

    def load(self, vgg: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        """Load torchvision's VGG-16 and the linear layers of LPIPS.

        Raises:
            WeightsError: A name is missing, or a shape does not fit.
        """
        names = {key: f"features.{key}" for key in self.features.state_dict()}
        load_by_name(self.features, names, vgg, "the VGG-16 of LPIPS")
        names = {f"{index}.weight": f"lin{index}.model.1.weight" for index in range(len(self.linear))}
        load_by_name(self.linear, names, linear, "the linear layers of LPIPS")


def published_lpips() -> LPIPS:
    """Return LPIPS with torchvision's VGG-16, fetched once, and the linear layers that torchmetrics ships.

    Raises:
        WeightsError: They are not available.
    """
    network = LPIPS()
    shipped = Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "vgg.pth"
    network.load(published_weights(str(VGG16_Weights.IMAGENET1K_V1.url)), load_state_dict_file(shipped))
    return network


def patch_discriminator(width: float = 1.0) -> PatchDiscriminator:
    """Return the discriminator as it is before training.

    Args:
        width: Multiplier of its channel counts; 1.0 is published.
    """
    discriminator = PatchDiscriminator(3, width)
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=_DEVIATION)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=_DEVIATION)
    return discriminator


def generator_terms(
    rgb: Tensor, target: Tensor, codebook: Tensor, lpips: nn.Module | None, discriminator: nn.Module
) -> dict[str, Tensor]:
    """Return the unweighted losses of the autoencoder.

    Args:
        rgb: Reconstruction ``(B, 3, H, W)``.
        target: Truth in [-1, 1].
        codebook: Loss of the codes.
        lpips: `LPIPS`; None leaves it out.
        discriminator: Scores patches.
    """
    terms = {"pixel": F.l1_loss(rgb, target), "codebook": codebook}
    if lpips is not None:
        terms["perceptual"] = lpips(rgb, target).sum(dim=1).mean()
    terms["adversarial"] = F.relu(1 - discriminator(rgb)).mean()
    return terms


def generator_total(terms: Mapping[str, Tensor], objective: VQGANObjective, step: int) -> Tensor:
    """Return the weighted sum of `generator_terms` at a step of the training."""
    total = terms["pixel"] + objective.codebook_weight * terms["codebook"]
    if "perceptual" in terms:
        total = total + objective.perceptual_weight * terms["perceptual"]
    return total + objective.adversarial_weight * judged(objective, step) * terms["adversarial"]


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss of the discriminator from its scores of true pictures and of reconstructions."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def judged(objective: VQGANObjective, step: int) -> float:
    """Return 1 if the discriminator counts at a step, else 0."""
    return float(step >= objective.disc_start)


def _unit(features: Tensor) -> Tensor:
    length = (features.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
    return features / (length + _TINY)


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

"""Training of UniColor (Huang et al. 2022): Chroma-VQGAN, then the Hybrid-Transformer.

Chroma-VQGAN is trained with the L1 distance of pixels, LPIPS, a codebook loss and an adversarial loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchvision.models import VGG16_Weights

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError, WeightsError
from colorzoo.losses import sum_over_processes
from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.imagenet import outputs_of, vgg_layers
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import NonNegativeFloat, NonNegativeInt
from colorzoo.training.gan import DiscriminatorConfig, GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.weights import load_state_dict_file
from colorzoo.zoo.huang2022.hints import MASKED, SEEN, Users, simulate
from colorzoo.zoo.huang2022.model import Matching, Sampling, UniColor
from colorzoo.zoo.huang2022.transformer import HybridTransformer, TransformerSizes
from colorzoo.zoo.huang2022.vqgan import CELL, VQGANSizes


class Huang2022(SingleOptimizerModule):
    """Training task of the transformer of `UniColor`; Chroma-VQGAN is frozen.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the transformer.
        sampling: Settings of code sampling in validation.
        matching: Settings of the matching between image and exemplar; not used in training.
        users: Settings of the masked cells and simulated hints.
        **optimization: See `Optimization`.
    """

    model: UniColor

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        sampling: Sampling = Sampling(),
        matching: Matching = Matching(),
        users: Users = Users(),
        **optimization: Unpack[Optimization],
    ) -> None:
        model = UniColor(vqgan, transformer, sampling, matching)
        model.network.vqgan.requires_grad_(False)
        super().__init__(model, **optimization)
        self.users = users

    def prepare_fit(self) -> None:
        """Check that Chroma-VQGAN is trained.

        Raises:
            WeightsError: Chroma-VQGAN has random weights.
        """
        super().prepare_fit()
        if not (self.trained or self.allow_untrained):
            raise WeightsError(
                "--init_from must be a checkpoint of huang2022/vqgan_imagenet.yaml, because the transformer "
                "learns to predict the codes of a trained Chroma-VQGAN"
            )

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return the transformer's parameter groups; only linear layers have weight decay."""
        return transformer_groups(self.model.network.transformer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mask codes, simulate hints, and return the cross-entropy of the masked cells' codes.

        Raises:
            DataError: The images do not have the input size of the transformer.
        """
        rgb, network = batch["rgb"], self.model.network
        shape = (rgb.shape[2] // CELL, rgb.shape[3] // CELL)
        if shape != self.model.cells:  # other sizes would train other position embeddings
            height, width = self.model.size
            raise DataError(
                f"the transformer requires training images of {height} x {width} pixels, got "
                f"{rgb.shape[2]} x {rgb.shape[3]}. Set --data.crop to {height}, or set "
                "--model.transformer.rows and --model.transformer.columns, each for 16 pixels."
            )
        with torch.no_grad():
            target = network.vqgan.encode(2 * rgb - 1)
            gray = network.vqgan.gray_encoder(rgb_to_gray(2 * rgb - 1)).flatten(2).mT
        mask, hints = simulate(rgb, batch["seed"].tolist(), shape, self.users)
        logits = network.transformer(gray, fed_codes(target, mask, network.transformer.mask_token), hints)
        loss = masked_cross_entropy(logits, target, mask)
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def fed_codes(codes: Tensor, mask: Tensor, mask_token: int) -> Tensor:
    """Replace the true codes of masked cells with the mask token, as transformer input.

    `CANDIDATE` cells (masked cells that can receive a hint) keep their true codes although the loss includes
    these cells, as in the authors' code.

    Args:
        codes: True codes ``(B, rows, columns)``.
        mask: Cell states ``(B, rows, columns)`` from `simulate`.
        mask_token: Code of the mask token.
    """
    return codes.masked_fill(mask == MASKED, mask_token)


@in_float32
def masked_cross_entropy(logits: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Return the cross-entropy of the codes, averaged over the masked cells.

    In distributed training, the mean is over the masked cells of all processes.

    Args:
        logits: Predicted logits ``(B, rows * columns, codes)``.
        codes: True codes ``(B, rows, columns)``.
        mask: Cell states ``(B, rows, columns)`` from `simulate`; `MASKED` and `CANDIDATE` cells count.
    """
    counted = (mask != SEEN).flatten()
    terms = F.cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="none")
    ones = counted.sum().to(terms)
    everywhere = sum_over_processes(torch.stack([ones, torch.ones_like(ones)]))
    return terms[counted].sum() * everywhere[1] / everywhere[0]


def transformer_groups(transformer: HybridTransformer) -> list[dict[str, Any]]:
    """Return parameter groups in which only the weights of linear layers have weight decay."""
    decaying = {module.weight for module in transformer.modules() if isinstance(module, nn.Linear)}
    others = [p for p in transformer.parameters() if p.requires_grad and p not in decaying]
    weights = [p for p in transformer.parameters() if p.requires_grad and p in decaying]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


_TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}
"""Channels of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16, by layer index."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TINY = 1e-6
_DEVIATION = 0.02


@dataclass(frozen=True)
class VQGANObjective:
    """Settings of the Chroma-VQGAN loss; the L1 distance has weight 1.

    Attributes:
        perceptual_weight: Weight of LPIPS.
        codebook_weight: Weight of the codebook loss.
        adversarial_weight: Weight of the adversarial loss.
        disc_start: First training step that uses the discriminator. The authors use 6001 for ImageNet and
            5001 for COCO.
    """

    perceptual_weight: NonNegativeFloat = 1.0
    codebook_weight: NonNegativeFloat = 1.0
    adversarial_weight: NonNegativeFloat = 0.8
    disc_start: NonNegativeInt = 6001


class LPIPS(nn.Module):
    """LPIPS with VGG-16 and the feature normalization of taming-transformers."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_layers(16, max(_TAPS) + 1)
        self.linear = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in _TAPS.values()])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1))

    def forward(self, rgb: Tensor, target: Tensor) -> Tensor:
        """Return the LPIPS distance of each image pair at each of the five VGG-16 layers.

        Args:
            rgb: ``(B, 3, H, W)`` in [-1, 1].
            target: ``(B, 3, H, W)`` in [-1, 1].

        Returns:
            Distances ``(B, 5)``; the LPIPS distance is their sum.
        """
        pairs = zip(self.linear, self.hooks(rgb), self.hooks(target), strict=True)
        terms = [linear((_unit(a) - _unit(b)).square()).mean(dim=(1, 2, 3)) for linear, a, b in pairs]
        return torch.stack(terms, dim=1)

    def normalized(self, rgb: Tensor) -> Tensor:
        """Normalize RGB ``(B, 3, H, W)`` in [-1, 1] for VGG-16."""
        return (rgb - self.shift) / self.scale

    def hooks(self, rgb: Tensor) -> list[Tensor]:
        """Return the feature maps relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16.

        Args:
            rgb: ``(B, 3, H, W)`` in [-1, 1].
        """
        return outputs_of(self.features, self.normalized(rgb), _TAPS)

    def load(self, vgg: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        """Load the weights of VGG-16 and of the five linear layers.

        Args:
            vgg: State dict of torchvision's VGG-16.
            linear: State dict of torchmetrics' LPIPS layers.

        Raises:
            WeightsError: A key is missing, or a shape does not match.
        """
        names = {key: f"features.{key}" for key in self.features.state_dict()}
        load_by_name(self.features, names, vgg, "the VGG-16 of LPIPS")
        names = {f"{index}.weight": f"lin{index}.model.1.weight" for index in range(len(self.linear))}
        load_by_name(self.linear, names, linear, "the linear layers of LPIPS")


def published_lpips() -> LPIPS:
    """Return LPIPS with the weights of torchvision's VGG-16 and torchmetrics' linear layers.

    Raises:
        WeightsError: The VGG-16 weights are not available.
    """
    network = LPIPS()
    shipped = Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "vgg.pth"
    network.load(published_weights(str(VGG16_Weights.IMAGENET1K_V1.url)), load_state_dict_file(shipped))
    return network


def patch_discriminator(width: float = 1.0) -> PatchDiscriminator:
    """Build the discriminator with the authors' initialization.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the published discriminator.
    """
    discriminator = PatchDiscriminator(3, width)
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=_DEVIATION)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=_DEVIATION)
    return discriminator


def generator_terms(
    rgb: Tensor, target: Tensor, codebook: Tensor, lpips: nn.Module, discriminator: nn.Module
) -> dict[str, Tensor]:
    """Return a dict that maps the names of the autoencoder losses to unweighted values.

    Args:
        rgb: Unclipped reconstruction ``(B, 3, H, W)``, in the range of ``target``.
        target: Ground truth ``(B, 3, H, W)`` in [-1, 1].
        codebook: Codebook loss of the quantizer, a scalar.
        lpips: `LPIPS`, the perceptual loss.
        discriminator: Patch discriminator, whose scores determine the adversarial loss.
    """
    return {
        "pixel": F.l1_loss(rgb, target),
        "codebook": codebook,
        "perceptual": lpips(rgb, target).sum(dim=1).mean(),
        "adversarial": F.relu(1 - discriminator(rgb)).mean(),
    }


def generator_total(terms: Mapping[str, Tensor], objective: VQGANObjective, step: int) -> Tensor:
    """Return the weighted sum of the losses from `generator_terms` at a training step.

    Args:
        terms: Output of `generator_terms`.
        objective: Weights of the losses.
        step: Number of completed training steps. Before ``disc_start``, the adversarial weight is 0.
    """
    total = terms["pixel"] + objective.codebook_weight * terms["codebook"]
    total = total + objective.perceptual_weight * terms["perceptual"]
    return total + objective.adversarial_weight * judged(objective, step) * terms["adversarial"]


@in_float32
def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss of the discriminator.

    Args:
        real: Discriminator scores of training images.
        fake: Discriminator scores of reconstructions.
    """
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def judged(objective: VQGANObjective, step: int) -> float:
    """Return the factor of the adversarial losses: 1 from step ``disc_start`` on, else 0."""
    return float(step >= objective.disc_start)


def _unit(features: Tensor) -> Tensor:
    length = (features.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
    return features / (length + _TINY)


class Huang2022VQGAN(GANColorizationModule[RgbPrediction]):
    """Training task of Chroma-VQGAN; the transformer is frozen.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the transformer.
        objective: Settings of the loss.
        discriminator_config: Settings of the discriminator.
        **optimization: See `AdversarialOptimization`.
    """

    validation_metrics = ()
    model: UniColor
    lpips: FrozenNetwork

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        objective: VQGANObjective = VQGANObjective(),
        discriminator_config: DiscriminatorConfig = DiscriminatorConfig(),
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = UniColor(vqgan, transformer)
        model.network.transformer.requires_grad_(False)
        super().__init__(model, **optimization)
        self.objective = objective
        self.discriminator = patch_discriminator(discriminator_config.discriminator_width)

    def setup(self, stage: str) -> None:
        """Load LPIPS at the start of ``fit``.

        Raises:
            WeightsError: VGG-16 is not available.
        """
        super().setup(stage)
        if stage == "fit":
            self.lpips = FrozenNetwork(LPIPS() if self.allow_untrained else published_lpips())

    @property
    def completes_model(self) -> bool:
        """False, because this task does not train the transformer."""
        return False

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return a list with one parameter group, which contains Chroma-VQGAN."""
        return [{"params": list(self.model.network.vqgan.parameters())}]

    def generate(self, batch: Batch) -> RgbPrediction:
        """Reconstruct the images of a batch with Chroma-VQGAN, without clipping RGB."""
        rgb, quantized = self.model.network.vqgan(2 * batch["rgb"] - 1)
        extras = {"codebook": quantized.loss, "perplexity": quantized.perplexity}
        return RgbPrediction(rgb=(rgb + 1) / 2, extras=extras)

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the weighted sum of the generator losses, and log each unweighted loss."""
        rgb, target = 2 * generated.rgb - 1, 2 * batch["rgb"] - 1
        terms = generator_terms(rgb, target, generated.extras["codebook"], self.lpips, self.discriminator)
        self.log_losses({**terms, "perplexity": generated.extras["perplexity"]}, len(rgb))
        return generator_total(terms, self.objective, self.current_step())

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the discriminator's hinge loss, or 0 before step ``disc_start``."""
        real, fake = (self.discriminator(2 * rgb - 1) for rgb in (batch["rgb"], generated.rgb))
        return judged(self.objective, self.current_step()) * discriminator_hinge(real, fake)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the L1 error of reconstructions as ``val/l1``; compute no colorization metrics."""
        distance = F.l1_loss(self.generate(batch).rgb, batch["rgb"])
        self.log("val/l1", distance, batch_size=len(batch["rgb"]), sync_dist=True)

    def current_step(self) -> int:
        """Return the number of completed training steps."""
        return self.trainer.global_step

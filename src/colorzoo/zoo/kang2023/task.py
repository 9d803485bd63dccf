"""Training of DDColor (Kang et al., ICCV 2023) with the losses of the published code.

The argument ``chroma`` is not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import adjust_saturation

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses import cross_entropy_gan_loss, smooth_l1_map, weighted_by_chroma
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.spectral import StoredSpectralAttention, StoredSpectralConv
from colorzoo.precision import in_float32
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeFloat, Positive, PositiveInt, Width
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.perceptual import frozen_vgg16
from colorzoo.zoo.kang2023.model import ConvNextEncoder, DDColor, Size

VGG_LAYERS = (0, 7, 14, 24, 34)  # conv1_1, conv2_1, ..., conv5_1, before BatchNorm
_LAYER_WEIGHTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
_CHANNELS = (64, 128, 256, 512)


class Kang2023(GANColorizationModule[AbPrediction]):
    """Training task of `DDColor`.

    Args:
        size: See `DDColor`.
        width: See `DDColor`.
        depth: See `DDColor`.
        queries: See `DDColor`.
        layers: See `DDColor`.
        pretrained: Name of a timm ConvNeXt whose weights initialize the encoder; None uses random weights.
        pixel_weight: Weight of the L1 loss on ab in CIE units.
        perceptual_weight: Weight of the L1 loss on VGG-16 features; 0 disables VGG-16.
        adversarial_weight: Weight of the adversarial cross-entropy; 0 disables the discriminator.
        colorfulness_weight: Weight of the mean colorfulness loss. The default matches the published code,
            where the weight 0.5 applies to the sum over four images per device.
        saturation: Factor on the saturation of the ground truth in the perceptual and adversarial losses.
        discriminator_width: Multiplier for the channel counts of the discriminator; 1.0 matches the published
            discriminator.
        trunk: See `DDColor`.
        chroma: Extra weight of colorful pixels in the pixel loss. With 0, all pixels have equal weights, as
            in the paper. See `colorzoo.losses.weighted_by_chroma`.
        **optimization: See `AdversarialOptimization`.
    """

    model: DDColor
    vgg: FrozenNetwork

    def __init__(
        self,
        size: Size = "large",
        width: Width = 1.0,
        depth: Positive = 1.0,
        queries: PositiveInt = 100,
        layers: PositiveInt = 9,
        pretrained: str | None = None,
        pixel_weight: NonNegativeFloat = 0.1,
        perceptual_weight: NonNegativeFloat = 5.0,
        adversarial_weight: NonNegativeFloat = 1.0,
        colorfulness_weight: NonNegativeFloat = 2.0,
        saturation: NonNegativeFloat = 1.2,
        discriminator_width: Width = 1.0,
        trunk: str | None = None,
        chroma: NonNegativeFloat = 0.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(DDColor(size, width, depth, queries, layers, trunk), **optimization)
        self.pretrained, self.saturation, self.chroma = pretrained, saturation, chroma
        self.discriminator = ColorDiscriminator(discriminator_width)

    def setup(self, stage: str) -> None:
        """Load VGG-16 before ``fit``.

        Raises:
            WeightsError: The weights are not available, and `allow_untrained` is false.
        """
        super().setup(stage)
        if stage == "fit" and self.hparams["perceptual_weight"]:
            self.vgg = frozen_vgg16(VGG_LAYERS, untrained=self.allow_untrained)

    def prepare_fit(self) -> None:
        """Load ImageNet weights of the encoder, unless the model has trained weights.

        Raises:
            WeightsError: The weights are not available, and `allow_untrained` is false.
        """
        super().prepare_fit()
        name, encoder = self.pretrained, self.model.network.encoder
        if name and isinstance(encoder, ConvNextEncoder) and not (self.trained or self.allow_untrained):
            encoder.load_pretrained(name)

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return a list with one parameter group.

        As in the published code, all parameters have weight decay.
        """
        return [{"params": [p for p in self.model.network.parameters() if p.requires_grad]}]

    def generate(self, batch: Batch) -> AbPrediction:
        """Predict the ab of a training batch from its lightness."""
        return self.model.forward(rgb_to_lab(batch["rgb"])[:, :1])

    def generator_terms(self, batch: Batch, generated: AbPrediction) -> dict[str, Tensor]:
        """Return the generator losses by name, without their weights (section 3.5).

        Losses with the weight 0 are omitted.
        """
        weights, lab = self.hparams, rgb_to_lab(batch["rgb"])
        lightness, target_ab = lab[:, :1], lab[:, 1:]
        rgb = generated.to_rgb(lightness)
        terms = {}
        if weights["pixel_weight"] and self.chroma:  # not in the paper
            errors = smooth_l1_map(generated.ab, target_ab, delta=0.0) / 2
            terms["pixel"] = weighted_by_chroma(errors, target_ab, self.chroma).mean()
        elif weights["pixel_weight"]:
            terms["pixel"] = F.l1_loss(generated.ab, target_ab)
        if weights["perceptual_weight"]:
            with torch.no_grad():
                target_rgb = adjust_saturation(lab_to_rgb(lab), self.saturation)
                target_features = self.vgg(normalized(target_rgb))
            terms["perceptual"] = perceptual(self.vgg(normalized(rgb)), target_features)
        if weights["adversarial_weight"]:
            terms["adversarial"] = cross_entropy_gan_loss(self.discriminator(rgb).float(), real=True)
        if weights["colorfulness_weight"]:
            terms["colorfulness"] = colorfulness_loss(rgb)
        return terms

    def discriminator_loss(self, batch: Batch, generated: AbPrediction) -> Tensor:
        """Return the discriminator's cross-entropy for real plus generated images."""
        rgb = batch["rgb"]
        # the order matters, because each call runs a power iteration of the spectral norm
        real = self.discriminator(adjust_saturation(rgb, self.saturation)).float()
        fake = self.discriminator(generated.to_rgb(rgb_to_lab(rgb)[:, :1])).float()
        return cross_entropy_gan_loss(real, real=True) + cross_entropy_gan_loss(fake, real=False)


class ColorDiscriminator(nn.Module):
    """Discriminator with spectral norm and self-attention ("PatchGAN" in the paper).

    The network has four convolutions of stride 2. A 3 x 3 convolution follows each of them. The final
    convolution has no padding.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published discriminator.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        first, *wider = (scaled_width(base, width) for base in _CHANNELS)
        blocks = [_block(3, first, 4, stride=2)]
        in_channels = first
        for index, out_channels in enumerate(wider):
            attention = [StoredSpectralAttention(out_channels)] if index == 0 else []
            blocks += [
                _block(in_channels, in_channels, 3),
                _block(in_channels, out_channels, 4, *attention, stride=2),
            ]
            in_channels = out_channels
        last = nn.Sequential(StoredSpectralConv(in_channels, 1, (4, 4), bias=False))
        self.layers = nn.Sequential(*blocks, _block(in_channels, in_channels, 3), last)

    def forward(self, rgb: Tensor) -> Tensor:
        """Return scores ``(B, n)`` for RGB ``(B, 3, H, W)`` in [0, 1]; H and W are at least 64."""
        return self.layers(rgb).flatten(1)


@in_float32
def perceptual(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Return the perceptual loss: weighted L1 distances of VGG-16 feature maps.

    Args:
        features: VGG-16 feature maps conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1 of generated images.
        target: Feature maps of the ground truth at these layers.

    Returns:
        Sum of the distances with the weights 1/16, 1/8, 1/4, 1/2 and 1, a scalar.
    """
    distances = [F.l1_loss(x, y) for x, y in zip(features, target, strict=True)]
    return torch.stack([w * each for w, each in zip(_LAYER_WEIGHTS, distances, strict=True)]).sum()


def colorfulness_of(rgb: Tensor) -> Tensor:
    """Return the colorfulness ``(B,)`` of RGB ``(B, 3, H, W)`` in [0, 1].

    Unlike in Hasler and Suesstrunk (2003), the opponent colors are absolute values in [0, 1], and the
    variance is unbiased.
    """
    red, green, blue = rgb.unbind(dim=1)
    opponents = torch.stack([(red - green).abs(), ((red + green) / 2 - blue).abs()], dim=1)
    deviation, mean = torch.std_mean(opponents.flatten(2), dim=2)
    # unlike the square root of a sum of variances, a norm has a finite gradient (0) for gray images
    spread: Tensor = torch.linalg.vector_norm(deviation, dim=1)
    offset: Tensor = torch.linalg.vector_norm(mean, dim=1)
    return spread + 0.3 * offset


@in_float32
def colorfulness_loss(rgb: Tensor) -> Tensor:
    """Return 1 minus the mean colorfulness of RGB ``(B, 3, H, W)`` in [0, 1]."""
    return (1 - colorfulness_of(rgb)).mean()


def _block(
    in_channels: int, out_channels: int, side: int, *last: nn.Module, stride: int = 1
) -> nn.Sequential:
    conv = StoredSpectralConv(in_channels, out_channels, (side, side), stride=stride, padding=1)
    return nn.Sequential(conv, nn.ReLU(), *last)

"""Settings of DDColor and its training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.zoo.kang2023.encoder import Size

PIXEL_CHANNELS = (512, 512, 256)
FEED_CHANNELS = 2048


@dataclass(frozen=True)
class Architecture:
    """The generator (sections 3.1 to 3.4).

    Attributes:
        size: Of the encoder: ``tiny`` is ConvNeXt-T, ``large`` is ConvNeXt-L.
        width: Multiplier of every channel count, of encoder and decoders; 1.0 is published.
        depth: Multiplier of the blocks in each stage of the encoder; 1.0 is published.
        queries: Learned colors.
        layers: Of the color decoder; each looks at one of three scales.
        pretrained: timm's name of a ConvNeXt of this size whose weights the encoder begins training with;
            None begins with random ones.
    """

    size: Size = "large"
    width: float = 1.0
    depth: float = 1.0
    queries: int = 100
    layers: int = 9
    pretrained: str | None = None


@dataclass(frozen=True)
class Objective:
    """The losses (section 3.5), with the published code's weights.

    Attributes:
        pixel_weight: L1 of ab in CIE units.
        perceptual_weight: L1 of the features of VGG-16; 0 needs no VGG-16.
        adversarial_weight: Of the discriminator's cross-entropy; 0 trains no discriminator.
        colorfulness_weight: Of the colorfulness loss, a mean over the batch. The published code has 0.5 and
            adds up the four pictures of each of its four devices, whose gradients are then averaged.
        saturation: The truth that perceptual loss and discriminator see is farther from gray by this factor;
            1 leaves it as it is.
    """

    pixel_weight: float = 0.1
    perceptual_weight: float = 5.0
    adversarial_weight: float = 1.0
    colorfulness_weight: float = 2.0
    saturation: float = 1.2

    def weight(self, term: str) -> float:
        """Return the weight of a loss by its name, such as ``"pixel"``."""
        return float(getattr(self, f"{term}_weight"))


@dataclass(frozen=True)
class Adversary:
    """The discriminator.

    Attributes:
        discriminator_width: Multiplier of its channel counts; 1.0 is published.
    """

    discriminator_width: float = 1.0

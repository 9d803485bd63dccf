"""Settings and stages of DeOldify and its training ("NoGAN"), as its author's notebooks have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from colorzoo.errors import ColorzooError
from colorzoo.tasks import Stage
from colorzoo.zoo.antic2019.network import STRIDE, Decoder, Encoder

LARGEST_FACTOR = 64  # self-attention compares all places of an eighth of the side with each other

StageName = Literal["frozen", "unfrozen", "critic", "gan"]


@dataclass(frozen=True)
class Architecture:
    """The generator and its critic.

    Attributes:
        encoder: Which ResNet: 34 layers in the artistic model, 101 in the stable one.
        decoder: ``deep`` blocks of two convolutions (artistic), or ``wide`` ones of one (stable).
        nf_factor: Factor on the channels of the decoder: 1.5 in the artistic model, 2 in the stable one.
        width: Multiplier of the encoder's channel counts; 1.0 is the published network.
        critic_width: Multiplier of the critic's.
    """

    encoder: Encoder = "resnet34"
    decoder: Decoder = "deep"
    nf_factor: float = 1.5
    width: float = 1.0
    critic_width: float = 1.0


@dataclass(frozen=True)
class Rendering:
    """How pictures are shown to the network outside training.

    Attributes:
        render_factor: The network sees a shorter side of 16 times as many pixels, 1 .. 64; published: 35 for
            pictures, 21 for video. Lower gives more vivid colors, higher more detail.
    """

    render_factor: int = 35

    def side(self) -> int:
        """Return the shorter side in pixels.

        Raises:
            ColorzooError: The factor is out of range.
        """
        if not 1 <= self.render_factor <= LARGEST_FACTOR:
            raise ColorzooError(
                f"render_factor must be from 1 to {LARGEST_FACTOR} (35 is usual), got {self.render_factor}."
            )
        return STRIDE * self.render_factor


@dataclass(frozen=True)
class Objective:
    """The losses, on pictures normalized as ImageNet's.

    Attributes:
        layer_weights: Of L1 at relu3_3, relu4_3 and relu5_3 of VGG-16 with BatchNorm, beside L1 of pixels;
            zeros leave VGG out.
        content_weight: Of the sum of these in the ``gan`` stage: 2.0 for the artistic model, 1.5 for others.
        adversarial_weight: Of what the critic says there.
        critic_threshold: The generator steps after a step of the critic whose loss is below it.
        encoder_weights: With which the generator's encoder begins: ``torchvision`` fetches them once; else
            the path of torchvision's file, or None for random ones.
        vgg_weights: Of VGG-16, alike; random ones only in trials.
    """

    layer_weights: tuple[float, float, float] = (20.0, 70.0, 10.0)
    content_weight: float = 2.0
    adversarial_weight: float = 1.0
    critic_threshold: float = 0.65
    encoder_weights: str | None = "torchvision"
    vgg_weights: str | None = "torchvision"


_CONVOLUTIONS = ("network.encoder.*conv?.weight", "network.encoder.*downsample.0.weight")
STAGES = {
    "frozen": Stage(trains=("network.*",), leaves=_CONVOLUTIONS),  # BatchNorm of the encoder is trained
    "unfrozen": Stage(trains=("network.*",)),
    "critic": Stage(trains=("discriminator.*",)),
    "gan": Stage(),
}
JUDGED = ("critic", "gan")

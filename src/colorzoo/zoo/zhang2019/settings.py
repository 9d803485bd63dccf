"""Settings of Zhang et al. 2019 and its training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.tasks.exemplar_settings import ExemplarDiscriminator, ExemplarObjective


@dataclass(frozen=True)
class Architecture:
    """The networks (section 3.2).

    Attributes:
        features: ``vgg19``, or the name of a registered model of the zhang2016 family whose layers are
            borrowed (ours).
        width: Multiplier of the channel counts of the correspondence network (and of VGG-19); 1.0 is the
            published one.
        color_width: The same for the color network.
        tau: Temperature of the matching; at 1e-10 a place takes its best match alone.
        training_tau: The same in training.
    """

    features: str = "vgg19"
    width: float = 1.0
    color_width: float = 1.0
    tau: float = 1e-10
    training_tau: float = 0.01


@dataclass(frozen=True)
class Objective(ExemplarObjective):
    """Weights of the losses (section 3.3); the temporal loss, which needs flow, is not here.

    See `ExemplarObjective` for what each weighs; the perceptual loss is the plain one.
    """

    perceptual_weight: float = 0.001
    semantic: bool = False
    smooth_weight: float = 5.0
    smooth_alpha: float = 10.0
    adversarial_weight: float = 0.2
    contextual_weight: float = 0.2


@dataclass(frozen=True)
class Simulation:
    """What is done to training pictures.

    Attributes:
        luma_noise: Deviation of the noise on L, in the published code.
        previous: Share of training pictures that see a previous frame: themselves, moved (ours, for lack of
            videos).
        colored: Share of the pictures whose previous frame has the colors that the network gives it by the
            reference alone, as in a video, instead of the true ones (ours).
    """

    luma_noise: float = 2.0
    previous: float = 0.5
    colored: float = 0.0


@dataclass(frozen=True)
class Discriminator(ExemplarDiscriminator):
    """The discriminator of two frames.

    Attributes:
        last_kernel: Its last kernel; (3, 6) fits frames of 216 x 384.
    """

    last_kernel: tuple[int, int] = (3, 6)

"""Training of Deep Exemplar-based Video Colorization (CVPR 2019) on single images.

The temporal loss of Zhang et al., which requires optical flow, is omitted. The previous frame is a slightly
shifted copy of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.settings import Fraction, NonNegativeFloat, Positive
from colorzoo.training.exemplar import (
    ExemplarDiscriminator,
    ExemplarGANModule,
    ExemplarObjective,
    ExemplarPrediction,
    ExemplarSimulation,
    references_of,
    with_noise,
)
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.zhang2019.extensions import Extensions, partly_colored, previous_frames
from colorzoo.zoo.zhang2019.model import Architecture, DeepExemplar


@dataclass(frozen=True)
class Objective(ExemplarObjective):
    """Settings of the losses (section 3.3) without the temporal loss.

    See `ExemplarObjective` for the attributes.
    """

    perceptual_weight: NonNegativeFloat = 0.001
    semantic: bool = False
    smooth_weight: NonNegativeFloat = 5.0
    smooth_alpha: NonNegativeFloat = 10.0
    adversarial_weight: NonNegativeFloat = 0.2
    contextual_weight: NonNegativeFloat = 0.2


@dataclass(frozen=True)
class Simulation(ExemplarSimulation):
    """Settings of the simulated previous frames; see `ExemplarSimulation` for the noise.

    Attributes:
        previous: Fraction of the training images with a previous frame, a shifted copy of the image (not in
            the paper).
        colored: Fraction of the previous frames with predicted instead of true colors (not in the paper).
    """

    previous: Fraction = 0.5
    colored: Fraction = 0.0


@dataclass(frozen=True)
class Discriminator(ExemplarDiscriminator):
    """Settings of the discriminator for pairs of consecutive frames.

    Attributes:
        last_kernel: Height and width of the last convolution kernel; (3, 6) matches frames of 216 x 384
            pixels.
    """

    last_kernel: tuple[int, int] = (3, 6)


class Zhang2019(ExemplarGANModule):
    """Training task of `DeepExemplar`.

    Args:
        architecture: Settings of the networks.
        objective: Settings of the losses.
        simulation: Settings of the noise and the previous frames.
        discriminator_config: Settings of the discriminator.
        extensions: Settings of extensions that are not in the paper.
        matching_lr: Learning rate of the correspondence network; None uses the color network's learning rate.
        **optimization: Optimizers and schedules of the generator and the discriminator; see
            `AdversarialOptimization`.
    """

    model: DeepExemplar
    simulation: Simulation

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        simulation: Simulation = Simulation(),
        discriminator_config: Discriminator = Discriminator(),
        extensions: Extensions = Extensions(),
        matching_lr: Positive | None = 1e-5,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(DeepExemplar(architecture, extensions), **optimization)
        self.objective = objective
        self.simulation = simulation
        self.extensions = extensions
        self.matching_lr = matching_lr
        # pretrained networks whose weights the user must provide
        self.missing_weights = {"VGG-19"} if architecture.features == "vgg19" else set()
        self.discriminator = AttentionDiscriminator(
            6,  # Lab of a frame and of the previous frame
            discriminator_config.discriminator_width,
            layers=discriminator_config.discriminator_layers,
            last_kernel=discriminator_config.last_kernel,
        )

    def generate(self, batch: Batch) -> ExemplarPrediction:
        """Colorize a training batch with simulated previous frames for some images."""
        lab = rgb_to_lab(batch["rgb"])
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lab[:, :1], batch["seed"], self.simulation.lightness_noise)
        model = self.model
        tau = model.architecture.training_tau
        warped = model.warp(model.features.of_lightness(noisy), reference, tau)
        predict = partial(model.colorize_warped, noisy, warped, None)
        frames = partly_colored(lab, predict, batch["seed"], self.simulation.colored)
        before = previous_frames(frames, batch["seed"], self.simulation.previous)
        return ExemplarPrediction(
            ab=model.colorize_warped(noisy, warped, before),
            warped=warped,
            reference=reference.rgb,
            self_referenced=self_referenced,
            extras={"previous": before},
        )

    def discriminator_input(self, lab: Tensor, generated: ExemplarPrediction) -> Tensor:
        """Concatenate each frame with the previous frame to ``(B, 6, H, W)``.

        Args:
            lab: True or predicted Lab frames ``(B, 3, H, W)``.
            generated: Prediction that contains the previous frames.
        """
        return torch.cat([lab, generated.extras["previous"]], dim=1)

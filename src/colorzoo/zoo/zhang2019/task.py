"""Training of Deep Exemplar-based Video Colorization (CVPR 2019) on single images.

The temporal loss of Zhang et al., which requires optical flow, is omitted. The previous frame is a slightly
shifted copy of the image.
"""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.precision import in_float32
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Positive, PositiveInt, Width
from colorzoo.training.exemplar import ExemplarGANModule, ExemplarPrediction, references_of, with_noise
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.zhang2019.model import DeepExemplar


class Zhang2019(ExemplarGANModule):
    """Training task of `DeepExemplar` with the losses of section 3.3, except the temporal loss.

    The arguments ``previous``, ``colored``, ``truth_weight`` and ``warp_weight`` are not in the paper.

    Args:
        features: See `DeepExemplar`.
        width: See `DeepExemplar`.
        color_width: See `DeepExemplar`.
        tau: See `DeepExemplar`.
        training_tau: Softmax temperature of the matching in training.
        gated: See `DeepExemplar`.
        unrelated: See `DeepExemplar`.
        donor: See `DeepExemplar`.
        l1_weight: See `Chen2023`.
        perceptual_weight: See `Chen2023`.
        semantic: See `Chen2023`; False in the paper.
        smooth_weight: See `Chen2023`.
        smooth_alpha: See `Chen2023`.
        adversarial_weight: See `Chen2023`.
        contextual_weight: See `Chen2023`.
        truth_weight: See `Chen2023`.
        warp_weight: See `Chen2023`.
        lightness_noise: See `Chen2023`.
        previous: Fraction of the training images with a previous frame, a shifted copy of the image.
        colored: Fraction of the previous frames with predicted instead of true colors.
        discriminator_width: See `Chen2023`.
        discriminator_layers: See `Chen2023`.
        last_kernel: Height and width of the last convolution kernel of the discriminator, whose inputs are
            pairs of consecutive frames; (3, 6) matches frames of 216 x 384 pixels.
        matching_lr: Learning rate of the correspondence network; None uses the color network's learning rate.
        **optimization: Optimizers and schedules of the generator and the discriminator; see
            `AdversarialOptimization`.
    """

    model: DeepExemplar

    def __init__(
        self,
        features: str = "vgg19",
        width: Width = 1.0,
        color_width: Width = 1.0,
        tau: Positive = 1e-10,
        training_tau: Positive = 0.01,
        gated: bool = False,
        unrelated: Literal["zero", "automatic"] = "zero",
        donor: str | None = None,
        l1_weight: float = 2.0,
        perceptual_weight: NonNegativeFloat = 0.001,
        semantic: bool = False,
        smooth_weight: NonNegativeFloat = 5.0,
        smooth_alpha: NonNegativeFloat = 10.0,
        adversarial_weight: NonNegativeFloat = 0.2,
        contextual_weight: NonNegativeFloat = 0.2,
        truth_weight: float = 0.0,
        warp_weight: float = 0.0,
        lightness_noise: NonNegativeFloat = 2.0,
        previous: Fraction = 0.5,
        colored: Fraction = 0.0,
        discriminator_width: Positive = 1.0,
        discriminator_layers: PositiveInt = 6,
        last_kernel: tuple[int, int] = (3, 6),
        matching_lr: Positive | None = 1e-5,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = DeepExemplar(features, width, color_width, tau, gated, unrelated, donor)
        super().__init__(model, **optimization)
        self.training_tau, self.lightness_noise = training_tau, lightness_noise
        self.previous, self.colored = previous, colored
        self.matching_lr = matching_lr
        # pretrained networks whose weights the user must provide
        self.missing_weights = {"VGG-19"} if features == "vgg19" else set()
        self.discriminator = AttentionDiscriminator(
            6,  # Lab of a frame and of the previous frame
            discriminator_width,
            layers=discriminator_layers,
            last_kernel=last_kernel,
        )

    def generate(self, batch: Batch) -> ExemplarPrediction:
        """Colorize a training batch with simulated previous frames for some images."""
        lab, seeds = rgb_to_lab(batch["rgb"]), batch["seed"]
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lab[:, :1], seeds, self.lightness_noise)
        model = self.model
        warped = model.warp(model.features.of_lightness(noisy), reference, self.training_tau)
        # frames with true colors or, for a fraction of the images, with predicted colors
        frames = lab
        if self.colored:
            draws = draw_uniform(image_generators(seeds, "colored"), len(lab), 1, lab.device)
            with torch.no_grad():
                own = torch.cat([lab[:, :1], model.colorize_warped(noisy, warped, None)], dim=1)
            frames = torch.where(draws[:, :, None, None] < self.colored, own, lab)
        before = previous_frames(frames, seeds, self.previous)
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


@in_float32
def previous_frames(lab: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Simulate previous frames ``(B, 3, H, W)`` by shifting the images.

    The shift is at most 5 % of the image size. Images without a previous frame get a gray frame with L = 50.

    Args:
        lab: Lab images ``(B, 3, H, W)``.
        seeds: Per-image seeds ``(B,)``.
        share: Fraction of the images with a previous frame.
    """
    uniform = draw_uniform(image_generators(seeds, "before"), len(lab), 3, lab.device)
    theta = torch.eye(2, 3, device=lab.device).repeat(len(lab), 1, 1)
    theta[:, :, 2] = 0.2 * (uniform[:, :2] - 0.5)
    grid = F.affine_grid(theta, list(lab.shape), align_corners=False)
    before = F.grid_sample(lab, grid, padding_mode="reflection", align_corners=False)
    has_previous = (uniform[:, 2] < share)[:, None, None, None]
    return torch.where(has_previous, before, before.new_tensor([50.0, 0, 0]).view(3, 1, 1))

"""Training of GuidingPainter (Cho et al., WACV 2023) and its point baseline.

The segmenter f and the generator g are trained together. A straight-through Gumbel softmax propagates
gradients from g to f. Early segments are colored more often, so f learns to put the most useful segments
first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance
from colorzoo.guidance.color_statistics import region_means
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, weighted_sum
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.unet import initialize_gan
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, Positive, Probability, check_choice
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.zoo.cho2023.extensions import Extensions
from colorzoo.zoo.cho2023.model import Architecture, GuidingPainter, PointPainter, PointsSettings
from colorzoo.zoo.cho2023.network import (
    SEGMENTS,
    Hints,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    gumbel_noise,
)

VALIDATION_REGIONS = (0, 1, 3, 10, 30)

Smoothness = Literal["four_l1", "eight_l1", "eight_l2"]


@dataclass(frozen=True)
class Objective:
    """Settings of the losses (section 3.4) and the Gumbel softmax temperature.

    Attributes:
        reconstruction_weight: Weight of the L1 loss between generated and true images.
        variance_weight: Weight of the color variance within segments, which trains only the segmenter f.
        smoothness_weight: Weight of the differences between the segment logits of neighboring pixels.
        adversarial_weight: Weight of the adversarial loss; 0 disables the discriminator.
        smoothness_form: Form of the differences; see `smoothness`.
        initial_temperature: Gumbel softmax temperature in the first step.
        final_temperature: Gumbel softmax temperature in the last step; the decay is exponential.
    """

    reconstruction_weight: NonNegativeFloat = 30.0
    variance_weight: NonNegativeFloat = 5.0
    smoothness_weight: NonNegativeFloat = 1.0
    adversarial_weight: NonNegativeFloat = 0.2
    smoothness_form: Smoothness = "eight_l1"
    initial_temperature: Positive = 1.0
    final_temperature: Positive = 0.1


@dataclass(frozen=True)
class Users:
    """Settings of the simulated users, who color the first regions (section 3.3).

    Attributes:
        stop_probability: Probability that the user stops before each region; 1/8 gives 6.9 regions on
            average.
    """

    stop_probability: Probability = 1 / 8


class Draws(NamedTuple):
    """Random numbers for one forward pass in training.

    Attributes:
        noise: Gumbel noise ``(B, 30, H, W)`` on the segment logits.
        counts: Number of segments with a hint in each image, ``(B,)``.
    """

    noise: Tensor
    counts: Tensor


class Cho2023(GANColorizationModule[RgbPrediction]):
    """Training task of `GuidingPainter`.

    Args:
        architecture: Settings of the networks.
        objective: Settings of the losses.
        users: Settings of the simulated users.
        extensions: Extensions that are not in the paper.
        **optimization: See `AdversarialOptimization`.
    """

    model: GuidingPainter

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        users: Users = Users(),
        extensions: Extensions = Extensions(),
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(GuidingPainter(architecture, extensions), **optimization)
        self.objective = objective
        self.users = users
        self.extensions = extensions
        self.discriminator = PatchDiscriminator(1 + 3, architecture.discriminator_width)
        initialize_gan(self.discriminator)

    def generate(self, batch: Batch) -> RgbPrediction:
        """Generate images for a training batch with simulated hints."""
        return self.generate_randomly(batch, "first")

    def generate_drawn(
        self, sketch: Tensor, rgb: Tensor, draws: Draws, temperature: float | None = None
    ) -> RgbPrediction:
        """Generate images from sketches with the random numbers in ``draws`` (sections 3.2 to 3.4).

        Gradients flow to the segmenter f and the generator g.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            rgb: Ground truth ``(B, 3, H, W)`` in [0, 1], the source of the hint colors.
            draws: Gumbel noise and numbers of segments with a hint.
            temperature: Softmax temperature; None uses the temperature of the current step.

        Returns:
            Generated images. ``extras`` contains the segment logits as ``logits``, and ``filled``: images in
            [-1, 1] in which each segment has its mean color.
        """
        network = self.model.network
        tau = self.temperature_at(self.progress()) if temperature is None else temperature
        logits = network.divide(sketch)
        segments = draw_segments(logits, draws.noise, tau)
        is_hinted = first_given(draws.counts, SEGMENTS)
        filled, hint_color, hint_mask = fill_hints(segments, 2 * rgb - 1, is_hinted)
        generated = network.generate(sketch, Hints(hint_color, hint_mask), segments)  # in [-1, 1]
        return RgbPrediction(rgb=(generated + 1) / 2, extras={"logits": logits, "filled": filled})

    def regenerate(self, batch: Batch, generated: RgbPrediction) -> RgbPrediction:
        """Generate images for the discriminator step with new random numbers, without gradients.

        The published code also generates new images for this step.
        """
        with torch.no_grad():
            return self.generate_randomly(batch, "second")

    def generate_randomly(self, batch: Batch, purpose: str) -> RgbPrediction:
        """Generate images with random numbers that depend on the image seeds and on ``purpose``."""
        return self.generate_drawn(sketches_of(batch), batch["rgb"], self.draws_of(batch, purpose))

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the weighted sum of the generator losses and log each unweighted loss."""
        terms = self.generator_terms(sketches_of(batch), batch["rgb"], generated)
        self.log_losses(terms, len(batch["rgb"]))
        return weighted_sum(terms, self.objective)

    def generator_terms(self, sketch: Tensor, rgb: Tensor, generated: RgbPrediction) -> dict[str, Tensor]:
        """Return a dict that maps the names of the generator losses to their unweighted values.

        The dict contains only enabled losses (section 3.4).

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            rgb: Ground truth ``(B, 3, H, W)`` in [0, 1].
            generated: Output of `generate`.
        """
        terms = {"reconstruction": 2 * (generated.rgb - rgb).abs().mean()}
        terms |= self.segmenter_terms(rgb, generated)
        if self.is_adversarial():
            terms["adversarial"] = least_squares_loss(self._scores(sketch, generated.rgb))
        return terms

    def segmenter_terms(self, rgb: Tensor, generated: RgbPrediction) -> dict[str, Tensor]:
        """Return the unweighted losses that train only the segmenter f; see `generator_terms`."""
        return {
            "variance": total_variance(generated.extras["filled"], 2 * rgb - 1),
            "smoothness": smoothness(generated.extras["logits"], self.objective.smoothness_form),
        }

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the least-squares loss of the discriminator, times ``adversarial_weight``."""
        sketch = sketches_of(batch)
        fake = self._scores(sketch, generated.rgb)
        real = self._scores(sketch, batch["rgb"])
        return self.objective.adversarial_weight * least_squares_discriminator_loss(fake, real)

    def temperature_at(self, progress: float) -> float:
        """Return the softmax temperature after a fraction ``progress`` in [0, 1] of the training."""
        first, last = self.objective.initial_temperature, self.objective.final_temperature
        return float(first * (last / first) ** progress)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the validation settings: numbers of regions with a hint."""
        return tuple(str(count) for count in VALIDATION_REGIONS)

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Yield the name and guidance of each validation setting.

        The sketches are divided into regions once. In each setting, the first regions get their true mean
        colors as hints.

        Args:
            batch: Batch with ``rgb`` and ``sketch``.
            lab: Not used.
        """
        sketch, rgb = sketches_of(batch), batch["rgb"]
        regions = self.model.propose(sketch)
        colors, _ = region_means(regions.index, rgb, SEGMENTS)
        for count in self.validation_settings():
            given = first_given(torch.full((len(rgb),), int(count), device=rgb.device), SEGMENTS)
            yield count, Guidance(regions=replace(regions, rgb=colors, given=given))

    def draws_of(self, batch: Batch, purpose: str) -> Draws:
        """Draw Gumbel noise and numbers of segments with a hint from the per-image seeds.

        Args:
            batch: Batch with ``rgb`` and ``seed``.
            purpose: Name of the random variables; different names give independent random numbers.
        """
        rgb, generators = batch["rgb"], image_generators(batch["seed"], purpose)
        noise = gumbel_noise(generators, (SEGMENTS, *rgb.shape[-2:])).to(rgb.device)
        stops = draw_uniform(generators, len(rgb), SEGMENTS, rgb.device)
        return Draws(noise, draw_counts(stops, self.users.stop_probability))

    def _scores(self, sketch: Tensor, rgb: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([2 * sketch - 1, 2 * rgb - 1], dim=1))
        return scores.float()


class Cho2023Points(SingleOptimizerModule):
    """Training task of the baseline `PointPainter`, with points as in Zhang et al. 2017.

    Args:
        settings: Settings of the generator and its training.
        **optimization: See `Optimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: PointPainter

    def __init__(
        self, settings: PointsSettings = PointsSettings(), **optimization: Unpack[Optimization]
    ) -> None:
        super().__init__(PointPainter(settings), **optimization)
        self.settings = settings

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Simulate color points, generate images and return the weighted L1 loss."""
        rgb = batch["rgb"]
        simulation = PointSimulation(self.settings.stop_probability)
        points = simulate_points(rgb_to_lab(rgb), image_generators(batch["seed"], "points"), simulation)
        generated = self.model.forward(sketches_of(batch), Guidance(points=points)).rgb
        loss: Tensor = self.settings.reconstruction_weight * 2 * (generated - rgb).abs().mean()
        self.log_losses({"loss": loss}, len(rgb))
        return loss


@in_float32
def total_variance(filled: Tensor, image: Tensor) -> Tensor:
    """Return the color variance within segments, averaged over pixels.

    Args:
        filled: ``(B, 3, H, W)`` in [-1, 1], image in which each segment has its mean color.
        image: ``(B, 3, H, W)`` in [-1, 1], ground truth.
    """
    return (filled - image).square().mean()


@in_float32
def smoothness(logits: Tensor, form: Smoothness = "eight_l1") -> Tensor:
    """Return the mean difference between the segment logits of neighboring pixels.

    Args:
        logits: Segment logits ``(B, N, H, W)``.
        form: ``eight_l1`` (absolute differences in four directions: vertical, horizontal and two diagonals),
            ``four_l1`` (absolute differences, vertical and horizontal) or ``eight_l2`` (squared differences
            in four directions).
    """
    check_choice("form", form, Smoothness)
    pairs = [
        (logits[..., :-1, :], logits[..., 1:, :]),
        (logits[..., :-1], logits[..., 1:]),
        (logits[..., :-1, :-1], logits[..., 1:, 1:]),
        (logits[..., 1:, :-1], logits[..., :-1, 1:]),
    ]
    steps = [first - second for first, second in pairs[: 2 if form == "four_l1" else 4]]
    means = [step.square().mean() if form == "eight_l2" else step.abs().mean() for step in steps]
    return torch.stack(means).mean()

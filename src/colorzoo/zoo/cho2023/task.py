"""Training of GuidingPainter (Cho et al., WACV 2023) and of its control.

f and g learn together: a straight-through Gumbel softmax carries g's gradient into f, and since early
segments are colored more often, f learns to put the most useful ones first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance
from colorzoo.guidance.color_statistics import region_means
from colorzoo.losses import least_squares_critic_loss, least_squares_loss, weighted_sum
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.unet import initialize_gan
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Positive, Probability, Weight
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.cho2023.model import Architecture, GuidingPainter, PointPainter, PointsSettings
from colorzoo.zoo.cho2023.network import (
    SEGMENTS,
    Extensions,
    Hints,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    gumbel_noise,
    recolor_hinted,
)

VALIDATION_REGIONS = (0, 1, 3, 10, 30)

Smoothness = Literal["four_l1", "eight_l1", "eight_l2"]


@dataclass(frozen=True)
class Objective:
    """Settings of the losses (section 3.4) and of the temperature of the segments.

    Attributes:
        reconstruction_weight: Weight of the L1 loss.
        variance_weight: Weight of the color variance within segments, whose gradient reaches only f.
        smoothness_weight: Weight of the differences between neighboring logits.
        adversarial_weight: Weight of the adversarial loss; 0 trains no discriminator.
        smoothness_form: See `smoothness`.
        initial_temperature: Temperature of the Gumbel softmax in the first step.
        final_temperature: Temperature in the last step; it falls exponentially.
    """

    reconstruction_weight: Weight = 30.0
    variance_weight: Weight = 5.0
    smoothness_weight: Weight = 1.0
    adversarial_weight: Weight = 0.2
    smoothness_form: Smoothness = "eight_l1"
    initial_temperature: Positive = 1.0
    final_temperature: Positive = 0.1


@dataclass(frozen=True)
class Users:
    """Settings of the simulated users (section 3.3).

    Attributes:
        stop_probability: Probability that a user stops before each region; mean 6.9 regions.
    """

    stop_probability: Probability = 1 / 8


STAGES = {
    "both": Stage(),
    "painter": Stage(leaves=("model.network.segmenter.*",)),  # ours: g alone
}


class Draws(NamedTuple):
    """Random numbers of one pass.

    Attributes:
        noise: ``(B, 30, H, W)`` Gumbel noise.
        counts: ``(B,)``, numbers of colored segments.
    """

    noise: Tensor
    counts: Tensor


class Cho2023(GANColorizationModule[RgbPrediction]):
    """Task of `GuidingPainter`.

    Args:
        architecture: The networks.
        objective: The losses.
        users: The simulated users of training.
        extensions: Additions to the paper.
        stage: ``both`` trains f and g; ``painter`` (ours) trains g alone, on the regions that f proposes.
        **optimization: See `AdversarialOptimization`.
    """

    stages = STAGES
    model: GuidingPainter
    architecture: Architecture
    objective: Objective
    users: Users
    extensions: Extensions

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        users: Users = Users(),
        extensions: Extensions = Extensions(),
        stage: Literal["both", "painter"] = "both",
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(GuidingPainter(architecture, extensions), stage=stage, **optimization)

    def configure_discriminator(self) -> None:
        """Build the PatchGAN, which sees a picture beside its sketch."""
        self.discriminator = PatchDiscriminator(1 + 3, self.architecture.discriminator_width)
        initialize_gan(self.discriminator)

    def paint(self, batch: Batch) -> RgbPrediction:
        """Paint a training batch for simulated users."""
        return self._paint_batch(batch, "first")

    def paint_drawn(
        self, sketch: Tensor, rgb: Tensor, draws: Draws, temperature: float | None = None
    ) -> RgbPrediction:
        """Divide, color the first regions, and paint, all with gradients.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            rgb: ``(B, 3, H, W)`` truth in [0, 1], whose mean colors of the regions are the hints.
            draws: The random numbers.
            temperature: Temperature of the softmax; None takes that of the current step.

        Returns:
            The picture; extras hold ``logits`` and ``filled``, all segments in their mean colors in [-1, 1].
        """
        logits = self.model.network.divide(sketch)
        tau = self.temperature() if temperature is None else temperature
        segments = draw_segments(logits, draws.noise, tau)
        given = first_given(draws.counts, SEGMENTS)
        filled, color, mask = fill_hints(segments, 2 * rgb - 1, given)
        painted = self.model.network.paint(sketch, Hints(color, mask), segments)
        return RgbPrediction(rgb=(painted + 1) / 2, extras={"logits": logits, "filled": filled})

    def repaint(self, batch: Batch, painted: RgbPrediction) -> RgbPrediction:
        """Paint again with new random numbers, as the published code does for its discriminator."""
        with torch.no_grad():
            return self._paint_batch(batch, "second")

    def _paint_batch(self, batch: Batch, purpose: str) -> RgbPrediction:
        sketch, rgb = sketches_of(batch), batch["rgb"]
        if self.stage == "both":
            return self.paint_drawn(sketch, rgb, self.draws_of(batch, purpose))
        with torch.no_grad():
            regions = self.model.propose(sketch)
            stops = draw_uniform(picture_generators(batch["seed"], purpose), len(rgb), SEGMENTS, rgb.device)
            given = first_given(draw_counts(stops, self.users.stop_probability), SEGMENTS)
            truth = recolor_hinted(rgb, regions.index, given, batch["seed"], self.extensions.recolored)
            colors, _ = region_means(regions.index, truth, SEGMENTS)
        painted = self.model.forward(sketch, Guidance(regions=replace(regions, rgb=colors, given=given)))
        return RgbPrediction(rgb=painted.rgb, extras={"truth": truth})

    def generator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the weighted sum of the four losses, and log each."""
        terms = self.generator_terms(sketches_of(batch), _truth(batch, painted), painted)
        self.log_losses(terms, len(batch["rgb"]))
        return weighted_sum(terms, self.objective)

    def generator_terms(self, sketch: Tensor, rgb: Tensor, painted: RgbPrediction) -> dict[str, Tensor]:
        """Return the four losses of the generator without weights (sec. 3.4), those in use."""
        terms = {"reconstruction": 2 * (painted.rgb - rgb).abs().mean()}
        if "logits" in painted.extras:  # f is trained
            terms["variance"] = total_variance(painted.extras["filled"], 2 * rgb - 1)
            terms["smoothness"] = smoothness(painted.extras["logits"], self.objective.smoothness_form)
        if self.is_adversarial():
            terms["adversarial"] = least_squares_loss(self._scores(sketch, painted.rgb))
        return terms

    def discriminator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the least-squares loss, weighted like the generator's."""
        sketch = sketches_of(batch)
        fake = self._scores(sketch, painted.rgb)
        real = self._scores(sketch, _truth(batch, painted))
        loss: Tensor = self.objective.adversarial_weight * least_squares_critic_loss(fake, real)
        return loss

    def temperature(self) -> float:
        """Return tau of the current step."""
        return self.temperature_at(self.progress())

    def temperature_at(self, progress: float) -> float:
        """Return tau at a share of the training from 0 to 1."""
        first, last = self.objective.initial_temperature, self.objective.final_temperature
        return float(first * (last / first) ** progress)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of colored regions."""
        return tuple(str(count) for count in VALIDATION_REGIONS)

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Divide each sketch once, and color its first regions with their true mean colors."""
        sketch, rgb = sketches_of(batch), batch["rgb"]
        regions = self.model.propose(sketch)
        colors, _ = region_means(regions.index, rgb, SEGMENTS)
        for count in self.validation_settings():
            given = first_given(torch.full((len(rgb),), int(count), device=rgb.device), SEGMENTS)
            yield count, Guidance(regions=replace(regions, rgb=colors, given=given))

    def draws_of(self, batch: Batch, purpose: str) -> Draws:
        """Draw the noise of segments and the number of colored ones, from the seeds of the pictures."""
        rgb, generators = batch["rgb"], picture_generators(batch["seed"], purpose)
        noise = gumbel_noise(generators, (SEGMENTS, *rgb.shape[-2:])).to(rgb.device)
        stops = draw_uniform(generators, len(rgb), SEGMENTS, rgb.device)
        return Draws(noise, draw_counts(stops, self.users.stop_probability))

    def _scores(self, sketch: Tensor, rgb: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([2 * sketch - 1, 2 * rgb - 1], dim=1))
        return scores.float()


class Cho2023Points(SingleOptimizerModule):
    """Task of `PointPainter`, the control; points are simulated as by Zhang et al. 2017.

    Args:
        settings: The painter and its training.
        **optimization: See `Optimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: PointPainter
    settings: PointsSettings

    def __init__(
        self, settings: PointsSettings = PointsSettings(), **optimization: Unpack[Optimization]
    ) -> None:
        super().__init__(PointPainter(settings), **optimization)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw points, paint, and compare with the truth."""
        rgb = batch["rgb"]
        simulation = PointSimulation(self.settings.stop_probability)
        points = simulate_points(rgb_to_lab(rgb), picture_generators(batch["seed"], "points"), simulation)
        painted = self.model.forward(sketches_of(batch), Guidance(points=points)).rgb
        loss: Tensor = self.settings.reconstruction_weight * 2 * (painted - rgb).abs().mean()
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def total_variance(filled: Tensor, image: Tensor) -> Tensor:
    """Return the variance of colors within segments, mean over pixels.

    Args:
        filled: ``(B, 3, H, W)``, every segment filled with its mean color.
        image: ``(B, 3, H, W)`` truth.
    """
    return (filled - image).square().mean()


def smoothness(logits: Tensor, form: Smoothness = "eight_l1") -> Tensor:
    """Return the mean difference of neighboring logits.

    Args:
        logits: ``(B, N, H, W)``.
        form: ``eight_l1``: the mean over the four directions of absolute differences; ``four_l1``: over two;
            ``eight_l2``: of squares.
    """
    total: Tensor = NeighborDistance.apply(logits, 2 if form == "four_l1" else 4, form == "eight_l2")
    return total


class NeighborDistance(torch.autograd.Function):
    """The mean over directions of mean absolute (or squared) differences.

    Autograd would allocate a map of zeros for each slice; this makes a training step a quarter faster.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, directions: int, squared: bool) -> Tensor:
        """Return the scalar of ``(B, N, H, W)``."""
        ctx.save_for_backward(logits)
        ctx.directions, ctx.squared = directions, squared
        means = []
        for first, second in _neighbors(logits, directions):
            step = first - second
            means.append(step.square_().mean() if squared else step.abs_().mean())
        return torch.stack(means).mean()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the logits."""
        (logits,) = ctx.saved_tensors
        gradient = torch.zeros_like(logits)
        pairs = zip(_neighbors(logits, ctx.directions), _neighbors(gradient, ctx.directions), strict=True)
        for (first, second), (first_gradient, second_gradient) in pairs:
            step = first - second
            slope = step.mul_(2) if ctx.squared else step.sign_()
            slope.mul_(upstream[0] / (ctx.directions * step.numel()))
            first_gradient.add_(slope)
            second_gradient.sub_(slope)
        return gradient, None, None


def _neighbors(image: Tensor, directions: int) -> list[tuple[Tensor, Tensor]]:
    """Return views of an image and of the image shifted by a pixel: down, right, and along both diagonals."""
    pairs = [
        (image[..., :-1, :], image[..., 1:, :]),
        (image[..., :-1], image[..., 1:]),
        (image[..., :-1, :-1], image[..., 1:, 1:]),
        (image[..., 1:, :-1], image[..., :-1, 1:]),
    ]
    return pairs[:directions]


def _truth(batch: Batch, painted: RgbPrediction) -> Tensor:
    truth: Tensor = painted.extras.get("truth", batch["rgb"])
    return truth

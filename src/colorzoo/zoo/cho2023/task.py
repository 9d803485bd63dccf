"""Training of GuidingPainter (Cho et al., WACV 2023) and its point baseline.

The segmenter f and the generator g are trained together. A straight-through Gumbel softmax propagates
gradients from g to f. Early segments are colored more often, so f learns to put the most useful segments
first.

`Cho2023Painter` and ``recolored`` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance
from colorzoo.guidance.color_statistics import region_means
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.unet import initialize_gan
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import (
    Fraction,
    NonNegativeFloat,
    Positive,
    PositiveInt,
    Probability,
    Width,
    check_choice,
)
from colorzoo.simulation.points import simulate_points
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.zoo.cho2023.model import (
    SEGMENTS,
    GuidingPainter,
    PointPainter,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    gumbel_noise,
    look_up_hints,
)

Smoothness = Literal["four_l1", "eight_l1", "eight_l2"]


class Cho2023(GANColorizationModule[RgbPrediction]):
    """Training task of `GuidingPainter`.

    Args:
        width: See `GuidingPainter`.
        segmenter_width: See `GuidingPainter`.
        segmenter_side: See `GuidingPainter`.
        pieces: See `GuidingPainter`.
        needs: See `GuidingPainter`.
        hint_residual: See `GuidingPainter`.
        discriminator_width: Multiplier for the channel counts of the discriminator.
        reconstruction_weight: Weight of the L1 loss between generated and true images.
        variance_weight: Weight of the color variance within segments, which trains only the segmenter f.
        smoothness_weight: Weight of the differences between the segment logits of neighboring pixels.
        adversarial_weight: Weight of the adversarial loss; 0 disables the discriminator.
        smoothness_form: Form of the differences; see `smoothness`.
        initial_temperature: Gumbel softmax temperature in the first step.
        final_temperature: Gumbel softmax temperature in the last step; the decay is exponential.
        stop_probability: Parameter of the distribution of the number of colored segments; see `draw_counts`.
        recolored: Fraction of images with random hint colors in `Cho2023Painter`; see `recolor_hinted`.
        **optimization: See `AdversarialOptimization`.
    """

    validation_names = ("0", "1", "3", "10", "30")  # numbers of colored regions
    model: GuidingPainter

    def __init__(
        self,
        width: Width = 1.0,
        segmenter_width: Width = 1.0,
        segmenter_side: PositiveInt | None = None,
        pieces: bool = False,
        needs: tuple[float, ...] = (),
        hint_residual: bool = False,
        discriminator_width: Width = 1.0,
        reconstruction_weight: NonNegativeFloat = 30.0,
        variance_weight: NonNegativeFloat = 5.0,
        smoothness_weight: NonNegativeFloat = 1.0,
        adversarial_weight: NonNegativeFloat = 0.2,
        smoothness_form: Smoothness = "eight_l1",
        initial_temperature: Positive = 1.0,
        final_temperature: Positive = 0.1,
        stop_probability: Probability = 1 / 8,
        recolored: Fraction = 0.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = GuidingPainter(width, segmenter_width, segmenter_side, pieces, needs, hint_residual)
        super().__init__(model, **optimization)
        self.adversarial_weight = adversarial_weight
        self.smoothness_form: Smoothness = smoothness_form
        self.initial_temperature, self.final_temperature = initial_temperature, final_temperature
        self.stop_probability, self.recolored = stop_probability, recolored
        self.discriminator = PatchDiscriminator(1 + 3, discriminator_width)
        initialize_gan(self.discriminator)

    def generate(self, batch: Batch) -> RgbPrediction:
        """Generate images for a training batch with simulated hints."""
        return self.generate_randomly(batch, "first")

    def generate_drawn(
        self, sketch: Tensor, rgb: Tensor, noise: Tensor, counts: Tensor, temperature: float | None = None
    ) -> RgbPrediction:
        """Generate images from sketches with given random numbers (sections 3.2 to 3.4).

        Gradients flow to the segmenter f and the generator g.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            rgb: Ground truth ``(B, 3, H, W)`` in [0, 1], the source of the hint colors.
            noise: Gumbel noise ``(B, 30, H, W)`` on the segment logits.
            counts: Number of segments with a hint in each image, ``(B,)``.
            temperature: Softmax temperature; None uses the temperature of the current step.

        Returns:
            Generated images. ``extras`` contains the segment logits as ``logits``, and ``filled``: images in
            [-1, 1] in which each segment has its mean color.
        """
        network = self.model.network
        tau = self.temperature_at(self.progress()) if temperature is None else temperature
        logits = network.divide(sketch)
        segments = draw_segments(logits, noise, tau)
        is_hinted = first_given(counts, SEGMENTS)
        filled, hint_color, hint_mask = fill_hints(segments, 2 * rgb - 1, is_hinted)
        generated = network.generate(sketch, hint_color, hint_mask, segments)  # in [-1, 1]
        return RgbPrediction(rgb=(generated + 1) / 2, extras={"logits": logits, "filled": filled})

    def regenerate(self, batch: Batch, generated: RgbPrediction) -> RgbPrediction:
        """Generate images for the discriminator step with new random numbers, without gradients.

        The published code also generates new images for this step.
        """
        with torch.no_grad():
            return self.generate_randomly(batch, "second")

    def generate_randomly(self, batch: Batch, purpose: str) -> RgbPrediction:
        """Generate images with random numbers that depend on the image seeds and on ``purpose``."""
        return self.generate_drawn(sketches_of(batch), batch["rgb"], *self.draws_of(batch, purpose))

    def generator_terms(self, batch: Batch, generated: RgbPrediction) -> dict[str, Tensor]:
        """Return the enabled generator losses by name, without their weights (section 3.4)."""
        rgb, extras = batch["rgb"], generated.extras
        terms = {"reconstruction": 2 * (generated.rgb - rgb).abs().mean()}
        if "filled" in extras:  # the segmenter is trained
            terms["variance"] = total_variance(extras["filled"], 2 * rgb - 1)
            terms["smoothness"] = smoothness(extras["logits"], self.smoothness_form)
        if self.is_adversarial():
            terms["adversarial"] = least_squares_loss(self._scores(sketches_of(batch), generated.rgb))
        return terms

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the least-squares loss of the discriminator, times ``adversarial_weight``."""
        sketch = sketches_of(batch)
        fake = self._scores(sketch, generated.rgb)
        real = self._scores(sketch, batch["rgb"])
        return self.adversarial_weight * least_squares_discriminator_loss(fake, real)

    def temperature_at(self, progress: float) -> float:
        """Return the softmax temperature after a fraction ``progress`` in [0, 1] of the training."""
        first, last = self.initial_temperature, self.final_temperature
        return float(first * (last / first) ** progress)

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
        for count in self.validation_names:
            given = first_given(torch.full((len(rgb),), int(count), device=rgb.device), SEGMENTS)
            yield count, Guidance(regions=replace(regions, rgb=colors, given=given))

    def draws_of(self, batch: Batch, purpose: str) -> tuple[Tensor, Tensor]:
        """Draw Gumbel noise and numbers of segments with a hint from the per-image seeds.

        Args:
            batch: Batch with ``rgb`` and ``seed``.
            purpose: Name of the random variables; different names give independent random numbers.
        """
        rgb, generators = batch["rgb"], image_generators(batch["seed"], purpose)
        noise = gumbel_noise(generators, (SEGMENTS, *rgb.shape[-2:])).to(rgb.device)
        stops = draw_uniform(generators, len(rgb), SEGMENTS, rgb.device)
        return noise, draw_counts(stops, self.stop_probability)

    def _scores(self, sketch: Tensor, rgb: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([2 * sketch - 1, 2 * rgb - 1], dim=1))
        return scores.float()


class Cho2023Painter(Cho2023):
    """Training task of the generator g; the segmenter f is frozen. For the arguments, see `Cho2023`.

    The hints are colors of proposed regions. In some images, random colors replace the hint colors.
    """

    def setup(self, stage: str) -> None:
        """Freeze the segmenter f at the start of ``fit``."""
        super().setup(stage)
        if stage == "fit":
            self.model.network.segmenter.requires_grad_(False)

    def generate_randomly(self, batch: Batch, purpose: str) -> RgbPrediction:
        """Generate images with simulated hints; ``extras`` contains the ground truth as ``truth``."""
        sketch, rgb = sketches_of(batch), batch["rgb"]
        with torch.no_grad():
            regions = self.model.propose(sketch)
            stops = draw_uniform(image_generators(batch["seed"], purpose), len(rgb), SEGMENTS, rgb.device)
            given = first_given(draw_counts(stops, self.stop_probability), SEGMENTS)
            truth = recolor_hinted(rgb, regions.index, given, batch["seed"], self.recolored)
            colors, _ = region_means(regions.index, truth, SEGMENTS)
        generated = self.model.forward(sketch, Guidance(regions=replace(regions, rgb=colors, given=given)))
        return RgbPrediction(rgb=generated.rgb, extras={"truth": truth})

    def generator_terms(self, batch: Batch, generated: RgbPrediction) -> dict[str, Tensor]:
        """Compare with the recolored images; see `Cho2023.generator_terms`."""
        return super().generator_terms({**batch, "rgb": generated.extras["truth"]}, generated)

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Compare with the recolored images; see `Cho2023.discriminator_loss`."""
        return super().discriminator_loss({**batch, "rgb": generated.extras["truth"]}, generated)


class Cho2023Points(SingleOptimizerModule):
    """Training task of the baseline `PointPainter`, with points as in Zhang et al. 2017.

    Args:
        width: See `PointPainter`.
        stop_probability: Parameter of the distribution of the number of points; see `simulate_points`.
        reconstruction_weight: Weight of the L1 loss between generated and true images.
        hint_residual: See `PointPainter`.
        **optimization: See `Optimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: PointPainter

    def __init__(
        self,
        width: Width = 1.0,
        stop_probability: Probability = 1 / 8,
        reconstruction_weight: NonNegativeFloat = 30.0,
        hint_residual: bool = False,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = PointPainter(width, hint_residual)
        super().__init__(model, **optimization)
        self.stop_probability = stop_probability
        self.reconstruction_weight = reconstruction_weight

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Simulate color points, generate images and return the weighted L1 loss."""
        rgb = batch["rgb"]
        generators = image_generators(batch["seed"], "points")
        points = simulate_points(rgb_to_lab(rgb), generators, stop_probability=self.stop_probability)
        generated = self.model.forward(sketches_of(batch), Guidance(points=points)).rgb
        loss: Tensor = self.reconstruction_weight * 2 * (generated - rgb).abs().mean()
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


def recolor_hinted(rgb: Tensor, index: Tensor, hinted: Tensor, seeds: Tensor, fraction: float) -> Tensor:
    """Replace the mean colors of hinted regions with random colors in some images.

    Random colors train the generator to use hints with unusual colors.

    Args:
        rgb: Training images ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        hinted: ``(B, N)`` in {0, 1}, 1 for regions with a hint.
        seeds: ``(B,)``, per-image seeds.
        fraction: Fraction of images whose colors are replaced.

    Returns:
        Images ``(B, 3, H, W)`` in [0, 1]. Clipping can change a mean color slightly.
    """
    if not fraction:
        return rgb
    draws = draw_uniform(image_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    image_draw, color_draws = torch.split(draws, [1, 3 * SEGMENTS], dim=1)
    new_colors = color_draws.view(-1, SEGMENTS, 3)
    recolored = torch.where(image_draw < fraction, hinted, 0)  # 1 for regions with a new color, (B, N)

    # the same shift for all pixels of a region preserves its shading
    mean_colors, _ = region_means(index, rgb, SEGMENTS)
    shift, _ = look_up_hints(index, new_colors - mean_colors, recolored)  # 0 in other regions
    return (rgb + shift).clamp(0, 1)

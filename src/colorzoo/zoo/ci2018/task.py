"""Training of AlacGAN (Ci et al., ACM MM 2018) and its small variant with a pixel loss."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.errors import DataError, WeightsError
from colorzoo.losses.exemplar import sum_over_processes
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.blocks import cells, pad_to_multiple, pad_with_zeros
from colorzoo.networks.imagenet import VGGOutputs, normalized
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Width
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.training.perceptual import frozen_vgg
from colorzoo.weights import apply_weights
from colorzoo.weights.load import read_weights
from colorzoo.zoo.ci2018.model import (
    BLOCKS,
    HINT_STRIDE,
    LAST_FEATURE,
    STRIDE,
    Discriminator,
    Illustration2Vec,
    LocalFeatures,
    StrokePainter,
    quarter_hints,
    with_mask,
)

_RELU2_2 = 8
_SPREAD = 0.005  # standard deviation of the distance between the hint threshold and 1
_FADED = 0.7  # minimum contrast of the lines
_AREA, _ASPECT = (0.9, 1.0), (7 / 8, 8 / 7)  # area fraction and aspect ratio of the crop for hint colors
_TRIES = 10


class Ci2018(GANColorizationModule[RgbPrediction]):
    """Training task of `StrokePainter`.

    Args:
        width: See `StrokePainter`.
        blocks: See `StrokePainter`.
        local_features: See `StrokePainter`.
        discriminator_width: Multiplier for the discriminator's channel counts; 1.0 matches the paper.
        discriminator_side: Side of the training images in pixels, 64 times a power of 2.
        content_weight: Weight of the mean squared error between the relu2_2 features of VGG-16 for generated
            and true images.
        adversarial_weight: Weight of the generator's adversarial loss; 0 disables the discriminator.
        penalty_weight: Weight of the discriminator's gradient penalty.
        drift_weight: Weight of the squared mean of the discriminator scores of real images.
        hints: Fraction of the training images with hints.
        i2v_weights: Path of the authors' Illustration2Vec file ``i2v.pth``.
        **optimization: See `AdversarialOptimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: StrokePainter
    vgg: FrozenNetwork

    def __init__(
        self,
        width: Width = 1.0,
        blocks: tuple[int, ...] = BLOCKS,
        local_features: LocalFeatures = "illustration2vec",
        discriminator_width: Width = 1.0,
        discriminator_side: int = 512,
        content_weight: NonNegativeFloat = 1.0,
        adversarial_weight: NonNegativeFloat = 1e-4,
        penalty_weight: NonNegativeFloat = 10.0,
        drift_weight: NonNegativeFloat = 1e-3,
        hints: Fraction = 0.5,
        i2v_weights: str | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = StrokePainter(width, blocks, local_features)
        super().__init__(model, **optimization)
        self.discriminator_side = discriminator_side
        self.content_weight, self.adversarial_weight = content_weight, adversarial_weight
        self.penalty_weight, self.drift_weight = penalty_weight, drift_weight
        self.hints = hints
        self.i2v_weights = i2v_weights
        features = self.model.network.features
        self.discriminator = Discriminator(discriminator_width, discriminator_side, features.channels)

    def setup(self, stage: str) -> None:
        """Load VGG-16 before ``fit``.

        Raises:
            WeightsError: The weights of VGG-16 are not available.
        """
        super().setup(stage)
        if stage == "fit" and self.content_weight:
            self.vgg = frozen_vgg(VGGOutputs(16, (_RELU2_2,)), "VGG-16", untrained=self.allow_untrained)

    def prepare_fit(self) -> None:
        """Load the weights of Illustration2Vec, which is frozen, unless the model has trained weights.

        Raises:
            WeightsError: The weights of Illustration2Vec are not available.
        """
        super().prepare_fit()
        features = self.model.network.features
        if not isinstance(features, Illustration2Vec) or self.trained or self.allow_untrained:
            return
        if self.i2v_weights is None:
            raise WeightsError(
                "--model.i2v_weights must be the path of the authors' i2v.pth, because Illustration2Vec is "
                "frozen. Alternatively, set --model.local_features trained."
            )
        state = read_weights(Path(self.i2v_weights)).state_dict
        layers = {f"layers.{k}": v for k, v in state.items() if int(k.partition(".")[0]) <= LAST_FEATURE}
        apply_weights(features, layers, name=self.i2v_weights)

    def generate(self, batch: Batch) -> RgbPrediction:
        """Colorize the line art of a batch with random line contrast and simulated hints.

        Returns:
            Generated images. The entry ``features`` of ``extras`` contains the local features of the line
            art.
        """
        rgb, seeds = batch["rgb"], batch["seed"]
        draws = draw_uniform(image_generators(seeds, "contrast"), len(rgb), 1, rgb.device)
        contrast = _FADED + (1 - _FADED) * draws
        lines = 2 * pad_to_multiple(fade_lines(sketches_of(batch), contrast), STRIDE) - 1
        mask = random_cells(seeds, rgb, self.hints)
        hints = with_mask(2 * other_crop(rgb, seeds) - 1, F.max_pool2d(mask, HINT_STRIDE, ceil_mode=True))
        features = self.model.network.features(lines)
        return self.generate_drawn(lines, pad_with_zeros(hints, STRIDE // HINT_STRIDE), features)

    def generate_drawn(self, lines: Tensor, hints: Tensor, features: Tensor) -> RgbPrediction:
        """Generate images from padded line art, hints and local features.

        See `StrokeNetwork.generate` for the arguments.
        """
        generated = self.model.network.generate(lines, hints, features)
        return RgbPrediction(rgb=(generated + 1) / 2, extras={"features": features})

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the sum of the weighted content and adversarial losses and log each loss."""
        losses = {}
        if self.content_weight:
            losses["content"] = self.content_weight * self.content_loss(generated.rgb, batch["rgb"])
        if self.is_adversarial():
            scores = self.discriminator(2 * generated.rgb - 1, generated.extras["features"].detach())
            losses["adversarial"] = -self.adversarial_weight * scores.mean()
        self.log_losses(losses, len(batch["rgb"]))
        return torch.stack(list(losses.values())).sum()

    def content_loss(self, generated: Tensor, true: Tensor) -> Tensor:
        """Return the mean squared error between the relu2_2 features of generated and true images."""
        with torch.no_grad():
            target_features = self.content_maps(true)
        return F.mse_loss(self.content_maps(generated), target_features)

    def content_maps(self, rgb: Tensor) -> Tensor:
        """Return relu2_2 features of VGG-16 for images ``(B, 3, H, W)`` in [0, 1]."""
        maps: list[Tensor] = self.vgg(normalized(rgb))
        return maps[0].float()

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the sum of `discriminator_terms` with random interpolation weights.

        Raises:
            DataError: The images do not have ``discriminator_side`` rows and columns.
        """
        rgb, side = batch["rgb"], self.discriminator_side
        if rgb.shape[-2:] != (side, side):
            raise DataError(
                f"the discriminator requires training images of {side} x {side} pixels, got "
                f"{rgb.shape[-2]} x {rgb.shape[-1]}. Set --data.crop to {side}, or set "
                "--model.discriminator_side to the side of the images."
            )
        share = draw_uniform(image_generators(batch["seed"], "penalty"), len(rgb), 1, rgb.device)
        terms = self.discriminator_terms(
            rgb, generated.rgb.detach(), generated.extras["features"], share[..., None, None]
        )
        return torch.stack(list(terms.values())).sum()

    def discriminator_terms(
        self, true: Tensor, fake: Tensor, features: Tensor, share: Tensor
    ) -> dict[str, Tensor]:
        """Return a dict of the three weighted discriminator losses: WGAN-GP with drift.

        WGAN-GP is the Wasserstein loss with gradient penalty (Gulrajani et al. 2017).

        Args:
            true: Real images ``(B, 3, H, W)`` in [0, 1].
            fake: Generated images ``(B, 3, H, W)`` in [0, 1].
            features: Local features ``(B, C, H/16, W/16)`` of the images' line art.
            share: Weight ``(B, 1, 1, 1)`` of the real image in the interpolated image for the gradient
                penalty.
        """
        real_scores = self.discriminator(2 * true - 1, features)
        fake_scores = self.discriminator(2 * fake - 1, features)

        # drift: squared mean score of the real images in the global batch
        count = real_scores.new_tensor(len(real_scores))
        global_mean = sum_over_processes(real_scores.sum()) / sum_over_processes(count)
        drift = global_mean.square()

        penalty = self.gradient_penalty(2 * torch.lerp(fake, true, share) - 1, features)
        return {
            "fake": fake_scores.mean(),
            "true": -real_scores.mean() + self.drift_weight * drift,
            "penalty": self.penalty_weight * penalty,
        }

    @in_float32
    def gradient_penalty(self, interpolated: Tensor, features: Tensor) -> Tensor:
        """Return the gradient penalty with per-pixel norms, as in the published code.

        Args:
            interpolated: Images ``(B, 3, H, W)`` in [-1, 1] between real and generated images.
            features: Local features ``(B, C, H/16, W/16)`` of the images' line art.
        """
        interpolated = interpolated.detach().requires_grad_()
        with torch.enable_grad():
            score = self.discriminator(interpolated, features).sum()
            (gradient,) = torch.autograd.grad(score, interpolated, create_graph=True)
        distance: Tensor = torch.linalg.vector_norm(gradient, dim=1) - 1
        return distance.square().mean()


class Ci2018Pixels(SingleOptimizerModule):
    """Training task of the small `StrokePainter` with a mean squared error loss.

    Args:
        width: See `StrokePainter`.
        blocks: See `StrokePainter`.
        local_features: See `StrokePainter`.
        hints: Fraction of the training images with hints.
        **optimization: See `Optimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: StrokePainter

    def __init__(
        self,
        width: Width = 1.0,
        blocks: tuple[int, ...] = BLOCKS,
        local_features: LocalFeatures = "illustration2vec",
        hints: Fraction = 0.5,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = StrokePainter(width, blocks, local_features)
        super().__init__(model, **optimization)
        self.hints = hints

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Simulate hints, generate images and return the mean squared error."""
        image = 2 * batch["rgb"] - 1
        mask = random_cells(batch["seed"], image, self.hints)
        hints = quarter_hints(*(pad_with_zeros(each, STRIDE) for each in (image, mask)))
        loss: Tensor = (self.model.network(sketches_of(batch), hints) - image).square().mean()
        self.log_losses({"loss": loss}, len(image))
        return loss


def fade_lines(sketch: Tensor, contrast: Tensor) -> Tensor:
    """Multiply the contrast of the lines in sketches.

    Args:
        sketch: ``(B, 1, H, W)`` in [0, 1]; ink is 0.
        contrast: ``(B, 1)``, factor for each sketch.
    """
    faded = contrast[..., None, None]
    return sketch * faded + 1 - faded


def hint_thresholds(normal: Tensor) -> Tensor:
    """Convert standard normal samples to thresholds slightly below 1 for `random_cells`."""
    return 1 - _SPREAD * normal.abs()


def random_cells(seeds: Tensor, like: Tensor, share: float) -> Tensor:
    """Draw a hint mask ``(B, 1, H, W)`` in {0, 1} of 4 x 4 pixel cells, as in the paper.

    A cell has a hint if a uniform random number in [0, 1) is at least the threshold of the image.
    `hint_thresholds` computes the thresholds.

    Args:
        seeds: ``(B,)``, per-image seeds.
        like: Images ``(B, 3, H, W)`` with the size, dtype and device of the mask.
        share: Fraction of the images with hints.
    """
    height, width = like.shape[-2:]
    grid = (1, 1, cells(height, HINT_STRIDE), cells(width, HINT_STRIDE))
    cell_masks = []
    for generator in image_generators(seeds, "strokes"):
        threshold = hint_thresholds(torch.randn(1, generator=generator))
        cell_mask = torch.rand(grid, generator=generator) >= threshold
        has_hints = torch.rand(1, generator=generator) < share
        cell_masks.append(cell_mask & has_hints)
    mask = F.interpolate(torch.cat(cell_masks).float(), scale_factor=HINT_STRIDE)
    return mask[..., :height, :width].to(like)


def other_crop(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Return hint colors ``(B, 3, H/4, W/4)`` in [0, 1] from a random crop of each image.

    The hint colors are slightly misaligned with the image, so the network cannot copy them.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        seeds: ``(B,)``, per-image seeds.
    """
    height, width = rgb.shape[-2:]
    size = (cells(height, HINT_STRIDE), cells(width, HINT_STRIDE))
    boxes = [random_box(height, width, each) for each in image_generators(seeds, "colors")]
    return torch.stack([shrink(image, box, size) for image, box in zip(rgb, boxes, strict=True)])


def random_box(height: int, width: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Draw a box inside an image and return its left, top, width and height in pixels.

    If no box fits into the image after 10 attempts, return the whole image.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
        generator: Random generator of the image.
    """
    draws = torch.rand(_TRIES, 5, generator=generator).tolist()
    for area_draw, aspect_draw, turn_draw, left_draw, top_draw in draws:
        area_share, aspect = (
            low + (high - low) * draw for (low, high), draw in ((_AREA, area_draw), (_ASPECT, aspect_draw))
        )
        box_width, box_height = crop_sides(area_share * height * width, aspect, turn_draw < 0.5)
        if box_width <= width and box_height <= height:
            left, top = int(left_draw * (width - box_width + 1)), int(top_draw * (height - box_height + 1))
            return left, top, box_width, box_height
    return 0, 0, width, height


def crop_sides(area: float, aspect: float, turned: bool) -> tuple[int, int]:
    """Return the width and height of a crop in pixels.

    Args:
        area: Area of the crop in pixels.
        aspect: Ratio of width to height.
        turned: Whether to swap width and height.
    """
    wide, high = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
    return (high, wide) if turned else (wide, high)


def shrink(image: Tensor, box: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
    """Crop a box from an image and resize the crop.

    Args:
        image: ``(3, H, W)`` in [0, 1].
        box: Left, top, width and height of the box in pixels.
        size: Height and width of the result in pixels.
    """
    left, top, wide, high = box
    cut = image[None, :, top : top + high, left : left + wide]
    resized = F.interpolate(cut, size=size, mode="bicubic", antialias=True)
    return resized[0].clamp(0, 1)

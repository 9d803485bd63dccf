"""Training of SCFT (Lee et al., CVPR 2020) with warped images as references.

The colors of each training image are shifted at random. A copy of the shifted image, warped by a thin plate
spline, is the reference. The spline defines the true correspondence between image and reference positions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import least_squares_loss
from colorzoo.losses.exemplar import gram_matrix, triplet_loss
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.blocks import cells, scaled_width
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.spectral import SpectralConv
from colorzoo.networks.splines import TRIES, diagonal_moves, source_positions, spline, warp
from colorzoo.precision import distances, in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Width
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.gan import DiscriminatorFirst
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.perceptual import frozen_vgg
from colorzoo.zoo.lee2020.model import STRIDE, ReferencePainter

_LAYERS = (3, 8)  # relu1_2 and relu2_2
_DISCRIMINATOR = (16, 32, 64, 128)  # channels of the layers


class SketchDiscriminator(nn.Module):
    """PatchGAN discriminator for pairs of image and sketch, with spectral norm and BatchNorm.

    Args:
        width: Multiplier for every channel count; 1.0 matches the paper.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = (4, *(scaled_width(base, width) for base in _DISCRIMINATOR))
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    SpectralConv(in_channels, out_channels, (3, 3), stride=2, padding=1),
                    nn.BatchNorm2d(out_channels),
                    nn.LeakyReLU(0.2),
                )
                for in_channels, out_channels in pairwise(channels)
            ),
            nn.Conv2d(channels[-1], 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return unbounded patch scores ``(B, 1, H/16, W/16)``.

        Args:
            x: RGB image and sketch, concatenated, ``(B, 4, H, W)`` in [-1, 1].
        """
        return self.layers(x)


class MadeReference(NamedTuple):
    """Training images with shifted colors, generated references and their correspondence.

    Positions are the N elements of the attention map at 1/16 scale, in row-major order.

    Attributes:
        target: Images with shifted colors, ``(B, 3, H, W)`` in [0, 1], which the generator must reproduce.
        reference: Warped copies of ``target``, ``(B, 3, H, W)`` in [0, 1].
        positive: ``(B, N)`` int64, index of the corresponding reference position for each image position.
        negative: ``(B, N)`` int64, index of a random other reference position for each image position.
        present: ``(B, N)``, 1 for image positions inside the reference, 0 for positions outside.
    """

    target: Tensor
    reference: Tensor
    positive: Tensor
    negative: Tensor
    present: Tensor


class Lee2020(SelfReferenced, DiscriminatorFirst[RgbPrediction]):
    """Training task of `ReferencePainter`.

    Args:
        width: See `ReferencePainter`.
        adversarial_weight: Weight of the least-squares adversarial loss; 0 disables the discriminator.
        reconstruction_weight: Weight of the L1 distance between pixels.
        perceptual_weight: Weight of the L1 distance between VGG-19 features at relu1_2 and relu2_2.
        style_weight: Weight of the L1 distance between Gram matrices of the VGG-19 features.
        triplet_weight: Weight of the triplet loss on attention queries and keys.
        margin: Margin of the triplet loss.
        color_shift: Maximum random shift of each RGB channel in [0, 1], up or down. Shifted colors prevent
            the network from relying on typical object colors. The default is a choice of this project.
        discriminator_width: Multiplier for the channel counts of the discriminator; 1.0 matches the paper.
        **optimization: See `AdversarialOptimization`.
    """

    model: ReferencePainter
    vgg: FrozenNetwork

    def __init__(
        self,
        width: Width = 1.0,
        adversarial_weight: NonNegativeFloat = 1.0,
        reconstruction_weight: NonNegativeFloat = 30.0,
        perceptual_weight: NonNegativeFloat = 0.01,
        style_weight: NonNegativeFloat = 50.0,
        triplet_weight: NonNegativeFloat = 1.0,
        margin: NonNegativeFloat = 12.0,
        color_shift: Fraction = 0.2,
        discriminator_width: Width = 1.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(ReferencePainter(width), **optimization)
        self.compares_features = perceptual_weight > 0 or style_weight > 0
        self.triplet_weight, self.margin = triplet_weight, margin
        self.color_shift = color_shift
        self.discriminator = SketchDiscriminator(discriminator_width)

    def setup(self, stage: str) -> None:
        """Load VGG-19 at the start of ``fit`` if a loss requires it.

        Raises:
            WeightsError: The VGG-19 weights are not available.
        """
        super().setup(stage)
        if stage == "fit" and self.compares_features:
            self.vgg = frozen_vgg(VGGOutputs(19, _LAYERS), "VGG-19", untrained=self.allow_untrained)

    def generate(self, batch: Batch) -> RgbPrediction:
        """Colorize the sketches of a training batch with generated references.

        Returns:
            Generated RGB images. ``extras`` contains the images ``target``, which the generator must
            reproduce, and the arguments of the triplet loss: ``query``, ``positive``, ``negative`` and
            ``present``.
        """
        made = make_reference(batch["rgb"], batch["seed"], self.color_shift)
        generated = self.model(sketches_of(batch), Guidance(exemplar=Exemplar(made.reference)))
        query, key = generated.extras["query"], generated.extras["key"]  # each (B, N, C)
        extras = {
            "target": made.target,
            "query": query,
            "positive": key.take_along_dim(made.positive[..., None], dim=1),
            "negative": key.take_along_dim(made.negative[..., None], dim=1),
            "present": made.present,
        }
        return RgbPrediction(rgb=generated.rgb, extras=extras)

    def regenerate(self, batch: Batch, generated: RgbPrediction) -> RgbPrediction:
        """Generate the images again for the discriminator.

        As in the re-implementation SGA, the second pass also updates the BatchNorm statistics.
        """
        with torch.no_grad():
            return self.generate(batch)

    def generator_terms(self, batch: Batch, generated: RgbPrediction) -> dict[str, Tensor]:
        """Return the enabled generator losses by name, without their weights."""
        extras = generated.extras
        terms = {"reconstruction": 2 * (generated.rgb - extras["target"]).abs().mean()}
        if self.compares_features:
            with torch.no_grad():
                target_features = self.vgg(2 * extras["target"] - 1)
            terms |= feature_terms(self.vgg(2 * generated.rgb - 1), target_features)
        if self.is_adversarial():
            terms["adversarial"] = least_squares_loss(self._scores(sketches_of(batch), generated.rgb))
        if self.triplet_weight:
            vectors = [extras[name].float() for name in ("query", "positive", "negative", "present")]
            terms["triplet"] = triplet_loss(*vectors, margin=self.margin)
        return terms

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the sum of the two least-squares losses from `discriminator_terms`."""
        return torch.stack(self.discriminator_terms(batch, generated)).sum()

    def discriminator_terms(self, batch: Batch, generated: RgbPrediction) -> tuple[Tensor, Tensor]:
        """Return the discriminator's least-squares losses for real and for generated images."""
        sketch = sketches_of(batch)
        real = least_squares_loss(self._scores(sketch, generated.extras["target"]))
        return real, self._scores(sketch, generated.rgb.detach()).square().mean()

    def made_reference(self, rgb: Tensor, seeds: Tensor) -> Tensor:
        """Return warped copies of images, with unchanged colors, as references for validation.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            seeds: Per-image seeds, ``(B,)``, which determine the warps.
        """
        return make_reference(rgb, seeds, 0.0).reference

    def _scores(self, sketch: Tensor, rgb: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([2 * rgb - 1, 2 * sketch - 1], dim=1))
        return scores.float()


@in_float32
def feature_terms(features: list[Tensor], target_features: list[Tensor]) -> dict[str, Tensor]:
    """Return a dict with the losses ``perceptual`` and ``style``, each summed over layers.

    The perceptual loss is the L1 distance between feature maps. The style loss is the L1 distance between
    Gram matrices.

    Each image has a separate Gram matrix; the re-implementation computes one Gram matrix per batch.

    Args:
        features: VGG-19 feature maps ``(B, C, h, w)`` of generated images, one per layer.
        target_features: VGG-19 feature maps ``(B, C, h, w)`` of the target images, one per layer.
    """
    layers = list(zip(features, target_features, strict=True))
    perceptual = torch.stack([(layer - target).abs().mean() for layer, target in layers])
    style = torch.stack([(gram_matrix(layer) - gram_matrix(target)).abs().mean() for layer, target in layers])
    return {"perceptual": perceptual.sum(), "style": style.sum()}


def make_reference(rgb: Tensor, seeds: Tensor, color_shift: float) -> MadeReference:
    """Shift the colors of images and generate references (section 3.2).

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        seeds: ``(B,)``, per-image seeds.
        color_shift: Maximum shift of each RGB channel, up or down.
    """
    height, width = rgb.shape[-2:]
    rows, columns = cells(height, STRIDE), cells(width, STRIDE)
    count = rows * columns  # positions of the attention map
    generators = image_generators(seeds, "reference")
    draws = draw_uniform(generators, len(rgb), 3 + 4 * TRIES + count, torch.device("cpu"))
    shift_draws, move_draws, negative_draws = torch.split(draws, [3, 4 * TRIES, count], dim=1)

    # appearance transform: add a random shift to each RGB channel
    shifts = color_shift * (2 * shift_draws - 1).to(rgb)
    target = (rgb + shifts[..., None, None]).clamp(0, 1)

    # spatial transform: warp with a thin plate spline
    moves = diagonal_moves(move_draws.view(len(rgb), TRIES, 4))
    theta = spline(moves)  # coefficients of the spline
    reference = warp(target, theta, moves).clamp(0, 1)

    # triplets: the corresponding position is positive, a random other position is negative
    sources = source_positions(theta, moves, (height, width)).permute(0, 3, 1, 2)
    positive, present = corresponding_places(F.adaptive_avg_pool2d(sources, (rows, columns)))
    negative_offset = 1 + (negative_draws * (count - 1)).long()  # 1 to count - 1
    negative = (positive + negative_offset) % count
    device = rgb.device
    return MadeReference(target, reference, positive.to(device), negative.to(device), present.to(device))


def corresponding_places(sources: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corresponding position in a warped copy for each position of an image.

    Args:
        sources: Image position ``(B, 2, h, w)`` from which each position of the copy is sampled: x and y as
            fractions of the image width and height.

    Returns:
        Row-major indices ``(B, N)`` of the positions in the copy, and a mask ``(B, N)``, which is 0 for image
        positions outside the copy, else 1.
    """
    batch, _, rows, columns = sources.shape
    row_index = torch.arange(rows, device=sources.device)
    column_index = torch.arange(columns, device=sources.device)
    y, x = torch.meshgrid(row_index, column_index, indexing="ij")
    # centers of the positions, in units of the position grid
    image_positions = torch.stack([x.flatten(), y.flatten()], dim=1).to(sources) + 0.5  # (N, 2)
    grid_size = sources.new_tensor([columns, rows]).view(2, 1)
    copy_positions = (grid_size * sources.flatten(2)).mT  # (B, N, 2)
    distance = distances(image_positions.expand(batch, -1, -1), copy_positions)
    nearest = distance.min(dim=2)
    is_present = nearest.values < 1  # less than one position away
    return nearest.indices, is_present.float()

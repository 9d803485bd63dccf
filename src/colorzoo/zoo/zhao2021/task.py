"""Training of Color2Embed (Zhao et al. 2021) with references generated from the images."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import feature_distance
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.splines import TRIES, diagonal_moves, spline, warp
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, PositiveInt, Width
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.perceptual import load_vgg19
from colorzoo.zoo.zhao2021.model import Color2Embed, VGGFeatures

_NOISE = 5.0  # maximum noise, in [0, 255] levels


class Zhao2021(SelfReferenced, SingleOptimizerModule):
    """Training task of `Color2Embed`.

    Args:
        width: See `Color2Embed`.
        reference_side: See `Color2Embed`.
        perceptual_weight: Weight of the perceptual loss relative to the smooth L1 loss of ab / 110.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: Color2Embed
    vgg: FrozenNetwork

    def __init__(
        self,
        width: Width = 1.0,
        reference_side: PositiveInt = 256,
        perceptual_weight: NonNegativeFloat = 0.1,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(Color2Embed(width, reference_side), **optimization)
        self.perceptual_weight = perceptual_weight

    def setup(self, stage: str) -> None:
        """Load VGG-19 for the perceptual loss before ``fit``.

        Args:
            stage: Trainer stage, such as ``fit``.
        """
        super().setup(stage)
        if stage == "fit" and self.perceptual_weight:
            vgg = VGGFeatures(self.hparams["width"])
            if not self.allow_untrained:
                load_vgg19(vgg.layers)
            self.vgg = FrozenNetwork(vgg.to(memory_format=torch.channels_last))

    def prepare_fit(self) -> None:
        """Load VGG-19 into the encoder, unless the model has trained weights."""
        super().prepare_fit()
        if not (self.trained or self.allow_untrained):
            load_vgg19(self.model.network.encoder.features.layers)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the smooth L1 loss of ab / 110 plus the perceptual loss."""
        lab = rgb_to_lab(batch["rgb"])
        reference = batch.get("reference")
        if reference is None:
            reference = made_reference(batch["rgb"], batch["seed"])
        vector = self.model.network.encoder(reference)  # references are not resized, as in the authors' code
        ab = self.model(lab[:, :1], Guidance(exemplar=Exemplar.of_embedding(vector[:, None]))).ab
        losses = {"reconstruction": F.smooth_l1_loss(ab / AB_SCALE, lab[:, 1:] / AB_SCALE)}
        if self.perceptual_weight:
            colored = lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1))
            with torch.no_grad():
                target_features = self.vgg(batch["rgb"])
            distance = feature_distance(self.vgg(colored), target_features)
            losses["perceptual"] = self.perceptual_weight * distance
        loss = torch.stack(list(losses.values())).sum()
        losses["loss"] = loss
        self.log_losses(losses, len(lab))
        return loss

    def made_reference(self, rgb: Tensor, seeds: Tensor) -> Tensor:
        """Generate references from images; see the function `made_reference`."""
        return made_reference(rgb, seeds)


def made_reference(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Generate references ``(B, 3, H, W)`` in [0, 1] from images as in the authors' code.

    The steps are uniform noise, a thin plate spline that moves two points on the image diagonal, mirroring
    and rotation.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        seeds: Per-image seeds ``(B,)``.
    """
    generators = image_generators(seeds, "reference")
    noise = torch.stack([torch.rand(rgb.shape[1:], generator=each) for each in generators])
    draws = draw_uniform(generators, len(rgb), 4 * TRIES + 3, torch.device("cpu"))
    mirrored, degrees = draws[:, :2] < 0.5, 360.0 * draws[:, 2]
    moves = diagonal_moves(draws[:, 3:].view(len(rgb), TRIES, 4))
    levels = add_noise(255 * rgb, _NOISE * (2 * noise - 1))
    warped = whole_levels(warp(levels, spline(moves), moves))
    return mirror_and_rotate(warped, mirrored, degrees) / 255


def add_noise(levels: Tensor, noise: Tensor) -> Tensor:
    """Add noise to images ``(B, 3, H, W)`` in [0, 255] and clip to this range."""
    return (levels.float() + noise.to(levels)).clamp(0, 255)


def whole_levels(levels: Tensor) -> Tensor:
    """Clip values to [0, 255] and round down, as in the authors' byte arrays."""
    return levels.clamp(0, 255).floor()


def mirror_and_rotate(images: Tensor, mirrored: Tensor, degrees: Tensor) -> Tensor:
    """Mirror images ``(B, 3, H, W)`` and rotate them counterclockwise with Pillow.

    Pixels outside the image are black.

    Args:
        images: Images with whole levels in [0, 255].
        mirrored: Whether to mirror each image horizontally and vertically, ``(B, 2)`` bool.
        degrees: Rotation angles in degrees, ``(B,)``.
    """
    rotated = []
    settings = zip(mirrored.tolist(), degrees.tolist(), strict=True)
    for image, ((is_mirrored, is_flipped), angle) in zip(images, settings, strict=True):
        pixels = Image.fromarray(image.byte().permute(1, 2, 0).cpu().numpy())
        if is_mirrored:
            pixels = ImageOps.mirror(pixels)
        if is_flipped:
            pixels = ImageOps.flip(pixels)
        rotated.append(torch.from_numpy(np.array(pixels.rotate(angle))))
    return torch.stack(rotated).movedim(-1, 1).contiguous().to(images)

"""Training of Deep Exemplar-based Colorization (He et al., SIGGRAPH 2018, section 4).

Each training image belongs to one of two branches. In the chrominance branch, the input colors are the
image's own colors, warped to the reference and back, so the network learns which matches are reliable. In the
perceptual branch, the input colors come from the reference, so the network learns likely colors for
unreliable matches.
"""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses import smooth_l1_map
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Width
from colorzoo.training.exemplar import SelfReferenced, references_of
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.perceptual import frozen_vgg
from colorzoo.training.stages import require_frozen
from colorzoo.zoo.he2018.model import ExemplarColorization, aligned_colors, round_trip, warp

_RELU5_1 = 29  # layer of torchvision's VGG-19


class He2018(SelfReferenced, SingleOptimizerModule):
    """Training task of `ExemplarColorization`; the VGG-19 for gray images is frozen.

    Args:
        width: See `ExemplarColorization`.
        color_width: See `ExemplarColorization`.
        perceptual_weight: Weight of the loss of the perceptual branch, the mean squared error between relu5_1
            features of VGG-19 for predicted and true images; 0 disables VGG-19.
        perceptual_share: Fraction of the images in the perceptual branch.
        **optimization: See `Optimization`.
    """

    model: ExemplarColorization
    vgg: FrozenNetwork

    def __init__(
        self,
        width: Width = 1.0,
        color_width: Width = 1.0,
        perceptual_weight: NonNegativeFloat = 0.005,
        perceptual_share: Fraction = 0.5,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(ExemplarColorization(width, color_width), **optimization)
        self.perceptual_weight = perceptual_weight
        self.perceptual_share = perceptual_share

    def setup(self, stage: str) -> None:
        """Load the VGG-19 of the perceptual loss before ``fit``.

        Raises:
            WeightsError: The weights of this VGG-19 are not available, and `allow_untrained` is not set.
        """
        super().setup(stage)
        if stage == "fit" and self.perceptual_weight:
            self.vgg = frozen_vgg(
                VGGOutputs(19, (_RELU5_1,), rgb=True), "VGG-19", untrained=self.allow_untrained
            )

    def prepare_fit(self) -> None:
        """Check that the VGG-19 for gray images has trained weights.

        Raises:
            WeightsError: The VGG-19 has random weights, and `allow_untrained` is not set.
        """
        super().prepare_fit()
        full = self.hparams["width"] == 1.0  # narrow networks have no published weights
        if full and not self.allow_untrained:
            use = "He2018 compares images with the authors' gray VGG-19"
            require_frozen(self.trained, use, "he2018 FILE.caffemodel")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize a batch and return the mean loss; each image has the loss of its branch."""
        rgb = batch["rgb"]
        lab = rgb_to_lab(rgb)
        lightness, true_ab = lab[:, :1], lab[:, 1:]
        reference, _ = references_of(batch)
        draws = draw_uniform(image_generators(batch["seed"], "branch"), len(lab), 1, lab.device)
        is_perceptual = draws[:, 0] < self.perceptual_share  # (B,)

        # the branch of an image selects its input colors
        aligned = self.model.align(lightness, reference.rgb)
        reference_ab = aligned_colors(reference.rgb, aligned)
        round_trips = round_trip(aligned.there, aligned.back)
        own_ab = rgb_to_lab(warp(rgb.float(), round_trips))[:, 1:]
        input_ab = torch.where(is_perceptual[:, None, None, None], reference_ab, own_ab)
        ab = self.model.generate(lightness, input_ab, aligned.errors)

        # the branch of an image also selects its loss
        chrominance = smooth_l1_map(ab, true_ab).mean(dim=(1, 2, 3)) / 2  # the map is a sum over a and b
        if self.perceptual_weight:
            with torch.no_grad():
                wanted = self.vgg(rgb)[0].float()
            found = self.vgg(lab_to_rgb(torch.cat([lightness, ab], dim=1)))[0].float()
            perceptual = (found - wanted).square().mean(dim=(1, 2, 3))
        else:  # VGG-19 is not loaded
            perceptual = torch.zeros_like(chrominance)
        image_losses = torch.where(is_perceptual, self.perceptual_weight * perceptual, chrominance)
        loss = image_losses.mean()
        losses = {
            "loss": loss,
            # means over the batch; images of the other branch count as 0
            "chrominance": torch.where(is_perceptual, 0, chrominance).mean(),
            "perceptual": torch.where(is_perceptual, perceptual, 0).mean(),
        }
        self.log_losses(losses, len(lab))
        return loss

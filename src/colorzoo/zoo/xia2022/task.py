"""Training of DISCO (Xia et al. 2022) as in the authors' code.

Stage ``superpixels`` trains the superpixel network. Stage ``colors`` trains all other layers with two
cross-entropy losses for superpixel colors and a perceptual loss. https://doi.org/10.1145/3550454.3555432
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import WeightsError
from colorzoo.losses import feature_distance
from colorzoo.losses.color import with_weighted_gradient
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.clusters import kmeans
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Range, Width
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.perceptual import frozen_vgg
from colorzoo.training.stages import Stage
from colorzoo.zoo.xia2022.model import (
    ALTERNATIVES,
    CELL,
    AnchorColorization,
    anchors_of,
    bins_of,
    network_input,
    pool,
    sizes,
    spread,
    starts_of,
)

TAPS = (1, 6, 11, 20, 29)
"""Layers relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of torchvision's VGG-19."""

_SUPERPIXELS = "model.network.superpixels.*"
_COLOR_WEIGHT, _PLACE_WEIGHT = 10.0, 0.003  # weights of the superpixel loss


class Xia2022(SingleOptimizerModule):
    """Training task of `AnchorColorization`; the trained model also accepts color points.

    Args:
        width: See `AnchorColorization`.
        dropout: See `AnchorColorization`.
        anchors: See `AnchorColorization`.
        alternative: See `AnchorColorization`.
        seed: See `AnchorColorization`.
        colorfulness: Strength in [0, 1] of the rebalancing, which increases the gradient weight of rare
            colors but does not change the loss value.
        perceptual_weight: Weight of the perceptual loss; 0 disables VGG-19.
        stage: ``superpixels`` trains the superpixel network; ``colors`` trains all other layers.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages: ClassVar[Mapping[str, Stage]] = {
        "superpixels": Stage(trains=(_SUPERPIXELS,), complete=False),
        "colors": Stage(trains=("model.network.*",), leaves=(_SUPERPIXELS,)),
    }
    validation_points = (0, 1, 10)
    model: AnchorColorization
    class_weights: Tensor
    vgg: FrozenNetwork

    def __init__(
        self,
        width: Width = 1.0,
        dropout: Fraction = 0.1,
        anchors: PositiveInt = 8,
        alternative: Annotated[int, Range(0, ALTERNATIVES - 1)] = 0,
        seed: NonNegativeInt = 130,
        colorfulness: Fraction = 0.5,
        perceptual_weight: NonNegativeFloat = 5.0,
        stage: Literal["superpixels", "colors"] = "colors",
        **optimization: Unpack[Optimization],
    ) -> None:
        model = AnchorColorization(width, dropout, anchors, alternative, seed)
        super().__init__(model, stage=stage, **optimization)
        self.perceptual_weight = perceptual_weight
        # loss weights of the 313 color bins, which are higher for rare colors
        weights = rebalancing_weights(prior_probabilities().double(), 1 - colorfulness)
        self.register_buffer("class_weights", weights.float(), persistent=False)

    def setup(self, stage: str) -> None:
        """Load the VGG-19 of the perceptual loss before ``fit``.

        Args:
            stage: Trainer stage, such as ``fit``, not the training stage of this task.

        Raises:
            WeightsError: VGG-19 is not available, and ``allow_untrained`` is not set.
        """
        super().setup(stage)
        if stage == "fit" and self.stage == "colors" and self.perceptual_weight:
            self.vgg = frozen_vgg(VGGOutputs(19, TAPS, rgb=True), "VGG-19", untrained=self.allow_untrained)

    def prepare_fit(self) -> None:
        """Check that the superpixel network is trained in stage ``colors``.

        Raises:
            WeightsError: The superpixel network is untrained, and ``allow_untrained`` is not set.
        """
        super().prepare_fit()
        full = self.hparams["width"] == 1.0  # narrower networks have no published weights
        if self.stage == "colors" and full and not (self.trained or self.allow_untrained):
            raise WeightsError(
                "--model.stage colors requires a trained superpixel network. Set --init_from to a checkpoint "
                "trained with --model.stage superpixels, or convert the authors' file with "
                "`colorzoo weights convert` and set --init_from to the output."
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the total loss of the current stage, ``superpixels`` or ``colors``."""
        lab = pad_to_multiple(rgb_to_lab(batch["rgb"]), CELL)
        if self.stage == "superpixels":
            losses = superpixel_losses(self.model.network.superpixels(network_input(lab[:, :1])), lab[:, 1:])
        else:
            count = self.model.anchors
            draws = draw_uniform(image_generators(batch["seed"], "anchors"), len(lab), count, lab.device)
            losses, _ = self.losses(lab, starts_of(draws, lab[0, 0].numel() // CELL**2))
        self.log_losses(losses, len(lab))
        return losses["loss"]

    def losses(self, lab: Tensor, starts: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Compute the losses of stage ``colors``. The anchors have the true colors.

        Args:
            lab: Ground truth Lab ``(B, 3, H, W)``; H and W are multiples of 16.
            starts: Indices of the superpixels that initialize k-means, ``(B, k)``.

        Returns:
            A dict with the weighted losses ``palette`` and ``reference``, those of `image_losses`, and their
            sum ``loss``; and the predicted ab / 110, ``(B, 2, H, W)``.
        """
        network = self.model.network
        gray = network_input(lab[:, :1])
        encoded = network.encode(gray)

        # true mean ab / 110 of each superpixel, (B, 2, H/16, W/16), and its bin
        cell_colors = pool(lab[:, 1:] / AB_SCALE, encoded.shares)
        target_bins = bins_of(AB_SCALE * cell_colors)

        # the largest superpixel of each color cluster is an anchor
        clusters = kmeans(cell_colors.flatten(2).mT, starts)
        anchors = anchors_of(clusters, sizes(encoded.shares).flatten(1), starts.shape[1])
        anchor_mask = anchors.to(gray).view(len(lab), 1, *cell_colors.shape[-2:])

        logits, ab = network.decode(gray, encoded, anchor_mask, target_bins)
        losses = {
            "palette": self.color_loss(encoded.palette, target_bins),
            "reference": self.color_loss(logits, target_bins),
        }
        if self.perceptual_weight:
            distance = self.perceptual_loss(lab[:, :1], AB_SCALE * ab, lab[:, 1:])
            losses["perceptual"] = self.perceptual_weight * distance
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}, ab

    def color_loss(self, logits: Tensor, bins: Tensor) -> Tensor:
        """Return the mean cross-entropy of superpixel colors.

        Rare colors have a higher gradient weight, which does not change the loss value.

        Args:
            logits: Color logits ``(B, 313, h, w)``.
            bins: Indices of the ground truth bins, ``(B, h, w)``.
        """
        losses = F.cross_entropy(logits, bins, reduction="none")
        return with_weighted_gradient(losses, self.class_weights[bins]).mean()

    def perceptual_loss(self, lightness: Tensor, ab: Tensor, truth: Tensor) -> Tensor:
        """Return the VGG-19 feature distance between predicted and true images.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
            truth: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        """
        rgb = lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False)
        target_rgb = lab_to_rgb(torch.cat([lightness, truth], dim=1), clip=False)
        with torch.no_grad():
            target_features = self.vgg(target_rgb)
        return feature_distance(self.vgg(rgb), target_features)


def superpixel_losses(shares: Tensor, ab: Tensor) -> dict[str, Tensor]:
    """Return a dict of the superpixel losses ``color`` and ``place`` and their sum ``loss``.

    The losses compare the color and the position of each pixel with the weighted mean of its superpixels.

    Args:
        shares: Assignment weights ``(B, 9, H, W)``; see `SuperpixelNetwork`.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
    """
    height, width = ab.shape[-2:]
    rows, columns = (torch.arange(side, dtype=ab.dtype, device=ab.device) for side in (height, width))
    positions = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None].expand(len(ab), -1, -1, -1)

    def reconstruction_error(maps: Tensor) -> Tensor:
        return torch.linalg.vector_norm(maps - spread(pool(maps, shares), shares), dim=1).mean()

    color = _COLOR_WEIGHT * reconstruction_error(ab / AB_SCALE)
    place = _PLACE_WEIGHT * reconstruction_error(positions) / CELL
    return {"loss": color + place, "color": color, "place": place}

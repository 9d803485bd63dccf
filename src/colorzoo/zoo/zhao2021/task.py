"""Color2Embed: Fast Exemplar-Based Image Colorization using Color Embeddings (Zhao et al. 2021).

One vector says the colors of a reference; it modulates the decoder of a U-Net that sees lightness alone.
Pairs for training are made of single pictures. https://arxiv.org/abs/2106.08017
"""

from __future__ import annotations

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import WeightsError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.borrowed import BorrowedModel
from colorzoo.tasks import SingleOptimizerModule, settings_of
from colorzoo.zoo.zhao2021.encoder import VGGFeatures, load_vgg
from colorzoo.zoo.zhao2021.extensions import Extensions, without_some_colors
from colorzoo.zoo.zhao2021.inference import Answers, build_network
from colorzoo.zoo.zhao2021.losses import feature_distance
from colorzoo.zoo.zhao2021.network import AB_SCALE
from colorzoo.zoo.zhao2021.references import made_reference, reference_of
from colorzoo.zoo.zhao2021.settings import Architecture, Objective


class Zhao2021(Answers, SingleOptimizerModule):
    """Exemplar colorization by a color embedding, and its training.

    Args:
        architecture: The networks.
        objective: The loss.
        extensions: What is not in the paper.
        vgg_weights: torchvision's file of VGG-19: the encoder begins with it, and it is the frozen network of
            the perceptual loss.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("width", "reference_side", "features")
    perceptual: BorrowedModel[VGGFeatures] | None
    """Of the perceptual loss, in training alone; None where `Extensions.features` serve, too."""

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        extensions: Extensions = Extensions(),
        vgg_weights: str | None = None,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.extensions = settings_of(Extensions, extensions)
        self.vgg_weights = vgg_weights
        super().__init__(optimizer, lr_scheduler)

    def configure_network(self) -> None:
        """Build the encoder, whose VGG-19 is trained along, and the U-Net."""
        self.network = build_network(self.architecture, self.extensions)
        self.perceptual = None

    def setup(self, stage: str) -> None:
        """Begin training: take VGG-19 from its file, for the loss and for an encoder without weights.

        Raises:
            WeightsError: The file does not fit, or the loss would compare features of random weights.
        """
        super().setup(stage)
        features = self.network.encoder.features
        if stage != "fit" or not isinstance(features, VGGFeatures):
            return
        if self.vgg_weights is not None and not self.trained:
            load_vgg(features, self.vgg_weights)
        if self.objective.perceptual_weight:
            self.perceptual = BorrowedModel(self._frozen_vgg()).to(self.device)

    def _frozen_vgg(self) -> VGGFeatures:
        vgg = VGGFeatures(self.architecture.width)
        if self.vgg_weights is not None:
            load_vgg(vgg, self.vgg_weights)
        elif not self.allow_untrained:
            raise WeightsError(
                "the perceptual loss would compare features of random weights; give --model.vgg_weights "
                "FILE (torchvision's vgg19-dcbb9e9d.pth), or --model.objective.perceptual_weight 0."
            )
        return vgg.to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Color pictures like references made of them: smooth L1 of ab / 110, and the perceptual loss."""
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        reference = without_some_colors(reference_of(batch), batch["seed"], self.extensions.gray_share)
        ab = self.network(lab[:, :1], self.network.vector(reference))
        losses = {"reconstruction": F.smooth_l1_loss(ab / AB_SCALE, lab[:, 1:] / AB_SCALE)}
        if self.objective.perceptual_weight:
            colored = lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1))
            losses["perceptual"] = self.objective.perceptual_weight * self._distance(colored, batch["rgb"])
        loss = torch.stack(list(losses.values())).sum()
        losses["loss"] = loss
        self.log_dict({f"train/{k}": v.detach() for k, v in losses.items()}, batch_size=len(lab))
        return loss

    def _distance(self, colored: Tensor, true: Tensor) -> Tensor:
        """Return how far apart the features of pictures ``(B, 3, H, W)`` are."""
        network = self.network.encoder.features if self.perceptual is None else self.perceptual.model
        with torch.no_grad():
            wanted = network(true)
        return feature_distance(network(colored), wanted)

    def validation_settings(self) -> tuple[str, ...]:
        """Return: no reference, and one made from the picture itself."""
        return "automatic", "self"

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make the reference of a setting, as in training."""
        if setting == "automatic":
            return Guidance()
        return Guidance(exemplar=Exemplar(made_reference(lab_to_rgb(lab), seeds)))

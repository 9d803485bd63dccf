"""Stylization-Based Architecture for Fast Deep Exemplar Colorization (Xu et al., CVPR 2020).

A transfer sub-net gives a pre-colored picture the feature statistics of a reference; samples of its
chrominance are hints for a colorization sub-net. https://openaccess.thecvf.com (CVPR 2020, pages 9363-9372)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.guidance import Exemplar, Guidance, Points, PointSimulation, simulate_points
from colorzoo.networks.hint_start import fitting_unet
from colorzoo.randomness import picture_generators
from colorzoo.tasks import ColorizationModule, SingleOptimizerModule, Stage, Start, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.xu2020.backbone import MASK_CENTER, drop_backbone
from colorzoo.zoo.xu2020.exposure import exposed_hints, recoloring_loss
from colorzoo.zoo.xu2020.extensions import EXTRA_STAGES, ExemplarExtensions
from colorzoo.zoo.xu2020.inference import Answers, build_network
from colorzoo.zoo.xu2020.losses import masked_huber, reconstruction_losses
from colorzoo.zoo.xu2020.references import foreign_references, self_references
from colorzoo.zoo.xu2020.settings import STAGES, ExemplarArchitecture, ExemplarObjective


class Xu2020(Answers, SingleOptimizerModule):
    """Exemplar colorization by stylization.

    Args:
        architecture: The sub-nets.
        objective: The losses.
        extensions: What is not in the paper.
        stage: What is trained: the ``decoder`` of the transfer sub-net, or the ``color`` sub-net; ours are
            ``encoder`` and ``exposure``, see `EXTRA_STAGES`.
        start: A Local Hints model for the colorization sub-net, or a model of this class.
        stop_probability: p of the number of simulated points, P(n) = (1 - p)^n p.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("width", "color_width", "hint_attention", "scene_blocks", "backbone")
    stages: ClassVar[Mapping[str, Stage]] = {**STAGES, **EXTRA_STAGES}

    def __init__(
        self,
        architecture: ExemplarArchitecture = ExemplarArchitecture(),
        objective: ExemplarObjective = ExemplarObjective(),
        extensions: ExemplarExtensions = ExemplarExtensions(),
        stage: Literal["decoder", "color", "encoder", "exposure"] = "color",
        start: Start | str | None = None,
        stop_probability: float = 1 / 8,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(ExemplarArchitecture, architecture)
        self.objective = settings_of(ExemplarObjective, objective)
        self.extensions = settings_of(ExemplarExtensions, extensions)
        self.stop_probability = stop_probability
        super().__init__(optimizer, lr_scheduler, stage=stage, start=start)

    def configure_network(self) -> None:
        """Build both sub-nets."""
        self.network = build_network(self.architecture, self.extensions)

    def setup(self, stage: str) -> None:
        """Begin training.

        Raises:
            WeightsError: The decoder is to be trained for an encoder of random weights.
        """
        super().setup(stage)
        known = self.trained or self.start is not None
        if stage == "fit" and self.stage == "decoder" and not (known or self.allow_untrained):
            raise WeightsError(
                "stage decoder needs a trained encoder, which it leaves as it is: convert a VGG-19 by "
                "`colorzoo weights convert xu2020 VGG19.pth vgg.safetensors` and give --init_from "
                "vgg.safetensors."
            )

    def take_from(self, source: ColorizationModule) -> None:
        """Copy another model of this class, or a Local Hints model into the colorization sub-net.

        Raises:
            ColorzooError: It is of another family or shape, other input, or has nothing for the stage.
        """
        if isinstance(source, Xu2020):
            apply_weights(self, source.state_dict(), name="start", published=False)
            return
        if self.stage == "decoder":
            raise ColorzooError("start does not fit: stage decoder needs an encoder, which only Xu2020 has.")
        unet = self.network.color.unet
        unet.load_state_dict(fitting_unet(source.network, unet, mask_center=MASK_CENTER, purpose="start"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take the step of the stage."""
        del batch_idx
        match self.stage:
            case "decoder":
                losses = self._reconstruction_losses(batch["rgb"])
            case "encoder":
                losses = {"loss": recoloring_loss(self.network, batch)}
            case _:
                losses = {"loss": self._color_loss(batch)}
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, batch_size=len(batch["rgb"]))
        return losses["loss"]

    def _reconstruction_losses(self, rgb: Tensor) -> dict[str, Tensor]:
        """Give pictures back without any transfer: squared errors of the picture and of its features."""
        weigh, transfer = self.objective, self.network.transfer
        image, perceptual = reconstruction_losses(transfer.encoder, transfer(rgb), rgb)
        loss = weigh.image_weight * image + weigh.perceptual_weight * perceptual
        return {"loss": loss, "image": image, "perceptual": perceptual}

    def _color_loss(self, batch: Batch) -> Tensor:
        """Spread points of true color, those pixels weighing more (L_c of the paper)."""
        weigh, lab = self.objective, rgb_to_lab(batch["rgb"])
        points = self._training_hints(lab, batch)
        found, _ = self.network.color(lab[:, :1], points)
        return masked_huber(found, lab[:, 1:], points.mask, hint_weight=weigh.hint_weight, delta=weigh.delta)

    @torch.no_grad()
    def _training_hints(self, lab: Tensor, batch: Batch) -> Points:
        """Draw the paper's points, or what the extensions give instead."""
        ours = self.extensions
        simulation = PointSimulation(self.stop_probability, reveal_all=0.0, none=ours.none_share)
        drawn = simulate_points(lab[:, 1:], picture_generators(batch["seed"], "points"), simulation)
        if not ours.grid_share + ours.transferred_share:
            return drawn
        return exposed_hints(self.network, ours, drawn, lab, batch)

    def validation_settings(self) -> tuple[str, ...]:
        """Return with which references validation colors each picture: none, its own, one of other colors."""
        return "automatic", "self", "other"

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make references of the pictures themselves."""
        if setting == "automatic":
            return Guidance()
        made = self_references(lab_to_rgb(lab), seeds)
        return Guidance(exemplar=Exemplar(made if setting == "self" else foreign_references(made, seeds)))

    @classmethod
    def for_inference(cls, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what a weight file needs: all but the weights that the embedded backbone brings along."""
        return drop_backbone(super().for_inference(state_dict))

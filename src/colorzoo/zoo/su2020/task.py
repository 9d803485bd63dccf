"""Instance-aware Image Colorization (Su et al., CVPR 2020).

One network colors the whole picture, one each thing in its box, and a third blends the features of both.
Three stages train them one after the other. https://arxiv.org/abs/2005.10825
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.randomness import picture_generators
from colorzoo.tasks import ColorizationModule, SingleOptimizerModule, Start, settings_of
from colorzoo.zoo.su2020.boxes import random_boxes, shares
from colorzoo.zoo.su2020.extensions import InstanceExtensions, training_points
from colorzoo.zoo.su2020.inference import Answers, build_network
from colorzoo.zoo.su2020.network import InstanceOutput
from colorzoo.zoo.su2020.places import cut, place_boxes
from colorzoo.zoo.su2020.settings import COPIES, STAGES, InstanceArchitecture
from colorzoo.zoo.su2020.start import copy_everything, copy_trunk

LOSS_SCALE = 10 / AB_SCALE  # the paper's Huber loss is on ab / 110 and weighs 10
GRAY_BELOW = 10.0  # sum of the ranges of a and b in CIE units


class Su2020(Answers, SingleOptimizerModule):
    """Full-image, instance and fusion network, and their three stages of training.

    Args:
        architecture: The networks.
        extensions: What is not in the paper.
        stage: What is trained: ``"full"`` on whole pictures, then ``"instance"`` on boxes, then ``"fusion"``:
            the fusion layers and the end of the fusion network.
        start: A Local Hints model of the same shape for all three networks, or a model of this class; its
            weights then go on as those of ``--init_from`` do, see `continue_from`.
        most_boxes: Largest number of boxes of a training picture, the first ones.
        delta: Where the loss turns linear, in CIE units; 1 in the paper.
        detector: State dict of torchvision's ``fasterrcnn_resnet50_fpn_v2``, which then looks for boxes where
            nobody gives them.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("width", "mask_center", "hint_attention", "scene_blocks", "trunk", "keep_trunk")
    published_files: ClassVar[Mapping[str, str]] = {
        "latest_net_GComp.pth": "netGComp",
        "latest_net_G.pth": "netG",
        "latest_net_GF.pth": "netGF",
    }
    stages = STAGES

    def __init__(
        self,
        architecture: InstanceArchitecture = InstanceArchitecture(),
        extensions: InstanceExtensions = InstanceExtensions(),
        stage: Literal["full", "instance", "fusion"] = "full",
        start: Start | str | None = None,
        most_boxes: int = 8,
        delta: float = 1.0,
        detector: str | None = None,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(InstanceArchitecture, architecture)
        self.extensions = settings_of(InstanceExtensions, extensions)
        self.most_boxes, self.delta, self.detector_file = most_boxes, delta, detector
        super().__init__(optimizer, lr_scheduler, stage=stage, start=start)

    def configure_network(self) -> None:
        """Build the networks, on the trunk if there is one."""
        self.network = build_network(self.architecture, self.extensions)

    def take_from(self, source: ColorizationModule) -> None:
        """Copy a Local Hints model into all networks, or go on with another model of this class.

        Raises:
            ColorzooError: It is of another family, shape or input, or the networks have a trunk.
        """
        if isinstance(source, Su2020):
            copy_everything(source, self)
            self.continue_from(source.provenance.stage)
        elif self.extensions.keep_trunk:
            raise ColorzooError("start does not fit: with keep_trunk the networks begin as their trunk.")
        else:
            copy_trunk(source.network, self.network, "start")

    def continue_from(self, stage: str | None) -> None:
        """Let a network that was not trained yet begin as the full-image network, as the paper's stages do.

        What an unknown stage has trained cannot be told, so that such weights stay as they are.
        """
        for name in COPIES.get((stage or "", self.stage or ""), ()):
            getattr(self.network, name).load_state_dict(self.network.full.state_dict())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Color whole pictures, or the things in them, and compare with the truth."""
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        boxes = self.boxes_of(batch)
        if self.stage == "instance":
            lab = one_thing_each(lab, boxes, batch)
        luma, ab = lab[:, :1], lab[:, 1:]
        predicted = self._colored(luma, training_points(self.extensions, ab, batch), boxes)
        errors = smooth_l1_map(predicted, ab, delta=self.delta)
        loss = color_loss(weighted_by_chroma(errors, ab, self.extensions.colorfulness), ab)
        self.log("train/loss", loss, batch_size=len(lab))
        return loss

    def _colored(self, luma: Tensor, points: Points, boxes: Sequence[Tensor]) -> Tensor:
        """Return what the networks of this stage answer."""
        if self.stage == "fusion":
            fused: InstanceOutput = self.network(luma, points, Boxes.of(boxes).to(luma.device))
            return fused.ab
        return self.network.color(cast(str, self.stage), luma, points)

    def boxes_of(self, batch: Batch) -> list[Tensor]:
        """Return the ``(K, 4)`` boxes of each picture in shares, K from 1 to ``most_boxes``."""
        generators = picture_generators(batch["seed"], "boxes")
        return [
            given[: self.most_boxes] if len(given) else random_boxes(self.extensions.random_boxes, generator)
            for given, generator in zip(shares(batch), generators, strict=True)
        ]

    def validation_settings(self) -> tuple[str, ...]:
        """Return the settings in which PSNR is taken: without and with boxes."""
        return ("automatic", "boxes")

    def validation_guidances(self, batch: Batch, lab: Tensor) -> list[tuple[str, Guidance]]:
        """Give nothing, then the boxes of the batch."""
        boxes = Boxes.of(self.boxes_of(batch)).to(lab.device)
        return [("automatic", Guidance()), ("boxes", Guidance(boxes=boxes))]


def color_loss(errors: Tensor, ab: Tensor) -> Tensor:
    """Return the paper's loss; a picture that is nearly gray counts 0.

    Every picture counts by itself, so that the gradient of a batch is the mean of those of its parts,
    however processes share it out.

    Args:
        errors: ``(B, 1, H, W)`` smooth-l1 distances in CIE units.
        ab: ``(B, 2, H, W)`` true colors in CIE units.
    """
    colored = color_range(ab) >= GRAY_BELOW
    return LOSS_SCALE * (errors.mean(dim=(1, 2, 3)) * colored).mean()


def one_thing_each(lab: Tensor, boxes: Sequence[Tensor], batch: Batch) -> Tensor:
    """Cut one random box out of each ``(B, 3, H, W)`` picture and bring it to the picture's size."""
    size = (lab.shape[-2], lab.shape[-1])
    crops = []
    for row, generator in enumerate(picture_generators(batch["seed"], "instance")):
        chosen = int(torch.randint(len(boxes[row]), (1,), generator=generator))
        place = place_boxes(boxes[row][chosen : chosen + 1], size)
        crops.append(cut(lab[row : row + 1], place, size))
    return torch.cat(crops)


def color_range(ab: Tensor) -> Tensor:
    """Return the range of a plus that of b for each picture: ``(B,)`` in CIE units."""
    low, high = ab.amin(dim=(2, 3)), ab.amax(dim=(2, 3))
    return (high - low).sum(dim=1)

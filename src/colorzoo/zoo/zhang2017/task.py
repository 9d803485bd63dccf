"""Real-Time User-Guided Image Colorization with Learned Deep Priors (Zhang et al., SIGGRAPH 2017).

A U-Net reads lightness and any number of color points, and answers ab everywhere; a second head answers a
distribution over the ab grid, from which a palette is suggested. https://arxiv.org/abs/1705.02999
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import (
    Guidance,
    Points,
    PointSimulation,
    simulate_points,
    uniform_points,
)
from colorzoo.losses import (
    grid_cross_entropy,
    rebalanced_cross_entropy,
    smooth_l1_map,
    weighted_by_chroma,
)
from colorzoo.networks.hint_unet import Detach
from colorzoo.networks.rank import fold_rank_layers
from colorzoo.randomness import picture_generators
from colorzoo.tasks import ColorizationModule, SingleOptimizerModule, Start, settings_of
from colorzoo.weights.caffe import CaffeLayers
from colorzoo.zoo.zhang2017.caffe import convert_local
from colorzoo.zoo.zhang2017.extensions import LocalExtensions
from colorzoo.zoo.zhang2017.inference import LocalAnswers, build_local
from colorzoo.zoo.zhang2017.labels import LabelHead, label_cross_entropy
from colorzoo.zoo.zhang2017.settings import LOCAL_STAGES, LocalArchitecture, LocalObjective, LocalUsers
from colorzoo.zoo.zhang2017.start import copy_shared_layers

LOGIT_STRIDE = 4
VALIDATION_POINTS = (0, 1, 10, 100)

StageName = Literal["classification", "regression", "joint", "scene", "colors", "distribution"]


class Zhang2017Local(LocalAnswers, SingleOptimizerModule):
    """The Local Hints network and its training.

    Args:
        architecture: The network.
        objective: The losses.
        users: The simulated users of training.
        extensions: What is not in the paper.
        stage: ``classification`` trains the trunk by the distribution, then ``regression`` by the colors;
            ``joint`` by both (ours); ``scene`` likewise all that comes after block 7; ``colors`` nothing but
            the last layers; ``distribution`` nothing but the hypercolumn head.
        start: A Local Hints model of the same width whose layers to start from; what it lacks keeps its own
            start.
        compile_training: Compile the training step (1.4 times faster on a CPU after a minute's wait).
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = (
        "width",
        "mask_center",
        "hint_attention",
        "channel_attention",
        "scene_blocks",
        "hypercolumn",
        "ab_scale",
    )
    stages = LOCAL_STAGES

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        objective: LocalObjective = LocalObjective(),
        users: LocalUsers = LocalUsers(),
        extensions: LocalExtensions = LocalExtensions(),
        stage: StageName = "regression",
        start: Start | str | None = None,
        compile_training: bool = False,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(LocalArchitecture, architecture)
        self.objective = settings_of(LocalObjective, objective)
        self.users = settings_of(LocalUsers, users)
        self.extensions = settings_of(LocalExtensions, extensions)
        self.compile_training = compile_training
        super().__init__(optimizer, lr_scheduler, stage=stage, start=start)

    @property
    def detach(self) -> Detach:
        """Which head sends no gradient into the trunk in this stage."""
        return LOCAL_STAGES[self.stage or "regression"].detach

    def configure_network(self) -> None:
        """Build the U-Net."""
        self.network = build_local(self.architecture, self.extensions)
        labels = self.extensions.labels
        self.label_head = LabelHead(self.network.unet.up8.in_channels, labels) if labels else None

    def configure_losses(self) -> None:
        """Compile network and losses into one graph, if asked."""
        self._losses = torch.compile(self._compute_losses) if self.compile_training else self._compute_losses

    def take_from(self, source: ColorizationModule) -> None:
        """Copy the layers that a Local Hints model shares with this one."""
        copy_shared_layers(source.network, self.network)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw points, color, and compare with the truth."""
        del batch_idx
        weigh = self.objective
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        points = training_points(self.users, self.extensions, ab, batch)
        regression, classification, deep = self._losses(luma, ab, points.ab, points.mask)
        loss: Tensor = weigh.regression_weight * regression + weigh.classification_weight * classification
        losses = {"smooth_l1": regression, "cross_entropy": classification}
        if self.label_head is not None:
            losses["label"] = label_cross_entropy(self.label_head(deep), batch)
            loss = loss + self.extensions.label_weight * losses["label"]
        losses["loss"] = loss
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, batch_size=len(luma))
        return loss

    def _compute_losses(
        self, luma: Tensor, ab: Tensor, hint_ab: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return smooth-l1, cross-entropy and the deepest map; tensors only, so that it compiles."""
        every = self.extensions.regress_every
        out = self.network(luma, Points(hint_ab, mask), detach=self.detach, decode_every=every)
        errors = smooth_l1_map(out.ab, ab[::every], delta=self.objective.delta)
        regression = weighted_by_chroma(errors, ab[::every], self.extensions.colorfulness).mean()
        if self.architecture.hypercolumn:
            return regression, hull_cross_entropy(out.logits, ab), out.deep
        classification = strided_cross_entropy(out.logits, ab, self.extensions.class_stride)
        return regression, classification, out.deep

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Place the points of the paper's test, the same for a picture in every epoch."""
        return validation_points(setting, lab, seeds)

    @classmethod
    def for_inference(cls, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the state dict of the plain network: without training's own heads, rank layers folded in."""
        plain = super().for_inference(state_dict)
        return fold_rank_layers({k: v for k, v in plain.items() if not k.startswith("label_head.")})

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Translate ``model.caffemodel`` of the authors' interactive demo."""
        return convert_local(layers)


def training_points(users: LocalUsers, extensions: LocalExtensions, ab: Tensor, batch: Batch) -> Points:
    """Draw the points of a training batch, each picture its own."""
    simulation = PointSimulation(
        users.stop_probability,
        reveal_all=users.reveal_all,
        many=extensions.many,
        none=1 - users.hints,
        everywhere=extensions.everywhere,
    )
    return simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)


def hull_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the mean cross-entropy with the soft-encoded truth, all colors counting alike.

    Args:
        logits: ``(B, 313, H/4, W/4)``.
        ab: ``(B, 2, H, W)`` truth in CIE units.
    """
    truth = ab[:, :, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
    alike = torch.ones(logits.shape[1], device=logits.device)
    return rebalanced_cross_entropy(logits, truth, alike, gray_below=-1.0).mean()


def validation_points(setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
    """Place ``setting`` points as the paper's test does, the same for a picture every time."""
    points = uniform_points(lab[:, 1:], int(setting), picture_generators(seeds, "points"))
    return Guidance(points=points)


def strided_cross_entropy(logits: Tensor, ab: Tensor, step: int) -> Tensor:
    """Return the cross-entropy on every ``step``-th position of the distribution, each way.

    Neighbors in a batch take different positions of a cell, because the transposed convolution before the
    head has its own weights for each: one that no picture takes would never learn.

    Args:
        logits: ``(B, 529, H/4, W/4)``.
        ab: ``(B, 2, H, W)`` truth in CIE units.
        step: 1 takes all positions.
    """
    total, count = logits.new_zeros(()), 0
    for phase in range(step * step):
        row, column = divmod(phase, step)
        part = logits[phase :: step * step, :, row::step, column::step]
        truth = ab[phase :: step * step, :, row * LOGIT_STRIDE :, column * LOGIT_STRIDE :]
        if part.numel():
            pictures = len(part)
            total = total + pictures * grid_cross_entropy(part, truth, stride=LOGIT_STRIDE * step)
            count += pictures
    return total / count

"""Training of Local Hints and Global Hints (Zhang et al., SIGGRAPH 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Guidance, ab_histogram, mean_saturation
from colorzoo.losses import grid_cross_entropy, rebalanced_cross_entropy, smooth_l1_map
from colorzoo.networks.hint_unet import Detach
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Positive, Probability
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage, Start, copy_layers
from colorzoo.zoo.zhang2017.extended_unet import LocalExtensions
from colorzoo.zoo.zhang2017.extensions import (
    EXTENSION_STAGES,
    ExtensionStage,
    GlobalExtensions,
    chroma_weighted_l1,
)
from colorzoo.zoo.zhang2017.model import GlobalHints, LocalHints
from colorzoo.zoo.zhang2017.network import GlobalArchitecture, LocalArchitecture

LOGIT_STRIDE = 4
Loss = Callable[[Tensor, Tensor], Tensor]
"""Loss of a prediction and the ground truth ab ``(B, 2, H, W)``."""
VALIDATION_STATISTICS = ("automatic", "saturation", "histogram", "both")

_FIRST = "unet.block1.0.weight"  # input layer: lightness, and hints in the Local Hints network

PaperStage = Literal["classification", "regression", "distribution"]


@dataclass(frozen=True)
class LocalObjective:
    """Settings of the losses (eq. 3 and 4, and the authors' ``pix2pix_model.py``).

    Attributes:
        regression_weight: Weight of the mean smooth L1 loss in CIE units; the default equals the authors'
            weight 10 for ab / 110.
        classification_weight: Weight of the cross-entropy of the color distributions.
        delta: Error in CIE units at which the loss changes from quadratic to linear.
    """

    regression_weight: NonNegativeFloat = 10 / AB_SCALE
    classification_weight: NonNegativeFloat = 1.0
    delta: Positive = 1.0


@dataclass(frozen=True)
class LocalUsers:
    """Settings of the simulated hints (section 3.2).

    Attributes:
        hints: Fraction of the training images with points; use 0 in stage ``classification``.
        stop_probability: Parameter p of the distribution of the number n of points, P(n) = (1 - p)^n p.
        reveal_all: Fraction of the training images with the true color at every pixel as a hint.
    """

    hints: Fraction = 1.0
    stop_probability: Probability = 1 / 8
    reveal_all: Fraction = 0.01


LOCAL_STAGES = {
    "classification": Stage(),
    "regression": Stage(),
    "distribution": Stage(trains=("model.network.hypercolumn.*",)),  # section 3.3: the head alone
}
_DETACHED: dict[str | None, Detach] = {"classification": "regression", "regression": "classification"}


class Zhang2017Local(SingleOptimizerModule):
    """Training task of `LocalHints`.

    Args:
        architecture: Settings of the network.
        objective: Settings of the losses.
        users: Settings of the simulated hints.
        extensions: Settings of extensions that are not in the paper.
        stage: ``classification`` trains the trunk (the layers before the heads) with the classification loss,
            and ``regression`` trains the trunk with the regression loss. ``distribution`` trains only the
            hypercolumn head. See `EXTENSION_STAGES` for stages that are not in the paper.
        start: Local Hints model of equal width that provides initial weights for the shared layers; None uses
            random weights.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = LOCAL_STAGES | EXTENSION_STAGES
    validation_points = (0, 1, 10, 100)
    model: LocalHints

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        objective: LocalObjective = LocalObjective(),
        users: LocalUsers = LocalUsers(),
        extensions: LocalExtensions = LocalExtensions(),
        stage: PaperStage | ExtensionStage = "regression",
        start: Start | str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(LocalHints(architecture, extensions), stage=stage, start=start, **optimization)
        self.objective = objective
        self.points = PointSimulation(
            users.stop_probability,
            reveal_all=users.reveal_all,
            many=extensions.many,
            none=1 - users.hints,  # fraction of the images without points
        )
        if architecture.hypercolumn:  # 313 bins
            self.classification_loss: Loss = hull_cross_entropy
        else:  # 529 bins
            self.classification_loss = partial(grid_cross_entropy, stride=LOGIT_STRIDE)
        self.regression_loss: Loss = partial(smooth_l1, delta=objective.delta)
        if extensions.colorfulness:  # not in the paper
            self.regression_loss = partial(
                chroma_weighted_l1, delta=objective.delta, colorfulness=extensions.colorfulness
            )

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the layers that this model shares with a Local Hints model.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The other model is not a Local Hints model, or its width or normalization differs.
        """
        copy_shared_layers(source.model.network, self.model.network)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize images with simulated points and return the weighted sum of the losses."""
        weigh = self.objective
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        points = simulate_points(ab, image_generators(batch["seed"], "points"), self.points)
        detach = _DETACHED.get(self.stage, "none")  # head whose gradient does not reach the trunk
        prediction = self.model(lightness, Guidance(points=points), detach)
        regression = self.regression_loss(prediction.ab, ab)
        classification = self.classification_loss(prediction.extras["logits"], ab)
        loss: Tensor = weigh.regression_weight * regression + weigh.classification_weight * classification
        losses = {"smooth_l1": regression, "cross_entropy": classification, "loss": loss}
        self.log_losses(losses, len(lightness))
        return loss


@dataclass(frozen=True)
class GlobalUsers:
    """Fractions of the training images with color statistics; not stated in the paper.

    Attributes:
        histogram_share: Fraction of the training images with a histogram.
        saturation_share: Fraction of the training images with a mean saturation.
    """

    histogram_share: Fraction = 0.5
    saturation_share: Fraction = 0.5


class Zhang2017Global(SingleOptimizerModule):
    """Training task of `GlobalHints`.

    Args:
        architecture: Settings of the network.
        users: Fractions of the training images with color statistics.
        delta: Error in CIE units at which the loss changes from quadratic to linear.
        start: Local Hints model of equal width that provides initial weights for the shared layers, as in the
            paper; None uses random weights.
        extensions: Settings of extensions that are not in the paper.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.

    Raises:
        ColorzooError: Both ``start`` and ``trunk`` are set.
    """

    model: GlobalHints

    def __init__(
        self,
        architecture: GlobalArchitecture = GlobalArchitecture(),
        users: GlobalUsers = GlobalUsers(),
        delta: Positive = 1.0,
        start: Start | str | None = None,
        extensions: GlobalExtensions = GlobalExtensions(),
        **optimization: Unpack[Optimization],
    ) -> None:
        if start is not None and extensions.trunk is not None:
            raise ColorzooError(
                "--model.start cannot be combined with --model.extensions.trunk. Remove one option."
            )
        super().__init__(GlobalHints(architecture, extensions), start=start, **optimization)
        self.users = users
        self.delta = delta

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the layers that this model shares with a Local Hints model.

        The output of the statistics branch is initially 0, so statistics have no effect before training.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The other model is not a Local Hints model, or its width or normalization differs.
        """
        copy_shared_layers(source.model.network, self.model.network)
        nn.init.zeros_(self.model.network.branch.last_norm.weight)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize images with the color statistics of their ground truth and return the loss."""
        lab = rgb_to_lab(batch["rgb"])
        histogram, saturation = self.training_statistics(lab, batch)
        guidance = Guidance(statistics=GlobalStatistics(histogram, saturation))
        predicted = self.model(lab[:, :1], guidance).ab
        loss = smooth_l1(predicted, lab[:, 1:], delta=self.delta)
        self.log_losses({"loss": loss}, len(lab))
        return loss

    def training_statistics(self, lab: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return true histograms ``(B, 313)`` and mean saturations ``(B, 1)``, randomly masked.

        Masked histograms are 0, and masked saturations are -1.

        Args:
            lab: Ground truth ``(B, 3, H, W)``.
            batch: Training batch with RGB images and a random seed for each image.
        """
        users = self.users
        draws = draw_uniform(image_generators(batch["seed"], "statistics"), len(lab), 2, lab.device)
        histogram = ab_histogram(lab[:, 1:]) * (draws[:, :1] < users.histogram_share)
        saturation = mean_saturation(batch["rgb"])
        saturation = torch.where(
            draws[:, 1:] < users.saturation_share, saturation, -torch.ones_like(saturation)
        )
        return histogram, saturation

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the validation settings: the combinations of color statistics."""
        return VALIDATION_STATISTICS

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Return guidance with true statistics of the images, as in the paper.

        Args:
            setting: A name from `validation_settings`, which selects the statistics.
            lab: Ground truth ``(B, 3, H, W)``.
            seeds: Per-image seeds, which are not used.
        """
        histogram = ab_histogram(lab[:, 1:]) if setting in ("histogram", "both") else None
        saturation = mean_saturation(lab_to_rgb(lab)) if setting in ("saturation", "both") else None
        return Guidance(statistics=GlobalStatistics(histogram, saturation))


def smooth_l1(predicted: Tensor, ab: Tensor, *, delta: float) -> Tensor:
    """Return the mean smooth L1 loss of ab in CIE units (eq. 3 and 4)."""
    return smooth_l1_map(predicted, ab, delta=delta).mean()


def hull_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the mean cross-entropy with soft-encoded ground truth; all colors weigh equally.

    Args:
        logits: Color logits ``(B, 313, H/4, W/4)``.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
    """
    truth = ab[:, :, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
    alike = torch.ones(logits.shape[1], device=logits.device)
    return rebalanced_cross_entropy(logits, truth, alike, gray_below=-1.0).mean()


def copy_shared_layers(source: nn.Module, network: nn.Module) -> None:
    """Copy the layers that a Local Hints network shares with another network.

    Other layers of ``network`` are unchanged.

    Args:
        source: Local Hints network of equal width.
        network: Target network with a `HintUNet` in the attribute ``unet``.

    Raises:
        ColorzooError: The source is not a Local Hints network, or its width or normalization differs.
    """
    found, expected = _normalization(source), _normalization(network)
    if found != expected:
        raise ColorzooError(
            f"--model.start must name a model with (mask_center, ab_scale) {expected}, got {found}"
        )
    trained, target = source.state_dict(), network.state_dict()
    copied = {}
    if _FIRST in trained:
        copied = {ours: trained[theirs] for ours in target if (theirs := _named(ours)) in trained}
        copied[_FIRST] = copied[_FIRST][:, : target[_FIRST].shape[1]]
    copy_layers(copied, network, source, "Local Hints")


def _normalization(network: nn.Module) -> tuple[float, float]:
    """Return ``mask_center`` and ``ab_scale`` of a network; without a hint mask, ``mask_center`` is 0."""
    return getattr(network, "mask_center", 0.0), getattr(network, "ab_scale", AB_SCALE)


def _named(key: str) -> str:
    """Return the parameter name in a network without channel attention."""
    return key.replace(".conv.", ".")

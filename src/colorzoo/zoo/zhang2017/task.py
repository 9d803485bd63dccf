"""Training of Local Hints and Global Hints (Zhang et al., SIGGRAPH 2017)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Guidance
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation
from colorzoo.losses import grid_cross_entropy, rebalanced_cross_entropy, smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_unet import Detach
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Positive, Probability, Width
from colorzoo.simulation.points import simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.zhang2017.model import GlobalHints, LocalHints

LOGIT_STRIDE = 4
Loss = Callable[[Tensor, Tensor], Tensor]
"""Loss of a prediction and the ground truth ab ``(B, 2, H, W)``."""

_FIRST = "unet.block1.0.weight"  # input layer: lightness, and hints in the Local Hints network


LocalStage = Literal["classification", "regression", "distribution", "joint", "scene", "colors"]
LOCAL_STAGES = {
    "classification": Stage(),
    "regression": Stage(),
    "distribution": Stage(trains=("model.network.hypercolumn.*",)),  # section 3.3: the head alone
    # the other stages are not in the paper
    "joint": Stage(),  # both heads train the trunk
    # both heads train all layers after the encoder, which other models share
    "scene": Stage(leaves=("model.network.unet.block[1-7].*",)),
    # the last layers, which no other model shares, for more colorful results
    "colors": Stage(trains=("model.network.unet.block10.*", "model.network.unet.ab_head.*")),
}
_DETACHED: dict[str | None, Detach] = {"classification": "regression", "regression": "classification"}


class Zhang2017Local(SingleOptimizerModule):
    """Training task of `LocalHints`.

    The arguments from ``hint_attention`` to ``many`` are extensions that are not in the paper.

    Args:
        width: See `LocalHints`.
        mask_center: See `LocalHints`.
        hypercolumn: See `LocalHints`.
        ab_scale: See `LocalHints`.
        init_std: See `LocalHints`.
        regression_weight: Weight of the mean smooth L1 loss in CIE units (eq. 3 and 4). The default equals
            the weight 10 for ab / 110 in the authors' ``pix2pix_model.py``.
        classification_weight: Weight of the cross-entropy of the color distributions.
        delta: Error in CIE units at which the loss changes from quadratic to linear.
        hints: Fraction of the training images with points (section 3.2); use 0 in stage ``classification``.
        stop_probability: Parameter p of the distribution of the number n of points, P(n) = (1 - p)^n p.
        reveal_all: Fraction of the training images with the true color at every pixel as a hint.
        hint_attention: See `LocalHints`.
        channel_attention: See `LocalHints`.
        rank_layers: See `LocalHints`.
        scene_blocks: See `LocalHints`.
        colorfulness: Factor c in the smooth L1 weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        many: Fraction of the training images with a log-uniform number of points; see `simulate_points`.
        stage: ``classification`` trains the trunk (the layers before the heads) with the classification loss,
            and ``regression`` trains the trunk with the regression loss. ``distribution`` trains only the
            hypercolumn head. `LOCAL_STAGES` describes the stages that are not in the paper.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = LOCAL_STAGES
    validation_points = (0, 1, 10, 100)
    model: LocalHints

    def __init__(
        self,
        width: Width = 1.0,
        mask_center: float = 0.0,
        hypercolumn: bool = False,
        ab_scale: float = AB_SCALE,
        init_std: float | None = 0.02,
        regression_weight: NonNegativeFloat = 10 / AB_SCALE,
        classification_weight: NonNegativeFloat = 1.0,
        delta: Positive = 1.0,
        hints: Fraction = 1.0,
        stop_probability: Probability = 1 / 8,
        reveal_all: Fraction = 0.01,
        hint_attention: bool = False,
        channel_attention: bool = False,
        rank_layers: NonNegativeInt = 0,
        scene_blocks: NonNegativeInt = 0,
        colorfulness: NonNegativeFloat = 0.0,
        many: Fraction = 0.0,
        stage: LocalStage = "regression",
        **optimization: Unpack[Optimization],
    ) -> None:
        model = LocalHints(
            width=width,
            mask_center=mask_center,
            hypercolumn=hypercolumn,
            ab_scale=ab_scale,
            init_std=init_std,
            hint_attention=hint_attention,
            channel_attention=channel_attention,
            rank_layers=rank_layers,
            scene_blocks=scene_blocks,
        )
        super().__init__(model, stage=stage, **optimization)
        self.regression_weight, self.classification_weight = regression_weight, classification_weight
        self.delta, self.colorfulness = delta, colorfulness
        self.hints, self.stop_probability = hints, stop_probability
        self.reveal_all, self.many = reveal_all, many
        self.classification_loss: Loss = hull_cross_entropy  # 313 bins
        if not hypercolumn:  # 529 bins
            self.classification_loss = partial(grid_cross_entropy, stride=LOGIT_STRIDE)

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the layers that this model shares with a Local Hints model with other extensions.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The normalization of the other model differs.
        """
        return shared_layers(source.model.network, self.model.network)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize images with simulated points and return the weighted sum of the losses."""
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        points = simulate_points(
            ab,
            image_generators(batch["seed"], "points"),
            stop_probability=self.stop_probability,
            reveal_all=self.reveal_all,
            many=self.many,
            none=1 - self.hints,  # fraction of the images without points
        )
        detach = _DETACHED.get(self.stage, "none")  # head whose gradient does not reach the trunk
        prediction = self.model(lightness, Guidance(points=points), detach)
        errors = smooth_l1_map(prediction.ab, ab, delta=self.delta)
        if self.colorfulness:  # not in the paper
            errors = weighted_by_chroma(errors, ab, self.colorfulness)
        regression = errors.mean()
        classification = self.classification_loss(prediction.extras["logits"], ab)
        loss: Tensor = self.regression_weight * regression + self.classification_weight * classification
        losses = {"smooth_l1": regression, "cross_entropy": classification, "loss": loss}
        self.log_losses(losses, len(lightness))
        return loss


class Zhang2017Global(SingleOptimizerModule):
    """Training task of `GlobalHints`.

    Args:
        width: See `GlobalHints`.
        ab_scale: See `GlobalHints`.
        init_std: See `GlobalHints`.
        trunk: See `GlobalHints`.
        histogram_share: Fraction of the training images with a histogram; not stated in the paper.
        saturation_share: Fraction of the training images with a mean saturation; not stated in the paper.
        delta: Error in CIE units at which the loss changes from quadratic to linear.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    validation_names = ("automatic", "saturation", "histogram", "both")
    model: GlobalHints

    def __init__(
        self,
        width: Width = 1.0,
        ab_scale: float = AB_SCALE,
        init_std: float | None = 0.02,
        trunk: str | None = None,
        histogram_share: Fraction = 0.5,
        saturation_share: Fraction = 0.5,
        delta: Positive = 1.0,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(GlobalHints(width, ab_scale, init_std, trunk), **optimization)
        self.trunk = trunk
        self.histogram_share, self.saturation_share = histogram_share, saturation_share
        self.delta = delta

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the layers that this model shares with a Local Hints model, as in the paper.

        The output of the statistics branch is initially 0, so statistics have no effect before training.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The normalization of the other model differs, or this model has a ``trunk``.
        """
        weights = shared_layers(source.model.network, self.model.network)
        if weights and self.trunk is not None:
            raise ColorzooError("--init_from cannot replace --model.trunk. Remove one option.")
        zeros = torch.zeros_like(self.model.network.branch.last_norm.weight)
        return weights and {**weights, "model.network.branch.last_norm.weight": zeros}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize images with the color statistics of their ground truth and return the loss."""
        lab = rgb_to_lab(batch["rgb"])
        # the statistics of the images, each with a probability; others have none
        draws = draw_uniform(image_generators(batch["seed"], "statistics"), len(lab), 2, lab.device)
        histogram = ab_histogram(lab[:, 1:]) * (draws[:, :1] < self.histogram_share)
        saturation = mean_saturation(batch["rgb"])
        has_saturation = draws[:, 1:] < self.saturation_share
        saturation = torch.where(has_saturation, saturation, -torch.ones_like(saturation))
        guidance = Guidance(statistics=GlobalStatistics(histogram, saturation))
        predicted = self.model(lab[:, :1], guidance).ab
        loss = smooth_l1_map(predicted, lab[:, 1:], delta=self.delta).mean()  # eq. 3 and 4
        self.log_losses({"loss": loss}, len(lab))
        return loss

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


def hull_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the mean cross-entropy with soft-encoded ground truth; all colors weigh equally.

    Args:
        logits: Color logits ``(B, 313, H/4, W/4)``.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
    """
    truth = ab[:, :, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
    alike = torch.ones(logits.shape[1], device=logits.device)
    return rebalanced_cross_entropy(logits, truth, alike, gray_below=-1.0).mean()


def shared_layers(source: nn.Module, network: nn.Module) -> dict[str, Tensor]:
    """Return the layers that a Local Hints network shares with another network, by parameter name of a task.

    Args:
        source: Local Hints network of equal width; the result is empty for other networks.
        network: Network with a `HintUNet` in the attribute ``unet``.

    Raises:
        ColorzooError: The normalization of the networks differs.
    """
    found, expected = _normalization(source), _normalization(network)
    if found != expected:
        raise ColorzooError(
            f"--init_from must name a model with (mask_center, ab_scale) {expected}, got {found}"
        )
    trained, target = source.state_dict(), network.state_dict()
    if _FIRST not in trained:
        return {}
    # the source has no channel attention, whose convolutions are named differently
    names = {ours: ours.replace(".conv.", ".") for ours in target}
    shared = {ours: trained[theirs] for ours, theirs in names.items() if theirs in trained}
    shared[_FIRST] = shared[_FIRST][:, : target[_FIRST].shape[1]]
    return {f"model.network.{name}": value for name, value in shared.items()}


def _normalization(network: nn.Module) -> tuple[float, float]:
    """Return ``mask_center`` and ``ab_scale`` of a network; without a hint mask, ``mask_center`` is 0."""
    return getattr(network, "mask_center", 0.0), getattr(network, "ab_scale", AB_SCALE)

"""Real-Time User-Guided Image Colorization with Learned Deep Priors (Zhang et al., SIGGRAPH 2017).

A U-Net reads lightness and any number of color points, and answers ab everywhere; a second head answers a
distribution over the ab grid, from which a palette is suggested. https://arxiv.org/abs/1705.02999
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.draws import picture_generators
from colorzoo.guidance import (
    Guidance,
    Points,
    PointSimulation,
    simulate_points,
    uniform_points,
)
from colorzoo.losses import grid_cross_entropy, rebalanced_cross_entropy, smooth_l1_map
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.hint_unet import Detach, initialize
from colorzoo.networks.rank import fold_rank_layers
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import Prediction, SingleOptimizerModule
from colorzoo.tasks.optimizers import Schedule
from colorzoo.weights import apply_weights
from colorzoo.weights.caffe import CaffeLayers
from colorzoo.zoo.zhang2017.caffe import convert_local
from colorzoo.zoo.zhang2017.network import LocalHintsNetwork
from colorzoo.zoo.zhang2017.published import convert_published
from colorzoo.zoo.zhang2017.start import copy_shared_layers

LOGIT_STRIDE = 4
VALIDATION_POINTS = (0, 1, 10, 100)
CHROMA_UNIT = 20.0  # about the mean chroma of a photo, CIE units


class Zhang2017Local(SingleOptimizerModule):
    """The Local Hints network and its training.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask: 0 for the released converted weights, 0.5 for the
            retrained ones.
        hint_attention: Add the attention step of `HintUNet` (not in the paper).
        channel_attention: Weigh the channels of the skips by the whole picture (not in the paper).
        rank_layers: Linear layers between encoder and decoder (implicit rank minimization, not in the paper);
            a model with 0 folds those of a checkpoint that it loads into its own weights.
        hypercolumn: Answer the distribution by the paper's hypercolumn head over 313 bins, which sends no
            gradient into the trunk, instead of the published head over 529.
        trunk: Name of a Local Hints model of the same width whose layers to start from; what it lacks keeps
            its own start. None starts from random weights.
        only_distribution: Train nothing but the hypercolumn head: all else stays as it was loaded.
        detach: Which head sends no gradient into the trunk: the paper's first stage trains it by
            classification (``"regression"``), the second by regression (``"classification"``).
        regression_weight: Weight of the smooth-l1 loss, mean over pixels, in CIE units.
        classification_weight: Weight of the cross-entropy.
        delta: Where smooth-l1 turns linear, in CIE units.
        colorfulness: Weight smooth-l1 by 1 + c * chroma / 20 of the true color, so that an unsure network
            does not fall back to gray; 0 in the paper.
        class_stride: Train the distribution on every n-th of its positions (2 costs a quarter).
        hints: Share of the training pictures that get points at all (0 in the paper's first stage).
        stop_probability: See `PointSimulation`; 1/8 in the paper.
        reveal_all: See `PointSimulation`.
        many: See `PointSimulation`.
        init_std: Deviation of the initial weights; None takes He's.
        compile_training: Compile the training step (1.4 times faster on a CPU after a minute's wait).
        lr: Largest learning rate.
        betas: Decays of Adam's moments.
        weight_decay: Decoupled weight decay.
        schedule: How the rate moves.
        warmup_steps: Steps of linear rise.
        milestones: Steps at which ``multistep`` divides the rate by ten.
        ab_scale: What 1 at the output means in CIE units: 110, or 100 for the authors' Caffe weights.
    """

    accepts = frozenset({"points"})
    recorded_hparams = (
        "width",
        "mask_center",
        "hint_attention",
        "channel_attention",
        "hypercolumn",
        "ab_scale",
    )
    network: LocalHintsNetwork

    def __init__(
        self,
        width: float = 1.0,
        mask_center: float = 0.0,
        hint_attention: bool = False,
        channel_attention: bool = False,
        rank_layers: int = 0,
        hypercolumn: bool = False,
        trunk: str | None = None,
        only_distribution: bool = False,
        detach: Detach = "classification",
        regression_weight: float = 10 / 110,
        classification_weight: float = 1.0,
        delta: float = 1.0,
        colorfulness: float = 0.0,
        class_stride: int = 1,
        hints: float = 1.0,
        stop_probability: float = 1 / 8,
        reveal_all: float = 0.01,
        many: float = 0.0,
        init_std: float | None = 0.02,
        compile_training: bool = False,
        lr: float = 1e-5,
        betas: Sequence[float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        milestones: Sequence[int] = (),
        ab_scale: float = AB_SCALE,
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build the U-Net."""
        hp: Any = self.hparams
        self.network = LocalHintsNetwork(
            hp.width,
            mask_center=hp.mask_center,
            hint_attention=hp.hint_attention,
            channel_attention=hp.channel_attention,
            rank_layers=hp.rank_layers,
            hypercolumn=hp.hypercolumn,
            ab_scale=hp.ab_scale,
        )
        if hp.only_distribution:
            self.network.unet.requires_grad_(False)
        initialize(self.network, hp.init_std)

    def configure_losses(self) -> None:
        """Compile network and losses into one graph, if asked."""
        hp: Any = self.hparams
        self._losses = torch.compile(self._compute_losses) if hp.compile_training else self._compute_losses

    def setup(self, stage: str) -> None:
        """Copy the layers to start from, unless weights were loaded."""
        hp: Any = self.hparams
        if stage == "fit" and hp.trunk is not None and not self.trained:
            copy_shared_layers(hp.trunk, self.network)

    def keep_still(self) -> None:
        """Keep a U-Net that is not trained in evaluation mode."""
        if self.hparams.only_distribution:
            self.network.unet.eval()

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
        return color(self.network, luma, guidance)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that an add-on may refine."""
        return self.network.unet.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        points = guidance.points if guidance is not None else None
        return self.network.before_taps(luma, points if points is not None else Points.none(luma))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.after_taps(state, visit)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw points, color, and compare with the truth."""
        del batch_idx
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        points = self._training_points(ab, batch)
        regression, classification = self._losses(luma, ab, points.ab, points.mask)
        loss: Tensor = hp.regression_weight * regression + hp.classification_weight * classification
        losses = {"loss": loss, "smooth_l1": regression, "cross_entropy": classification}
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, batch_size=len(luma))
        return loss

    def _compute_losses(
        self, luma: Tensor, ab: Tensor, hint_ab: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return smooth-l1 and cross-entropy; tensors only, so that it compiles."""
        hp: Any = self.hparams
        out = self.network(luma, Points(hint_ab, mask), detach=hp.detach)
        if hp.hypercolumn:
            classification = hull_cross_entropy(out.logits, ab)
        else:
            classification = strided_cross_entropy(out.logits, ab, hp.class_stride)
        weight = 1 + hp.colorfulness * torch.linalg.vector_norm(ab, dim=1, keepdim=True) / CHROMA_UNIT
        regression = (smooth_l1_map(out.ab, ab, delta=hp.delta) * weight).mean() / weight.mean()
        return regression, classification

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Place the points of the paper's test, the same for a picture in every epoch."""
        return validation_points(setting, lab, seeds)

    @classmethod
    def for_inference(cls, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the state dict of the plain network: without a discriminator, the rank layers folded in."""
        return fold_rank_layers(super().for_inference(state_dict))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load ``siggraph17-df00044c.pth`` or a checkpoint with the same 107 keys."""
        ours = convert_published(state_dict)
        apply_weights(self, ours, name="the published checkpoint", published=False)

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Translate ``model.caffemodel`` of the authors' interactive demo."""
        return convert_local(layers)

    def _training_points(self, ab: Tensor, batch: Batch) -> Points:
        hp: Any = self.hparams
        simulation = PointSimulation(
            hp.stop_probability, reveal_all=hp.reveal_all, many=hp.many, none=1 - hp.hints
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


def color(network: LocalHintsNetwork, luma: Tensor, guidance: Guidance | None) -> Prediction:
    """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
    points = guidance.points if guidance is not None else None
    out = network(luma, points if points is not None else Points.none(luma))
    return Prediction(ab=out.ab, extras={"logits": out.logits})


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

"""Colorful Image Colorization (Zhang et al., ECCV 2016).

Coloring as classification: every pixel gets a distribution over 313 colors, trained with a weight that favors
rare ones, and is colored with the annealed mean of it. https://arxiv.org/abs/1603.08511
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.losses import rebalanced_cross_entropy
from colorzoo.tasks import ColorizationModule, SingleOptimizerModule, Start, settings_of
from colorzoo.zoo.zhang2016.inference import Answers, build_network
from colorzoo.zoo.zhang2016.network import LOGIT_STRIDE
from colorzoo.zoo.zhang2016.settings import Architecture, Objective
from colorzoo.zoo.zhang2016.trunk import copy_trunk


class Zhang2016(Answers, SingleOptimizerModule):
    """The classifier of colors and its training.

    Args:
        architecture: The network.
        objective: The loss.
        start: A model of the Zhang 2017 family of the same width whose trained trunk to start from; None
            starts from random weights. Stands in for the paper's k-means initialization.
        compile_training: Compile the training step (faster on a CPU after a minute's wait).
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("width", "temperature")
    class_weights: Tensor

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        start: Start | str | None = None,
        compile_training: bool = False,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.compile_training = compile_training
        super().__init__(optimizer, lr_scheduler, start=start)

    def configure_network(self) -> None:
        """Build the network."""
        self.network = build_network(self.architecture)

    def configure_losses(self) -> None:
        """Compute the class weights, and compile network and loss into one graph, if asked."""
        prior = self.objective.prior
        shares = prior_probabilities() if prior is None else read_prior(prior)
        weights = rebalancing_weights(shares.double(), self.objective.uniform).float()
        self.register_buffer("class_weights", weights, persistent=False)
        self._loss = torch.compile(self._compute_loss) if self.compile_training else self._compute_loss

    def take_from(self, source: ColorizationModule) -> None:
        """Copy the trunk of a model of the Zhang 2017 family."""
        copy_trunk(source, self.network)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compare the distribution with the soft-encoded truth."""
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        loss: Tensor = self._loss(lab[:, :1], lab[:, 1:])
        self.log("train/loss", loss, batch_size=len(lab))
        return loss

    def _compute_loss(self, luma: Tensor, ab: Tensor) -> Tensor:
        """Return the rebalanced cross-entropy, mean over positions; tensors only, so that it compiles."""
        target = ab[:, :, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
        logits = self.network.logits(luma)
        neighbors = self.objective.neighbors
        loss = rebalanced_cross_entropy(logits, target, self.class_weights, neighbors=neighbors)
        return loss.mean()


def read_prior(path: str) -> Tensor:
    """Return the ``(313,)`` shares of the bins from an ``.npy`` file.

    Raises:
        ColorzooError: The file is no array of 313 shares.
    """
    try:
        prior = torch.from_numpy(np.load(Path(path), allow_pickle=False)).double()
    except (OSError, ValueError, TypeError) as error:
        raise ColorzooError(
            f"prior {path!r} cannot be read ({error}); `colorzoo data prior` makes one."
        ) from error
    bins = len(prior_probabilities())
    if prior.shape != (bins,) or bool((prior < 0).any()) or not 0.99 < float(prior.sum()) < 1.01:
        raise ColorzooError(
            f"prior {path!r} must hold {bins} shares that sum to 1; `colorzoo data prior` makes one."
        )
    return prior

"""Global Hints of Zhang et al. 2017: the user says what colors the whole picture has, not where."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Guidance, ab_histogram, mean_saturation
from colorzoo.losses import smooth_l1_map
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks import ColorizationModule, SingleOptimizerModule, Start, settings_of
from colorzoo.weights.caffe import CaffeLayers
from colorzoo.zoo.zhang2017.caffe import convert_global
from colorzoo.zoo.zhang2017.extensions import GlobalExtensions
from colorzoo.zoo.zhang2017.inference import GlobalAnswers, build_global
from colorzoo.zoo.zhang2017.settings import GlobalArchitecture, GlobalUsers
from colorzoo.zoo.zhang2017.start import copy_shared_layers

VALIDATION_SETTINGS = ("automatic", "saturation", "histogram", "both")


class Zhang2017Global(GlobalAnswers, SingleOptimizerModule):
    """The Global Hints network and its training.

    Args:
        architecture: The network.
        users: What training pictures tell of themselves.
        delta: Where smooth-l1 turns linear, in CIE units.
        start: A Local Hints model of the same width whose trained layers to start from, as the paper does;
            None starts from random weights.
        compile_training: Compile the training step (faster on a CPU after a minute's wait).
        extensions: What is not in the paper.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.

    Raises:
        ColorzooError: Both ``start`` and a borrowed trunk are given.
    """

    recorded_hparams = ("width", "ab_scale", "trunk")

    def __init__(
        self,
        architecture: GlobalArchitecture = GlobalArchitecture(),
        users: GlobalUsers = GlobalUsers(),
        delta: float = 1.0,
        start: Start | str | None = None,
        compile_training: bool = False,
        extensions: GlobalExtensions = GlobalExtensions(),
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(GlobalArchitecture, architecture)
        self.users = settings_of(GlobalUsers, users)
        self.extensions = settings_of(GlobalExtensions, extensions)
        if start is not None and self.extensions.trunk is not None:
            raise ColorzooError("start must be None: the layers of a borrowed trunk are trained already.")
        self.delta, self.compile_training = delta, compile_training
        super().__init__(optimizer, lr_scheduler, start=start)

    def configure_network(self) -> None:
        """Build U-Net and branch."""
        self.network = build_global(self.architecture, self.extensions)

    def configure_losses(self) -> None:
        """Compile network and loss into one graph, if asked."""
        self._loss = torch.compile(self._compute_loss) if self.compile_training else self._compute_loss

    def take_from(self, source: ColorizationModule) -> None:
        """Copy a Local Hints model's layers; the branch adds nothing at first, so its colors are kept."""
        copy_shared_layers(source.network, self.network)
        torch.nn.init.zeros_(self.network.branch.last_norm.weight)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Show some pictures their statistics, color, and compare with the truth."""
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        histogram, saturation = self._training_statistics(lab, batch)
        loss: Tensor = self._loss(lab[:, :1], lab[:, 1:], histogram, saturation)
        self.log("train/loss", loss, batch_size=len(lab))
        return loss

    def _compute_loss(self, luma: Tensor, ab: Tensor, histogram: Tensor, saturation: Tensor) -> Tensor:
        """Return smooth-l1, mean over pixels; tensors only, so that it compiles."""
        predicted = self.network(luma, GlobalStatistics(histogram, saturation))
        return smooth_l1_map(predicted, ab, delta=self.delta).mean()

    def _training_statistics(self, lab: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return histogram and saturation of the truth, each hidden from some pictures."""
        users = self.users
        draws = draw_uniform(picture_generators(batch["seed"], "statistics"), len(lab), 2, lab.device)
        histogram = ab_histogram(lab[:, 1:]) * (draws[:, :1] < users.histogram_share)
        saturation = mean_saturation(batch["rgb"])
        saturation = torch.where(
            draws[:, 1:] < users.saturation_share, saturation, -torch.ones_like(saturation)
        )
        return histogram, saturation

    def validation_settings(self) -> tuple[str, ...]:
        """Return what of the true statistics is given when PSNR is taken."""
        return VALIDATION_SETTINGS

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Give the true statistics, as in the paper's test."""
        del seeds
        histogram = ab_histogram(lab[:, 1:]) if setting in ("histogram", "both") else None
        saturation = mean_saturation(lab_to_rgb(lab)) if setting in ("saturation", "both") else None
        return Guidance(statistics=GlobalStatistics(histogram, saturation))

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Translate ``global_model.caffemodel`` of the authors' interactive demo."""
        return convert_global(layers)

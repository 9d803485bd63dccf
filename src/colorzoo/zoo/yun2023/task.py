"""iColoriT (Yun, Lee, Park, Choo, WACV 2023).

A vision transformer reads lightness and hints of 2 x 2 pixels and carries their colors across the picture by
attention; a local stabilizing layer keeps neighboring patches consistent. https://arxiv.org/abs/2207.06831
"""

from __future__ import annotations

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance
from colorzoo.losses import smooth_l1_map
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.randomness import picture_generators
from colorzoo.tasks import SingleOptimizerModule, settings_of
from colorzoo.zoo.yun2023.extensions import Extensions
from colorzoo.zoo.yun2023.hints import count_cells, simulate_cells
from colorzoo.zoo.yun2023.inference import Answers, build_network
from colorzoo.zoo.yun2023.settings import Architecture, Objective, Users

VALIDATION_HINTS = (0, 1, 10, 100)


class Yun2023(Answers, SingleOptimizerModule):
    """iColoriT and its training.

    Args:
        architecture: The network.
        objective: The loss.
        users: The simulated users of training.
        extensions: What is not in the paper.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("width", "heads", "depth", "patch", "side", "head", "mask_center")

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        users: Users = Users(),
        extensions: Extensions = Extensions(),
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.users = settings_of(Users, users)
        self.extensions = settings_of(Extensions, extensions)
        self.working_size = self.architecture.side
        super().__init__(optimizer, lr_scheduler)

    def configure_network(self) -> None:
        """Build the transformer and draw its weights."""
        self.network = build_network(self.architecture)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Reveal some cells, color, and compare all pixels with the truth."""
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        generators = picture_generators(batch["seed"], "points")
        points = simulate_cells(ab, generators, self.users.most_hints, self.extensions.few)
        loss = self.huber(self.network(luma, points), ab)
        self.log_dict({"train/loss": loss, "train/huber": loss}, batch_size=len(luma))
        return loss

    def huber(self, found: Tensor, ab: Tensor) -> Tensor:
        """Return the Huber loss over its delta, on ab / 110, summed over a and b, mean over pixels."""
        return smooth_l1_map(found / AB_SCALE, ab / AB_SCALE, delta=self.objective.delta).mean()

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of hints at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_HINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Reveal that many cells, the same of a picture in every epoch."""
        return Guidance(points=count_cells(lab[:, 1:], int(setting), picture_generators(seeds, "points")))

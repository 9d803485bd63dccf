"""The control of GuidingPainter: the same painter g, on the same sketches, guided by color points.

Not in the paper as such; it stands for its baseline of Zhang et al. 2017 on sketches: points are simulated as
there, and the network and its training are those of `Cho2023`, so that only the kind of guidance differs.
"""

from __future__ import annotations

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance, PointSimulation, simulate_points, uniform_points
from colorzoo.randomness import picture_generators
from colorzoo.tasks import SingleOptimizerModule, settings_of
from colorzoo.zoo.cho2023.points_inference import PointsAnswers, PointsSettings, build_painter

VALIDATION_POINTS = (0, 1, 10, 30)


class Cho2023Points(PointsAnswers, SingleOptimizerModule):
    """g reading a sketch, point colors and their mask.

    Args:
        settings: The painter and its training.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    def __init__(
        self,
        settings: PointsSettings = PointsSettings(),
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.settings = settings_of(PointsSettings, settings)
        super().__init__(optimizer, lr_scheduler)

    def configure_network(self) -> None:
        """Build g."""
        self.network = build_painter(self.settings)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw points, paint, and compare with the truth."""
        del batch_idx
        rgb = batch["rgb"]
        simulation = PointSimulation(self.settings.stop_probability)
        points = simulate_points(rgb_to_lab(rgb), picture_generators(batch["seed"], "points"), simulation)
        painted = self.forward(sketches_of(batch), Guidance(points=points)).rgb
        loss: Tensor = self.settings.reconstruction_weight * 2 * (painted - rgb).abs().mean()
        self.log("train/loss", loss, batch_size=len(rgb))
        return loss

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Give points of the true colors."""
        return Guidance(points=uniform_points(lab, int(setting), picture_generators(seeds, "points")))

"""AlacGAN's stroke model (Ci et al., ACM MM 2018) as a baseline for sketches: its generator and its users.

Trained by the distance of pixels: the paper's loss takes features of VGG-16 and a critic of weight 1e-4.
https://arxiv.org/abs/1808.03240
"""

from __future__ import annotations

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance, uniform_points
from colorzoo.randomness import picture_generators
from colorzoo.tasks import SingleOptimizerModule, settings_of
from colorzoo.zoo.ci2018.inference import Answers, Architecture, build_network
from colorzoo.zoo.ci2018.network import HINT_STRIDE

VALIDATION_POINTS = (0, 1, 10, 30)
_SPREAD = 0.005  # deviation of the threshold below 1 above which a cell is hinted


class Ci2018(Answers, SingleOptimizerModule):
    """The generator reading a sketch and color strokes.

    Args:
        architecture: The generator.
        hints: Share of the training pictures that get strokes at all.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        hints: float = 0.5,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.architecture, self.hints = settings_of(Architecture, architecture), hints
        super().__init__(optimizer, lr_scheduler)

    def local_features(self) -> nn.Module | None:
        """Return the network of local features, see `StrokeNetwork`; override it for one of your own."""
        return None

    def configure_network(self) -> None:
        """Build the generator."""
        self.network = build_network(self.architecture, self.local_features())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw strokes, paint, and compare with the truth."""
        del batch_idx
        rgb = batch["rgb"]
        mask = random_cells(batch["seed"], rgb, self.hints)
        painted = self.network(sketches_of(batch), 2 * rgb - 1, mask)
        loss: Tensor = (painted - (2 * rgb - 1)).square().mean()
        self.log("train/loss", loss, batch_size=len(rgb))
        return loss

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of 6 x 6 points at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_POINTS)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Give points of the true colors."""
        return Guidance(points=uniform_points(lab, int(setting), picture_generators(seeds, "points")))


def random_cells(seeds: Tensor, like: Tensor, share: float) -> Tensor:
    """Return the mask ``(B, 1, H, W)`` of the paper's users: cells of 4 x 4 pixels, none for many pictures.

    A cell is given where a uniform number passes 1 - |d|, d normal of deviation 0.005, drawn a picture.

    Args:
        seeds: ``(B,)`` of the pictures.
        like: ``(B, 3, H, W)``.
        share: Of the pictures that get cells at all.
    """
    height, width = like.shape[-2:]
    shape = (1, 1, -(-height // HINT_STRIDE), -(-width // HINT_STRIDE))
    masks = []
    for generator in picture_generators(seeds, "strokes"):
        spread = _SPREAD * torch.randn(1, generator=generator).abs()
        cells = torch.rand(shape, generator=generator) >= 1 - spread
        masks.append(cells & (torch.rand(1, generator=generator) < share))
    mask = F.interpolate(torch.cat(masks).float(), scale_factor=HINT_STRIDE, mode="nearest")
    return mask[..., :height, :width].to(like)

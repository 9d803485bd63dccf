"""Training of AlacGAN's stroke model (Ci et al., ACM MM 2018) by the distance of pixels.

The paper's loss compares features of VGG-16 and has a critic of weight 1e-4.
"""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.randomness import picture_generators
from colorzoo.settings import Share
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.ci2018.model import HINT_STRIDE, Architecture, StrokePainter

_SPREAD = 0.005  # deviation of the threshold below 1 above which a cell is hinted


class Ci2018(SingleOptimizerModule):
    """Task of `StrokePainter`.

    Args:
        architecture: The generator.
        hints: Share of the training pictures with strokes.
        **optimization: See `Optimization`.
    """

    validation_points = (0, 1, 10, 30)
    model: StrokePainter

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        hints: Share = 0.5,
        **optimization: Unpack[Optimization],
    ) -> None:
        self.hints = hints
        super().__init__(StrokePainter(architecture, self.local_features()), **optimization)

    def local_features(self) -> nn.Module | None:
        """Return the network of local features, see `StrokeNetwork`; override it for your own."""
        return None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Draw strokes, paint, and compare with the truth."""
        rgb = batch["rgb"]
        mask = random_cells(batch["seed"], rgb, self.hints)
        painted = self.model.network(sketches_of(batch), 2 * rgb - 1, mask)
        loss: Tensor = (painted - (2 * rgb - 1)).square().mean()
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def random_cells(seeds: Tensor, like: Tensor, share: float) -> Tensor:
    """Return the mask ``(B, 1, H, W)`` of the paper's users: cells of 4 x 4 pixels, none for many pictures.

    A cell is hinted where a uniform number exceeds 1 - |d|; d is normal with deviation 0.005, one per
    picture.

    Args:
        seeds: ``(B,)``, seeds of the pictures.
        like: ``(B, 3, H, W)``, of the size, type and device of the mask.
        share: Share of the pictures with cells.
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

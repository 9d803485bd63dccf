"""Example grids of validation images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import fsspec
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.utils import make_grid

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance
from colorzoo.metrics.psnr import to_8bit
from colorzoo.training.loggers import log_image, run_folder
from colorzoo.training.module import ColorizationModule

HINT_MARGIN = 1
"""Width in pixels of the dark outline around a hint."""


class ImageGrid(Callback):
    """Callback that saves a grid of colorized validation images.

    Each row shows an image of the first validation batch: the gray image, then the hints and the result for
    each guidance setting (such as the number of hints), then the ground truth. The grid is written to
    ``images/step-<N>.png`` in the run folder and sent to loggers that support images. Models with sketch
    input are not supported.

    Args:
        count: Maximum number of images.
    """

    def __init__(self, count: int = 8) -> None:
        self.count = count

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder of the grids; all processes must call this method together."""
        self._folder = f"{run_folder(trainer)}/images"

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Save the grid after the first batch, with averaged weights if the run has them."""
        gray = isinstance(pl_module, ColorizationModule) and pl_module.input_kind == "gray"
        if batch_idx or dataloader_idx or trainer.sanity_checking or not (gray and trainer.is_global_zero):
            return
        first = cast(Batch, {key: values[: self.count] for key, values in batch.items()})
        grid = draw_grid(grid_columns(cast(ColorizationModule, pl_module), first))
        with fsspec.open(f"{self._folder}/step-{trainer.global_step:07d}.png", "wb") as file:
            grid.save(file, "png")
        log_image(trainer.loggers, "val/images", grid, trainer.global_step)


@torch.no_grad()
def grid_columns(module: ColorizationModule, batch: Batch) -> list[Tensor]:
    """Return the grid columns (see `ImageGrid`) as RGB ``(B, 3, H, W)`` in [0, 1].

    Args:
        module: The task, in evaluation mode.
        batch: Validation images.
    """
    lab = rgb_to_lab(batch["rgb"])
    lightness = lab[:, :1]
    columns = [lightness_to_rgb(lightness)]
    for _, guidance in module.validation_guidances(batch, lab):
        hints = hint_image(lightness, guidance)
        if hints is not None:
            columns.append(hints)
        columns.append(module(lightness, guidance).to_rgb(lightness).float())
    return [*columns, batch["rgb"]]


def hint_image(lightness: Tensor, guidance: Guidance) -> Tensor | None:
    """Draw the color points of the guidance as squares on the gray images.

    Args:
        lightness: Lightness of the images, ``(B, 1, H, W)`` in [0, 100].
        guidance: Guidance for images of size H x W.

    Returns:
        RGB ``(B, 3, H, W)`` in [0, 1], or None if the guidance contains no points.
    """
    points = guidance.points
    if points is None or not bool(points.mask.any()):
        return None
    outlined = F.max_pool2d(points.mask, 2 * HINT_MARGIN + 1, stride=1, padding=HINT_MARGIN)
    # medium lightness, because a color on black or white would be invisible
    color = lab_to_rgb(torch.cat([torch.full_like(lightness, 60.0), points.ab], dim=1))
    dark = lightness_to_rgb(lightness) * (1 - outlined)
    return torch.where(points.mask > 0, color, dark)


def draw_grid(columns: Sequence[Tensor]) -> Image.Image:
    """Return a grid image whose columns are batches of RGB images.

    Args:
        columns: Batches ``(B, 3, H, W)`` of the same shape, in [0, 1].
    """
    images = torch.stack(list(columns), dim=1).flatten(0, 1)
    levels = to_8bit(make_grid(images, nrow=len(columns), pad_value=1.0)[None])[0].byte()
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())

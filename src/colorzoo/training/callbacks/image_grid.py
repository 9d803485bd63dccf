"""Example grids of validation images: a row for each image, a titled column for each view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fsspec
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance
from colorzoo.metrics.psnr import to_8bit
from colorzoo.training.loggers import log_image, run_folder
from colorzoo.training.module import ColorizationModule

HINT_MARGIN = 1
"""Width in pixels of the dark outline around a hint, for contrast on any gray."""

_TITLE_HEIGHT = 14
_GAP = 2


class ImageGrid(Callback):
    """Colorize the first validation images after each epoch of validation, in every guidance setting.

    Each row contains the gray image, hints and result of each setting, and the ground truth. The grid is
    written to ``images/step-<N>.png`` in the run folder and sent to loggers that support images. Models that
    read sketches are skipped.

    Args:
        count: Number of images.
        max_side: Larger images are downscaled to this longer side in pixels.
    """

    def __init__(self, count: int = 8, max_side: int = 256) -> None:
        self.count, self.max_side = count, max_side
        self._parts: list[Batch] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder of the grids; finding the run folder is a collective call."""
        self._folder = f"{run_folder(trainer)}/images"

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Discard the images of the previous grid."""
        self._parts = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect images; render the grid when it is full or after the last batch.

        At the end of the epoch, averaging callbacks have already restored the current weights.
        """
        gray = isinstance(pl_module, ColorizationModule) and pl_module.input_kind == "gray"
        if not (gray and trainer.is_global_zero) or trainer.sanity_checking or dataloader_idx > 0:
            return
        missing = self.count - sum(len(part["rgb"]) for part in self._parts)
        if missing <= 0:
            return
        self._parts.append(_first(batch, missing))
        if missing <= len(batch["rgb"]) or batch_idx + 1 == trainer.num_val_batches[0]:
            self._render(trainer, pl_module)

    def _render(self, trainer: Trainer, pl_module: Any) -> None:
        grid = draw_grid(grid_columns(pl_module, _downscaled(_concatenated(self._parts), self.max_side)))
        with fsspec.open(f"{self._folder}/step-{trainer.global_step:07d}.png", "wb") as file:
            grid.save(file, "png")
        log_image(trainer.loggers, "val/images", grid, trainer.global_step)


@torch.no_grad()
def grid_columns(module: ColorizationModule, batch: Batch) -> dict[str, Tensor]:
    """Return the columns of the grid by title.

    Args:
        module: The task, in evaluation mode.
        batch: Validation images.

    Returns:
        ``(B, 3, H, W)`` RGB in [0, 1] for each column.
    """
    lab = rgb_to_lab(batch["rgb"])
    lightness = lab[:, :1]
    columns = {"gray": lightness_to_rgb(lightness)}
    for setting, guidance in module.validation_guidances(batch, lab):
        hints = hint_image(lightness, guidance)
        if hints is not None:
            columns[f"hints {setting}"] = hints
        columns[f"result {setting}"] = module(lightness, guidance).to_rgb(lightness).float()
    return {**columns, "truth": batch["rgb"]}


def _first(batch: Batch, count: int) -> Batch:
    """Return the first images of a batch, with the entries that guidance is computed from."""
    part = Batch(rgb=batch["rgb"][:count], seed=batch["seed"][:count], name=batch["name"][:count])
    if "boxes" in batch:
        part["boxes"] = batch["boxes"][:count]
    return part


def _concatenated(parts: Sequence[Batch]) -> Batch:
    batch = Batch(
        rgb=torch.cat([part["rgb"] for part in parts]),
        seed=torch.cat([part["seed"] for part in parts]),
        name=[name for part in parts for name in part["name"]],
    )
    if all("boxes" in part for part in parts):
        batch["boxes"] = [boxes for part in parts for boxes in part["boxes"]]
    return batch


def _downscaled(batch: Batch, max_side: int) -> Batch:
    height, width = batch["rgb"].shape[-2:]
    factor = max_side / max(height, width)
    if factor >= 1:
        return batch
    size = (round(height * factor), round(width * factor))
    smaller = batch.copy()
    smaller["rgb"] = F.interpolate(batch["rgb"], size, mode="area")
    if "boxes" in batch:
        scale = torch.tensor([size[1] / width, size[0] / height] * 2)
        smaller["boxes"] = [boxes * scale.to(boxes.device) for boxes in batch["boxes"]]
    return smaller


def hint_image(lightness: Tensor, guidance: Guidance) -> Tensor | None:
    """Draw points as colored squares on the gray image.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        guidance: Guidance of the same size.

    Returns:
        ``(B, 3, H, W)`` in [0, 1]; None without points.
    """
    points = guidance.points
    if points is None or not bool(points.mask.any()):
        return None
    outlined = F.max_pool2d(points.mask, 2 * HINT_MARGIN + 1, stride=1, padding=HINT_MARGIN)
    # medium lightness, because a color on black or white would be invisible
    color = lab_to_rgb(torch.cat([torch.full_like(lightness, 60.0), points.ab], dim=1))
    dark = lightness_to_rgb(lightness) * (1 - outlined)
    return torch.where(points.mask > 0, color, dark)


def draw_grid(columns: dict[str, Tensor]) -> Image.Image:
    """Arrange images in a grid with titled columns.

    Args:
        columns: ``(B, 3, H, W)`` RGB in [0, 1] by title, all of equal size.
    """
    first = next(iter(columns.values()))
    rows, _, height, width = first.shape
    size = (len(columns) * (width + _GAP) + _GAP, _TITLE_HEIGHT + rows * (height + _GAP))
    grid = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(grid)
    for number, (title, images) in enumerate(columns.items()):
        left = _GAP + number * (width + _GAP)
        draw.text((left, 1), title, fill="black")
        levels = to_8bit(images).byte().permute(0, 2, 3, 1).cpu().numpy()
        for row, image in enumerate(levels):
            grid.paste(Image.fromarray(image), (left, _TITLE_HEIGHT + row * (height + _GAP)))
    return grid

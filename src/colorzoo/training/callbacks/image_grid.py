"""Tables of validation images: a row for each image, a titled column for each view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fsspec
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image, ImageDraw
from torch import Tensor

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance, Points
from colorzoo.metrics.psnr import to_8bit
from colorzoo.training.loggers import log_image, run_folder
from colorzoo.training.module import ColorizationModule

HINT_MARGIN = 1
"""Width in pixels of the dark frame around a hint, for contrast on any gray."""

_TITLE_HEIGHT = 14
_GAP = 2


class ImageGrid(Callback):
    """Paint the same few images at each validation, in every setting of the validation.

    One row per image: gray, then hints and result per setting, then the truth. The table is always written
    to ``images/step-<N>.png`` in the run's folder, and sent to loggers that show images. Only the first
    process paints; models of sketches are skipped.

    Args:
        count: Number of images, the first ones of the validation set.
        max_side: Larger images are reduced to this side in pixels before they are painted.
    """

    def __init__(self, count: int = 8, max_side: int = 256) -> None:
        self.count, self.max_side = count, max_side
        self._parts: list[Batch] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder of the run."""
        self._folder = f"{run_folder(trainer)}/images"

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new table."""
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
        """Collect images; paint when there are enough or no more.

        Not at the end of the epoch: by then averaging callbacks have restored the raw weights.
        """
        if not self._wanted(trainer, pl_module) or dataloader_idx > 0:
            return
        missing = self.count - sum(len(part["rgb"]) for part in self._parts)
        if missing <= 0:
            return
        self._parts.append(_first(batch, missing))
        is_last = batch_idx + 1 == trainer.num_val_batches[0]
        if missing <= len(batch["rgb"]) or is_last:
            self._paint(trainer, pl_module)

    def _wanted(self, trainer: Trainer, pl_module: LightningModule) -> bool:
        paints = isinstance(pl_module, ColorizationModule) and pl_module.input_kind == "gray"
        return paints and trainer.is_global_zero and not trainer.sanity_checking

    def _paint(self, trainer: Trainer, pl_module: Any) -> None:
        columns = paint_columns(pl_module, _shrunk(_joined(self._parts), self.max_side))
        table = draw_table(columns)
        with fsspec.open(f"{self._folder}/step-{trainer.global_step:07d}.png", "wb") as file:
            table.save(file, "png")
        log_image(trainer.loggers, "val/images", table, trainer.global_step)


@torch.no_grad()
def paint_columns(module: ColorizationModule, batch: Batch) -> dict[str, Tensor]:
    """Return the columns of the table by title.

    Args:
        module: The model, in evaluation mode.
        batch: Images of the validation.

    Returns:
        ``(B, 3, H, W)`` in [0, 1] each.
    """
    lab = rgb_to_lab(batch["rgb"])
    lightness = lab[:, :1]
    columns = {"gray": lightness_to_rgb(lightness)}
    for setting, guidance in module.validation_guidances(batch, lab):
        hints = guidance_image(lightness, guidance)
        if hints is not None:
            columns[f"hints {setting}"] = hints
        columns[f"result {setting}"] = module(lightness, guidance).to_rgb(lightness).float()
    return {**columns, "truth": batch["rgb"]}


def _first(batch: Batch, count: int) -> Batch:
    """Return the first images of a batch with the data that guidance is made from."""
    part = Batch(rgb=batch["rgb"][:count], seed=batch["seed"][:count], name=batch["name"][:count])
    if "boxes" in batch:
        part["boxes"] = batch["boxes"][:count]
    return part


def _joined(parts: Sequence[Batch]) -> Batch:
    """Return one batch of all images."""
    batch = Batch(
        rgb=torch.cat([part["rgb"] for part in parts]),
        seed=torch.cat([part["seed"] for part in parts]),
        name=[name for part in parts for name in part["name"]],
    )
    if all("boxes" in part for part in parts):
        batch["boxes"] = [boxes for part in parts for boxes in part["boxes"]]
    return batch


def _shrunk(batch: Batch, max_side: int) -> Batch:
    """Return the batch with no side above ``max_side`` pixels."""
    height, width = batch["rgb"].shape[-2:]
    factor = max_side / max(height, width)
    if factor >= 1:
        return batch
    size = (round(height * factor), round(width * factor))
    shrunk = batch.copy()
    shrunk["rgb"] = torch.nn.functional.interpolate(batch["rgb"], size, mode="area")
    if "boxes" in batch:
        scale = torch.tensor([size[1] / width, size[0] / height] * 2)
        shrunk["boxes"] = [boxes * scale.to(boxes.device) for boxes in batch["boxes"]]
    return shrunk


def hint_image(lightness: Tensor, points: Points) -> Tensor:
    """Draw points as colored squares on the gray image.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        points: Hints of the same size.

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    size = 2 * HINT_MARGIN + 1
    framed = torch.nn.functional.max_pool2d(points.mask, size, stride=1, padding=HINT_MARGIN)
    # medium lightness: a color on black or white would be invisible
    color = lab_to_rgb(torch.cat([torch.full_like(lightness, 60.0), points.ab], dim=1))
    dark = lightness_to_rgb(lightness) * (1 - framed)
    return torch.where(points.mask > 0, color, dark)


def guidance_image(lightness: Tensor, guidance: Guidance) -> Tensor | None:
    """Return an image of the guidance, or None without visible guidance."""
    if guidance.points is None or not bool(guidance.points.mask.any()):
        return None
    return hint_image(lightness, guidance.points)


def draw_table(columns: dict[str, Tensor]) -> Image.Image:
    """Arrange images in a table with titled columns.

    Args:
        columns: ``(B, 3, H, W)`` in [0, 1] by title, all of one size.
    """
    first = next(iter(columns.values()))
    rows, _, height, width = first.shape
    size = (len(columns) * (width + _GAP) + _GAP, _TITLE_HEIGHT + rows * (height + _GAP))
    table = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(table)
    for number, (title, images) in enumerate(columns.items()):
        left = _GAP + number * (width + _GAP)
        draw.text((left, 1), title, fill="black")
        levels = to_8bit(images).byte().permute(0, 2, 3, 1).cpu().numpy()
        for row, image in enumerate(levels):
            table.paste(Image.fromarray(image), (left, _TITLE_HEIGHT + row * (height + _GAP)))
    return table

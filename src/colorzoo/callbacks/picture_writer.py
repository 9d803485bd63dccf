"""Write what ``predict`` paints as PNG files."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from PIL import Image
from torch import Tensor

from colorzoo.callbacks.folders import run_folder
from colorzoo.metrics.psnr import to_8bit


class PictureWriter(BasePredictionWriter):
    """Write each painted picture to ``<folder>/<path of the input below the data folder>.png``.

    Every process writes its own pictures; files appear whole or not at all.

    Args:
        folder: Where to write; ``predictions`` in the run's folder by default.
    """

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(write_interval="batch")
        self.folder = folder

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder."""
        del pl_module, stage
        self._folder = Path(self.folder or run_folder(trainer) / "predictions")
        self._targets: dict[str, str] = {}

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the names of all files together, so that no two processes write the same one."""
        del pl_module
        names = [name for loader in _loaders(trainer) for name in getattr(loader.dataset, "names", [])]
        self._targets = output_names(names)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Tensor,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write one batch of pictures, ``(B, 3, H, W)`` in [0, 1]."""
        del trainer, pl_module, batch_indices, batch_idx, dataloader_idx
        levels = to_8bit(prediction).byte().permute(0, 2, 3, 1).cpu().numpy()
        for name, picture in zip(batch["name"], levels, strict=True):
            target = self._folder / self._targets.get(name, f"{PurePath(name).stem}.png")
            _save_whole(Image.fromarray(picture), target)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the pictures are."""
        del pl_module
        if trainer.is_global_zero:
            print(f"pictures are in {self._folder}", file=sys.stderr)


def output_names(names: Sequence[str]) -> dict[str, str]:
    """Return the relative name of the PNG for each input: its path below their common folder.

    Inputs that differ in nothing but the extension keep it: ``a.jpg`` and ``a.webp`` become ``a.jpg.png`` and
    ``a.webp.png``.
    """
    if not names:
        return {}
    common = os.path.commonpath([str(PurePath(name).parent) for name in names])
    relative = {name: PurePath(name).relative_to(common) for name in names}
    count = Counter(path.with_suffix("") for path in relative.values())
    return {
        name: f"{path}.png" if count[path.with_suffix("")] > 1 else str(path.with_suffix(".png"))
        for name, path in relative.items()
    }


def _loaders(trainer: Trainer) -> list[Any]:
    loaders = trainer.predict_dataloaders
    return loaders if isinstance(loaders, list) else [loaders]


def _save_whole(picture: Image.Image, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        picture.save(part, format="PNG")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)

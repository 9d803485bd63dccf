"""The base of the DataModules that bring more than pictures of a folder: loaders, order, augmentation."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.augment import random_resized_crop_flip
from colorzoo.data.loader import LateLoader
from colorzoo.data.sampler import SeededSampler
from colorzoo.draws import picture_generators


class StreamDataModule(LightningDataModule):
    """Loaders over the data sets that a subclass builds in ``setup``.

    Workers only decode and crop; zoom, mirror and everything that is made from a picture run on the device.

    Args:
        root: The folder.
        batch_size: Pictures per batch and process.
        crop: Side of the training crops in pixels.
        resize: Shorter side of a decoded training picture; None takes 1.25 times the crop.
        min_scale: Smallest random zoom window, as a share of the decoded square.
        val_size: Validation pictures are resized to this shorter side and cropped centrally.
        val_batch_size: Pictures per validation batch.
        val_limit: Use only the first so many validation pictures; None takes all.
        num_workers: Worker processes per loader.
        seed: Seed of order, crops, augmentation and simulated guidance.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 16,
        crop: int = 176,
        resize: int | None = None,
        min_scale: float = 0.6,
        val_size: int = 256,
        val_batch_size: int = 8,
        val_limit: int | None = None,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.train_data: Dataset[Any] | None = None
        self.val_data: Dataset[Any] | None = None

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name."""
        return super().hparams

    @property
    def train_side(self) -> int:
        """Side in pixels of the squares that workers deliver for training."""
        return int(self.hparams.resize or round(self.hparams.crop * 1.25))

    def train_dataloader(self) -> LateLoader:
        """Return random crops, shuffled by seed and epoch."""
        data: Any = self.train_data
        drop_last = len(data) >= self.hparams.batch_size
        return self._loader(data, self.train_sampler(), self.hparams.batch_size, drop_last=drop_last)

    def val_dataloader(self) -> LateLoader:
        """Return central crops in a fixed order."""
        data: Any = self.val_data
        sampler = SeededSampler(len(data), seed=self.hparams.seed, shuffle=False, **self.ranks())
        return self._loader(data, sampler, self.hparams.val_batch_size, drop_last=False)

    def test_dataloader(self) -> LateLoader:
        """Return the validation pictures."""
        return self.val_dataloader()

    def predict_dataloader(self) -> LateLoader:
        """Return the validation pictures."""
        return self.val_dataloader()

    def train_sampler(self) -> SeededSampler:
        """Return the order of training."""
        data: Any = self.train_data
        return SeededSampler(len(data), seed=self.hparams.seed, seen=self.samples_seen, **self.ranks())

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Turn uint8 into floats, augment while training, and add what is made from the pictures."""
        batch = {name: _unit(value) for name, value in batch.items()}
        training = self.trainer is not None and bool(self.trainer.training)
        if training:
            batch = self.augment(batch)
        return self.complete(batch, training=training)

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Zoom and mirror the pictures of a training batch, and ``sketch`` like them where there is one."""
        names = [name for name in ("rgb", "sketch") if name in batch]
        joined = torch.cat([batch[name] for name in names], 1)
        hp = self.hparams
        generators = picture_generators(batch["seed"], "augment")
        joined = random_resized_crop_flip(joined, hp.crop, generators, min_scale=hp.min_scale)
        parts = torch.split(joined, [batch[name].shape[1] for name in names], 1)
        return {**batch, **dict(zip(names, parts, strict=True))}

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Add what is made from the pictures; nothing by default."""
        del training
        return batch

    def ranks(self) -> dict[str, Any]:
        """Return index and number of the processes, as samplers take them."""
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}

    def samples_seen(self) -> int:
        """Return how many samples of this epoch a resumed run has already trained on."""
        if self.trainer is None:
            return 0
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return int(batches * self.hparams.batch_size)

    def _loader(
        self, data: Dataset[Any], sampler: SeededSampler, batch_size: int, *, drop_last: bool
    ) -> LateLoader:
        workers = self.hparams.num_workers
        return LateLoader(
            data,
            batch_size=batch_size,  # by name: Lightning builds the loader of predict anew
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )


def _unit(value: Any) -> Any:
    is_picture = isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 4
    return value.float() / 255 if is_picture else value

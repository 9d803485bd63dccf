"""`FolderDataModule`: train on any folder of pictures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule

from colorzoo.data.augment import random_resized_crop_flip
from colorzoo.data.check import check_pictures
from colorzoo.data.dataset import Batch, PictureDataset
from colorzoo.data.loader import LateLoader
from colorzoo.data.sampler import SeededSampler
from colorzoo.data.sources import Source, find_sources, split_by_content
from colorzoo.draws import picture_generators
from colorzoo.errors import DataError

log = logging.getLogger(__name__)


class FolderDataModule(LightningDataModule):
    """Pictures of a folder, found recursively, plain or in ``.tar`` shards.

    If the folder has subfolders ``train`` and ``val`` they are used as they are; otherwise the pictures are
    split by their content. Workers only decode and crop; zoom and mirror run on the device.

    Args:
        root: The folder.
        batch_size: Pictures per batch and process.
        crop: Side of the training crops in pixels.
        resize: Shorter side of a decoded training picture; None takes 1.25 times the crop.
        min_scale: Smallest random zoom window, as a share of the decoded square.
        val_size: Validation pictures are resized to this shorter side and cropped centrally.
        val_batch_size: Pictures per validation batch.
        val_share: Expected share of validation pictures when the split is by content.
        val_limit: Use only the first so many validation pictures; None takes all.
        check: Decode every picture once before training, to list broken and gray ones.
        drop_gray: Leave out training pictures without color.
        cache: Keep decoded training pictures in memory; use it with ``num_workers=0``.
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
        val_share: float = 0.05,
        val_limit: int | None = None,
        check: bool = True,
        drop_gray: bool = True,
        cache: bool = False,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.train_sources: list[Source] = []
        self.val_sources: list[Source] = []

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name."""
        return super().hparams

    def setup(self, stage: str) -> None:
        """Find, split and check the pictures (once)."""
        if self.val_sources:
            return
        hp = self.hparams
        train, val = _split(Path(hp.root), hp.val_share)
        if hp.check and stage == "fit":
            train = self._check(train, drop_gray=hp.drop_gray)
        self.train_sources = train
        self.val_sources = (self._check(val, drop_gray=False) if hp.check else val)[: hp.val_limit]
        if stage == "fit" and not self.train_sources:
            raise DataError(f"no usable training picture in {hp.root!r}; see the list of skipped ones above.")
        if not self.val_sources:
            raise DataError(f"no validation picture in {hp.root!r}; raise val_share (now {hp.val_share}).")

    def train_dataloader(self) -> LateLoader:
        """Return random crops, shuffled by seed and epoch."""
        hp = self.hparams
        resize = hp.resize or round(hp.crop * 1.25)
        dataset = PictureDataset(
            self.train_sources, resize=resize, crop=resize, random_crop=True, cache=hp.cache
        )
        sampler = SeededSampler(len(dataset), seed=hp.seed, seen=self._samples_seen, **self._ranks())
        return self._loader(dataset, sampler, hp.batch_size, drop_last=len(dataset) >= hp.batch_size)

    def val_dataloader(self) -> LateLoader:
        """Return central crops in a fixed order."""
        hp = self.hparams
        dataset = PictureDataset(self.val_sources, resize=hp.val_size, crop=hp.val_size, random_crop=False)
        sampler = SeededSampler(len(dataset), seed=hp.seed, shuffle=False, **self._ranks())
        return self._loader(dataset, sampler, hp.val_batch_size, drop_last=False)

    def test_dataloader(self) -> LateLoader:
        """Return the validation pictures."""
        return self.val_dataloader()

    def predict_dataloader(self) -> LateLoader:
        """Return the validation pictures."""
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn uint8 into floats, and augment while training."""
        rgb = batch["rgb"].float() / 255
        if self.trainer is not None and self.trainer.training:
            generators = picture_generators(batch["seed"], "augment")
            rgb = random_resized_crop_flip(
                rgb, self.hparams.crop, generators, min_scale=self.hparams.min_scale
            )
        return Batch(rgb=rgb, seed=batch["seed"], name=batch["name"])

    def _loader(
        self, dataset: PictureDataset, sampler: SeededSampler, batch_size: int, *, drop_last: bool
    ) -> LateLoader:
        workers = self.hparams.num_workers
        return LateLoader(
            dataset,
            batch_size=batch_size,  # by name: Lightning builds the loader of predict anew
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )

    def _ranks(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}

    def _samples_seen(self) -> int:
        """Return how many samples of this epoch a resumed run has already trained on."""
        if self.trainer is None:
            return 0
        # `LateLoader` asks after Lightning has settled which batches a resumed epoch counts as done.
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return int(batches * self.hparams.batch_size)

    def _check(self, sources: list[Source], *, drop_gray: bool) -> list[Source]:
        checked = check_pictures(sources, drop_gray=drop_gray)
        first = self.trainer is None or self.trainer.is_global_zero
        if first and (summary := checked.summary()):
            log.warning(summary)
        return checked.good


def _split(root: Path, val_share: float) -> tuple[list[Source], list[Source]]:
    """Return training and validation pictures, by subfolders if there are any, else by content."""
    if (root / "train").is_dir() and (root / "val").is_dir():
        return find_sources(root / "train"), find_sources(root / "val")
    return split_by_content(find_sources(root), val_share)

"""`StreamingDataModule`: train on shards that ``colorzoo data shard`` wrote, here or in a bucket."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from colorzoo.data.dataset import Sample, crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.loader import LateLoader
from colorzoo.data.module import PictureDataModule
from colorzoo.data.originals import ShardOriginals
from colorzoo.data.shard_reader import ShardReader, read_manifest
from colorzoo.data.shard_sampler import ShardSampler


class ShardDataset(Dataset[Sample]):
    """Square uint8 crops of the pictures in shards.

    Args:
        reader: The pictures.
        side: Shorter side after decoding, and side of the crop.
        random_crop: Whether the crop moves with the seed of the sample.
        limit: Use only the first so many pictures; None takes all.
    """

    def __init__(
        self, reader: ShardReader, *, side: int, random_crop: bool, limit: int | None = None
    ) -> None:
        self.reader, self.side, self.random_crop = reader, side, random_crop
        self._length = len(reader) if limit is None else min(limit, len(reader))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return one sample; ``key`` is the index and the seed of its randomness."""
        index, seed = key
        data, label, name = self.reader[index]
        rgb = crop_square(decode_rgb(data, self.side), self.side, seed if self.random_crop else None)
        return Sample(rgb=rgb, seed=torch.tensor(seed), name=name, label=torch.tensor(label))


class StreamingDataModule(PictureDataModule):
    """Pictures in shards.

    Each epoch has an order of its own that depends on the seed alone; it is split over nodes and processes
    without overlap or loss, is the same for any number of workers, and goes on exactly where a checkpoint
    was made, also in the middle of an epoch. Batches also hold ``label``, ``(B,)`` int64, the number of each
    picture's class.

    Args:
        root: Folder that ``colorzoo data shard`` wrote, or the address of a copy of it:
            ``s3://bucket/folder``, ``gs://...``, ``azure://...``, ``hf://...``.
        cache_dir: Folder for what is fetched from an address; None takes one below colorzoo's cache.
        cache_gigabytes: Delete the chunks fetched first beyond this size; None keeps all.
        shuffle_window: Pictures among which the shuffle of one process chooses; larger mixes better and
            reads more chunks at a time.
        kwargs: Arguments of `PictureDataModule`; ``check``, ``drop_gray`` and ``cache`` do nothing here, for
            shards are checked when they are written.
    """

    def __init__(
        self,
        root: str,
        cache_dir: str | None = None,
        cache_gigabytes: float | None = None,
        shuffle_window: int = 8192,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.classes: list[str] = []

    def prepare_data(self) -> None:
        """Nothing: the pictures were checked when the shards were written."""

    def setup(self, stage: str) -> None:
        """Open the shards (once).

        Raises:
            DataError: There are none, or files of them are missing.
        """
        if self.val_data is not None:
            return
        hp = self.hparams
        self.classes = list(read_manifest(hp.root, hp.cache_dir)["classes"])
        self.train_data = ShardDataset(self._reader("train"), side=self.train_side, random_crop=True)
        self.val_data = ShardDataset(
            self._reader("val"), side=hp.val_size, random_crop=False, limit=hp.val_limit
        )

    def originals(self) -> ShardOriginals:
        """Return all pictures, of the size they have in the shards."""
        return ShardOriginals(self._reader("train"), self._reader("val"))

    def train_dataloader(self) -> LateLoader:
        """Return random crops, shuffled by seed and epoch; the last batch of an epoch may be smaller."""
        assert isinstance(self.train_data, ShardDataset), "setup opens the shards"
        return self._loader(self.train_data, self.train_sampler(), self.hparams.batch_size, drop_last=False)

    def train_sampler(self) -> ShardSampler:
        """Return the order of training."""
        assert isinstance(self.train_data, ShardDataset), "setup opens the shards"
        hp = self.hparams
        return ShardSampler(
            self.train_data.reader.sizes,
            batch_size=hp.batch_size,
            window=hp.shuffle_window,
            seed=hp.seed,
            seen=self.samples_seen,
            **self.ranks(),
        )

    def _reader(self, split: str) -> ShardReader:
        hp = self.hparams
        return ShardReader(hp.root, split, cache=hp.cache_dir, cache_gigabytes=hp.cache_gigabytes)

"""`StreamingDataModule`: train on shards that ``colorzoo data shard`` wrote, local or in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.dataset import Sample, crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.loader import LateLoader, SeededSampler
from colorzoo.data.module import PictureDataModule
from colorzoo.data.originals import ShardOriginals
from colorzoo.data.shards import ShardReader, read_manifest
from colorzoo.errors import DataError
from colorzoo.settings import Natural, Positive


class StreamingDataModule(PictureDataModule):
    """Pictures in shards, local or in a bucket.

    Examples:
        >>> data = StreamingDataModule("shards", batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    The order of each epoch depends on the seed only; it is divided over nodes and processes without overlap
    or loss, is the same for any number of workers, and resumes exactly from a checkpoint, also in the middle
    of an epoch. Batches also have ``label``, ``(B,)`` int64, the class number of each picture.

    Args:
        root: Folder written by ``colorzoo data shard``, or the address of a copy: ``s3://bucket/folder``,
            ``gs://...``, ``azure://...``, ``hf://...``.
        cache_dir: Folder for downloads; None is one in colorzoo's cache.
        cache_gigabytes: Size beyond which the oldest downloads are deleted; None keeps all.
        shuffle_window: Pictures that a process shuffles together; larger windows mix better and read more
            chunks at a time.
        kwargs: Arguments of `PictureDataModule`; ``check``, ``drop_gray`` and ``cache`` have no effect:
            pictures are checked when shards are written.

    Raises:
        ColorzooError: A number is out of its range, or ``class_power`` is not 1 or the batch size a list:
            shards are read in order, in as many batches by each process.
    """

    predicted = "pictures of all splits"

    def __init__(
        self,
        root: str,
        cache_dir: str | None = None,
        cache_gigabytes: Positive | None = None,
        shuffle_window: Natural = 8192,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        if self.hparams.class_power != 1:
            raise DataError("class_power has no effect on shards, which are read in order; leave it at 1.")
        if len(self.batch_sizes) > 1:
            raise DataError("batch_size of shards must be one number; only crop may be a list.")
        self.classes: list[str] = []

    @property
    def label_count(self) -> int:
        """Number of the classes of the pictures that were sharded, once `setup` has opened the shards."""
        return len(self.classes)

    def prepare_data(self) -> None:
        """Do nothing: the pictures were checked when the shards were written."""

    def setup(self, stage: str) -> None:
        """Open the shards (once).

        Raises:
            DataError: Shards are missing or incomplete.
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
        """Return all pictures at their size in the shards."""
        return ShardOriginals(self._reader("train"), self._reader("val"))

    def train_dataloader(self) -> LateLoader:
        """Return random crops, shuffled by seed and epoch; the last batch of an epoch may be smaller."""
        assert isinstance(self.train_data, ShardDataset), "setup() opens the shards"
        data = self._tolerant(self.train_data)
        return self._loader(data, self.train_sampler(), self.batch_sizes[0], drop_last=False)

    def train_sampler(self) -> ShardSampler:
        """Return the sampler of training."""
        assert isinstance(self.train_data, ShardDataset), "setup() opens the shards"
        hp = self.hparams
        return ShardSampler(
            self.train_data.reader.sizes,
            batch_size=self.batch_sizes[0],
            window=hp.shuffle_window,
            seed=hp.seed,
            seen=lambda: self.samples_seen() // self._processes,
            **self.ranks(),
        )

    def digest(self) -> dict[str, Any]:
        """Return number and hash of the pictures and options of which the shards were made."""
        hp = self.hparams
        plan = read_manifest(hp.root, hp.cache_dir)["plan"]
        return {"pictures": sum(self._reader("train").sizes), "sha256": plan}

    def continue_epoch(self, earlier: Mapping[str, Any], epoch: int, batches: int) -> int:
        """Return ``batches``: an epoch of shards goes on in the same processes only.

        Raises:
            DataError: The number of processes or the batch is another one.
        """
        if (now := self.state_dict()) == {**now, **earlier, "ahead": now["ahead"]}:
            return batches
        raise DataError(
            f"the checkpoint stands within an epoch, whose shards {earlier['processes']} process(es) divide "
            f"in batches of {earlier['global_batches'][0]}; resume it with as many, or from an epoch's end."
        )

    def _reader(self, split: str) -> ShardReader:
        hp = self.hparams
        bad = hp.skip_bad if split == "train" else 0
        return ShardReader(hp.root, split, cache=hp.cache_dir, cache_gigabytes=hp.cache_gigabytes, bad=bad)


class ShardDataset(Dataset[Sample]):
    """Square uint8 crops of the pictures in shards.

    Args:
        reader: The pictures.
        side: Shorter side after decoding, and side of the crop.
        random_crop: Choose the crop by the seed of the sample.
        limit: Use only the first pictures; None uses all.
    """

    def __init__(
        self, reader: ShardReader, *, side: int, random_crop: bool, limit: int | None = None
    ) -> None:
        self.reader, self.side, self.random_crop = reader, side, random_crop
        self._length = len(reader) if limit is None else min(limit, len(reader))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample of ``key``, an index and a seed."""
        index, seed = key
        data, label, name = self.reader[index]
        rgb = crop_square(decode_rgb(data, self.side), self.side, seed if self.random_crop else None)
        return Sample(rgb=rgb, seed=torch.tensor(seed), name=name, label=torch.tensor(label))


class ShardSampler(SeededSampler):
    """Yields ``(index, seed)`` pairs that depend on seed and epoch only.

    In each epoch the chunks are shuffled and divided into one equal part per process; inside a part the
    pictures are shuffled over windows of several chunks. A process thus reads few chunks at a time, nearly
    all of them alone. The order does not depend on the number of workers.

    Every picture is used exactly once in an epoch. Only a process that would run out of batches before the
    others, which would stall distributed training, repeats one picture of its part.

    Args:
        sizes: Number of pictures in each chunk.
        batch_size: Pictures per batch and process.
        window: Pictures that are shuffled together.
        seed: Seed of the run.
        rank: Index of this process.
        world_size: Number of processes.
        seen: Returns, at the start of an iteration, how many pictures of this epoch a resumed run has already
            trained on in this process.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        batch_size: int,
        window: int = 8192,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        seen: Callable[[], int] = lambda: 0,
    ) -> None:
        if sum(sizes) < world_size:
            raise DataError(
                f"{sum(sizes)} training picture(s) cannot feed {world_size} processes; use fewer."
            )
        super().__init__(sum(sizes), seed=seed, rank=rank, world_size=world_size, seen=seen)
        self.sizes, self.batch_size, self.window = torch.tensor(sizes), batch_size, window

    def __len__(self) -> int:
        largest, smallest = -(-self.length // self.world_size), self.length // self.world_size
        mine = smallest + (self.rank < self.length % self.world_size)
        batches = -(-largest // self.batch_size)
        return mine if -(-smallest // self.batch_size) == batches else largest

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = self._chunk_by_chunk(torch.randperm(len(self.sizes), generator=generator))
        seeds = torch.randint(2**62, (self.length,), generator=generator)
        local = torch.Generator().manual_seed(int(seeds[0]) + self.rank)
        mine = torch.arange(self.length).tensor_split(self.world_size)[self.rank]
        mine = torch.cat([mine, mine[: len(self) - len(mine)]])
        windows = torch.split(mine, self.window)
        mine = torch.cat([part[torch.randperm(len(part), generator=local)] for part in windows])[
            self.seen() :
        ]
        yield from zip(order[mine].tolist(), seeds[mine].tolist(), strict=True)

    def _chunk_by_chunk(self, chunks: Tensor) -> Tensor:
        """Return the numbers of all pictures, with the chunks in the given order."""
        sizes = self.sizes[chunks]
        starts = (self.sizes.cumsum(0) - self.sizes)[chunks]
        places = sizes.cumsum(0) - sizes
        return torch.arange(self.length) + (starts - places).repeat_interleave(sizes)

"""DataModule for image shards, local or in cloud storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.dataset import Sample, crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.hints import hint_tensors
from colorzoo.data.loader import SeededSampler
from colorzoo.data.module import ImageDataModule
from colorzoo.data.shards import HINTS_VERSION, ShardReader, read_manifest
from colorzoo.data.sources import Originals
from colorzoo.errors import DataError
from colorzoo.guidance import GuidanceKind
from colorzoo.settings import Positive, PositiveInt


class StreamingDataModule(ImageDataModule):
    """DataModule for sharded images, local or in cloud storage.

    Examples:
        >>> data = StreamingDataModule("shards", batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.prepare_data()  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    The order of the images depends only on the seed and the epoch. The chunk files are shuffled first. Then
    the images are shuffled within windows of ``shuffle_window`` images, which span several chunks. Images are
    distributed round-robin over the processes. Batches also contain ``label``, the class number of each image
    as ``(B,)`` int64.

    Args:
        root: Folder written by ``colorzoo data shard``, or the fsspec address of a copy, such as
            ``s3://bucket/folder``.
        cache_dir: Folder for downloads; None selects a folder in colorzoo's cache.
        cache_gigabytes: Maximum size of the downloads in GB. The oldest downloads are deleted first. None
            keeps all downloads.
        shuffle_window: Number of images that are shuffled together. Images of more chunks are mixed in larger
            windows, but more chunk files are read at a time.
        kwargs: Arguments of `ImageDataModule`; ``check``, ``drop_gray`` and ``cache`` have no effect,
            because images are checked when shards are written.

    Raises:
        ColorzooError: A number is out of range.
    """

    originals_title = "images of all splits"

    def __init__(
        self,
        root: str,
        cache_dir: str | None = None,
        cache_gigabytes: Positive | None = None,
        shuffle_window: PositiveInt = 8192,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.classes: list[str] = []

    @property
    def label_count(self) -> int:
        """Number of classes of the sharded images; 0 before `setup`."""
        return len(self.classes)

    def prepare_data(self) -> None:
        """Do nothing, because images are checked when shards are written."""

    def setup(self, stage: str) -> None:
        """Open the shards; later calls have no effect.

        Raises:
            DataError: Shards are missing or incomplete.
        """
        if self.val_data is not None:
            return
        hp = self.hparams
        manifest = read_manifest(hp.root, hp.cache_dir)
        self.classes = list(manifest["classes"])
        stored = set(manifest["hints"]) if manifest["version"] >= HINTS_VERSION else set()
        if missing := {kind.name for kind in self.hint_kinds} - stored:
            raise DataError(
                f"the shards in {hp.root!r} must contain {min(missing)} for --data.hints. Create the shards "
                f"with `colorzoo data shard IN OUT --hints {min(missing)}`."
            )
        kinds = self.hint_kinds
        self.train_data = ShardDataset(
            self._reader("train"), side=self.train_side, random_crop=True, kinds=kinds
        )
        self.val_data = ShardDataset(
            self._reader("val"), side=hp.val_size, random_crop=False, limit=hp.val_limit, kinds=kinds
        )

    def originals(self) -> Originals:
        """Raise `DataError`, because shards do not contain the original files."""
        raise DataError(
            "`colorzoo predict` does not support shards. Use FolderDataModule with the original images."
        )

    def train_sampler(self) -> ShardSampler:
        """Return the sampler that yields the ``(index, seed)`` pairs of a training epoch.

        Raises:
            DataError: ``class_power`` is below 1.
        """
        assert isinstance(self.train_data, ShardDataset), "setup() opens the shards"
        self.sample_weights()  # raises for class_power, because the classes are stored with the images
        sizes, window = self.train_data.reader.sizes, self.hparams.shuffle_window
        return ShardSampler(sizes, window=window, **self.sampler_options())

    def digest(self) -> dict[str, Any] | None:
        """Return the number and a hash of the training images.

        The result is None for shards from colorzoo versions before 0.3.
        """
        return read_manifest(self.hparams.root, self.hparams.cache_dir).get("digest")

    def _reader(self, split: str) -> ShardReader:
        hp = self.hparams
        return ShardReader(hp.root, split, cache=hp.cache_dir, cache_gigabytes=hp.cache_gigabytes)


class ShardDataset(Dataset[Sample]):
    """Dataset of square uint8 crops of sharded images.

    Args:
        reader: Reader of the images.
        side: Shorter side of the decoded image and side of the crop, in pixels.
        random_crop: Whether the sample seed selects a random crop position; otherwise the crop is centered.
        limit: Maximum number of images, from the start of the split; None uses all images.
        kinds: Kinds of guidance that samples contain.
    """

    def __init__(
        self,
        reader: ShardReader,
        *,
        side: int,
        random_crop: bool,
        limit: int | None = None,
        kinds: Sequence[GuidanceKind] = (),
    ) -> None:
        self.reader, self.side, self.random_crop, self.kinds = reader, side, random_crop, kinds
        self._length = len(reader) if limit is None else min(limit, len(reader))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample for an ``(index, seed)`` pair."""
        index, seed = key
        data, label, name, hints = self.reader[index]
        rgb = crop_square(decode_rgb(data, self.side), self.side, seed if self.random_crop else None)
        sample = Sample(rgb=rgb, seed=torch.tensor(seed), name=name, label=torch.tensor(label))
        cast(dict[str, Any], sample).update(
            hint_tensors(self.kinds, hints, rgb, seed if self.random_crop else None)
        )
        return sample


class ShardSampler(SeededSampler):
    """`SeededSampler` whose order reads images from only a few chunk files at a time.

    Args:
        sizes: Number of images in each chunk file.
        window: Number of images that are shuffled together.
        options: Arguments of `SeededSampler`.
    """

    def __init__(self, sizes: Sequence[int], *, window: int = 8192, **options: Any) -> None:
        super().__init__(sum(sizes), **options)
        self.sizes, self.window = list(sizes), window

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return the indices of all images in the order of an epoch.

        The chunk files are shuffled first, then the images within windows of ``window`` images.
        """
        chunks = torch.split(torch.arange(self.length), self.sizes)
        chunk_order = torch.randperm(len(chunks), generator=generator)
        order = torch.cat([chunks[index] for index in chunk_order.tolist()])
        windows = torch.split(order, self.window)
        return torch.cat([part[torch.randperm(len(part), generator=generator)] for part in windows])

"""Base class of all DataModules; a subclass only finds the images.

Every batch is a `colorzoo.data.Batch`. A batch is computed in three steps:

1. A worker decodes an image, crops a square (random in training, centered in evaluation) and returns uint8.
2. On the device, `on_after_batch_transfer` converts the images to float. In training, it also augments all
   entries (`augment`), corrects the white balance of random images (`white_balance`) and degrades random
   images (`degrade_images`).
3. `complete` adds entries computed from the augmented images.

Decoding, EXIF orientation and the resize filter (`colorzoo.data.decode.RESIZE_METHOD`) are the same in
training and evaluation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import torch
from lightning.fabric.utilities.data import AttributeDict
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.augment import WindowKind, augment_batch, random_windows, white_balance
from colorzoo.data.check import ValueCache, cache_file, check_table, require_usable
from colorzoo.data.dataset import Batch, ImageDataset
from colorzoo.data.degrade import degrade_images
from colorzoo.data.hints import hint_kinds, with_hints
from colorzoo.data.image_table import ImageTable
from colorzoo.data.loader import (
    BatchedDataset,
    CyclicBatchSampler,
    ResumableDataLoader,
    SeededSampler,
    call_on_rank_zero,
    class_weights,
    collate,
    delay_signals,
)
from colorzoo.data.sources import Originals, Sources, digest_of
from colorzoo.errors import DataError
from colorzoo.options import check_arguments, plain_arguments
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeInt, PositiveInt, Probability, Range

log = logging.getLogger(__name__)


class ImageDataModule(LightningDataModule):
    """Base DataModule with loaders, sampling, image check and augmentation.

    Examples:
        >>> class Album(ImageDataModule):
        ...     def find_images(self, split: str) -> ImageTable:
        ...         return ImageTable(find_sources(Path("album") / split))
        ...
        >>> data = Album("album", batch_size=2, crop=32, num_workers=0)
        >>> data.setup("fit")
        >>> next(iter(data.val_dataloader()))["rgb"].shape
        torch.Size([2, 3, 256, 256])

    A subclass defines `find_images`. It can override `make_dataset` (samples that workers load), `augment`
    and `complete` (processing on the device), and `train_sampler` (sample order). A subclass that overrides
    `setup` must set ``train_data`` and ``val_data``.

    Args:
        root: Folder of the data set.
        batch_size: Number of images per training batch over all processes. Each process loads its part of a
            batch, so results do not depend on the number of processes. A list gives the sizes of successive
            batches; after its last entry, it starts again.
        crop: Side in pixels of the square training images after augmentation. A list gives the sides for
            successive batches; after its last entry, it starts again.
        resize: Shorter side of a decoded training image in pixels; None uses 1.25 times the largest crop.
        window: Distribution of the random window that is cut from the square of the worker. ``side`` draws
            the length of the longer side. ``area`` draws the area, like torchvision's `RandomResizedCrop`.
            ``crop`` cuts ``crop`` pixels without resizing. ``zoom`` resizes the square to a side drawn from
            [``crop``, ``resize``] before cutting ``crop`` pixels.
        min_scale: Minimum side or area of the window relative to the square, for ``side`` and ``area``.
        max_stretch: Maximum aspect ratio of a random window, which is resized to a square; 1 keeps the aspect
            ratio.
        degrade_prob: Probability of degrading a training image like an old photograph; see `degrade_images`.
        white_balance_prob: Probability of reducing a warm color cast of a training image; see
            `white_balance`.
        class_power: Exponent p for class-balanced sampling. A class of n images is drawn with a probability
            proportional to n ** p. The value 1 draws each image once per epoch. Values below 1 require labels
            and draw images with replacement. With 0, all classes are drawn equally often.
        val_size: Side of the validation images in pixels. The shorter side is resized to this length, then
            the image is center-cropped to a square.
        val_batch_size: Number of images per validation batch.
        val_limit: Maximum number of validation images, from the start of the list; None uses all images.
        check: Whether to decode every image at a small size before the first training, to find broken and
            gray images. Results are cached until a file changes.
        drop_gray: Whether to exclude training images without color, as in Zhang et al. (2016, 2017) and
            SPColor; requires ``check``. Gray validation images are kept, as in published results.
        hints: Kinds of guidance that batches contain, such as ``text`` for captions; see `read_hints`.
        cache: Whether to keep decoded training images in memory. Use ``num_workers=0``, because each worker
            process would keep its own copy.
        num_workers: Number of worker processes per loader.
        seed: Seed for the sample order, crops, augmentation and simulated hints.

    Raises:
        ColorzooError: A number is out of range.
    """

    originals_title: ClassVar[str] = "validation images"
    """Description of the images from `originals` in messages of ``colorzoo predict``."""

    def __init__(
        self,
        root: str,
        batch_size: PositiveInt | list[PositiveInt] = 16,
        crop: PositiveInt | list[PositiveInt] = 176,
        resize: PositiveInt | None = None,
        window: WindowKind = "side",
        min_scale: Probability = 0.6,
        max_stretch: Annotated[float, Range(1)] = 1.0,
        degrade_prob: Fraction = 0.0,
        white_balance_prob: Fraction = 0.0,
        class_power: Fraction = 1.0,
        val_size: PositiveInt = 256,
        val_batch_size: PositiveInt = 8,
        val_limit: PositiveInt | None = None,
        check: bool = True,
        drop_gray: bool = True,
        hints: Sequence[str] = (),
        cache: bool = False,
        num_workers: NonNegativeInt = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        # NumPy numbers are not checked, and checkpoints with paths or NumPy numbers cannot be loaded without
        # executing code
        converted = {
            name: value for name, value in self.hparams.items() if isinstance(value, PurePath | Real | list)
        }
        self.hparams.update(plain_arguments(converted))
        check_arguments(type(self), self.hparams)
        crops, batch_sizes = self.crops, self.global_batches
        if not crops or not batch_sizes:
            raise DataError(
                "--data.crop and --data.batch_size must each be a number or a nonempty list, got crop "
                f"{crop} and batch_size {batch_size}"
            )
        max_crop = max(crops)
        if resize is not None and resize < max_crop:
            raise DataError(f"--data.resize must be at least --data.crop ({max_crop}), got {resize}")
        self.hint_kinds = hint_kinds(hints, "--data.hints")
        self.train_data: Dataset[Any] | None = None
        self.val_data: Dataset[Any] | None = None
        self._checked: dict[str, ImageTable] = {}  # images that `prepare_data` has checked, by split

    if TYPE_CHECKING:
        hparams: Any  # in Lightning, a type without attributes

    @property
    def hparams_initial(self) -> AttributeDict:
        """Arguments of ``__init__`` by name with the prefix ``data.``, for loggers.

        Without the prefix, Lightning raises an error if an argument of the task has the same name, such as
        ``seed``.
        """
        return AttributeDict({f"data.{name}": value for name, value in super().hparams_initial.items()})

    @property
    def crops(self) -> list[int]:
        """Sides in pixels of the training images in successive batches of an epoch.

        Batch n, counted from 0, has the side at index n modulo the length of the list.
        """
        return _listed(self.hparams.crop)

    @property
    def batch_sizes(self) -> list[int]:
        """Numbers of images per process in successive training batches of an epoch.

        Batch n, counted from 0, has the size at index n modulo the length of the list.

        Raises:
            DataError: ``batch_size`` is not divisible by the number of processes.
        """
        processes = 1 if self.trainer is None else int(self.trainer.world_size)
        for size in self.global_batches:
            if size % processes:
                lower = size // processes * processes
                near = " or ".join(str(each) for each in (lower, lower + processes) if each)
                raise DataError(
                    f"--data.batch_size must be divisible by the number of processes ({processes}), got "
                    f"{size}. Set --data.batch_size to {near}."
                )
        return [size // processes for size in self.global_batches]

    @property
    def global_batches(self) -> list[int]:
        """Numbers of images over all processes in successive training batches of an epoch.

        Batch n, counted from 0, has the size at index n modulo the length of the list.
        """
        return _listed(self.hparams.batch_size)

    @property
    def train_side(self) -> int:
        """Side in pixels of the squares that workers crop for training, before augmentation."""
        return int(self.hparams.resize or round(max(self.crops) * 1.25))

    @property
    def label_count(self) -> int:
        """Number of image classes, greater than every label; 0 without labels."""
        return 0

    @property
    def class_count(self) -> int:
        """Number of pixel classes, greater than every class number; 0 without class maps."""
        return 0

    def find_images(self, split: str) -> ImageTable:
        """Find the images of the split ``"train"`` or ``"val"``, in a fixed order.

        The method must not open the images, because data sets can contain millions of images.

        Raises:
            DataError: A file or folder is missing. The message states the expected path and the download
                page.
        """
        raise NotImplementedError(f"{type(self).__name__} must define find_images(split)")

    def make_dataset(self, images: ImageTable, *, train: bool) -> Dataset[Any]:
        """Return a dataset of decoded, cropped images, indexed by ``(index, seed)`` pairs.

        Args:
            images: Images of a split.
            train: Whether to crop at random positions, as in training, instead of the center.
        """
        hp = self.hparams
        side = self.train_side if train else hp.val_size
        cache = bool(hp.cache and train)
        return ImageDataset(images, side=side, random_crop=train, cache=cache)

    def prepare_data(self) -> None:
        """Find and check the images in one process; the other processes wait without a timeout."""
        if not (self.hparams.check and self._is_first()):
            return
        fitting = self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING
        with suppress(DataError):  # raised again by `setup`, in all processes
            for split in ("train", "val") if fitting else ("val",):
                self._checked[split] = self.find_checked(split)

    def setup(self, stage: str) -> None:
        """Find and check the images; training images are found only for the stage ``fit``.

        Raises:
            DataError: A file or folder is missing, or all images are broken or gray.
        """
        if stage == "fit" and self.train_data is None:
            self.train_data = self.make_dataset(self._find_once("train"), train=True)
        if self.val_data is None:
            self.val_data = self.make_dataset(self._find_once("val"), train=False)

    def find_checked(self, split: str) -> ImageTable:
        """Find the images of a split with their values of ``hints``, without the images that fail the check.

        Broken images and, if ``drop_gray`` is set, training images without color fail the check. A summary of
        these images is logged. All images are returned if ``check`` is False.
        """
        hp, root = self.hparams, Path(self.hparams.root)
        images = with_hints(self.find_images(split), self.hint_kinds, root)
        if not hp.check:
            return images
        drop_gray = bool(hp.drop_gray and split == "train")
        checked = check_table(images, drop_gray=drop_gray, cache=ValueCache(cache_file(root, "checks")))
        if self._is_first() and (summary := checked.summary()):
            log.warning(summary)
        return images.select(checked.rows)

    def train_dataloader(self) -> ResumableDataLoader:
        """Return a loader of random crops, shuffled by seed and epoch."""
        data: Any = self.train_data
        sizes, drop_last = self.batch_sizes, self._drops_last()
        samples = self.train_sampler()
        if len(sizes) == 1:
            return self._loader(data, samples, sizes[0], drop_last=drop_last)
        batches = CyclicBatchSampler(samples, sizes, drop_last=drop_last, batches_done=self.batches_done)
        return self._loader(BatchedDataset(data), batches, None, drop_last=False)

    def val_dataloader(self) -> ResumableDataLoader:
        """Return a loader of center crops in a fixed order."""
        data: Any = self.val_data
        sampler = SeededSampler(len(data), seed=self.hparams.seed, shuffle=False, **self.ranks())
        return self._loader(data, sampler, self.hparams.val_batch_size, drop_last=False)

    def test_dataloader(self) -> ResumableDataLoader:
        """Return the loader of the validation images."""
        return self.val_dataloader()

    def predict_dataloader(self) -> ResumableDataLoader:
        """Return the loader of the validation images."""
        return self.val_dataloader()

    def originals(self) -> Originals:
        """Return the images that ``colorzoo predict`` colorizes, by default the validation images.

        Raises:
            DataError: A file or folder is missing.
        """
        found = self.find_images("val").first(self.hparams.val_limit)
        return Originals(found.sources, self.hparams.root)

    def train_sampler(self) -> SeededSampler:
        """Return the sampler that yields the ``(index, seed)`` pairs of a training epoch.

        Raises:
            DataError: ``class_power`` is below 1 and the images have no classes.
        """
        data: Any = self.train_data
        return SeededSampler(len(data), weights=self.sample_weights(), **self.sampler_options())

    def sampler_options(self) -> dict[str, Any]:
        """Return the arguments of a `SeededSampler` for training that do not depend on the data set."""
        return {
            "seed": self.hparams.seed,
            "drop_last": self._drops_last(),
            "skip": self.samples_done,
            **self.ranks(),
        }

    def _drops_last(self) -> bool:
        """Return whether to drop an incomplete last batch: True unless it is the only batch."""
        data: Any = self.train_data
        return len(data) >= self.global_batches[0]

    def sample_weights(self) -> Tensor | None:
        """Return ``(N,)`` sampling weights of the training images, or None to draw each image once.

        Raises:
            DataError: ``class_power`` is below 1 and the images have no classes.
        """
        power = self.hparams.class_power
        return None if power == 1 else class_weights(labels_of(self.train_data, "class_power"), power)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch to the device, except the seeds, because generators are seeded on the CPU."""
        moved = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return {**moved, "seed": batch["seed"]} if isinstance(batch, dict) and "seed" in batch else moved

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Convert uint8 to float, augment in training, and add entries computed from the images."""
        ready: dict[str, Any] = dict(batch)
        for name in ("rgb", "sketch", "reference"):
            value = ready.get(name)
            if isinstance(value, Tensor) and value.dtype == torch.uint8:
                ready[name] = value.float() / 255
        training = self.trainer is not None and bool(self.trainer.training)
        if training:
            ready = self.augment(ready)
            seeds, hp = ready["seed"], self.hparams
            if hp.white_balance_prob:
                generators = image_generators(seeds, "white balance")
                ready["rgb"] = white_balance(ready["rgb"], generators, hp.white_balance_prob)
            if hp.degrade_prob:
                generators = image_generators(seeds, "aging")
                ready["rgb"] = degrade_images(ready["rgb"], generators, hp.degrade_prob)
        return cast(Batch, self.complete(ready, training=training))

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Crop and flip a training batch randomly, with its sketches, class maps and boxes."""
        generators, hp = image_generators(batch["seed"], "augment"), self.hparams
        count, _, side, _ = batch["rgb"].shape
        crop = self.crops[self.batches_done() % len(self.crops)]
        windows = random_windows(
            count,
            generators,
            side,
            crop,
            kind=hp.window,
            min_scale=hp.min_scale,
            max_stretch=hp.max_stretch,
        )
        return augment_batch(batch, windows, crop)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Return the batch with entries computed from the augmented images; none by default.

        Args:
            batch: Batch on the device, after augmentation.
            training: Whether the batch is a training batch.
        """
        return batch

    def digest(self) -> dict[str, Any] | None:
        """Return the number and hashes of the training images; None if they are not files.

        See `colorzoo.data.sources.digest_of`. If the images have annotations, such as captions or labels,
        the key ``annotations_sha256`` is a hash of them.
        """
        sources: Sources | None = getattr(self.train_data, "sources", None)
        images: ImageTable | None = getattr(self.train_data, "images", None)
        if sources is None:
            return None
        found = digest_of(sources, self.hparams.root)
        if images is not None and (sha256 := images.annotations_sha256(self.hparams.root)):
            found["annotations_sha256"] = sha256
        return found

    def ranks(self) -> dict[str, Any]:
        """Return the arguments ``rank`` and ``world_size`` of a `SeededSampler`."""
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}

    def batches_done(self) -> int:
        """Return the number of batches trained in this epoch, including batches before resuming.

        The number is 0 if the Trainer is not training, for example after ``fit``.
        """
        if self.trainer is None or not self.trainer.training:
            return 0
        # Lightning restores this counter before `ResumableDataLoader` reads it, and increments it after the
        # batch transfer.
        return int(self.trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    def samples_done(self) -> int:
        """Return the number of samples trained in this epoch, over all processes."""
        sizes = self.global_batches
        rounds, rest = divmod(self.batches_done(), len(sizes))
        return rounds * sum(sizes) + sum(sizes[:rest])

    def state_dict(self) -> dict[str, Any]:
        """Return the batch sizes, which convert a number of batches to a position in the epoch."""
        return {"global_batches": self.global_batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Check that a resumed run has the batch size of the checkpoint.

        Lightning stores the position in the epoch as a number of batches.

        Raises:
            DataError: The batch size differs from the batch size of the checkpoint.
        """
        resumes = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        if resumes and (before := state_dict["global_batches"]) != self.global_batches:
            raise DataError(f"--data.batch_size must be {before} to resume, got {self.global_batches}")

    def _find_once(self, split: str) -> ImageTable:
        """Find and check the images of a split in the first process; return them in all processes."""
        found = call_on_rank_zero(
            self.trainer, lambda: self._checked.pop(split, None) or self.find_checked(split)
        )
        if split == "val":
            found = found.first(self.hparams.val_limit)
        require_usable(found, "validation" if split == "val" else "training", self.hparams.root)
        return found

    def _is_first(self) -> bool:
        return self.trainer is None or self.trainer.is_global_zero

    def _loader(
        self,
        data: Dataset[Any],
        sampler: SeededSampler | CyclicBatchSampler,
        batch_size: int | None,
        *,
        drop_last: bool,
    ) -> ResumableDataLoader:
        """Build the DataLoader of a split; a ``batch_size`` of None means that the sampler forms batches."""
        workers = self.hparams.num_workers
        return ResumableDataLoader(
            data,
            batch_size=batch_size,  # keyword, because Lightning re-creates the loader for predict
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            collate_fn=collate,
            # without a Trainer, scripts stop their workers with signals
            worker_init_fn=None if self.trainer is None else delay_signals,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )


def labels_of(data: Any, setting: str) -> Tensor:
    """Return the ``(N,)`` labels of a dataset.

    Args:
        data: Dataset with an `ImageTable` as its attribute ``images``.
        setting: Name of the DataModule argument that requires labels, for the error message.

    Raises:
        DataError: The dataset has no labels.
    """
    labels: Tensor | None = getattr(getattr(data, "images", None), "labels", None)
    if labels is None:
        raise DataError(
            f"--data.{setting} requires image classes, but the data has no labels. "
            "Remove the option, or use FolderDataModule with --data.labels true."
        )
    return labels


def _listed(value: int | Sequence[int]) -> list[int]:
    return [value] if isinstance(value, int) else list(value)

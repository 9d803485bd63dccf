"""`PictureDataModule`: the base of every DataModule. A subclass says which pictures; the rest is done here.

A batch from any of them is a `colorzoo.data.Batch`. What happens to a picture, in this order:

1. a worker decodes it, cuts a square (anywhere in training, the center in evaluation), returns uint8;
2. on the device, `on_after_batch_transfer` makes floats of it and, in training, calls
   `augment` (random window and mirror, alike for all that lies on the picture: sketch, class map, boxes)
   and makes old photos of a share of the pictures (`age_photos`);
3. `complete` adds what is made from the finished pictures.

Decoding, EXIF orientation and the resize filter (`colorzoo.data.decode.RESIZE_METHOD`) are the same for
training and evaluation.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, cast

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.aging import age_photos
from colorzoo.data.augment import augment_batch
from colorzoo.data.check import check_pictures
from colorzoo.data.dataset import Batch, PictureDataset
from colorzoo.data.first_process import found_once
from colorzoo.data.loader import LateLoader, collate
from colorzoo.data.originals import Originals, SourceOriginals
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sampler import SeededSampler
from colorzoo.data.verdicts import Verdicts, verdicts_path
from colorzoo.errors import DataError
from colorzoo.randomness import picture_generators

log = logging.getLogger(__name__)

_PICTURES = ("rgb", "sketch", "reference")


class PictureDataModule(LightningDataModule):
    """Loaders, order, check and augmentation over the pictures that a subclass finds.

    A subclass defines `find_pictures`. It may override `make_dataset` (what a worker returns), `augment` and
    `complete` (what happens on the device), `train_sampler` (the order), or `setup` and `prepare_data` as a
    whole: then it sets ``train_data`` and ``val_data`` itself.

    Args:
        root: The folder.
        batch_size: Pictures per batch and process.
        crop: Side of the training crops in pixels.
        resize: Shorter side of a decoded training picture; None takes 1.25 times the crop.
        min_scale: Smallest random zoom window, as a share of the decoded square.
        aged: Share of the training pictures whose lightness is made that of an old photo, see `age_photos`;
            validation pictures stay as they are.
        val_size: Validation pictures are resized to this shorter side and cropped centrally.
        val_batch_size: Pictures per validation batch.
        val_limit: Use only the first so many validation pictures; None takes all.
        check: Decode every picture small before the first training, to list broken and gray ones; what was
            found is remembered in colorzoo's cache until the file changes.
        drop_gray: Leave out training pictures without color, as Zhang et al. (2016, 2017) and SPColor did; it
            takes ``check``. Validation pictures are never dropped for being gray: published numbers are over
            whole sets.
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
        aged: float = 0.0,
        val_size: int = 256,
        val_batch_size: int = 8,
        val_limit: int | None = None,
        check: bool = True,
        drop_gray: bool = True,
        cache: bool = False,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.train_data: Dataset[Any] | None = None
        self.val_data: Dataset[Any] | None = None
        self._prepared: dict[str, Pictures] = {}

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name."""
        return super().hparams

    @property
    def train_side(self) -> int:
        """Side in pixels of the squares that workers deliver for training."""
        return int(self.hparams.resize or round(self.hparams.crop * 1.25))

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split, ``"train"`` or ``"val"``, in a fixed order; none is opened yet.

        Raises:
            DataError: Something is missing; the line says what, where it was expected and how to get it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define find_pictures(split)")

    def make_dataset(self, pictures: Pictures, *, train: bool) -> Dataset[Any]:
        """Return the data set over pictures; its samples are indexed by ``(index, seed)``."""
        hp = self.hparams
        side = self.train_side if train else hp.val_size
        cache = bool(hp.cache and train)
        return PictureDataset(pictures, resize=side, crop=side, random_crop=train, cache=cache)

    def prepare_data(self) -> None:
        """Find and check the pictures in one process, while the others wait without a time limit."""
        if not (self.hparams.check and self._is_first()):
            return
        fitting = self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING
        with suppress(DataError):  # `setup` tells of it, in all processes
            for split in ("train", "val") if fitting else ("val",):
                self._prepared[split] = self._find_usable(split)

    def setup(self, stage: str) -> None:
        """Find and check the pictures, those of training only to ``fit`` (once).

        Raises:
            DataError: As `find_pictures`, or no picture is usable.
        """
        if stage == "fit" and self.train_data is None:
            train = self._shared("train")
            self._refuse_empty(train, "training")
            self.train_data = self.make_dataset(train, train=True)
        if self.val_data is None:
            val = self._shared("val").first(self.hparams.val_limit)
            self._refuse_empty(val, "validation")
            self.val_data = self.make_dataset(val, train=False)

    def usable(self, pictures: Pictures, *, drop_gray: bool) -> Pictures:
        """Return the pictures that decode and, if asked, have color; what is left out is logged."""
        if not self.hparams.check:
            return pictures
        known = Verdicts(verdicts_path(self.hparams.root))
        checked = check_pictures(pictures.sources, drop_gray=drop_gray, known=known)
        if self._is_first() and (summary := checked.summary()):
            log.warning(summary)
        return pictures.select(checked.rows)

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

    def originals(self) -> Originals:
        """Return the pictures that ``colorzoo predict`` colors at full size: here those of validation.

        Raises:
            DataError: As `find_pictures`.
        """
        found = self.find_pictures("val").first(self.hparams.val_limit)
        return SourceOriginals(found.sources, self.hparams.root)

    def train_sampler(self) -> SeededSampler:
        """Return the order of training."""
        data: Any = self.train_data
        return SeededSampler(len(data), seed=self.hparams.seed, seen=self.samples_seen, **self.ranks())

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn uint8 into floats, augment while training, and add what is made from the pictures."""
        ready = {name: _unit(value) if name in _PICTURES else value for name, value in batch.items()}
        training = self.trainer is not None and bool(self.trainer.training)
        if training:
            ready = self._age(self.augment(ready))
        return cast(Batch, self.complete(ready, training=training))

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Zoom and mirror a training batch, and whatever lies on its pictures with them."""
        generators = picture_generators(batch["seed"], "augment")
        return augment_batch(batch, self.hparams.crop, generators, min_scale=self.hparams.min_scale)

    def _age(self, batch: dict[str, Any]) -> dict[str, Any]:
        if not self.hparams.aged:
            return batch
        generators = picture_generators(batch["seed"], "aging")
        return {**batch, "rgb": age_photos(batch["rgb"], generators, self.hparams.aged)}

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Add what is made from the finished pictures; nothing by default."""
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
        # `LateLoader` asks after Lightning has settled which batches a resumed epoch counts as done.
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return int(batches * self.hparams.batch_size)

    def _find_usable(self, split: str) -> Pictures:
        drop_gray = bool(self.hparams.drop_gray and split == "train")
        return self.usable(self.find_pictures(split), drop_gray=drop_gray)

    def _shared(self, split: str) -> Pictures:
        """Return the usable pictures of a split: all processes train on one list."""
        return found_once(self.trainer, lambda: self._prepared.pop(split, None) or self._find_usable(split))

    def _is_first(self) -> bool:
        return self.trainer is None or self.trainer.is_global_zero

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
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )

    def _refuse_empty(self, pictures: Pictures, what: str) -> None:
        if not pictures:
            root = self.hparams.root
            raise DataError(
                f"no usable {what} picture in {root!r}; `colorzoo data verify` says what is there."
            )


def _unit(value: Any) -> Any:
    """Return uint8 pictures as float32 in [0, 1]; others as they are."""
    return value.float() / 255 if isinstance(value, Tensor) and value.dtype == torch.uint8 else value

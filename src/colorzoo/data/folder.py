"""DataModule for any folder of images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.check import split_by_content
from colorzoo.data.image_table import ClassMaps, ImageTable
from colorzoo.data.layouts import class_folders, labels_by_folder, split_folders
from colorzoo.data.module import ImageDataModule, labels_of
from colorzoo.data.sources import Originals, Sources, StoredImage, find_originals, find_sources
from colorzoo.errors import DataError
from colorzoo.settings import Fraction, Positive


class FolderDataModule(ImageDataModule):
    """DataModule for the images below a folder, stored as files or in ``.tar`` shards.

    Examples:
        >>> data = FolderDataModule("album", batch_size=2, crop=32, num_workers=0)
        >>> data.setup("fit")
        >>> next(iter(data.val_dataloader()))["rgb"].shape
        torch.Size([2, 3, 256, 256])

    If the subfolders ``train`` and ``val`` both exist, they are the splits, and a subfolder ``test`` is left
    out. The names ``valid`` and ``validation`` and names in capital letters are recognized, too. Otherwise
    the images are split by a hash of their content.

    Args:
        root: Folder that is searched recursively.
        val_fraction: Expected fraction of validation images if the images are split by a hash, in [0, 1].
        labels: Whether to label each image with its class: the folder or tar directly below the root (or
            below ``train`` and ``val``) that contains it. Classes are numbered in alphabetical order.
        source_fractions: Fraction of the training samples to draw from each source, by folder name. A source
            is a folder directly below the root (or below ``train``). All sources must be listed; the
            fractions are normalized to a sum of 1. Class folders are then subfolders of the sources, and a
            class is named ``SOURCE/CLASS``. None does not balance sources.
        class_factors: Multipliers for the sampling weights of classes, by class name; for example, 0.3 for a
            class of similar images. Requires ``labels``. The fractions in ``source_fractions`` are preserved.
        classes: Whether to add ``classes`` to batches: the class number of each pixel, 0 for unlabeled. The
            class map of ``train/cars/1.jpg`` is the single-channel PNG ``classes/train/cars/1.png``. Requires
            the subfolders ``train`` and ``val``.
        kwargs: Arguments of `ImageDataModule`.
    """

    originals_title = "images of all splits"

    def __init__(
        self,
        root: str,
        val_fraction: Fraction = 0.05,
        labels: bool = False,
        source_fractions: dict[str, Positive] | None = None,
        class_factors: dict[str, Positive] | None = None,
        classes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """Number of class folders if ``labels`` is set, otherwise 0."""
        return len(self._classes) if self.hparams.labels else 0

    @property
    def class_count(self) -> int:
        """Number of pixel classes: 256 if ``classes`` is set, because class maps have 8 bits, else 0."""
        return 256 if self.hparams.classes else 0

    def sample_weights(self) -> Tensor | None:
        """Return ``(N,)`` sampling weights of the training images, or None to draw each image once.

        The weights depend on ``class_power``, ``class_factors`` and ``source_fractions``.
        """
        weights = super().sample_weights()
        if self.hparams.class_factors:
            labels = labels_of(self.train_data, "class_factors")
            if unknown := self.hparams.class_factors.keys() - set(self._classes):
                raise DataError(
                    f"--data.class_factors must contain only classes of the data, got {_names(unknown)}"
                )
            factor_of_class = [self.hparams.class_factors.get(name, 1.0) for name in self._classes]
            factors = torch.tensor(factor_of_class, dtype=torch.float64)[labels]
            weights = factors if weights is None else weights * factors
        if self.hparams.source_fractions:
            images: ImageTable | None = getattr(self.train_data, "images", None)
            if images is None:
                raise DataError("--data.source_fractions cannot be combined with reference or sketch files")
            sources = labels_by_folder(images.sources, self._labeled_folder, self._sources)
            if weights is None:
                weights = torch.ones(len(sources), dtype=torch.float64)
            # scale the weights so that they sum to its fraction in each source folder
            fractions = torch.tensor([self.hparams.source_fractions[name] for name in self._sources]).double()
            scales = fractions / torch.bincount(sources, weights, len(fractions))
            weights = weights * scales[sources]
        return weights

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split, from its subfolder or from the split by a hash."""
        root = Path(self.hparams.root)
        if folders := split_folders(root):
            images = self._label(find_sources(folders[split]), folders[split])
            if not self.hparams.classes:
                return images
            maps = [
                root / "classes" / split / Path(source.path).relative_to(folders[split]).with_suffix(".png")
                for source in images.sources
            ]
            if absent := [path for path in maps if not path.is_file()]:
                raise DataError(
                    f"--data.classes requires a class map for each image; {len(absent)} of {len(maps)} are "
                    f"missing (for example {str(absent[0])!r})"
                )
            stored = Sources.of((StoredImage(str(path)) for path in maps), root)
            return replace(images, classes=ClassMaps(stored, np.arange(256, dtype=np.uint8)))
        if self.hparams.classes:
            raise DataError(f"--data.classes requires the subfolders train and val in {str(root)!r}")
        found = self._split_by_content[split]
        if split == "val" and not found:
            raise DataError(
                f"--data.val_fraction {self.hparams.val_fraction} selects no validation image from "
                f"{str(root)!r}. Increase --data.val_fraction."
            )
        return self._label(found, root)

    @property
    def _labeled_folder(self) -> Path:
        """Parent of the class folders or source folders."""
        root = Path(self.hparams.root)
        return split_folders(root).get("train", root)

    @cached_property
    def _sources(self) -> list[str]:
        """Names of the source folders of ``source_fractions``."""
        found = class_folders(self._labeled_folder)
        if differing := set(found) ^ self.hparams.source_fractions.keys():
            folder = str(self._labeled_folder)
            raise DataError(
                f"--data.source_fractions must list exactly the folders in {folder!r} ({_names(found)}). "
                f"Missing or unknown: {_names(differing)}."
            )
        return found

    @cached_property
    def _classes(self) -> list[str]:
        """Class names in the order of their numbers."""
        folder = self._labeled_folder
        if self.hparams.source_fractions is None:
            return class_folders(folder)
        return [f"{source}/{name}" for source in self._sources for name in class_folders(folder / source)]

    def _label(self, found: Sources, folder: Path) -> ImageTable:
        if not self.hparams.labels:
            return ImageTable(found)
        depth = 1 if self.hparams.source_fractions is None else 2
        return ImageTable(found, labels=labels_by_folder(found, folder, self._classes, depth))

    def originals(self) -> Originals:
        """Return the images for ``colorzoo predict``: all images below the folder."""
        return find_originals(self.hparams.root)

    @cached_property
    def _split_by_content(self) -> dict[str, Sources]:
        root = Path(self.hparams.root)
        train, val = split_by_content(find_sources(root), self.hparams.val_fraction, root)
        return {"train": train, "val": val}


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)))

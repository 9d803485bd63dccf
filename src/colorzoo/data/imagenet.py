"""DataModule for ImageNet (ILSVRC 2012).

Download the data from image-net.org (after registration) or from Kaggle.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import basename, class_folders, labeled_by_folder, require_path
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError

_HELP = "Download ImageNet from image-net.org (ILSVRC 2012, after registration) or Kaggle"
_SYNSET = re.compile(r"n\d{8}$")


class ImageNetDataModule(ImageDataModule):
    """DataModule for ImageNet.

    The folder ``train`` has a subfolder for each synset. Validation images are in the folder ``val`` or in
    subfolders of ``val``, one for each synset.

    Examples:
        >>> data = ImageNetDataModule("imagenet", labels=True, batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    Args:
        root: Folder that contains ``train`` and ``val``, such as Kaggle's ``ILSVRC/Data/CLS-LOC``.
        labels: Whether to add ``label`` to batches: the index of the image's synset in the sorted list of
            training synsets. ``val`` must have a subfolder for each synset, as in
            `torchvision.datasets.ImageNet`.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, labels: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """Number of synsets if ``labels`` is set (1,000 in the full data set), otherwise 0."""
        return len(_synsets(Path(self.hparams.root))) if self.hparams.labels else 0

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split; validation images are sorted by file name in both layouts.

        Raises:
            DataError: A file or folder is missing. The message states the expected path and the download
                page.
        """
        root = Path(self.hparams.root)
        if self.hparams.labels:
            images = _in_synsets(root, split)
        else:
            images = ImageTable(find_sources(_folder_of(root, split)))
        if split == "train":
            return images
        names = [basename(source) for source in images.sources]
        rows_by_name = sorted(range(len(names)), key=names.__getitem__)
        return images.select(torch.tensor(rows_by_name, dtype=torch.int64))


def _folder_of(root: Path, split: str) -> Path:
    help_text = f"{_HELP} and unpack ILSVRC2012_img_{split}.tar into the data folder"
    return require_path(f"ImageNet folder {split!r}", [root / split], help_text)


def _in_synsets(root: Path, split: str) -> ImageTable:
    """Return the images of a split with the numbers of their synsets."""
    synsets = _synsets(root)
    folder = _folder_of(root, split)
    if not any(map(_SYNSET.match, class_folders(folder))):
        raise DataError(
            f"no synset folder in {str(folder)!r}. Labels require 1000 class folders such as "
            f"{str(folder / 'n01440764')!r}. Create these folders with torchvision.datasets.ImageNet."
        )
    return labeled_by_folder(folder, synsets)


def _synsets(root: Path) -> list[str]:
    """Return the synsets of the training folder in the order of their class numbers."""
    return [name for name in class_folders(_folder_of(root, "train")) if _SYNSET.match(name)]

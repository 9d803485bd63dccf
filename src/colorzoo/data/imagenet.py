"""DataModule for ImageNet (ILSVRC 2012).

Download the data from image-net.org (after registration) or from Kaggle.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import basename, class_folders, file_number, labeled_by_folder, require_path
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import Sources, find_sources
from colorzoo.errors import DataError

SUBSETS = ("all", "ctest10k", "first5k")
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
        val_subset: ``"all"``; ``"ctest10k"``, the 10,000 images of Larsson et al. 2016; or ``"first5k"``, the
            first 5,000 images by file number, as in recent papers.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, labels: bool = False, val_subset: str = "all", **kwargs: Any) -> None:
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
        root, hp = Path(self.hparams.root), self.hparams
        synsets = _synsets(root) if hp.labels else []
        folder = _folder_of(root, split)
        if hp.labels:
            if not any(map(_SYNSET.match, class_folders(folder))):
                raise DataError(
                    f"no synset folder in {str(folder)!r}. Labels require 1000 class folders such as "
                    f"{str(folder / 'n01440764')!r}. Create these folders with torchvision.datasets.ImageNet."
                )
            images = labeled_by_folder(folder, synsets)
        else:
            images = ImageTable(find_sources(folder))
        if split == "train":
            return images
        names = [basename(source) for source in images.sources]
        rows_by_name = sorted(range(len(names)), key=names.__getitem__)
        images = images.select(torch.tensor(rows_by_name, dtype=torch.int64))
        return images.select(subset_rows(images.sources, hp.val_subset))


def subset_rows(sources: Sources, subset: str) -> Tensor:
    """Return the int64 indices of a subset of the validation images.

    Args:
        sources: All validation images.
        subset: Name from `SUBSETS`; see `ImageNetDataModule`.

    Raises:
        DataError: The subset is unknown, or some of its images are missing.
    """
    if subset == "all":
        return torch.arange(len(sources))
    if subset == "ctest10k":
        indices = Path(str(files("colorzoo.data") / "subsets" / "ilsvrclin12_val_inds.npy"))
        return _rows_by_number(sources, np.load(indices) + 1, subset)
    if subset == "first5k":
        return _rows_by_number(sources, np.arange(1, 5001), subset)
    raise DataError(f"--data.val_subset must be one of {', '.join(SUBSETS)}, got {subset!r}")


def _folder_of(root: Path, split: str) -> Path:
    help_text = f"{_HELP} and unpack ILSVRC2012_img_{split}.tar into the data folder"
    return require_path(f"ImageNet folder {split!r}", [root / split], help_text)


def _synsets(root: Path) -> list[str]:
    """Return the synsets of the training folder in the order of their class numbers."""
    return [name for name in class_folders(_folder_of(root, "train")) if _SYNSET.match(name)]


def _rows_by_number(
    sources: Sources, numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]], subset: str
) -> Tensor:
    rows = {file_number(basename(source)): row for row, source in enumerate(sources)}
    absent = [number for number in numbers.tolist() if number not in rows]
    if absent:
        raise DataError(
            f"{len(absent)} of the {len(numbers)} images in the subset {subset!r} are missing (for "
            f"example ILSVRC2012_val_{absent[0]:08d}.JPEG). {_HELP} and unpack all of ILSVRC2012_img_val.tar."
        )
    return torch.tensor([rows[number] for number in numbers.tolist()], dtype=torch.int64)

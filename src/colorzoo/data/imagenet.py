"""ImageNet (ILSVRC 2012) in its unpacked layouts: ``train`` by synset, ``val`` flat or by synset.

Download it from image-net.org (after registration) or from Kaggle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import (
    Split,
    basename,
    class_folders,
    file_number,
    first_existing,
    join_paths,
    labeled_by_folder,
    missing_error,
    read_lines,
    require_path,
)
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import Sources, find_sources
from colorzoo.errors import DataError

SUBSETS = ("all", "ctest10k", "first5k")
_HELP = "get ImageNet from image-net.org (ILSVRC 2012, after registration) or from Kaggle"
_SYNSET = re.compile(r"n\d{8}$")
_KAGGLE = "ILSVRC/Data/CLS-LOC"
_DEVKIT = ("ILSVRC2012_devkit_t12/data", "devkit/data", "data", ".")


class ImageNetDataModule(ImageDataModule):
    """ImageNet: ``train`` by synset (folders or tars), ``val`` flat or by synset.

    Examples:
        >>> data = ImageNetDataModule("imagenet", labels=True, batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    Args:
        root: Folder that contains ``train`` and ``val``, or Kaggle's ``ILSVRC/Data/CLS-LOC``.
        labels: Add ``label`` to batches: the index of an image's synset in ``LOC_synset_mapping.txt``, or in
            the sorted synsets of the training folder (equal if all 1,000 exist). A flat ``val`` requires the
            devkit or Kaggle's ``LOC_val_solution.csv``.
        val_subset: ``"all"``; ``"ctest10k"``, the 10,000 images of Larsson et al. 2016 by their published
            indices; ``"first5k"``, the first 5,000 by file number, as in recent papers; or a file with one
            name per line or (``.npy``) zero-based indices.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, labels: bool = False, val_subset: str = "all", **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """Number of synsets with ``labels``, 1,000 in the full data set; else 0."""
        return len(_synsets(Path(self.hparams.root))) if self.hparams.labels else 0

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split; see `imagenet_images`."""
        hp = self.hparams
        return imagenet_images(Path(hp.root), cast(Split, split), labels=hp.labels, subset=hp.val_subset)


def imagenet_images(root: Path, split: Split, *, labels: bool = False, subset: str = "all") -> ImageTable:
    """Find the images of a split; see `ImageNetDataModule` for the arguments.

    Validation images are sorted by file name in both layouts.

    Raises:
        DataError: A file or folder is missing; the message states its expected location and its source.
    """
    if split == "train":
        folder = _split_folder(root, "train")
        if not any(map(_SYNSET.match, class_folders(folder))):
            raise DataError(
                f"no synset folder in {str(folder)!r}; expected {str(folder / 'n01440764')!r} and 999 more, "
                "each a tar of ILSVRC2012_img_train.tar (unpacked or not)."
            )
        return labeled_by_folder(folder, _synsets(root)) if labels else ImageTable(find_sources(folder))
    images = _validation(root, labels=labels)
    return images.select(subset_rows(images.sources, subset))


def subset_rows(sources: Sources, subset: str) -> Tensor:
    """Return the rows of a named subset of the validation images, or of a list file.

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
    file = Path(subset)
    if not file.is_file():
        raise DataError(
            f"val_subset must be one of {', '.join(SUBSETS)}, or the path of a list file, got {subset!r}."
        )
    if file.suffix == ".npy":
        return _rows_by_number(sources, np.load(file, allow_pickle=False).astype(np.int64) + 1, subset)
    rows = {basename(source): row for row, source in enumerate(sources)}
    names = [line.split()[0].rsplit("/", 1)[-1] for line in read_lines(file)]
    return _look_up(rows, names, subset)


def _validation(root: Path, *, labels: bool) -> ImageTable:
    """Return all validation images sorted by file name, with labels if requested."""
    folder = _split_folder(root, "val")
    by_synset = any(map(_SYNSET.match, class_folders(folder)))
    if labels and by_synset:
        images = labeled_by_folder(folder, _synsets(root))
    else:
        images = ImageTable(find_sources(folder))
    names = [basename(source) for source in images.sources]
    images = images.select(torch.tensor(sorted(range(len(names)), key=names.__getitem__), dtype=torch.int64))
    if labels and not by_synset:
        return ImageTable(images.sources, labels=_validation_labels(root, images.sources))
    return images


def _split_folder(root: Path, split: Split) -> Path:
    paths = join_paths(root, split, f"{_KAGGLE}/{split}", f"ILSVRC2012_img_{split}")
    return require_path(
        f"ImageNet folder {split!r}", paths, f"unpack ILSVRC2012_img_{split}.tar there; {_HELP}"
    )


def _synsets(root: Path) -> list[str]:
    """Return the synsets in the order of their class numbers."""
    mapping = root / "LOC_synset_mapping.txt"
    if mapping.is_file():
        return [line.split()[0] for line in read_lines(mapping)]
    paths = [path for split in ("train", "val") for path in join_paths(root, split, f"{_KAGGLE}/{split}")]
    for folder in filter(Path.is_dir, paths):
        if found := [name for name in class_folders(folder) if _SYNSET.match(name)]:
            return found
    raise DataError(
        f"the order of ImageNet's classes is unknown; expected {str(mapping)!r} or synset folders in "
        f"{str(root / 'train')!r}; {_HELP}."
    )


def _validation_labels(root: Path, sources: Sources) -> Tensor:
    """Return the labels of a flat folder, from Kaggle's solution or the devkit."""
    solution = root / "LOC_val_solution.csv"
    return _kaggle_labels(root, solution, sources) if solution.is_file() else _devkit_labels(root, sources)


def _devkit_labels(root: Path, sources: Sources) -> Tensor:
    """Map the devkit's class numbers to indices of the sorted synsets, by file number."""
    from scipy.io import loadmat

    folders = join_paths(root, *_DEVKIT)
    name = "ILSVRC2012_validation_ground_truth.txt"
    truth = first_existing(folder / name for folder in folders)
    if truth is None:
        unpack = f"unpack ILSVRC2012_devkit_t12.tar.gz into {str(root)!r}"
        raise missing_error(
            "the labels of ImageNet's validation images", [folders[0] / name], f"{unpack}; {_HELP}"
        )
    meta = truth.parent / "meta.mat"
    require_path("meta.mat of ImageNet's devkit", [meta], f"it belongs beside {name}; {_HELP}")
    synsets = loadmat(meta, squeeze_me=True)["synsets"]
    leaves = (row for row in synsets if int(row["num_children"]) == 0)  # other rows are inner nodes
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
    index = {synset: number for number, synset in enumerate(sorted(wnids.values()))}
    labels = [index[wnids[int(line)]] for line in read_lines(truth)]
    # matched by file number, so that the labels of incomplete folders are correct
    numbers = [file_number(basename(source)) for source in sources]
    if any(number is None or not 1 <= number <= len(labels) for number in numbers):
        raise DataError(
            f"{str(truth)!r} labels images by number, but the validation images are not named "
            f"ILSVRC2012_val_00000001.JPEG to {len(labels):08d}; restore their names."
        )
    return torch.tensor([labels[number - 1] for number in numbers if number is not None])


def _kaggle_labels(root: Path, file: Path, sources: Sources) -> Tensor:
    """Read the labels from ``LOC_val_solution.csv``, whose rows start with an image name and a synset."""
    rows = (line.replace(",", " ").split() for line in read_lines(file)[1:])
    synset_of = {row[0]: row[1] for row in rows}
    number_of = {synset: number for number, synset in enumerate(_synsets(root))}
    labels = []
    for source in sources:
        name = basename(source).rsplit(".", 1)[0]
        if synset_of.get(name) not in number_of:
            raise DataError(f"{name!r} has no label in {str(file)!r}; download the complete list.")
        labels.append(number_of[synset_of[name]])
    return torch.tensor(labels)


def _rows_by_number(
    sources: Sources, numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]], subset: str
) -> Tensor:
    rows = {file_number(basename(source)): row for row, source in enumerate(sources)}
    return _look_up(rows, numbers.tolist(), subset)


def _look_up(rows: Mapping[Any, int], keys: Sequence[int | str], subset: str) -> Tensor:
    absent = [key for key in keys if key not in rows]
    if absent:
        first = f"ILSVRC2012_val_{absent[0]:08d}.JPEG" if isinstance(absent[0], int) else str(absent[0])
        raise DataError(
            f"{len(absent)} of the {len(keys)} images of subset {subset!r} are missing, {first} first; "
            f"unpack all of ILSVRC2012_img_val.tar; {_HELP}."
        )
    return torch.tensor([rows[key] for key in keys], dtype=torch.int64)

"""`ImageNetDataModule`: ImageNet (ILSVRC 2012) in its official layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from colorzoo.data.layouts.common import Split
from colorzoo.data.layouts.imagenet import imagenet_pictures
from colorzoo.data.module import PictureDataModule
from colorzoo.data.picture_table import Pictures


class ImageNetDataModule(PictureDataModule):
    """ImageNet: ``train`` by synset (folders, or the tars of synsets as they are), ``val`` flat or by synset.

    Args:
        root: Holds ``train`` and ``val``, or Kaggle's ``ILSVRC/Data/CLS-LOC``.
        labels: Batches also hold ``label``. For a flat ``val`` this takes the devkit, Kaggle's
            ``LOC_val_solution.csv`` or a plain ``val_labels.txt``.
        val_subset: ``"all"``; ``"ctest10k"``, the 10,000 pictures of Larsson et al. 2016; ``"first5k"``, the
            first 5,000 of recent papers; or a list file.
        kwargs: Arguments of `PictureDataModule`.
    """

    def __init__(self, root: str, labels: bool = False, val_subset: str = "all", **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split; see `colorzoo.data.layouts.imagenet.imagenet_pictures`."""
        hp = self.hparams
        return imagenet_pictures(Path(hp.root), cast(Split, split), labels=hp.labels, subset=hp.val_subset)

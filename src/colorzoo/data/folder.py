"""`FolderDataModule`: train on any folder of pictures."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from colorzoo.data.layouts import class_folders, labels_by_folder
from colorzoo.data.module import PictureDataModule
from colorzoo.data.originals import Originals, SourceOriginals
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sources import Sources, find_sources, split_by_content
from colorzoo.errors import DataError
from colorzoo.settings import Share


class FolderDataModule(PictureDataModule):
    """Pictures of a folder, found recursively, plain or in ``.tar`` shards.

    Examples:
        >>> data = FolderDataModule("album", batch_size=2, crop=32, num_workers=0)
        >>> data.setup("fit")
        >>> next(iter(data.val_dataloader()))["rgb"].shape
        torch.Size([2, 3, 256, 256])

    Subfolders ``train`` and ``val`` are used as the splits if both exist; otherwise the pictures are split by
    their content.

    Args:
        root: The folder.
        val_share: Expected share of validation pictures of a split by content.
        labels: Label each picture with its class, the folder or tar directly below the root (or below
            ``train`` and ``val``) that contains it. Classes are numbered in alphabetical order.
        kwargs: Arguments of `PictureDataModule`.
    """

    predicted = "pictures of all splits"

    def __init__(self, root: str, val_share: Share = 0.05, labels: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """Number of folders of classes, with ``labels``."""
        return len(class_folders(self._labeled_folder)) if self.hparams.labels else 0

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split, from its subfolder or by content."""
        root = Path(self.hparams.root)
        if (root / "train").is_dir() and (root / "val").is_dir():
            return self._label(find_sources(root / split), root / split)
        found = self._split_by_content[split]
        if split == "val" and not found:
            raise DataError(
                f"no validation picture in {str(root)!r}; raise val_share (now {self.hparams.val_share})."
            )
        return self._label(found, root)

    @property
    def _labeled_folder(self) -> Path:
        """The folder whose subfolders are the classes."""
        root = Path(self.hparams.root)
        return root / "train" if (root / "train").is_dir() and (root / "val").is_dir() else root

    def _label(self, found: Sources, folder: Path) -> Pictures:
        if not self.hparams.labels:
            return Pictures(found)
        return Pictures(found, labels=labels_by_folder(found, folder, class_folders(self._labeled_folder)))

    def originals(self) -> Originals:
        """Return all pictures below the folder, whatever their split."""
        return SourceOriginals(find_sources(Path(self.hparams.root)), self.hparams.root)

    @cached_property
    def _split_by_content(self) -> dict[str, Sources]:
        train, val = split_by_content(find_sources(Path(self.hparams.root)), self.hparams.val_share)
        return {"train": train, "val": val}

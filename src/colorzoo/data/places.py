"""Places205 and Places365 (standard and challenge) in their unpacked layouts.

Download them from places.csail.mit.edu and places2.csail.mit.edu.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import (
    Split,
    class_folders,
    first_existing,
    join_paths,
    labeled_by_folder,
    missing_error,
    read_image_list,
)
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import find_sources

Edition = Literal["205", "365", "365-challenge"]

_HELP_205 = "get Places205 from places.csail.mit.edu"
_HELP_365 = "get Places365 from places2.csail.mit.edu"
_IMAGES_205 = ("data/vision/torralba/deeplearning/images256", "images256", ".")
_LISTS_205 = ("trainvalsplit_places205", ".")
_SIZES = ("256", "large")


class PlacesDataModule(ImageDataModule):
    """Places205 or Places365.

    Examples:
        >>> data = PlacesDataModule("places365", edition="365", batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    Args:
        root: Folder of the unpacked archives. ``205``: ``images256`` (directly or below
            ``data/vision/torralba/deeplearning``) and ``trainvalsplit_places205``. ``365``: either
            ``places365_standard/{train,val}/CLASS``, or ``data_256`` and ``val_256`` (or ``_large``) with the
            lists of ``filelist_places365-standard``. If both sizes exist, 256 is used.
        edition: ``"205"``, ``"365"`` (standard) or ``"365-challenge"``.
        labels: Add ``label`` to batches, from the lists or from the sorted class folders.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, edition: Edition = "365", labels: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """205 or 365 with ``labels``; else 0."""
        return int(self.hparams.edition.partition("-")[0]) if self.hparams.labels else 0

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split."""
        hp = self.hparams
        return places_images(Path(hp.root), cast(Split, split), edition=hp.edition, labels=hp.labels)


def places_images(root: Path, split: Split, *, edition: Edition = "365", labels: bool = False) -> ImageTable:
    """Find the images of a split; see `PlacesDataModule` for the arguments.

    Raises:
        DataError: A file or folder is missing; the message states its expected location and its source.
    """
    if edition == "205":
        images = _images_205(root, split)
    else:
        in_folders = _in_class_folders(root, split) if edition == "365" else None
        images = in_folders or _listed_365(root, split, edition, labels=labels)
    return images if labels else ImageTable(images.sources)


def _images_205(root: Path, split: Split) -> ImageTable:
    lists = [path / f"{split}_places205.csv" for path in join_paths(root, *_LISTS_205)]
    file = first_existing(lists)
    if file is None:
        raise missing_error(
            "list of Places205", lists, f"unpack trainvalsplit_places205.tar.gz there; {_HELP_205}"
        )
    folders = join_paths(root, *_IMAGES_205)
    folder = next((path for path in folders if (path / "a").is_dir()), None)
    if folder is None:
        raise missing_error(
            "images of Places205", folders[:2], f"unpack imagesPlaces205_resize.tar.gz there; {_HELP_205}"
        )
    return read_image_list(file, folder)


def _in_class_folders(root: Path, split: Split) -> ImageTable | None:
    """Return the images of the layout with one folder per class; None for another layout."""
    folder = first_existing(join_paths(root, f"places365_standard/{split}", split))
    if folder is None or not class_folders(folder):
        return None
    return labeled_by_folder(folder)


def _listed_365(root: Path, split: Split, edition: Edition, *, labels: bool) -> ImageTable:
    variant = "challenge" if edition == "365-challenge" else "standard"
    names = [f"val_{size}" for size in _SIZES]
    if split == "train":
        names = [f"data_{size}{tail}" for tail in (f"_{variant}", "") for size in _SIZES]
    folder = first_existing(join_paths(root, *names))
    if folder is None:
        paths = join_paths(
            root, names[0], *([f"places365_standard/{split}"] if variant == "standard" else [])
        )
        raise missing_error(
            f"{split} images of Places365-{variant}", paths, f"unpack its archives there; {_HELP_365}"
        )
    file = "places365_val.txt" if split == "val" else f"places365_train_{variant}.txt"
    lists = [path / file for path in join_paths(root, ".", f"filelist_places365-{variant}", "meta")]
    found = first_existing(lists)
    if found is not None:
        return read_image_list(found, folder)
    if labels:
        help_text = f"unpack filelist_places365-{variant}.tar there; {_HELP_365}"
        raise missing_error("list with the labels of Places365", lists[:2], help_text)
    return ImageTable(find_sources(folder))

"""DataModule for Places205 and Places365-Standard in their unpacked layouts.

Download the data from places.csail.mit.edu and places2.csail.mit.edu.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import class_folders, labeled_by_folder, read_image_list, require_path
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import find_sources

Edition = Literal["205", "365"]

_HELP_205 = "Download Places205 from places.csail.mit.edu"
_HELP_365 = "Download Places365 from places2.csail.mit.edu"
_IMAGES_205 = "data/vision/torralba/deeplearning/images256"
_IMAGES_365 = {"train": ("data_256_standard", "data_large_standard"), "val": ("val_256", "val_large")}


class PlacesDataModule(ImageDataModule):
    """DataModule for Places205 or Places365.

    Layouts of ``root``:

    - Places205: ``data/vision/torralba/deeplearning/images256`` and ``trainvalsplit_places205``.
    - Places365: ``places365_standard/{train,val}/CLASS``.
    - Places365 as in `torchvision.datasets.Places365`: ``places365_train_standard.txt``,
      ``places365_val.txt``, and the image folders ``data_256_standard`` and ``val_256`` (preferred), or
      ``data_large_standard`` and ``val_large``.

    Examples:
        >>> data = PlacesDataModule("places365", edition="365", batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["rgb"].shape  # doctest: +SKIP
        torch.Size([16, 3, 224, 224])

    Args:
        root: Folder that contains the unpacked archives; see the layouts above.
        edition: ``"205"`` or ``"365"``.
        labels: Whether to add ``label`` to batches: class numbers from the list files, or indices of the
            sorted class folders of the training images.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, edition: Edition = "365", labels: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def label_count(self) -> int:
        """Number of scene classes: 205 or 365 if ``labels`` is set, otherwise 0."""
        return int(self.hparams.edition) if self.hparams.labels else 0

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split.

        Raises:
            DataError: A file or folder is missing. The message states the expected path and the download
                page.
        """
        root, labels = Path(self.hparams.root), self.hparams.labels
        if self.hparams.edition == "205":
            name = f"trainvalsplit_places205/{split}_places205.csv"
            help_text = f"{_HELP_205} and unpack trainvalsplit_places205.tar.gz into the data folder"
            file = require_path("list of Places205", [root / name], help_text)
            help_text = f"{_HELP_205} and unpack imagesPlaces205_resize.tar.gz into the data folder"
            folder = require_path("images of Places205", [root / _IMAGES_205], help_text)
        else:
            in_folders = root / "places365_standard" / split
            help_text = f"{_HELP_365} and unpack its archives into the data folder"
            if in_folders.is_dir():
                if not labels:
                    return ImageTable(find_sources(in_folders))
                train = require_path("train images of Places365", [in_folders.parent / "train"], help_text)
                return labeled_by_folder(in_folders, class_folders(train))
            folders = [root / name for name in _IMAGES_365[split]]
            folder = require_path(f"{split} images of Places365", [*folders, in_folders], help_text)
            name = "places365_val.txt" if split == "val" else "places365_train_standard.txt"
            help_text = f"{_HELP_365} and unpack filelist_places365-standard.tar into the data folder"
            file = require_path("list of Places365", [root / name], help_text)
        images = read_image_list(file, folder)
        return images if labels else ImageTable(images.sources)

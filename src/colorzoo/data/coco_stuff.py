"""COCO 2017 with the boxes of ``instances_*.json`` and the class maps of COCO-Stuff.

Download the data from cocodataset.org and github.com/nightrome/cocostuff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorzoo.data.image_table import BoxTable, ClassMaps, ImageTable
from colorzoo.data.layouts import basename, require_path
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import Sources, StoredImage, find_sources
from colorzoo.errors import DataError

_HELP = "Download COCO from cocodataset.org"
_HELP_MAPS = "Download COCO-Stuff from github.com/nightrome/cocostuff"


class CocoStuffDataModule(ImageDataModule):
    """DataModule for COCO 2017 with bounding boxes and class maps.

    Examples:
        >>> data = CocoStuffDataModule("coco", classes=True, batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["classes"].shape  # doctest: +SKIP
        torch.Size([16, 1, 224, 224])

    Augmentation also transforms boxes and class maps. Boxes smaller than a pixel are dropped.

    COCO's boxes and class maps refer to the stored pixels and are turned with the image if it has an EXIF
    orientation. All other coordinates of colorzoo, such as points and ``boxes.csv``, refer to the upright
    image.

    Args:
        root: Folder that contains ``train2017`` and ``val2017``.
        boxes: Whether to add object boxes (``boxes``) to batches; crowd annotations are ignored. Requires
            ``annotations/instances_*.json``.
        classes: Whether to add ``classes`` to batches: COCO category ids, 1 to 91 for things, 92 to 182 for
            stuff, 0 for unlabeled. Requires ``stuffthingmaps/{train,val}2017``.
        only_with_boxes: Whether to exclude images without a box, as in Su et al. 2020.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(
        self,
        root: str,
        boxes: bool = False,
        classes: bool = False,
        only_with_boxes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    @property
    def class_count(self) -> int:
        """Number of pixel classes: 184 (COCO-Stuff ids 0 to 183) if ``classes`` is set, else 0."""
        return 184 if self.hparams.classes else 0

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split.

        Raises:
            DataError: A file or folder is missing. The message states the expected path and the download
                page.
        """
        root, hp, year = Path(self.hparams.root), self.hparams, f"{split}2017"
        help_text = f"{_HELP} and unpack {year}.zip into the data folder"
        sources = find_sources(require_path(f"COCO images {year!r}", [root / year], help_text))
        class_maps = None
        if hp.classes:
            help_text = f"{_HELP_MAPS} and unpack stuffthingmaps_trainval2017.zip into the data folder"
            folder = require_path(f"COCO-Stuff maps of {year!r}", [root / "stuffthingmaps" / year], help_text)
            names = (f"{basename(source).rpartition('.')[0]}.png" for source in sources)
            maps = Sources.of((StoredImage(str(folder / name)) for name in names), folder)
            absent = [source.path for source in maps if not Path(source.path).is_file()]
            if absent:
                raise DataError(
                    f"{len(absent)} of {len(maps)} COCO-Stuff maps are missing (for example {absent[0]!r}). "
                    f"{_HELP_MAPS} and unpack stuffthingmaps_trainval2017.zip again."
                )
            # category id of each stored value, 0 for unlabeled; the maps store id - 1
            values = np.arange(256)
            class_maps = ClassMaps(maps, np.where(values < 182, values + 1, 0).astype(np.uint8))
        if not (hp.boxes or hp.only_with_boxes):
            return ImageTable(sources, classes=class_maps)
        file = root / "annotations" / f"instances_{year}.json"
        help_text = f"{_HELP} and unpack annotations_trainval2017.zip into the data folder"
        boxes = read_boxes(require_path(f"COCO boxes {file.name!r}", [file], help_text), sources)
        images = ImageTable(sources, classes=class_maps, boxes=boxes)
        return images.select(boxes.counts().nonzero()[:, 0]) if hp.only_with_boxes else images


def read_boxes(file: Path, sources: Sources) -> BoxTable:
    """Read the bounding boxes of images from an annotation file.

    Args:
        file: COCO annotation file ``instances_*.json``.
        sources: Images in the order of the result. An image without annotations has no boxes.
    """
    # box corners by file name, relative to the image's width and height
    corners: dict[str, list[tuple[float, float, float, float]]] = {}
    try:
        content = json.loads(file.read_bytes())
        images = {image["id"]: image for image in content["images"]}
        for annotation in content["annotations"]:
            if annotation.get("iscrowd"):
                continue
            image = images[annotation["image_id"]]
            width, height = image["width"], image["height"]
            left, top, box_width, box_height = annotation["bbox"]
            right, bottom = left + box_width, top + box_height
            boxes_of_image = corners.setdefault(image["file_name"], [])
            boxes_of_image.append((left / width, top / height, right / width, bottom / height))
        boxes = {name: torch.tensor(found).clamp(0, 1) for name, found in corners.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(file)!r} must be a COCO instances file ({type(error).__name__}: {error}). Unpack "
            "annotations_trainval2017.zip again."
        ) from error
    none = torch.empty(0, 4)
    return BoxTable.of(boxes.get(basename(source), none) for source in sources)

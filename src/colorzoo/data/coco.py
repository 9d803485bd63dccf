"""COCO 2017 with the boxes of ``instances_*.json``; download the data from cocodataset.org."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.data.image_table import BoxTable, ImageTable
from colorzoo.data.layouts import basename, require_path
from colorzoo.data.module import ImageDataModule
from colorzoo.data.sources import Sources, find_sources
from colorzoo.errors import DataError

_HELP = "Download COCO from cocodataset.org"


class CocoDataModule(ImageDataModule):
    """DataModule for COCO 2017 with bounding boxes.

    Examples:
        >>> data = CocoDataModule("coco", boxes=True, batch_size=16, crop=224)  # doctest: +SKIP
        >>> data.setup("fit")  # doctest: +SKIP
        >>> next(iter(data.val_dataloader()))["boxes"][0].shape  # doctest: +SKIP
        torch.Size([7, 4])

    Augmentation also transforms boxes. Boxes smaller than a pixel are dropped.

    Args:
        root: Folder that contains ``train2017`` and ``val2017``.
        boxes: Whether to add object boxes (``boxes``) to batches; crowd annotations are ignored. Requires
            ``annotations/instances_*.json``.
        only_with_boxes: Whether to exclude images without a box, as in Su et al. 2020.
        kwargs: Arguments of `ImageDataModule`.
    """

    def __init__(self, root: str, boxes: bool = False, only_with_boxes: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split.

        Raises:
            DataError: A file or folder is missing. The message states the expected path and the download
                page.
        """
        root, hp, year = Path(self.hparams.root), self.hparams, f"{split}2017"
        help_text = f"{_HELP} and unpack {year}.zip into the data folder"
        sources = find_sources(require_path(f"COCO images {year!r}", [root / year], help_text))
        if not (hp.boxes or hp.only_with_boxes):
            return ImageTable(sources)
        boxes = read_boxes(_annotation_file(root, year), sources)
        images = ImageTable(sources, boxes=boxes)
        return images.select(boxes.counts().nonzero()[:, 0]) if hp.only_with_boxes else images


def _annotation_file(root: Path, year: str) -> Path:
    file = root / "annotations" / f"instances_{year}.json"
    help_text = f"{_HELP} and unpack annotations_trainval2017.zip into the data folder"
    return require_path(f"COCO boxes {file.name!r}", [file], help_text)


def read_boxes(file: Path, sources: Sources) -> BoxTable:
    """Read the bounding boxes of images from an annotation file.

    Args:
        file: COCO annotation file ``instances_*.json``.
        sources: Images in the order of the result. An image without annotations has no boxes.
    """
    try:
        boxes = _boxes_by_name(json.loads(file.read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(file)!r} must be a COCO instances file ({type(error).__name__}: {error}). Unpack "
            "annotations_trainval2017.zip again."
        ) from error
    none = torch.empty(0, 4)
    return BoxTable.of(boxes.get(basename(source), none) for source in sources)


def _boxes_by_name(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return ``(K, 4)`` box corners by file name, relative to the image's width and height."""
    images = {image["id"]: image for image in content["images"]}
    corners: dict[str, list[tuple[float, float, float, float]]] = {}
    for annotation in content["annotations"]:
        if annotation.get("iscrowd"):
            continue
        image = images[annotation["image_id"]]
        width, height = image["width"], image["height"]
        left, top, box_width, box_height = annotation["bbox"]
        right, bottom = left + box_width, top + box_height
        boxes = corners.setdefault(image["file_name"], [])
        boxes.append((left / width, top / height, right / width, bottom / height))
    return {name: torch.tensor(boxes).clamp(0, 1) for name, boxes in corners.items()}

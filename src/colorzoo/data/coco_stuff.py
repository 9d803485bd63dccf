"""`CocoStuffDataModule`: COCO 2017 with boxes and the class maps of COCO-Stuff."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from colorzoo.data.layouts.coco_stuff import coco_stuff_pictures
from colorzoo.data.layouts.common import Split
from colorzoo.data.module import PictureDataModule
from colorzoo.data.picture_table import Pictures


class CocoStuffDataModule(PictureDataModule):
    """COCO 2017; see `colorzoo.data.layouts.coco_stuff.coco_stuff_pictures`.

    Crops, zooms and mirrors move boxes and class maps with their picture; a box of which less than a pixel
    remains is left out.

    Args:
        root: Holds ``train2017``, ``val2017``, and what the options need.
        boxes: Batches also hold ``boxes``; takes ``annotations/instances_*.json``.
        classes: Batches also hold ``classes``; takes the maps of COCO-Stuff.
        only_with_boxes: Leave out pictures without a box, as Su et al. 2020 did.
        kwargs: Arguments of `PictureDataModule`.
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

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split."""
        hp = self.hparams
        return coco_stuff_pictures(
            Path(hp.root),
            cast(Split, split),
            boxes=hp.boxes,
            classes=hp.classes,
            only_with_boxes=hp.only_with_boxes,
        )

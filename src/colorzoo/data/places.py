"""`PlacesDataModule`: Places205 and Places365 in their official layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from colorzoo.data.layouts.common import Split
from colorzoo.data.layouts.places import Edition, places_pictures
from colorzoo.data.module import PictureDataModule
from colorzoo.data.picture_table import Pictures


class PlacesDataModule(PictureDataModule):
    """Places, as its archives unpack; see `colorzoo.data.layouts.places.places_pictures`.

    Args:
        root: Where the archives were unpacked.
        edition: ``"205"``, ``"365"`` (standard) or ``"365-challenge"``.
        labels: Batches also hold ``label``.
        kwargs: Arguments of `PictureDataModule`.
    """

    def __init__(self, root: str, edition: Edition = "365", labels: bool = False, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split."""
        hp = self.hparams
        return places_pictures(Path(hp.root), cast(Split, split), edition=hp.edition, labels=hp.labels)

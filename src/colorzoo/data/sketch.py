"""`SketchDataModule`: colored pictures with sketches, drawn on the fly or read from disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from colorzoo.color.sketch import SIGMAS, rgb_to_gray, xdog
from colorzoo.data.check import check_pictures
from colorzoo.data.dataset import PictureDataset
from colorzoo.data.pairing import SketchedDataset
from colorzoo.data.sources import Source, find_sources, split_by_content
from colorzoo.data.streams import StreamDataModule
from colorzoo.draws import picture_generators, uniform_draws
from colorzoo.errors import DataError

log = logging.getLogger(__name__)

Layout = Literal["auto", "xdog", "pairs", "tag2pix"]

TAG2PIX_SKETCHES = ("keras_train", "xdog_train", "simpl_train")
"""Folders in which Tag2Pix keeps its three kinds of sketches; any of them may be missing."""

ASPECT_TOLERANCE = 0.02
"""Largest relative difference of the aspect ratios of a picture and its sketch."""


class SketchDataModule(StreamDataModule):
    """Colored pictures and their sketches: beside ``rgb`` a batch has ``sketch``.

    It is ``(B, 1, H, W)`` in [0, 1], paper 1, ink 0.

    Layouts of ``root``:

    - ``xdog``: a folder of colored pictures, with or without subfolders ``train`` and ``val``; sketches are
      drawn from the augmented pictures on the device, in training with a line width drawn for each picture.
    - ``pairs`` (Yumi's Cells, CelebA and others as GuidingPainter has them): ``train`` and ``val``, each
      with ``color`` and ``sketch``; partners have the same name up to the suffix.
    - ``tag2pix``: ``rgb_train`` with ``keras_train``, ``xdog_train`` or ``simpl_train`` (of several,
      training picks any), and for validation ``benchmark`` with ``keras_test``.

    Args:
        root: The folder.
        layout: One of the above; ``auto`` looks which folders there are.
        sigmas: Line widths of drawn sketches among which training draws; validation takes the middle one.
        drop_gray: Leave out training pictures without color.
        check: Decode every picture once before training, to leave out broken and gray ones.
        val_share: Expected share of validation pictures where the layout ``xdog`` has no ``train`` and
            ``val``.
        kwargs: Arguments of `StreamDataModule`.
    """

    def __init__(
        self,
        root: str,
        layout: Layout = "auto",
        sigmas: Sequence[float] = SIGMAS,
        drop_gray: bool = True,
        check: bool = True,
        val_share: float = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    def setup(self, stage: str) -> None:
        """Find the pictures and their sketches (once).

        Raises:
            DataError: A folder or a sketch is missing.
        """
        if self.val_data is not None:
            return
        root, layout = Path(self.hparams.root), self.hparams.layout
        layout = _recognized(root) if layout == "auto" else layout
        if layout == "xdog":
            self._setup_drawn(root)
        elif layout == "pairs":
            _require(root, ("train/color", "train/sketch", "val/color", "val/sketch"))
            self._setup_read(
                paired(root / "train/color", [root / "train/sketch"]),
                paired(root / "val/color", [root / "val/sketch"]),
            )
        else:
            _require(root, ("rgb_train", "benchmark", "keras_test"))
            folders = [root / name for name in TAG2PIX_SKETCHES if (root / name).is_dir()]
            if not folders:
                raise DataError(
                    f"no sketches in {str(root)!r}; expected one of {', '.join(TAG2PIX_SKETCHES)}."
                )
            self._setup_read(
                paired(root / "rgb_train", folders), paired(root / "benchmark", [root / "keras_test"])
            )

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Draw the sketches, unless they were read."""
        if "sketch" in batch:
            return batch
        rgb, widths = batch["rgb"], torch.tensor(self.hparams.sigmas)
        chosen = torch.full((len(rgb),), len(widths) // 2)
        if training:
            draws = uniform_draws(picture_generators(batch["seed"], "sketch"), len(rgb), 1, widths.device)
            chosen = (draws[:, 0] * len(widths)).long()
        return {**batch, "sketch": xdog(rgb_to_gray(rgb), widths[chosen])}

    def _setup_drawn(self, root: Path) -> None:
        if (root / "train").is_dir() and (root / "val").is_dir():
            train, val = find_sources(root / "train"), find_sources(root / "val")
        else:
            train, val = split_by_content(find_sources(root), self.hparams.val_share)
        self._refuse_empty(train, val)
        side, val_side = self.train_side, self.hparams.val_size
        good = self._usable(train)
        self.train_data = PictureDataset(good, resize=side, crop=side, random_crop=True)
        val = val[: self.hparams.val_limit]
        self.val_data = PictureDataset(val, resize=val_side, crop=val_side, random_crop=False)

    def _setup_read(self, train: Pairs, val: Pairs) -> None:
        good = set(self._usable([color for color, _ in train]))
        train, val = [pair for pair in train if pair[0] in good], val[: self.hparams.val_limit]
        self._refuse_empty(train, val)
        sides = (self.train_side, self.hparams.val_size)
        self.train_data, self.val_data = (
            SketchedDataset(
                [c for c, _ in pairs], [s for _, s in pairs], side=side, random_crop=pairs is train
            )
            for pairs, side in zip((train, val), sides, strict=True)
        )

    def _usable(self, sources: Sequence[Source]) -> list[Source]:
        return usable(sources, check=self.hparams.check, drop_gray=self.hparams.drop_gray)

    def _refuse_empty(self, *splits: Sequence[Any]) -> None:
        for name, split in zip(("training", "validation"), splits, strict=True):
            if not len(split):
                raise DataError(f"no usable {name} picture in {self.hparams.root!r}.")


Pairs = list[tuple[Source, tuple[Source, ...]]]


def usable(sources: Sequence[Source], *, check: bool, drop_gray: bool) -> list[Source]:
    """Return the pictures that decode and, if asked, have color; what is left out is logged."""
    if not check:
        return list(sources)
    checked = check_pictures(sources, drop_gray=drop_gray)
    if summary := checked.summary():
        log.warning(summary)
    return list(checked.good)


def paired(colors: Path, sketches: Sequence[Path]) -> Pairs:
    """Return the pictures of a folder with those of the same name in the folders of sketches.

    Args:
        colors: Folder of colored pictures.
        sketches: Folders of sketches; a picture needs a partner in at least one.

    Raises:
        DataError: A picture has no sketch, or one of another shape.
    """
    drawn = [{_stem(source, folder): source for source in find_sources(folder)} for folder in sketches]
    pairs: Pairs = []
    for source in find_sources(colors):
        stem = _stem(source, colors)
        partners = tuple(found[stem] for found in drawn if stem in found)
        if not partners:
            where = " or ".join(repr(str(folder)) for folder in sketches)
            raise DataError(f"{source.name!r} has no sketch; expected a picture named {stem!r} in {where}.")
        pairs.append((source, partners))
    for source, partners in pairs[
        :: max(1, len(pairs) // 1000)
    ]:  # headers of a thousand are read in a second
        for partner in partners:
            _require_same_shape(source, partner)
    return pairs


def _recognized(root: Path) -> Layout:
    if (root / "train/color").is_dir() or (root / "train/sketch").is_dir():
        return "pairs"
    return "tag2pix" if (root / "rgb_train").is_dir() else "xdog"


def _require(root: Path, folders: Sequence[str]) -> None:
    for folder in folders:
        if not (root / folder).is_dir():
            raise DataError(
                f"folder {str(root / folder)!r} is missing; expected {', '.join(folders)} in {str(root)!r}."
            )


def _stem(source: Source, folder: Path) -> str:
    return str(Path(source.name).relative_to(folder).with_suffix(""))


def _require_same_shape(source: Source, partner: Source) -> None:
    ratios = []
    for one in (source, partner):
        try:
            with Image.open(one.path) as image:
                ratios.append(image.width / image.height)
        except OSError:
            return  # broken files are the business of the check
    if abs(ratios[0] / ratios[1] - 1) > ASPECT_TOLERANCE:
        raise DataError(f"{partner.name!r} is no sketch of {source.name!r}: their aspect ratios differ.")

"""`SketchDataModule`: colored pictures with sketches, drawn on the fly or read from disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.color.sketch import SIGMAS, rgb_to_gray, xdog
from colorzoo.data.augment import jitter_colors
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.originals import Originals, SourceOriginals
from colorzoo.data.pairing import PairedPictures, Partners, SketchedDataset
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sources import Source, Sources, find_sources
from colorzoo.errors import DataError
from colorzoo.picture_formats import open_picture
from colorzoo.randomness import draw_uniform, picture_generators

SketchLayout = Literal["auto", "xdog", "pairs", "tag2pix"]

TAG2PIX_SKETCHES = ("keras_train", "xdog_train", "simpl_train")
"""Folders in which Tag2Pix keeps its three kinds of sketches; any of them may be missing."""

ASPECT_TOLERANCE = 0.02
"""Largest relative difference of the aspect ratios of a picture and its sketch."""


class SketchDataModule(FolderDataModule):
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
        extract: What draws sketches ``(B, 1, H, W)`` in [0, 1] from pictures ``(B, 3, H, W)`` in place of
            XDoG: any callable, such as ``colorzoo.color.canny_sketch`` or a network of your own.
        jitter: Change the colors of training pictures, after their sketches were drawn
            (`colorzoo.data.augment.jitter_colors`), so that a model learns to obey any color.
        jitter_hue: Largest turn of their hue in degrees; 40 is the paper's, 180 takes any color.
        kwargs: Arguments of `FolderDataModule`.
    """

    def __init__(
        self,
        root: str,
        layout: SketchLayout = "auto",
        sigmas: Sequence[float] = SIGMAS,
        extract: Callable[[Tensor], Tensor] | None = None,
        jitter: bool = False,
        jitter_hue: float = 40.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    def find_pictures(self, split: str) -> Pictures:
        """Return the pictures of a split, with their sketches where these are read.

        Raises:
            DataError: A folder or a sketch is missing.
        """
        root, layout = Path(self.hparams.root), self._layout
        if layout == "xdog":
            return super().find_pictures(split)
        if layout == "pairs":
            _require(root, [f"{part}/{kind}" for part in ("train", "val") for kind in ("color", "sketch")])
            return paired(root / split / "color", [root / split / "sketch"])
        _require(root, ("rgb_train", "benchmark", "keras_test"))
        if split == "val":
            return paired(root / "benchmark", [root / "keras_test"])
        folders = [root / name for name in TAG2PIX_SKETCHES if (root / name).is_dir()]
        if not folders:
            raise DataError(f"no sketches in {str(root)!r}; expected one of {', '.join(TAG2PIX_SKETCHES)}.")
        return paired(root / "rgb_train", folders)

    def originals(self) -> Originals:
        """Return the sketches of validation where they are read, else all pictures below the folder."""
        found = None if self._layout == "xdog" else self.find_pictures("val").first(self.hparams.val_limit)
        if not isinstance(found, PairedPictures) or found.partners is None:
            return super().originals()
        partners = found.partners
        return SourceOriginals(Sources.of(partners[i][0] for i in range(len(found))), self.hparams.root)

    def make_dataset(self, pictures: Pictures, *, train: bool) -> Dataset[Any]:
        """Return crops of pictures with their sketches, or of pictures alone."""
        if not isinstance(pictures, PairedPictures) or pictures.partners is None:
            return super().make_dataset(pictures, train=train)
        side = self.train_side if train else self.hparams.val_size
        return SketchedDataset(pictures.sources, pictures.partners, side=side, random_crop=train)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Draw the sketches, unless they were read; then change the colors, if asked."""
        if "sketch" not in batch:
            batch = {**batch, "sketch": self._draw(batch, training=training)}
        if training and self.hparams.jitter:
            generators = picture_generators(batch["seed"], "jitter")
            batch = {**batch, "rgb": jitter_colors(batch["rgb"], generators, self.hparams.jitter_hue)}
        return batch

    @property
    def _layout(self) -> SketchLayout:
        given: SketchLayout = self.hparams.layout
        return _recognized(Path(self.hparams.root)) if given == "auto" else given

    def _draw(self, batch: dict[str, Any], *, training: bool) -> Tensor:
        rgb, widths = batch["rgb"], torch.tensor(self.hparams.sigmas)
        if self.hparams.extract is not None:
            sketch: Tensor = self.hparams.extract(rgb)
            return sketch
        chosen = torch.full((len(rgb),), len(widths) // 2)
        if training:
            draws = draw_uniform(picture_generators(batch["seed"], "sketch"), len(rgb), 1, widths.device)
            chosen = (draws[:, 0] * len(widths)).long()
        return xdog(rgb_to_gray(rgb), widths[chosen])


def paired(colors: Path, sketches: Sequence[Path]) -> PairedPictures:
    """Return the pictures of a folder with those of the same name in the folders of sketches.

    Args:
        colors: Folder of colored pictures.
        sketches: Folders of sketches; a picture needs a partner in at least one.

    Raises:
        DataError: A picture has no sketch, or one of another shape.
    """
    drawn = [{_stem(source, folder): source for source in find_sources(folder)} for folder in sketches]
    pairs: list[tuple[Source, tuple[Source, ...]]] = []
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
    sources = Sources.of((source for source, _ in pairs), colors)
    return PairedPictures(sources, partners=Partners.of(partners for _, partners in pairs))


def _recognized(root: Path) -> SketchLayout:
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
            with open_picture(one.path) as image:
                ratios.append(image.width / image.height)
        except OSError:
            return  # broken files are the business of the check
    if abs(ratios[0] / ratios[1] - 1) > ASPECT_TOLERANCE:
        raise DataError(f"{partner.name!r} is no sketch of {source.name!r}: their aspect ratios differ.")

"""DataModule for color images with sketches, computed on the fly or read from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from colorzoo.color.sketch import SIGMAS, rgb_to_gray, xdog
from colorzoo.data.augment import jitter_colors
from colorzoo.data.dataset import Sample, crop_square, read_rgb
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.image_table import ImageTable, Partners
from colorzoo.data.originals import Originals
from colorzoo.data.sources import Sources, StoredImage, find_sources
from colorzoo.errors import DataError
from colorzoo.randomness import draw_uniform, image_generators, stream_seed
from colorzoo.settings import NonNegativeFloat

SketchLayout = Literal["auto", "xdog", "pairs", "tag2pix"]

TAG2PIX_SKETCHES = ("keras_train", "xdog_train", "simpl_train")
"""Folders of the three Tag2Pix sketch types, at least one of which must exist."""


class SketchDataModule(FolderDataModule):
    """DataModule for color images with sketches; adds ``sketch`` to batches.

    Examples:
        >>> data = SketchDataModule("album", batch_size=2, crop=32, num_workers=0)
        >>> data.setup("fit")
        >>> batch = next(iter(data.val_dataloader()))
        >>> data.on_after_batch_transfer(batch, 0)["sketch"].shape
        torch.Size([2, 1, 256, 256])

    ``sketch`` is ``(B, 1, H, W)`` in [0, 1], where 1 is paper and 0 is ink.

    Layouts of ``root``:

    - ``xdog``: a folder of color images, with or without subfolders ``train`` and ``val``. Sketches are
      computed on the device from the augmented images.
    - ``pairs`` (Yumi's Cells, CelebA and others as in GuidingPainter): ``train`` and ``val``, each with
      ``color`` and ``sketch``; the files of a pair have the same name except for the suffix.
    - ``tag2pix``: for training, ``rgb_train`` and at least one of ``keras_train``, ``xdog_train`` and
      ``simpl_train`` (training draws a sketch per image); for validation, ``benchmark`` and ``keras_test``.

    Args:
        root: Folder of the data set.
        layout: A layout from the list above, or ``auto`` to detect the layout from the folders.
        sigmas: Line widths of computed sketches, as standard deviations of XDoG in pixels. Training draws a
            width for each image; validation uses the middle width.
        extract: Replacement for XDoG, such as ``colorzoo.color.canny_sketch`` or a network: a function from
            images ``(B, 3, H, W)`` to sketches ``(B, 1, H, W)``, both in [0, 1].
        jitter: Whether to jitter the colors of training images after computing their sketches
            (`colorzoo.data.augment.jitter_colors`), so that a model learns to follow any color hint.
        jitter_hue: Maximum hue rotation of ``jitter`` in degrees; 40 in Cho et al. 2023, 180 for all hues.
        kwargs: Arguments of `FolderDataModule`.
    """

    originals_title = "images"

    def __init__(
        self,
        root: str,
        layout: SketchLayout = "auto",
        sigmas: Sequence[float] = SIGMAS,
        extract: Callable[[Tensor], Tensor] | None = None,
        jitter: bool = False,
        jitter_hue: NonNegativeFloat = 40.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split, with sketches if the layout contains sketch files.

        Raises:
            DataError: A folder or a sketch is missing.
        """
        root, layout = Path(self.hparams.root), self._layout
        if layout == "xdog":
            return super().find_images(split)
        if layout == "pairs":
            return pair_sketches(root / split / "color", [root / split / "sketch"])
        if split == "val":
            return pair_sketches(root / "benchmark", [root / "keras_test"])
        folders = [root / name for name in TAG2PIX_SKETCHES if (root / name).is_dir()]
        if not folders:
            raise DataError(
                f"no sketches in {str(root)!r}; expected a folder named {' or '.join(TAG2PIX_SKETCHES)}"
            )
        return pair_sketches(root / "rgb_train", folders)

    def originals(self) -> Originals:
        """Return the images for ``colorzoo predict``: the validation sketches.

        For the layout ``xdog``, which has no sketch files, return all color images.
        """
        if self._layout == "xdog":
            return super().originals()
        partners = self.find_images("val").first(self.hparams.val_limit).partners
        assert partners is not None, "pair_sketches finds partners"
        return Originals(Sources.of(partners[i][0] for i in range(len(partners))), self.hparams.root)

    def make_dataset(self, images: ImageTable, *, train: bool) -> Dataset[Any]:
        """Return a dataset of image crops, with sketches if the layout contains sketch files."""
        if images.partners is None:
            return super().make_dataset(images, train=train)
        side = self.train_side if train else self.hparams.val_size
        return SketchedDataset(images.sources, images.partners, side=side, random_crop=train)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Compute missing sketches, then jitter the colors if ``jitter`` is set."""
        if "sketch" not in batch:
            batch = {**batch, "sketch": self._draw(batch, training=training)}
        if training and self.hparams.jitter:
            generators = image_generators(batch["seed"], "jitter")
            batch = {**batch, "rgb": jitter_colors(batch["rgb"], generators, self.hparams.jitter_hue)}
        return batch

    @property
    def _layout(self) -> SketchLayout:
        layout: SketchLayout = self.hparams.layout
        if layout != "auto":
            return layout
        root = Path(self.hparams.root)
        if (root / "train/color").is_dir() or (root / "train/sketch").is_dir():
            return "pairs"
        return "tag2pix" if (root / "rgb_train").is_dir() else "xdog"

    def _draw(self, batch: dict[str, Any], *, training: bool) -> Tensor:
        rgb, widths = batch["rgb"], torch.tensor(self.hparams.sigmas)
        if self.hparams.extract is not None:
            sketch: Tensor = self.hparams.extract(rgb)
            return sketch
        chosen = torch.full((len(rgb),), len(widths) // 2)
        if training:
            draws = draw_uniform(image_generators(batch["seed"], "sketch"), len(rgb), 1, widths.device)
            chosen = (draws[:, 0] * len(widths)).long()
        return xdog(rgb_to_gray(rgb), widths[chosen])


class SketchedDataset(Dataset[Sample]):
    """Dataset of square uint8 crops of color images and sketches at the same position.

    Args:
        colors: The color images.
        sketches: Sketches of each image. The sample seed selects one sketch of the image.
        side: Side of the crop in pixels.
        random_crop: Whether the sample seed selects a random crop position; otherwise the crop is centered.
    """

    def __init__(
        self, colors: Sequence[StoredImage], sketches: Partners, *, side: int, random_crop: bool
    ) -> None:
        self.colors, self.sketches, self.side, self.random_crop = colors, sketches, side, random_crop

    def __len__(self) -> int:
        return len(self.colors)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample for an ``(index, seed)`` pair."""
        index, seed = key
        rgb = read_rgb(self.colors[index], self.side)
        drawn = self.sketches[index]
        lines = read_rgb(drawn[stream_seed("drawing", seed) % len(drawn)], self.side)
        gray = rgb_to_gray(lines[None])
        if lines.shape != rgb.shape:  # the sizes of the two files can be rounded differently
            gray = F.interpolate(gray, rgb.shape[1:], mode="bilinear", antialias=True)
        both = torch.cat([rgb, gray[0].round().clamp(0, 255).to(torch.uint8)])
        both = crop_square(both, self.side, seed if self.random_crop else None)
        name = self.colors[index].name
        return Sample(rgb=both[:3], seed=torch.tensor(seed), name=name, sketch=both[3:])


def pair_sketches(colors: Path, sketches: Sequence[Path]) -> ImageTable:
    """Return a table of color images with their sketches, matched by the file name.

    The extensions of the files can differ.

    Args:
        colors: Folder of color images.
        sketches: Folders of sketches; each image needs a sketch in at least one folder.

    Raises:
        DataError: An image has no sketch.
    """
    drawn = [{_stem(source, folder): source for source in find_sources(folder)} for folder in sketches]
    pairs: list[tuple[StoredImage, list[StoredImage]]] = []
    for source in find_sources(colors):
        stem = _stem(source, colors)
        partners = [found[stem] for found in drawn if stem in found]
        if not partners:
            where = " or ".join(repr(str(folder)) for folder in sketches)
            raise DataError(f"{source.name!r} has no sketch; expected an image named {stem!r} in {where}")
        pairs.append((source, partners))
    sources = Sources.of((source for source, _ in pairs), colors)
    return ImageTable(sources, partners=Partners.of(partners for _, partners in pairs))


def _stem(source: StoredImage, folder: Path) -> str:
    return str(Path(source.name).relative_to(folder).with_suffix(""))

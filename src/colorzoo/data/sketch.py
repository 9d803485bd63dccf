"""DataModule for color images with sketches, computed on the fly or read from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from colorzoo.color.sketch import SIGMAS, drawn_lines, rgb_to_gray, xdog
from colorzoo.data.augment import jitter_colors
from colorzoo.data.dataset import Sample, add_annotations, crop_square, read_rgb
from colorzoo.data.folder import FolderDataModule
from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import pair_sketches, split_folder
from colorzoo.data.line_art import random_lines, vary_lines
from colorzoo.data.sources import Originals, Sources
from colorzoo.errors import DataError
from colorzoo.randomness import draw_uniform, image_generators, stream_seed
from colorzoo.settings import NonNegativeFloat

SketchLayout = Literal["auto", "xdog", "pairs", "tag2pix", "drawings"]
Lines = Literal["xdog", "drawn"]

TAG2PIX_SKETCHES = ("keras_train", "xdog_train", "simpl_train")
"""Folders of the three Tag2Pix sketch types, at least one of which must exist."""

_FILES_USED = 0.75  # fraction of training samples with a sketch file that use it


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
    - ``drawings``: ``train`` and ``val``, each with ``images`` and, for some or all images, drawn lines with
      the same name in ``lines``. Training uses the drawn lines in 75 % of the samples of these images, and
      computed lines otherwise.

    Args:
        root: Folder of the data set.
        layout: A layout from the list above, or ``auto`` to detect the layout from the folders.
        lines: Kind of computed sketches: ``xdog``, or ``drawn`` for lines without tone as in real drawings.
            With ``drawn``, training draws an extractor and its settings for each image (`random_lines`), and
            makes random lines thicker, broken, faint or noisy (`vary_lines`).
        sigmas: Line widths of ``xdog`` sketches, as standard deviations in pixels. Training draws a width for
            each image; validation uses the middle width.
        extract: Replacement for the extraction by ``lines``, such as ``colorzoo.color.canny_sketch`` or a
            network: a function from images ``(B, 3, H, W)`` to sketches ``(B, 1, H, W)``, both in [0, 1].
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
        lines: Lines = "xdog",
        sigmas: Sequence[float] = SIGMAS,
        extract: Callable[[Tensor], Tensor] | None = None,
        jitter: bool = False,
        jitter_hue: NonNegativeFloat = 40.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.extract = extract  # on the command line, hparams contain the import path of the function

    def find_images(self, split: str) -> ImageTable:
        """Return the images of a split, with sketches if the layout contains sketch files.

        Raises:
            DataError: A folder or a sketch is missing, or the layout has no class folders for ``labels``.
        """
        root, layout = Path(self.hparams.root), self._layout
        if self.hparams.labels and layout in ("pairs", "tag2pix"):
            raise DataError(f"--data.labels must be false for --data.layout {layout}, got true")
        if layout == "xdog":
            return super().find_images(split)
        if layout == "pairs":
            folder = split_folder(root, split)
            return pair_sketches(folder / "color", [folder / "sketch"])
        if layout == "drawings":
            folder = split_folder(root, split)
            images = folder / "images"
            table = pair_sketches(images, [folder / "lines"], required=False)
            if split == "train":
                table = replace(table, labels=self._label(table.sources, images).labels)
            return table
        # the layout of Tag2Pix
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
        sketches = (partners[i][0] for i in range(len(partners)) if partners[i])
        return Originals(Sources.of(sketches), self.hparams.root)

    def make_dataset(self, images: ImageTable, *, train: bool) -> Dataset[Any]:
        """Return a dataset of image crops, with sketches if the layout contains sketch files."""
        if images.partners is None:
            return super().make_dataset(images, train=train)
        side = self.train_side if train else self.hparams.val_size
        return SketchedDataset(images, side=side, random_crop=train)

    def complete(self, batch: dict[str, Any], *, training: bool) -> dict[str, Any]:
        """Compute missing sketches, then jitter the colors if ``jitter`` is set."""
        needs_lines = "sketch" not in batch
        if self._layout == "drawings" and not needs_lines:  # training replaces some of the drawn lines
            needs_lines = training or not batch["has_sketch"].all()
        if needs_lines:
            batch = {**batch, "sketch": self._sketches(batch, training=training)}
        if training and self.hparams.jitter:
            generators = image_generators(batch["seed"], "jitter")
            batch = {**batch, "rgb": jitter_colors(batch["rgb"], generators, self.hparams.jitter_hue)}
        return batch

    @property
    def _labeled_folder(self) -> Path:
        """Parent of the class folders."""
        root = Path(self.hparams.root)
        drawings = self._layout == "drawings"
        return split_folder(root, "train") / "images" if drawings else super()._labeled_folder

    @cached_property
    def _layout(self) -> SketchLayout:
        layout: SketchLayout = self.hparams.layout
        if layout != "auto":
            return layout
        root = Path(self.hparams.root)
        train = split_folder(root, "train")
        if (train / "color").is_dir() or (train / "sketch").is_dir():
            return "pairs"
        if (train / "images").is_dir() and (train / "lines").is_dir():
            return "drawings"
        return "tag2pix" if (root / "rgb_train").is_dir() else "xdog"

    def _sketches(self, batch: dict[str, Any], *, training: bool) -> Tensor:
        """Return computed sketches; in the layout ``drawings``, mix them with the sketches from files."""
        rgb, seeds = batch["rgb"], batch["seed"]
        if self.extract is not None:
            sketches = self.extract(rgb)
        elif self.hparams.lines == "drawn":
            sketches = random_lines(rgb, seeds) if training else drawn_lines(rgb)
        else:
            widths = torch.tensor(self.hparams.sigmas)
            chosen = torch.full((len(rgb),), len(widths) // 2)
            if training:
                draws = draw_uniform(image_generators(seeds, "sketch"), len(rgb), 1, widths.device)
                chosen = (draws[:, 0] * len(widths)).long()
            sketches = xdog(rgb_to_gray(rgb), widths[chosen])
        if "sketch" in batch:
            uses_file = batch["has_sketch"]
            if training:
                draws = draw_uniform(image_generators(seeds, "files"), len(rgb), 1, rgb.device)
                uses_file = uses_file & (draws[:, 0] < _FILES_USED)
            sketches = torch.where(uses_file[:, None, None, None], batch["sketch"], sketches)
        if training and self.hparams.lines == "drawn":
            return vary_lines(sketches, seeds)
        return sketches


class SketchedDataset(Dataset[Sample]):
    """Dataset of square uint8 crops of color images and sketches at the same position.

    The sketch of an image without a sketch file is blank.

    Args:
        images: Table of color images, with their sketches as partners. The sample seed selects one sketch of
            the image.
        side: Side of the crop in pixels.
        random_crop: Whether the sample seed selects a random crop position; otherwise the crop is centered.
    """

    def __init__(self, images: ImageTable, *, side: int, random_crop: bool) -> None:
        assert images.partners is not None, "images have sketches"
        self.images, self.sources, self.sketches = images, images.sources, images.partners
        self.side, self.random_crop = side, random_crop

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample for an ``(index, seed)`` pair."""
        index, seed = key
        rgb = read_rgb(self.sources[index], self.side)
        drawings = self.sketches[index]
        if drawings:
            chosen = drawings[stream_seed("drawing", seed) % len(drawings)]
            gray = rgb_to_gray(read_rgb(chosen, self.side)[None])
            if gray.shape[2:] != rgb.shape[1:]:  # the sizes of the two files can be rounded differently
                gray = F.interpolate(gray, rgb.shape[1:], mode="bilinear", antialias=True)
            sketch = gray[0].round().clamp(0, 255).to(torch.uint8)
        else:
            sketch = torch.full_like(rgb[:1], 255)  # blank paper
        crop = crop_square(torch.cat([rgb, sketch]), self.side, seed if self.random_crop else None)
        name = self.sources[index].name
        has_sketch = torch.tensor(bool(drawings))
        sample = Sample(
            rgb=crop[:3], seed=torch.tensor(seed), name=name, sketch=crop[3:], has_sketch=has_sketch
        )
        add_annotations(sample, self.images, index, random=self.random_crop)
        return sample

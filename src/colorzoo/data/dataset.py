"""The data set behind every DataModule: decode, crop, return uint8 - nothing else happens in a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.color.sketch import rgb_to_gray, xdog
from colorzoo.data.augment import clip_boxes
from colorzoo.data.decode import decode_classes, decode_rgb
from colorzoo.data.picture_table import ClassMaps, Pictures
from colorzoo.data.sources import Source, Sources
from colorzoo.errors import DataError


class Batch(TypedDict):
    """One batch, as every task receives it.

    Attributes:
        rgb: ``(B, 3, H, W)``: uint8 from the workers, float32 in [0, 1] after the transfer.
        seed: ``(B,)`` int64, the source of this batch's randomness.
        name: Names of the pictures.
        label: ``(B,)`` int64, the class of each picture.
        classes: ``(B, 1, H, W)`` uint8, the class of each pixel, 0 where unlabeled.
        boxes: For each picture ``(K, 4)`` float32: left, top, right, bottom in pixels of ``rgb``.
        sketch: ``(B, 1, H, W)`` float32 in [0, 1], paper 1, ink 0.
        reference: ``(B, 3, h, w)`` float32 in [0, 1], the exemplar of each picture.
        self_made: ``(B,)`` bool, which references were made from their own picture.
    """

    rgb: Tensor
    seed: Tensor
    name: list[str]
    label: NotRequired[Tensor]
    classes: NotRequired[Tensor]
    boxes: NotRequired[list[Tensor]]
    sketch: NotRequired[Tensor]
    reference: NotRequired[Tensor]
    self_made: NotRequired[Tensor]


def sketches_of(batch: Batch) -> Tensor:
    """Return the sketches ``(B, 1, H, W)`` of a batch; those of a data set without any are drawn (XDoG)."""
    return batch["sketch"] if "sketch" in batch else xdog(rgb_to_gray(batch["rgb"]))


class Sample(TypedDict):
    """One picture, as a worker delivers it.

    Attributes:
        rgb: ``(3, H, W)`` uint8.
        seed: int64 scalar, the source of this sample's randomness.
        name: Name of the picture.
        label: int64 scalar.
        classes: ``(1, H, W)`` uint8.
        boxes: ``(K, 4)`` float32.
    """

    rgb: Tensor
    seed: Tensor
    name: str
    label: NotRequired[Tensor]
    classes: NotRequired[Tensor]
    boxes: NotRequired[Tensor]


class Square(NamedTuple):
    """Where a square lies in a picture, in pixels."""

    top: int
    left: int
    side: int

    def cut(self, picture: Tensor) -> Tensor:
        """Cut the square from a ``(C, H, W)`` picture."""
        rows, columns = slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)
        return picture[:, rows, columns].contiguous()


class PictureDataset(Dataset[Sample]):
    """Square uint8 crops of pictures, with the labels, class maps and boxes that the pictures have.

    Args:
        pictures: The pictures, or their sources alone.
        resize: Shorter side after decoding.
        crop: Side of the square crop; random in training, central otherwise.
        random_crop: Whether the crop moves with the seed of the sample.
        cache: Keep the decoded pictures in memory (for small sets and slow CPUs).
    """

    def __init__(
        self,
        pictures: Pictures | Sequence[Source],
        *,
        resize: int,
        crop: int,
        random_crop: bool,
        cache: bool = False,
    ) -> None:
        self.pictures = pictures if isinstance(pictures, Pictures) else Pictures(Sources.of(pictures))
        self.sources = self.pictures.sources
        self.resize, self.crop, self.random_crop = resize, crop, random_crop
        self._cache: dict[int, Tensor] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def names(self) -> list[str]:
        """Names of all pictures, in their order."""
        return [source.name for source in self.sources]

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return one sample; ``key`` is the index and the seed of its randomness."""
        index, seed = key
        rgb = self._decode(index)
        square = place_square(rgb, self.crop, seed if self.random_crop else None)
        sample = Sample(rgb=square.cut(rgb), seed=torch.tensor(seed), name=self.sources[index].name)
        pictures = self.pictures
        if pictures.labels is not None:
            sample["label"] = pictures.labels[index]
        if pictures.classes is not None:
            sample["classes"] = square.cut(read_classes(pictures.classes, index, rgb))
        if pictures.boxes is not None:
            sample["boxes"] = boxes_in(square, pictures.boxes[index], rgb)
        return sample

    def _decode(self, index: int) -> Tensor:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        rgb = read_rgb(self.sources[index], self.resize)
        if self._cache is not None:
            self._cache[index] = rgb
        return rgb


def read_rgb(source: Source, short_side: int) -> Tensor:
    """Read and decode a picture.

    Raises:
        DataError: It cannot be read; the line names it.
    """
    try:
        return decode_rgb(source.read(), short_side)
    except (OSError, ValueError, SyntaxError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{source.name!r} cannot be decoded ({reason}); `colorzoo data verify` lists all such files."
        ) from error


def read_classes(maps: ClassMaps, index: int, rgb: Tensor) -> Tensor:
    """Return the ``(1, H, W)`` uint8 class map of a picture at the size of the decoded picture ``rgb``.

    Raises:
        DataError: It cannot be read; the line names it.
    """
    source = maps.sources[index]
    try:
        stored = decode_classes(source.read(), (rgb.shape[2], rgb.shape[1]))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"class map {source.name!r} cannot be read ({error}); unpack it again.") from error
    return torch.from_numpy(maps.table[stored][np.newaxis])


def boxes_in(square: Square, shares: Tensor, rgb: Tensor) -> Tensor:
    """Return boxes, given as shares of the picture ``rgb``, in pixels of a square cut from it."""
    width_height = torch.tensor([rgb.shape[2], rgb.shape[1]]).repeat(2)
    return clip_boxes(shares * width_height - torch.tensor([square.left, square.top]).repeat(2), square.side)


def place_square(rgb: Tensor, side: int, seed: int | None = None) -> Square:
    """Choose a square in a ``(3, H, W)`` picture.

    Args:
        rgb: Picture whose sides are at least ``side``.
        side: Side of the square in pixels.
        seed: Chooses the place; None takes the center.
    """
    free_rows, free_columns = rgb.shape[1] - side, rgb.shape[2] - side
    if seed is None:
        return Square(free_rows // 2, free_columns // 2, side)
    place = torch.rand(2, generator=torch.Generator().manual_seed(seed))
    return Square(int(place[0] * (free_rows + 1)), int(place[1] * (free_columns + 1)), side)


def crop_square(rgb: Tensor, side: int, seed: int | None = None) -> Tensor:
    """Cut the square that `place_square` chooses from a ``(C, H, W)`` picture."""
    return place_square(rgb, side, seed).cut(rgb)

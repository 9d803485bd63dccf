"""The data set behind every DataModule: decode, crop, return uint8 - nothing else happens in a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.data.decode import decode_rgb
from colorzoo.data.sources import Source


class Batch(TypedDict):
    """One batch, as every task receives it.

    Attributes:
        rgb: ``(B, 3, H, W)``: uint8 from the workers, float32 in [0, 1] after the transfer.
        seed: ``(B,)`` int64, the source of this batch's randomness.
        name: Names of the pictures.
    """

    rgb: Tensor
    seed: Tensor
    name: list[str]


class Sample(TypedDict):
    """One picture, as a worker delivers it.

    Attributes:
        rgb: ``(3, H, W)`` uint8.
        seed: int64 scalar, the source of this sample's randomness.
        name: Name of the picture.
    """

    rgb: Tensor
    seed: Tensor
    name: str


class PictureDataset(Dataset[Sample]):
    """Square uint8 crops of pictures.

    Args:
        sources: The pictures.
        resize: Shorter side after decoding.
        crop: Side of the square crop; random in training, central otherwise.
        random_crop: Whether the crop moves with the seed of the sample.
        cache: Keep the decoded pictures in memory (for small sets and slow CPUs).
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        resize: int,
        crop: int,
        random_crop: bool,
        cache: bool = False,
    ) -> None:
        self.sources = sources
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
        rgb = crop_square(self._decode(index), self.crop, seed if self.random_crop else None)
        return Sample(rgb=rgb, seed=torch.tensor(seed), name=self.sources[index].name)

    def _decode(self, index: int) -> Tensor:
        if self._cache is None:
            return decode_rgb(self.sources[index].read(), self.resize)
        if index not in self._cache:
            self._cache[index] = decode_rgb(self.sources[index].read(), self.resize)
        return self._cache[index]


def crop_square(rgb: Tensor, side: int, seed: int | None = None) -> Tensor:
    """Cut a square from a ``(3, H, W)`` picture.

    Args:
        rgb: Picture whose sides are at least ``side``.
        side: Side of the square in pixels.
        seed: Chooses the place; None takes the center.
    """
    free_rows, free_columns = rgb.shape[1] - side, rgb.shape[2] - side
    if seed is None:
        top, left = free_rows // 2, free_columns // 2
    else:
        place = torch.rand(2, generator=torch.Generator().manual_seed(seed))
        top, left = int(place[0] * (free_rows + 1)), int(place[1] * (free_columns + 1))
    return rgb[:, top : top + side, left : left + side].contiguous()

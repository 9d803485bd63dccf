"""Pairs of pictures: targets with the references, or the sketches, that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from colorzoo.color import rgb_to_gray
from colorzoo.data.dataset import Sample, crop_square, read_rgb
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sources import Source, Sources

Pick = Callable[[int, int], int]
"""Takes the index and the seed of a target, and gives the index of its partner."""


class Partners:
    """The partners of each picture, such as its sketches: a column of `Pictures`.

    Args:
        sources: The partners of all pictures, one picture after the other.
        ends: ``(N,)`` int64, where those of each stored picture end.
        rows: Which of the stored pictures are in this view; None for all.
    """

    def __init__(self, sources: Sources, ends: Tensor, rows: Tensor | None = None) -> None:
        self._sources, self._ends, self._rows = sources, ends, rows

    @classmethod
    def of(cls, per_picture: Iterable[Sequence[Source]]) -> Partners:
        """Pack the partners of each picture."""
        lists = list(per_picture)
        ends = torch.tensor([len(each) for each in lists], dtype=torch.int64).cumsum(0)
        return cls(Sources.of(source for each in lists for source in each), ends)

    def __len__(self) -> int:
        return len(self._ends) if self._rows is None else len(self._rows)

    def __getitem__(self, index: int) -> Sources:
        row = range(len(self))[index] if self._rows is None else int(self._rows[index])
        return self._sources[int(self._ends[row - 1]) if row else 0 : int(self._ends[row])]

    def select(self, rows: Tensor) -> Partners:
        """Return a view of the pictures at ``rows``."""
        return Partners(self._sources, self._ends, rows if self._rows is None else self._rows[rows.long()])


@dataclass(frozen=True)
class PairedPictures(Pictures):
    """Pictures with partners.

    Attributes:
        partners: Their references, or their sketches.
    """

    partners: Partners | None = None


class ReferencedSample(Sample):
    """A target and its reference, as a worker delivers them.

    Attributes:
        reference: ``(3, H, W)`` uint8.
    """

    reference: Tensor


class SketchedSample(Sample):
    """A colored picture and its sketch, as a worker delivers them.

    Attributes:
        sketch: ``(1, H, W)`` uint8, paper 255, ink 0.
    """

    sketch: Tensor


@dataclass(frozen=True)
class SameClass:
    """Picks another picture of the same class, if there is one.

    Attributes:
        members: ``(N,)`` int64, indices of the references sorted by class.
        starts: ``(K,)`` int64, where each class begins in ``members``.
        counts: ``(K,)`` int64, how many it has.
        label: ``(M,)`` int64, the class of each target.
        own: Whether targets and references are the same list, so that a target must not pick itself.
    """

    members: Tensor
    starts: Tensor
    counts: Tensor
    label: Tensor
    own: bool

    def __call__(self, index: int, seed: int) -> int:
        """Return the index of a reference."""
        label = int(self.label[index])
        start, count = int(self.starts[label]), int(self.counts[label])
        place = seed % (count - 1 if self.own and count > 1 else count)
        picked = int(self.members[start + place])
        # The last member stands in for the target itself, which leaves all others equally likely.
        return int(self.members[start + count - 1]) if self.own and count > 1 and picked == index else picked


@dataclass(frozen=True)
class Nearest:
    """Picks one of the nearest pictures.

    Attributes:
        neighbors: ``(M, k)`` int64, indices of references, the nearest first.
        vary: Pick any of the k; False always takes the nearest.
    """

    neighbors: Tensor
    vary: bool

    def __call__(self, index: int, seed: int) -> int:
        """Return the index of a reference."""
        row = self.neighbors[index]
        return int(row[seed % len(row) if self.vary else 0])


def same_row(index: int, seed: int) -> int:
    """Pick the partner in the same row."""
    del seed
    return index


class ReferencedDataset(Dataset[ReferencedSample]):
    """Square uint8 crops of targets, with a central crop of a reference for each.

    Args:
        targets: The targets.
        references: All references.
        pick: Which reference a target has.
        side: Side in pixels of the target.
        reference_side: Side in pixels of the reference.
        random_crop: Whether the target's crop moves with the seed of the sample.
    """

    def __init__(
        self,
        targets: Sequence[Source],
        references: Sequence[Source],
        pick: Pick,
        *,
        side: int,
        reference_side: int,
        random_crop: bool,
    ) -> None:
        self.targets, self.references, self.pick = targets, references, pick
        self.side, self.reference_side, self.random_crop = side, reference_side, random_crop

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: tuple[int, int]) -> ReferencedSample:
        """Return one sample; ``key`` is the index and the seed of its randomness."""
        index, seed = key
        target, reference = self.targets[index], self.references[self.pick(index, seed)]
        rgb = crop_square(read_rgb(target, self.side), self.side, seed if self.random_crop else None)
        side = self.reference_side
        other = crop_square(read_rgb(reference, side), side)
        return ReferencedSample(rgb=rgb, seed=torch.tensor(seed), name=target.name, reference=other)


class SketchedDataset(Dataset[SketchedSample]):
    """The same square uint8 crop of a colored picture and of its sketch.

    Args:
        colors: The colored pictures.
        sketches: One or more sketches of each; training picks any, evaluation takes the first.
        side: Side in pixels.
        random_crop: Whether crop and sketch are chosen by the seed of the sample.
    """

    def __init__(self, colors: Sequence[Source], sketches: Partners, *, side: int, random_crop: bool) -> None:
        self.colors, self.sketches, self.side, self.random_crop = colors, sketches, side, random_crop

    def __len__(self) -> int:
        return len(self.colors)

    def __getitem__(self, key: tuple[int, int]) -> SketchedSample:
        """Return one sample; ``key`` is the index and the seed of its randomness."""
        index, seed = key
        rgb = read_rgb(self.colors[index], self.side)
        drawn = self.sketches[index]
        lines = read_rgb(drawn[seed % len(drawn) if self.random_crop else 0], self.side)
        both = torch.cat([rgb, _gray_like(lines, rgb)])
        both = crop_square(both, self.side, seed if self.random_crop else None)
        name = self.colors[index].name
        return SketchedSample(rgb=both[:3], seed=torch.tensor(seed), name=name, sketch=both[3:])


def _gray_like(lines: Tensor, rgb: Tensor) -> Tensor:
    """Return a sketch as ``(1, H, W)`` uint8 of the size of its picture."""
    gray = rgb_to_gray(lines[None])
    if lines.shape != rgb.shape:  # the sizes of the two files may round differently
        gray = F.interpolate(gray, rgb.shape[1:], mode="bilinear", antialias=True)
    return gray[0].round().clamp(0, 255).to(torch.uint8)

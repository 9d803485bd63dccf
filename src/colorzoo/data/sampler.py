"""An order of samples that depends on seed and epoch only, so that a resumed run sees what it would have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

_CHUNK = 4096  # pairs that exist as Python objects at a time: all of ImageNet's would be 200 MB


class SeededSampler(DistributedSampler[tuple[int, int]]):
    """Yields ``(index, seed)`` pairs; the seed is the sample's own source of randomness.

    Training shuffles anew in each epoch and pads to a multiple of the number of processes; evaluation keeps
    the order and shares it out without repeating anything. It is a `DistributedSampler`, because Lightning
    would wrap any other in a second one and so share it out twice.

    Args:
        length: Number of samples.
        seed: Seed of the run.
        shuffle: True for training.
        rank: Index of this process.
        world_size: Number of processes.
        seen: Asked when an iteration begins: how many samples of this epoch a resumed run has already
            trained on in this process.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        seen: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(cast(Any, range(length)), world_size, rank, shuffle=shuffle, seed=seed)
        self.length, self.world_size, self.seen = length, world_size, seen

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration yields (Lightning calls this)."""
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        if self.shuffle:
            return -(-self.length // self.world_size)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order, seeds = self._epoch_order()
        start, step = self.rank + self.seen() * self.world_size, _CHUNK * self.world_size
        for first in range(start, len(order), step):
            mine = slice(first, first + step, self.world_size)
            yield from zip(order[mine].tolist(), seeds[mine].tolist(), strict=True)

    def _epoch_order(self) -> tuple[Tensor, Tensor]:
        """Return indices and seeds of all processes for this epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.arange(self.length)
        if self.shuffle:
            order = torch.randperm(self.length, generator=generator)
            wanted = len(self) * self.world_size
            order = order.repeat(-(-wanted // max(1, self.length)))[:wanted]
        return order, torch.randint(2**62, (len(order),), generator=generator)

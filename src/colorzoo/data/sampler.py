"""An order of samples that depends on seed and epoch only, so that a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Sampler


class SeededSampler(Sampler[tuple[int, int]]):
    """Yields ``(index, seed)`` pairs; the seed is the sample's own source of randomness.

    Training shuffles anew in each epoch and pads to a multiple of the number of processes; evaluation keeps
    the order and shares it out without repeating anything.

    Args:
        length: Number of samples.
        seed: Seed of the run.
        shuffle: True for training.
        rank: Index of this process.
        world_size: Number of processes.
        skip: Asked when an epoch begins: how many samples of this process a resumed run has already seen.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        skip: Callable[[], int] = lambda: 0,
    ) -> None:
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.rank, self.world_size, self.skip = rank, world_size, skip
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration yields (Lightning calls this)."""
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        if self.shuffle:
            return -(-self.length // self.world_size)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = list(range(self.length))
        if self.shuffle:
            order = torch.randperm(self.length, generator=generator).tolist()
            order += order[: len(self) * self.world_size - self.length]
        seeds = torch.randint(2**62, (len(order),), generator=generator).tolist()
        mine = list(zip(order, seeds, strict=True))[self.rank :: self.world_size]
        yield from mine[self.skip() :]

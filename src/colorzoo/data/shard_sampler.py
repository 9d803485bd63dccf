"""The order in which shards are read: shuffled, near together on disk, the same after a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from colorzoo.data.sampler import SeededSampler
from colorzoo.errors import DataError


class ShardSampler(SeededSampler):
    """Yields ``(index, seed)`` pairs that depend on seed and epoch only.

    In each epoch the chunks are put into a new order and cut into one equal part for each process; inside a
    part the pictures are shuffled over windows of several chunks. So a process reads few chunks at a time,
    and nearly all chunks of its part are read by no other node. How many workers the loader has makes no
    difference to the order.

    Every picture is used exactly once in an epoch. Only where a process would run out of batches before the
    others do, which would stall distributed training, it repeats one picture of its part.

    Args:
        sizes: Number of pictures in each chunk.
        batch_size: Pictures per batch and process.
        window: Pictures among which the shuffle chooses.
        seed: Seed of the run.
        rank: Index of this process.
        world_size: Number of processes.
        seen: Asked when an iteration begins: how many pictures of this epoch a resumed run has already
            trained on in this process.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        batch_size: int,
        window: int = 8192,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        seen: Callable[[], int] = lambda: 0,
    ) -> None:
        if sum(sizes) < world_size:
            raise DataError(
                f"{sum(sizes)} training picture(s) cannot feed {world_size} processes; use fewer."
            )
        super().__init__(sum(sizes), seed=seed, rank=rank, world_size=world_size, seen=seen)
        self.sizes, self.batch_size, self.window = torch.tensor(sizes), batch_size, window

    def __len__(self) -> int:
        largest, smallest = -(-self.length // self.world_size), self.length // self.world_size
        mine = smallest + (self.rank < self.length % self.world_size)
        batches = -(-largest // self.batch_size)
        return mine if -(-smallest // self.batch_size) == batches else largest

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = self._chunk_by_chunk(torch.randperm(len(self.sizes), generator=generator))
        seeds = torch.randint(2**62, (self.length,), generator=generator)
        local = torch.Generator().manual_seed(int(seeds[0]) + self.rank)
        mine = self._part(torch.arange(self.length))
        mine = _shuffled(mine, self.window, local)[self.seen() :]
        yield from zip(order[mine].tolist(), seeds[mine].tolist(), strict=True)

    def _chunk_by_chunk(self, chunks: Tensor) -> Tensor:
        """Return the numbers of all pictures, the chunks in the given order."""
        sizes = self.sizes[chunks]
        starts = (self.sizes.cumsum(0) - self.sizes)[chunks]
        places = sizes.cumsum(0) - sizes
        return torch.arange(self.length) + (starts - places).repeat_interleave(sizes)

    def _part(self, places: Tensor) -> Tensor:
        """Return this process's part, filled up to its length from its own beginning."""
        part = places.tensor_split(self.world_size)[self.rank]
        return torch.cat([part, part[: len(self) - len(part)]])


def _shuffled(places: Tensor, window: int, generator: torch.Generator) -> Tensor:
    parts = [part[torch.randperm(len(part), generator=generator)] for part in torch.split(places, window)]
    return torch.cat(parts) if parts else places

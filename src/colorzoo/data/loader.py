"""Data loading with Lightning: seeded samplers, resumable loaders, and process groups."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any, TypeVar, cast

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, default_collate

from colorzoo.data.dataset import Batch, Sample
from colorzoo.errors import DataError
from colorzoo.randomness import stream_seed

_LAST_SECONDS = 60
_CHUNK = 4096  # number of (index, seed) pairs in memory; all pairs of ImageNet would need 200 MB

Found = TypeVar("Found")


class SeededSampler(DistributedSampler[tuple[int, int]]):
    """Resumable distributed sampler of ``(index, seed)`` pairs.

    The pairs depend only on the argument ``seed`` and the epoch. The seed in a pair determines all random
    numbers of the sample. Training shuffles the samples in each epoch. Evaluation uses each sample exactly
    once, in the order of the data set. Samples are distributed round-robin over the processes, so their
    global order does not depend on the number of processes.

    The base class is `DistributedSampler`, because Lightning would wrap any other sampler in a
    `DistributedSampler` and distribute the samples twice.

    Args:
        length: Number of samples.
        seed: Seed for the sample order and the random numbers of each sample.
        shuffle: Whether to shuffle the samples; True for training.
        weights: ``(length,)`` weights for sampling with replacement when shuffling; None draws each sample
            once per epoch.
        rank: Index of this process.
        world_size: Number of processes.
        drop_last: Whether to drop samples at the end of a shuffled epoch if the number of samples is not a
            multiple of the number of processes. By default, samples are repeated instead.
        skip: Function that returns the number of samples to skip at the start of an epoch, summed over all
            processes. A resumed run skips the samples that were used before.

    Raises:
        DataError: A process would have no sample to evaluate, so the other processes would hang.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        weights: Tensor | None = None,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        skip: Callable[[], int] = lambda: 0,
    ) -> None:
        if not shuffle and length < world_size:
            raise DataError(
                f"{length} validation image(s) cannot be distributed to {world_size} processes. Use at most "
                f"{length} processes, or increase --data.val_fraction or --data.val_limit."
            )
        samples = cast(Any, range(length))  # only the length is used
        super().__init__(samples, world_size, rank, shuffle, seed, drop_last)
        self.length = length
        self.world_size = world_size
        self.skip = skip
        self.weights = weights

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration (called by Lightning)."""
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        if self.shuffle:
            return self._each(self.length)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(stream_seed("epoch", self.seed, self.epoch))
        order = self.draw_order(generator) if self.shuffle else torch.arange(self.length)
        # as many seeds as samples, so that seeds do not depend on the number of processes
        seeds = torch.randint(2**62, (self.length,), generator=generator)
        # positions in the epoch of the samples of this process, after the skipped samples
        positions = torch.arange(self.skip(), self.length)
        if self.shuffle and len(positions):  # drop or repeat samples, for equal numbers in all processes
            total = self._each(len(positions)) * self.world_size
            positions = positions[torch.arange(total) % len(positions)]
        for chunk in torch.split(positions[self.rank :: self.world_size], _CHUNK):
            yield from zip(order[chunk].tolist(), seeds[chunk].tolist(), strict=True)

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return the sample indices ``(length,)`` of a training epoch in random order."""
        if self.weights is None:
            return torch.randperm(self.length, generator=generator)
        return draw_weighted(self.weights, self.length, generator)

    def _each(self, samples: int) -> int:
        """Return the number of samples per process when shuffling."""
        return samples // self.world_size if self.drop_last else -(-samples // self.world_size)


class CyclicBatchSampler(DistributedSampler[list[tuple[int, int]]]):
    """Batch sampler for `BatchedDataset` that cycles through several batch sizes.

    The base class is `DistributedSampler` for the same reason as in `SeededSampler`.

    Args:
        samples: Sampler of the ``(index, seed)`` pairs of this process.
        sizes: Sizes of successive batches; after the last size, the list starts again.
        drop_last: Whether to drop an incomplete last batch of an epoch.
        batches_done: Function that returns the number of batches of this epoch that were used before the run
            was resumed. ``samples`` must start after these batches.
    """

    def __init__(
        self,
        samples: SeededSampler,
        sizes: Sequence[int],
        *,
        drop_last: bool,
        batches_done: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(cast(Any, range(samples.length)), samples.world_size, samples.rank)
        self.samples, self.sizes = samples, list(sizes)
        self.drop_last, self.batches_done = drop_last, batches_done

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration (called by Lightning)."""
        self.samples.set_epoch(epoch)

    def __len__(self) -> int:
        rounds, rest = divmod(len(self.samples), sum(self.sizes))
        batches = rounds * len(self.sizes)
        for size in self.sizes:  # complete batches of the last round
            if rest < size:
                break
            batches += 1
            rest -= size
        has_incomplete_batch = rest > 0
        return batches + int(has_incomplete_batch and not self.drop_last)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        samples = iter(self.samples)
        for number in count(self.batches_done()):
            size = self.sizes[number % len(self.sizes)]
            batch = list(islice(samples, size))
            if not batch or (len(batch) < size and self.drop_last):
                return
            yield batch


class BatchedDataset(Dataset[list[Sample]]):
    """Dataset of whole batches; the index is a list of pairs from a `CyclicBatchSampler`.

    Args:
        data: Dataset of samples, indexed by ``(index, seed)`` pairs.
    """

    def __init__(self, data: Dataset[Sample]) -> None:
        self.data = data

    def __getitem__(self, keys: list[tuple[int, int]]) -> list[Sample]:
        """Return the samples of a batch."""
        return [self.data[key] for key in keys]


def class_weights(labels: Tensor, power: float) -> Tensor:
    """Return image weights that sample each class in proportion to a power of its size.

    Args:
        labels: ``(N,)`` int64 class of each image. Images without a class (-1) are treated as one class.
        power: Exponent. With 1, all images are equally likely. With 0, all classes are equally likely.

    Returns:
        Unnormalized weights, ``(N,)`` float64.
    """
    counts = torch.bincount(labels + 1)
    return counts.double().pow(power - 1)[labels + 1]


def draw_weighted(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` indices with replacement in proportion to the weights.

    Unlike `torch.multinomial`, the function supports more than 2**24 weights.
    """
    ends = weights.double().cumsum(0)
    draws = torch.rand(count, generator=generator, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, draws, right=True).clamp(max=len(weights) - 1)


class ResumableDataLoader(DataLoader[Sample]):
    """DataLoader that starts its workers when the first batch is requested.

    Lightning calls ``iter`` before it restores the position of a resumed run. Workers that start prefetching
    at that time would repeat the beginning of the epoch.
    """

    def __iter__(self) -> Any:  # torch declares its private iterator class
        """Yield the batches."""
        try:
            yield from super().__iter__()
        except DataError as error:
            # a worker's error contains its traceback; the last line is the message
            line = str(error).strip().splitlines()[-1]
            raise DataError(line.removeprefix(f"{DataError.__module__}.{DataError.__name__}: ")) from None


def delay_signals(_: int) -> None:
    """Make a worker ignore signals until the main process stops the run.

    Ctrl+C and cluster managers send signals to all processes, but the main process needs batches from its
    workers to finish the current step. A worker exits one minute after SIGTERM or SIGUSR1 if the main process
    has not stopped it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":  # Windows has no alarm signal and stops workers with their parent
        return
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: signal.alarm(_LAST_SECONDS))


def collate(samples: list[Sample]) -> Batch:
    """Collate samples into a batch; tensors are stacked, but ``boxes`` become a list.

    The boxes cannot be stacked, because each image has a different number of boxes.
    """
    columns: dict[str, Any] = {}
    for name in samples[0]:
        values = [cast(dict[str, Any], sample)[name] for sample in samples]
        columns[name] = values if name == "boxes" else default_collate(values)
    return cast(Batch, columns)


def call_on_rank_zero(trainer: Trainer | None, find: Callable[[], Found]) -> Found:
    """Call a function in the first process and return its result in all processes.

    All processes must call `call_on_rank_zero` together.

    Args:
        trainer: The Trainer; None means a single process.
        find: Function that is called in the first process. Its result is pickled for the other processes.

    Raises:
        DataError: ``find`` raised a `DataError`, which is raised in all processes.
    """
    if trainer is None or trainer.world_size == 1:
        return find()
    result: tuple[Found] | DataError | None = None  # a tuple, because `find` can return None
    if trainer.is_global_zero:
        try:
            result = (find(),)
        except DataError as error:  # otherwise the other processes would hang
            result = error
    result = trainer.strategy.broadcast(result)
    if isinstance(result, DataError):
        raise result
    assert result is not None
    return result[0]

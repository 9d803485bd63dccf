"""Loading under Lightning: a seeded order of samples, a loader that resumes, agreement of processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, default_collate

from colorzoo.data.dataset import Batch, Sample
from colorzoo.errors import DataError

_LAST_SECONDS = 60
_CHUNK = 4096  # pairs that exist as Python objects at a time: all of ImageNet's would take 200 MB

Found = TypeVar("Found")


class SeededSampler(DistributedSampler[tuple[int, int]]):
    """Yields ``(index, seed)`` pairs that depend on seed and epoch only, so that resumed runs see the same.

    The seed is the sample's own source of randomness. Training shuffles in each epoch; the order is the same
    for any number of processes, each of which takes every n-th sample. Evaluation keeps the order and repeats
    nothing. It is a `DistributedSampler` because Lightning would wrap any other in one and so distribute
    twice.

    Args:
        length: Number of samples.
        seed: Seed of the run.
        shuffle: True for training.
        weights: ``(length,)``, to draw samples with replacement in proportion to their weight when shuffling;
            None takes each sample once in an epoch.
        rank: Index of this process.
        world_size: Number of processes.
        drop_last: When shuffling, leave out the samples that would not give each process as many; by default
            some are repeated.
        seen: Returns, at the start of an iteration, how many samples of this epoch a resumed run has already
            trained on, in all processes together.

    Raises:
        DataError: A process would evaluate nothing, while the others wait for it.
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
        seen: Callable[[], int] = lambda: 0,
    ) -> None:
        if not shuffle:
            require_one_each(length, world_size)
        super().__init__(cast(Any, range(length)), world_size, rank, shuffle, seed, drop_last)
        self.length, self.world_size, self.seen = length, world_size, seen
        self.weights = weights

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration (called by Lightning)."""
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        if self.shuffle:
            return self._each(self.length)
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = self.draw_order(generator) if self.shuffle else torch.arange(self.length)
        # of as many samples in any number of processes: the seeds are those of one process
        seeds = torch.randint(2**62, (self.length,), generator=generator)
        places = torch.arange(self.seen(), self.length)
        if self.shuffle and len(places):
            wanted = self._each(len(places)) * self.world_size
            places = places.repeat(-(-wanted // len(places)))[:wanted]
        mine = places[self.rank :: self.world_size]
        for chunk in torch.split(mine, _CHUNK):
            yield from zip(order[chunk].tolist(), seeds[chunk].tolist(), strict=True)

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return the indices of an epoch of training, ``(length,)``."""
        if self.weights is None:
            return torch.randperm(self.length, generator=generator)
        return draw_weighted(self.weights, self.length, generator)

    def _each(self, samples: int) -> int:
        """Return how many of some samples each process takes when shuffling."""
        return samples // self.world_size if self.drop_last else -(-samples // self.world_size)


def require_one_each(pictures: int, processes: int) -> None:
    """Refuse fewer validation images than processes.

    Raises:
        DataError: A process would evaluate nothing, while the others wait for it.
    """
    if pictures < processes:
        raise DataError(
            f"{pictures} validation image(s) cannot be shared by {processes} processes; use at most "
            f"{pictures} processes, or more images (--data.val_share, --data.val_limit)."
        )


class TurnSampler(DistributedSampler[list[tuple[int, int]]]):
    """Groups the samples of a sampler into batches whose sizes take turns; for a loader of `Batched`.

    It is a `DistributedSampler` for the same reason as `SeededSampler`, which divides the samples.

    Args:
        samples: The samples of this process.
        sizes: Sizes of the batches; after the last one they begin again.
        drop_last: Leave out the last batch of an epoch if it is incomplete.
        batches_seen: Returns, at the start of an iteration, how many batches of this epoch a resumed run has
            already trained on: ``samples`` begins after them.
    """

    def __init__(
        self,
        samples: SeededSampler,
        sizes: Sequence[int],
        *,
        drop_last: bool,
        batches_seen: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(cast(Any, range(samples.length)), samples.world_size, samples.rank)
        self.samples, self.sizes = samples, list(sizes)
        self.drop_last, self.batches_seen = drop_last, batches_seen

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration (called by Lightning)."""
        self.samples.set_epoch(epoch)

    def __len__(self) -> int:
        rounds, rest = divmod(len(self.samples), sum(self.sizes))
        batches = rounds * len(self.sizes)
        while rest > 0:
            rest -= self.sizes[batches % len(self.sizes)]
            batches += not (self.drop_last and rest < 0)
        return batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        samples, number = iter(self.samples), self.batches_seen()
        while batch := list(islice(samples, size := in_turn(self.sizes, number))):
            if len(batch) < size and self.drop_last:
                return
            yield batch
            number += 1


class Batched(Dataset[list[Sample]]):
    """A data set by batches: takes the lists of keys of a `TurnSampler`.

    Args:
        data: A data set of samples.
    """

    def __init__(self, data: Dataset[Sample]) -> None:
        self.data = data

    def __getitem__(self, keys: list[tuple[int, int]]) -> list[Sample]:
        """Return the samples of a batch."""
        return [self.data[key] for key in keys]


def in_turn(values: Sequence[int], number: int) -> int:
    """Return the value whose turn it is at a number that counts from 0."""
    return values[number % len(values)]


def class_weights(labels: Tensor, power: float) -> Tensor:
    """Return the weight of each image for which a class's share of the draws is its size to a power.

    Args:
        labels: ``(N,)`` int64, the class of each image; -1 (none) is a class too.
        power: 1 draws all images equally often, 0 all classes.

    Returns:
        ``(N,)`` float64.
    """
    counts = torch.bincount(labels + 1)
    return counts.double().pow(power - 1)[labels + 1]


def draw_weighted(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` indices with replacement, each in proportion to its weight.

    Unlike `torch.multinomial` it has no limit of 2**24 weights.
    """
    ends = weights.double().cumsum(0)
    draws = torch.rand(count, generator=generator, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, draws, right=True).clamp(max=len(weights) - 1)


class LateLoader(DataLoader[Sample]):
    """A loader whose workers start with the first batch, not with ``iter``.

    Lightning calls ``iter`` while it configures the optimizers, before it restores the position of a resumed
    run; workers that prefetch from there would repeat the beginning of the epoch.
    """

    def __iter__(self) -> Any:  # torch declares its private iterator class
        """Return an iterator over the batches."""
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from super().__iter__()
        except DataError as error:
            # a worker's error contains its traceback; the last line is the message
            line = str(error).strip().splitlines()[-1]
            raise DataError(line.removeprefix(f"{DataError.__module__}.{DataError.__name__}: ")) from None


def outlive_signals(worker: int) -> None:
    """Let a worker go on after a signal to all processes of a run, which finish their step and end it.

    Ctrl+C and cluster managers signal the workers too. One that is not ended within a minute ends itself.

    Args:
        worker: Number of the worker; not used.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":  # it has no alarm, and ends workers with their process
        return
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: signal.alarm(_LAST_SECONDS))


def collate(samples: list[Sample]) -> Batch:
    """Stack samples to a batch; ``boxes``, whose number varies, become a list."""
    columns: dict[str, Any] = {}
    for name in samples[0]:
        values = [cast(dict[str, Any], sample)[name] for sample in samples]
        columns[name] = values if name == "boxes" else default_collate(values)
    return cast(Batch, columns)


def found_once(trainer: Trainer | None, find: Callable[[], Found]) -> Found:
    """Call ``find`` in the first process of a run and return its result in all; all must call this together.

    Args:
        trainer: The run; None is a run of one process.
        find: Called in the first process; its result is pickled for the others.

    Raises:
        DataError: In all processes, if ``find`` raises it in the first one.
    """
    if trainer is None or trainer.world_size == 1:
        return find()
    answer: tuple[Found] | DataError | None = None
    if trainer.is_global_zero:
        try:
            answer = (find(),)
        except DataError as error:  # else the other processes would wait
            answer = error
    answer = trainer.strategy.broadcast(answer)
    if isinstance(answer, DataError):
        raise answer
    assert answer is not None
    return answer[0]

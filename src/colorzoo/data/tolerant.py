"""Training goes on without a few pictures that cannot be read."""

from __future__ import annotations

import sys

import torch
from torch.utils.data import Dataset

from colorzoo.data.dataset import Sample
from colorzoo.errors import DataError

_TRIES = 100  # pictures that are tried in a row


class Skipped:
    """The bad pictures, tar files and shards that training goes on without.

    Args:
        most: Their number; one more raises its error.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._reasons: set[str] = set()

    def note(self, error: DataError) -> None:
        """Name one on standard error, once.

        Raises:
            DataError: There are too many.
        """
        if (reason := str(error)) in self._reasons:
            return
        if len(self._reasons) == self.most:
            raise error
        self._reasons.add(reason)
        print(f"colorzoo: skipped ({len(self._reasons)} of at most {self.most}): {reason}", file=sys.stderr)


class TolerantDataset(Dataset[Sample]):
    """Gives another picture in place of one that cannot be read, and names each on standard error.

    Which one follows from the sample's seed, so that a resumed run sees the same. The pictures of a shard
    that is missing or cut count once.

    Args:
        data: The data set; its samples are indexed by ``(index, seed)``.
        most: Number of bad pictures or shards that each worker skips; one more raises its error.
    """

    def __init__(self, data: Dataset[Sample], most: int) -> None:
        self.data, self._skipped = data, Skipped(most)

    def __len__(self) -> int:
        return len(self.data)  # type: ignore[arg-type]  # all data sets here have a length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample of ``key``, or of a picture in its place.

        Raises:
            DataError: Too many are bad.
        """
        index, seed = key
        for number in range(_TRIES):
            try:
                return self.data[index, seed]
            except DataError as error:
                self._skipped.note(error)
            generator = torch.Generator().manual_seed(seed + number)
            index = int(torch.randint(len(self), (), generator=generator))
        raise DataError(f"{_TRIES} pictures in a row cannot be read; see the lines above.")

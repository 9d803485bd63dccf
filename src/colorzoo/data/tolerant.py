"""Training goes on without a few pictures that cannot be read."""

from __future__ import annotations

import sys

import torch
from torch.utils.data import Dataset

from colorzoo.data.dataset import Sample
from colorzoo.errors import DataError

_TRIES = 100  # pictures that are tried in a row


class TolerantDataset(Dataset[Sample]):
    """Gives another picture in place of one that cannot be read, and names each on standard error.

    Which one follows from the sample's seed, so that a resumed run sees the same. The pictures of a shard
    that is missing or cut count once.

    Args:
        data: The data set; its samples are indexed by ``(index, seed)``.
        most: Number of bad pictures or shards that each worker skips; one more raises its error.
    """

    def __init__(self, data: Dataset[Sample], most: int) -> None:
        self.data, self.most = data, most
        self._bad: set[str] = set()

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
                self._note(error)
            generator = torch.Generator().manual_seed(seed + number)
            index = int(torch.randint(len(self), (), generator=generator))
        raise DataError(f"{_TRIES} pictures in a row cannot be read; see the lines above.")

    def _note(self, error: DataError) -> None:
        if (reason := str(error)) in self._bad:
            return
        if len(self._bad) == self.most:
            raise error
        self._bad.add(reason)
        print(f"colorzoo: skipped ({len(self._bad)} of at most {self.most}): {reason}", file=sys.stderr)

"""A DataLoader that begins at the first batch, not at ``iter``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from colorzoo.data.dataset import Batch, Sample


class LateLoader(DataLoader[Sample]):
    """A loader whose workers start when the first batch is asked for.

    Lightning calls ``iter`` while it configures the optimizers, before it has restored the position of a
    resumed run; workers that fetch ahead from there would deliver the beginning of the epoch again.
    """

    def __iter__(self) -> Any:  # torch promises its private iterator class
        """Return an iterator over the batches."""
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        yield from super().__iter__()

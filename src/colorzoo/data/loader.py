"""A DataLoader that begins at the first batch, not at ``iter``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch.utils.data import DataLoader, default_collate

from colorzoo.data.dataset import Batch, Sample
from colorzoo.errors import DataError


class LateLoader(DataLoader[Sample]):
    """A loader whose workers start when the first batch is asked for.

    Lightning calls ``iter`` while it configures the optimizers, before it has restored the position of a
    resumed run; workers that fetch ahead from there would deliver the beginning of the epoch again.
    """

    def __iter__(self) -> Any:  # torch promises its private iterator class
        """Return an iterator over the batches."""
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from super().__iter__()
        except DataError as error:
            # From a worker the message comes with the worker's traceback; its last line is the message.
            line = str(error).strip().splitlines()[-1]
            raise DataError(line.removeprefix(f"{DataError.__module__}.{DataError.__name__}: ")) from None


def collate(samples: list[Sample]) -> Batch:
    """Stack samples to a batch; what has another length in each picture (``boxes``) becomes a list."""
    columns: dict[str, Any] = {}
    for name in samples[0]:
        values = [cast(dict[str, Any], sample)[name] for sample in samples]
        columns[name] = values if name == "boxes" else default_collate(values)
    return cast(Batch, columns)

"""Remember which pictures have no color: a set of a million is decoded once, not at every start."""

from __future__ import annotations

import hashlib
import os
import zipfile
from array import array
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.packed import tensor_of
from colorzoo.data.sources import Source
from colorzoo.weights._files import write_atomic
from colorzoo.weights.catalog import cache_home

UNKNOWN, COLORED, GRAY = -1, 0, 1


def verdicts_path(root: str) -> Path:
    """Return the file in the user's cache that holds the verdicts on the pictures of a data folder."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return cache_home() / "checks" / f"{name}.npz"


def picture_keys(sources: Iterable[Source], method: str) -> Tensor:
    """Return ``(N,)`` int64: a hash of where each picture is, and of its file's size and time of change.

    Args:
        sources: The pictures.
        method: How they are judged; verdicts of another method do not count.
    """
    keys, stated, stamp = array("q"), "", ""
    for source in sources:
        if not source.member or source.path != stated:  # members of one tar come together
            stated, stamp = source.path, _stamp(source.path)
        text = f"{method}\0{stamp}\0{source.member}\0{source.offset}\0{source.size}"
        digest = hashlib.blake2b(os.fsencode(text), digest_size=8).digest()
        keys.append(int.from_bytes(digest, "big", signed=True))
    return tensor_of(keys, torch.int64)


class Verdicts:
    """Verdicts by key, in two flat tensors: nine bytes a picture.

    Args:
        path: The file that keeps them; one that is missing or damaged counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys, self._gray = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.bool)
        try:
            with np.load(path, allow_pickle=False) as stored:
                self._keys, self._gray = torch.from_numpy(stored["keys"]), torch.from_numpy(stored["gray"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return

    def of(self, keys: Tensor) -> Tensor:
        """Return ``(N,)`` int8: `UNKNOWN`, `COLORED` or `GRAY` for each key."""
        if not len(self._keys):
            return torch.full((len(keys),), UNKNOWN, dtype=torch.int8)
        place = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[place] == keys, self._gray[place].to(torch.int8), UNKNOWN)

    def add(self, keys: Tensor, gray: Tensor) -> None:
        """Remember verdicts, also on disk: the file is replaced as a whole.

        Args:
            keys: ``(N,)`` int64.
            gray: ``(N,)`` bool.

        Raises:
            OSError: It cannot be written; in memory they are known all the same.
        """
        every, first = np.unique(torch.cat([keys, self._keys]).numpy(), return_index=True)
        self._gray = torch.cat([gray, self._gray])[torch.from_numpy(first)]
        self._keys = torch.from_numpy(every)
        packed = BytesIO()
        np.savez(packed, keys=every, gray=self._gray.numpy())
        write_atomic(self.path, packed.getvalue())


def _stamp(path: str) -> str:
    """Return place, size and time of change of a file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called per picture; Path costs more
    except OSError:
        return f"{path}\0missing"
    return f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"  # noqa: PTH100 - as above

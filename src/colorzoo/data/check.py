"""The check before training: list broken and gray pictures, and cache the results."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from colorzoo.atomic import write_atomic
from colorzoo.color import rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.data.parallel import bounded_map
from colorzoo.data.sources import StoredPicture, tensor_of
from colorzoo.progress import progress_bar
from colorzoo.weights.catalog import cache_home

log = logging.getLogger(__name__)

GRAY_RANGE = 5.0
"""A picture is gray if its ranges of a and b sum to less than this (Zhang et al. 2017, training code)."""
_SIDE = 32  # pixels of the decoded pictures
_METHOD = f"range {GRAY_RANGE} at {_SIDE}"  # cached results of another method do not count
_AT_ONCE = 16384  # pictures between two updates of the cache
_NOTICEABLE = 1000  # pictures from which on a progress bar is shown

_UNKNOWN, _COLORED, _GRAY = -1, 0, 1


@dataclass(frozen=True)
class CheckResult:
    """Result of a check.

    Attributes:
        rows: Rows of the usable pictures, int64.
        broken: Name and reason of each picture that does not decode.
        gray: Names of the pictures without color.
    """

    rows: Tensor
    broken: list[tuple[str, str]] = field(default_factory=list)
    gray: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return a line for broken and one for gray pictures, naming the first few."""
        lines = []
        if self.broken:
            shown = "; ".join(f"{name} ({why})" for name, why in self.broken[:5])
            lines.append(f"skipped {len(self.broken)} broken picture(s): {shown}")
        if self.gray:
            lines.append(f"skipped {len(self.gray)} gray picture(s): {'; '.join(self.gray[:5])}")
        return "\n".join(lines)


def check_pictures(
    sources: Sequence[StoredPicture], *, drop_gray: bool, known: CheckCache | None = None
) -> CheckResult:
    """Decode every picture at a small size, and drop the broken and optionally the gray ones.

    Args:
        sources: The pictures.
        drop_gray: Drop pictures without color.
        known: Results of earlier checks, which is updated; only other pictures are decoded. Broken pictures
            are not cached, because the disk may have failed.
    """
    keys = torch.zeros(len(sources), dtype=torch.int64)
    states = torch.full((len(sources),), _UNKNOWN, dtype=torch.int8)
    if known is not None:
        keys = picture_keys(sources)
        states = known.get(keys)
    broken: list[tuple[str, str]] = []
    unknown = (states == _UNKNOWN).nonzero()[:, 0]
    with _progress(len(unknown)) as advance:
        for rows in torch.split(unknown, _AT_ONCE):
            try:
                places = rows.tolist()
                results = bounded_map(check_picture, (sources[row] for row in places), os.cpu_count() or 1)
                for row, result in zip(places, results, strict=True):
                    advance(1)
                    if isinstance(result, str):
                        broken.append((sources[row].name, result))
                    else:
                        states[row] = _GRAY if result else _COLORED
            finally:  # an interrupted run continues from here
                checked = rows[states[rows] != _UNKNOWN]
                if known is not None and len(checked):
                    _update(known, keys[checked], states[checked] == _GRAY)
    good = states == _COLORED if drop_gray else states != _UNKNOWN
    gray = (states == _GRAY).nonzero()[:, 0].tolist() if drop_gray else []
    return CheckResult(good.nonzero()[:, 0], broken, [sources[row].name for row in gray])


def is_gray(rgb: Tensor) -> bool:
    """Test whether a ``(3, H, W)`` uint8 picture has too little color to learn from."""
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1)
    return bool((ab.amax(1) - ab.amin(1)).sum() < GRAY_RANGE)


def check_picture(source: StoredPicture) -> bool | str:
    """Return whether the picture is gray, or the reason why it cannot be read."""
    try:
        with torch.inference_mode():
            return is_gray(decode_rgb(source.read(), short_side=_SIDE))
    except (OSError, ValueError, SyntaxError) as error:
        return f"{type(error).__name__}: {error}"


def _update(known: CheckCache, keys: Tensor, gray: Tensor) -> None:
    try:
        known.add(keys, gray)
    except OSError as error:
        log.warning("cannot cache the check of the pictures in %s (%s)", known.path, error.strerror or error)


def _progress(count: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _: None) if count < _NOTICEABLE else progress_bar("checking pictures", count)


class CheckCache:
    """Cached results of checks by key, nine bytes a picture.

    Args:
        path: The cache file; a missing or damaged one counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys, self._gray = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.bool)
        try:
            with np.load(path, allow_pickle=False) as stored:
                self._keys, self._gray = torch.from_numpy(stored["keys"]), torch.from_numpy(stored["gray"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return

    def get(self, keys: Tensor) -> Tensor:
        """Return ``(N,)`` int8 for each key: 1 gray, 0 colored, -1 unknown."""
        if not len(self._keys):
            return torch.full((len(keys),), _UNKNOWN, dtype=torch.int8)
        row = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[row] == keys, self._gray[row].to(torch.int8), _UNKNOWN)

    def add(self, keys: Tensor, gray: Tensor) -> None:
        """Add results, and replace the file.

        Args:
            keys: ``(N,)`` int64.
            gray: ``(N,)`` bool.

        Raises:
            OSError: The file cannot be written; the results are kept in memory.
        """
        every, first = np.unique(torch.cat([keys, self._keys]).numpy(), return_index=True)
        self._gray = torch.cat([gray, self._gray])[torch.from_numpy(first)]
        self._keys = torch.from_numpy(every)
        packed = BytesIO()
        np.savez(packed, keys=every, gray=self._gray.numpy())
        write_atomic(self.path, packed.getvalue())


def cache_path(root: str) -> Path:
    """Return the file of the `CheckCache` of a data folder, in the user's cache."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return cache_home() / "checks" / f"{name}.npz"


def picture_keys(sources: Iterable[StoredPicture]) -> Tensor:
    """Return ``(N,)`` int64 hashes of the location, file size and modification time of each picture."""
    keys, path, stamp = array("q"), "", ""
    for source in sources:
        if not source.member or source.path != path:  # members of one tar are consecutive
            path, stamp = source.path, _file_stamp(source.path)
        text = f"{_METHOD}\0{stamp}\0{source.member}\0{source.offset}\0{source.size}"
        digest = hashlib.blake2b(os.fsencode(text), digest_size=8).digest()
        keys.append(int.from_bytes(digest, "big", signed=True))
    return tensor_of(keys, torch.int64)


def _file_stamp(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - called per picture; Path is slower
    except OSError:
        return f"{path}\0missing"
    return f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"  # noqa: PTH100 - as above

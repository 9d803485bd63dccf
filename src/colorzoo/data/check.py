"""Detection of broken and gray images before training, with cached results."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.console import progress_bar
from colorzoo.data.decode import UNREADABLE, decode_rgb, why_unreadable
from colorzoo.data.image_table import ImageTable
from colorzoo.data.sources import Sources, StoredImage, tensor_of
from colorzoo.environment import core_count
from colorzoo.errors import DataError
from colorzoo.files import write_atomic
from colorzoo.weights.catalog import cache_home

log = logging.getLogger(__name__)

GRAY_RANGE = 5.0
"""Images are gray if the ranges of a and b sum to less than this value (Zhang et al. 2017); CIE units."""
_SIDE = 32  # pixels; shorter side of the decoded images
_METHOD = f"range {GRAY_RANGE} at {_SIDE} in sRGB"  # results cached by other methods are ignored
_BLOCK = 16384  # images between two updates of the cache

_UNKNOWN, _COLORED, _GRAY = -1, 0, 1


@dataclass(frozen=True)
class CheckResult:
    """Result of `check_images`.

    Attributes:
        rows: ``(N,)`` int64 indices of the accepted images among the checked images.
        broken: Name of each image that cannot be decoded or has a broken reference or sketch, and the reason.
        gray: Names of the images that were excluded because they have no color.
    """

    rows: Tensor
    broken: list[tuple[str, str]]
    gray: list[str]

    def summary(self) -> str:
        """Return a message with the numbers and first names of broken and gray images.

        The message is empty if no image was excluded.
        """
        lines = []
        if self.broken:
            shown = "; ".join(f"{name} ({why})" for name, why in self.broken[:5])
            lines.append(f"skipped {len(self.broken)} broken image(s): {shown}")
        if self.gray:
            lines.append(f"skipped {len(self.gray)} gray image(s): {'; '.join(self.gray[:5])}")
        return "\n".join(lines)


def check_images(sources: Sequence[StoredImage], *, drop_gray: bool, cache: ValueCache) -> CheckResult:
    """Decode every image at a small size to exclude broken and, optionally, gray images.

    Args:
        sources: The images.
        drop_gray: Whether to exclude images without color.
        cache: Results of earlier checks. Images with a cached result are not decoded again, and new results
            are added. Broken images are not cached, because the cause can be a temporary disk error.
    """
    keys = image_keys(sources)
    states = cache.get(keys)
    unchecked = (states == _UNKNOWN).nonzero()[:, 0]
    broken: list[tuple[str, str]] = []
    if len(unchecked):
        with progress_bar("checking images", len(unchecked)) as advance:
            for block in torch.split(unchecked, _BLOCK):
                images = (sources[row] for row in block.tolist())
                results = bounded_map(check_image, images, core_count())
                try:
                    for row, result in zip(block.tolist(), results, strict=True):
                        advance(1)
                        if isinstance(result, str):  # the state of a broken image stays unknown
                            broken.append((sources[row].name, result))
                        else:
                            states[row] = _GRAY if result else _COLORED
                finally:  # store partial results, so an interrupted check continues with the other images
                    checked = block[states[block] != _UNKNOWN]
                    cache.add(keys[checked], states[checked])
    if not drop_gray:
        readable = (states != _UNKNOWN).nonzero()[:, 0]
        return CheckResult(readable, broken, gray=[])
    colored = (states == _COLORED).nonzero()[:, 0]
    gray = (states == _GRAY).nonzero()[:, 0].tolist()
    return CheckResult(colored, broken, [sources[row].name for row in gray])


def check_table(images: ImageTable, *, drop_gray: bool, cache: ValueCache) -> CheckResult:
    """Check the images of a table as `check_images` does, and their references or sketches.

    Images with a broken reference or sketch are excluded and listed as broken.
    """
    found = check_images(images.sources, drop_gray=drop_gray, cache=cache)
    if images.partners is None:
        return found
    partners_by_row = {row: images.partners[row] for row in found.rows.tolist()}
    unique_partners = list(dict.fromkeys(chain.from_iterable(partners_by_row.values())))
    checked_partners = check_images(unique_partners, drop_gray=False, cache=cache)
    reasons = dict(checked_partners.broken)  # by name of the broken reference or sketch
    intact, broken = [], list(found.broken)
    for row, partners in partners_by_row.items():
        broken_name = next((partner.name for partner in partners if partner.name in reasons), None)
        if broken_name is None:
            intact.append(row)
        else:
            broken.append((images.sources[row].name, f"{broken_name}: {reasons[broken_name]}"))
    return replace(found, rows=torch.tensor(intact, dtype=torch.int64), broken=broken)


def is_gray(rgb: Tensor) -> bool:
    """Return whether the a and b ranges of an image sum to less than `GRAY_RANGE`.

    Args:
        rgb: ``(3, H, W)`` uint8.
    """
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1)
    return bool((ab.amax(1) - ab.amin(1)).sum() < GRAY_RANGE)


def check_image(source: StoredImage) -> bool | str:
    """Return whether an image is gray, or the reason why it cannot be decoded."""
    try:
        with torch.inference_mode():
            return is_gray(decode_rgb(source.read(), short_side=_SIDE))
    except UNREADABLE as error:
        return why_unreadable(error)


class ValueCache:
    """Cache file with a number for each image, such as the result of a check.

    `image_keys` computes the keys of the images.

    Args:
        path: Cache file; a missing or damaged file is treated as empty.
        dtype: Data type of the values. Each value must be at least 0, because -1 marks images without a
            value.
    """

    def __init__(self, path: Path, dtype: torch.dtype = torch.int8) -> None:
        self.path = path
        self._keys, self._values = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=dtype)
        try:
            with np.load(path, allow_pickle=False) as stored:
                keys, values = torch.from_numpy(stored["keys"]), torch.from_numpy(stored["values"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
        if len(keys) == len(values):
            self._keys, self._values = keys, values.to(dtype)

    def get(self, keys: Tensor) -> Tensor:
        """Return the cached value of each key, ``(N,)``; -1 for keys without a value."""
        if not len(self._keys):
            return torch.full((len(keys),), _UNKNOWN, dtype=self._values.dtype)
        row = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[row] == keys, self._values[row], _UNKNOWN)

    def add(self, keys: Tensor, values: Tensor) -> None:
        """Add or replace the values of keys, and rewrite the file.

        If the file cannot be written, a warning is logged, and the values remain available in memory.

        Args:
            keys: ``(N,)`` int64, from `image_keys`.
            values: ``(N,)``, of any numeric type.
        """
        if not len(keys):
            return
        all_keys = torch.cat([keys, self._keys])
        all_values = torch.cat([values.to(self._values.dtype), self._values])
        # sorted keys with the index of their first value, so new values replace old values
        unique_keys, first = np.unique(all_keys.numpy(), return_index=True)
        self._keys, self._values = torch.from_numpy(unique_keys), all_values[torch.from_numpy(first)]
        packed = BytesIO()
        np.savez(packed, keys=unique_keys, values=self._values.numpy())
        try:
            write_atomic(self.path, packed.getvalue())
        except OSError as error:
            log.warning("the image check cache cannot be written to %s (%s)", self.path, error.strerror)


def cache_file(root: Path, kind: str) -> Path:
    """Return the path of a data folder's `ValueCache` in the cache folder of the user.

    Args:
        root: Data folder; a hash of its path becomes the file name.
        kind: Kind of the cached values, such as ``checks``; also the name of the subfolder.
    """
    return cache_home() / kind / f"{short_hash(os.path.realpath(root))}.npz"


def short_hash(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a text, for file names."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def image_keys(sources: Iterable[StoredImage], method: str = _METHOD) -> Tensor:
    """Return a hash of each image's path, file size and modification time, ``(N,)`` int64.

    Args:
        sources: The images.
        method: Name of the computation whose results are cached. The name is part of the hash, so results of
            other computations are not found.
    """
    keys = array("q")
    path, stamp = "", ""  # of the previous image
    for source in sources:
        is_in_same_tar = bool(source.member) and source.path == path
        if not is_in_same_tar:
            path = source.path
            try:
                status = os.stat(path)  # noqa: PTH116 - called per image; Path is slower
            except OSError:
                stamp = f"{path}\0missing"
            else:
                stamp = f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"
        text = f"{method}\0{stamp}\0{source.member}\0{source.offset}\0{source.size}"
        digest = hashlib.blake2b(os.fsencode(text), digest_size=8).digest()
        keys.append(int.from_bytes(digest, "big", signed=True))
    return tensor_of(keys, torch.int64)


Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items in a thread pool; yield the results in order of the items.

    At most 8 items per thread are submitted ahead. ``ThreadPoolExecutor.map`` submits all items at once,
    which requires gigabytes of memory for ImageNet.

    Args:
        function: Function that releases the GIL, such as a decoder.
        items: Arguments of the function.
        threads: Number of threads.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 8 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


_SPLIT_METHOD = "sha256"  # the hash is converted to a number in [0, 1)
_UNREADABLE = 1.0


def split_by_content(sources: Sources, val_fraction: float, root: Path) -> tuple[Sources, Sources]:
    """Split images into training and validation images by a hash of their bytes.

    The hash is a number in [0, 1); images with a hash below ``val_fraction`` are validation images. If no
    image has such a hash, the image with the lowest hash is the validation image, unless ``val_fraction`` is
    0. Images with identical bytes are always in the same split. Unreadable files are assigned to the training
    split, where `check_images` reports them. The hashes are cached, so later calls read only new and changed
    files.

    Args:
        sources: All images.
        val_fraction: Expected fraction of validation images, in [0, 1).
        root: Data folder, which selects the cache file.

    Returns:
        The training images and the validation images.
    """
    cache = ValueCache(cache_file(root, "splits"), torch.float64)
    keys = image_keys(sources, _SPLIT_METHOD)
    hashes = cache.get(keys)
    is_new = hashes == _UNKNOWN
    for row in is_new.nonzero()[:, 0].tolist():
        try:
            hashes[row] = unit_hash(sources[row].read())
        except OSError:
            hashes[row] = _UNREADABLE
    is_hashed = is_new & (hashes != _UNREADABLE)
    cache.add(keys[is_hashed], hashes[is_hashed])
    is_val = hashes < val_fraction
    if val_fraction > 0 and len(hashes) and not is_val.any():
        is_val = (hashes == hashes.min()) & (hashes != _UNREADABLE)
    train_rows, val_rows = (~is_val).nonzero()[:, 0], is_val.nonzero()[:, 0]
    return sources.select(train_rows), sources.select(val_rows)


def unit_hash(data: bytes) -> float:
    """Return a hash of bytes in [0, 1), which is equal on all machines."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") / 2**64


def require_usable(images: ImageTable, split: str, root: str | Path) -> None:
    """Raise an error if a check excluded all images.

    Args:
        images: Images that the check did not exclude.
        split: Name of the split for the message.
        root: Data folder for the message.

    Raises:
        DataError: There are no images.
    """
    if not len(images):
        raise DataError(
            f"all {split} images in {str(root)!r} are broken or gray. Run `colorzoo data verify` for a list."
        )

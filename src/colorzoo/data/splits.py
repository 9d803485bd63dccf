"""The split of a folder without subfolders for it: by the content of each picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from colorzoo.data.check import KnownValues, cache_file, picture_keys
from colorzoo.data.sources import Sources

_METHOD = "sha256"  # of the bytes, which gives each picture its place in [0, 1)
_UNKNOWN, _UNREADABLE = -1.0, 1.0


def split_by_content(
    sources: Sources, val_share: float, known: KnownValues | None = None
) -> tuple[Sources, Sources]:
    """Split into training and validation by a hash of each picture's bytes.

    Duplicates are always in the same split, whatever their names and the rest of the folder. A file that
    cannot be read is left to training, which names what it skips.

    Args:
        sources: All pictures.
        val_share: Expected share of validation pictures, in [0, 1).
        known: Results of earlier splits, which is updated: only files that are new or changed are read.
    """
    places = torch.full((len(sources),), _UNKNOWN, dtype=torch.float64)
    keys = None if known is None else picture_keys(sources, _METHOD)
    if known is not None and keys is not None:
        places = known.get(keys)
    unknown = (places == _UNKNOWN).nonzero()[:, 0]
    for row in unknown.tolist():
        try:
            digest = hashlib.sha256(sources[row].read()).digest()
        except OSError:
            places[row] = _UNREADABLE
        else:
            places[row] = int.from_bytes(digest[:8], "big") / 2**64
    found = unknown[places[unknown] != _UNREADABLE]
    if known is not None and keys is not None and len(found):
        known.try_to_add(keys[found], places[found])
    is_val = places < val_share
    return sources.select((~is_val).nonzero()[:, 0]), sources.select(is_val.nonzero()[:, 0])


def known_places(root: str) -> KnownValues:
    """Return the results of earlier splits of a data folder, in the user's cache."""
    return KnownValues(cache_file(Path(root), "splits"), torch.float64)

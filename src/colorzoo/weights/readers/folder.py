"""Sharded checkpoints, see `colorzoo.weights.sharded`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.errors import WeightsError, first_words
from colorzoo.weights.readers import Reader, WeightContent
from colorzoo.weights.readers.pytorch import load_torch, stored_in_checkpoint
from colorzoo.weights.sharded import RECORD, is_sharded, read_state_dict

if TYPE_CHECKING:
    from torch import Tensor


def _read(path: Path, trust_pickle: bool) -> WeightContent:
    del trust_pickle  # Lightning's record needs none
    return WeightContent(path, _joined(path), _stored(path))


def _stored(path: Path) -> Mapping[str, Any]:
    return stored_in_checkpoint(load_torch(path / RECORD, trust_pickle=False))


def _joined(folder: Path) -> dict[str, Tensor]:
    try:
        return read_state_dict(folder)
    except Exception as error:  # by the damage, as for a file
        reason = first_words(error)
        raise WeightsError(f"{folder} is an incomplete or damaged sharded checkpoint ({reason})") from error


READER = Reader(is_sharded, _read, _stored)

"""Readers of weight files: one module a format, found by scanning.

A module defines ``READER``. Nothing else is edited for another format.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

EXPECTED = "expected safetensors, a PyTorch state dict or a Lightning checkpoint"


@dataclass(frozen=True)
class WeightContent:
    """Content of a weight file.

    Attributes:
        path: The file.
        state_dict: Tensors on the CPU by name, in the precision of the file.
        stored: Unparsed ``hparams`` and ``provenance``, as far as the file has them.
    """

    path: Path
    state_dict: dict[str, Tensor]
    stored: Mapping[str, Any]

    @property
    def hparams(self) -> dict[str, Any]:
        """Constructor arguments; see `read_hparams`."""
        return constructor_arguments(self.path, self.stored)

    @property
    def provenance(self) -> dict[str, Any] | None:
        """Record of the training, see `colorzoo.weights.provenance`; None if the file has none.

        Raises:
            WeightsError: The record is not a JSON object.
        """
        return _parse(self.path, self.stored, "provenance")


@dataclass(frozen=True)
class Reader:
    """A format of weight files.

    Attributes:
        matches: Returns whether a file or folder, which exists, is of this format, by its first bytes.
        read: Reads tensors by name, given the path and whether a pickle may run code; None for a format that
            a model has to translate.
        stored: Reads ``hparams`` and ``provenance`` alone, unparsed; None for a format that holds none.
        translate: Reads the authors' file for a class of models: what its `load_published_state_dict` takes,
            and the settings that these weights need.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, bool], WeightContent] | None = None
    stored: Callable[[Path], Mapping[str, Any]] | None = None
    translate: Callable[[Path, type[Any]], tuple[dict[str, Tensor], dict[str, Any]]] | None = None


def all_readers() -> Iterator[Reader]:
    """Yield the readers of all formats, that of our own files first; each is imported when its turn comes."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    for name in sorted(names, key=lambda name: name != "safetensors"):
        yield importlib.import_module(f"{__name__}.{name}").READER


def begins_with(path: Path, starts: tuple[bytes, ...]) -> bool:
    """Return whether a path is a file with one of some first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(max(map(len, starts))).startswith(starts)


def missing(path: Path) -> WeightsError:
    """Return the error of a path that is no weight file."""
    kind = "a folder, not a weight file" if path.is_dir() else "missing"
    return WeightsError(f"{path} is {kind}; {EXPECTED}")


def constructor_arguments(path: Path, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor arguments that a weight file stores."""
    found = _parse(path, stored, "hparams") or {}
    return {key: value for key, value in found.items() if not key.startswith("_")}


def _parse(path: Path, stored: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = stored.get(name)
    if value is None or isinstance(value, Mapping):
        return None if value is None else dict(value)
    try:
        return dict(json.loads(value))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the metadata {name!r} must be a JSON object, not {value!r}") from error

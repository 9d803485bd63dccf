"""From the authors' file to a safetensors file that brings everything along which its model must know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.card import ModelCard
from colorzoo.errors import WeightsError
from colorzoo.registry import load_class
from colorzoo.weights._files import sha256_of
from colorzoo.weights.apply import apply_weights, entry_of
from colorzoo.weights.caffe import is_caffe, read_caffe
from colorzoo.weights.load import CONVENTIONS, load_state_dict_file, save_weights

if TYPE_CHECKING:
    from torch import Tensor

_PARALLEL = "module."  # what DataParallel puts before every name


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        path: The safetensors file.
        sha256: Its hash.
        size: Its bytes.
        metadata: What the file says of itself; ``hparams`` configures the model that loads it.
    """

    path: Path
    sha256: str
    size: int
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class _Source:
    """The authors' tensors under the names of their PyTorch checkpoint, and what was found out about them."""

    state_dict: dict[str, Tensor]
    hparams: Mapping[str, Any] = field(default_factory=dict)
    license: str = "that of the source"


def convert_weights(
    source: Path,
    card: ModelCard,
    out: Path,
    *,
    hparams: Mapping[str, Any] | None = None,
    half: bool = False,
) -> Converted:
    """Convert a file of the authors.

    Args:
        source: A PyTorch checkpoint (read without running code) or a Caffe model.
        card: The model; its class translates the names (``load_published_state_dict``, ``convert_caffe``).
        out: File to write, with the ending ``.safetensors``.
        hparams: Constructor arguments that only you can know; they win over those of card and file.
        half: Store float16: half the size, colors within rounding.

    Returns:
        What was written.

    Raises:
        WeightsError: The file cannot be read, is of another model, or an argument is unknown.
    """
    if out.exists() and out.samefile(source):
        raise WeightsError(f"{out} would overwrite its own source; name another file to write")
    cls = load_class(card)
    found = _read_source(source, card, cls)
    arguments = {**card.hparams, **found.hparams, **(hparams or {})}
    model = _build(cls, arguments)
    arguments |= {name: model.hparams[name] for name in cls.recorded_hparams}
    apply_weights(model, found.state_dict, name=str(source), published=True)
    metadata = {
        "model": card.name,
        "hparams": json.dumps(arguments, sort_keys=True),
        "conventions": CONVENTIONS,
        "source": source.name,
        "source_sha256": sha256_of(source),
        "license": found.license,
    }
    save_weights(out, model.state_dict(), metadata, half=half)
    return Converted(out, sha256_of(out), out.stat().st_size, metadata)


def _read_source(path: Path, card: ModelCard, cls: type[Any]) -> _Source:
    if path.is_file() and is_caffe(path):
        state_dict, hparams = cls.convert_caffe(read_caffe(path))
        return _Source(state_dict, hparams)
    state_dict = load_state_dict_file(path)
    if all(name.startswith(_PARALLEL) for name in state_dict):
        state_dict = {name.removeprefix(_PARALLEL): value for name, value in state_dict.items()}
    entry = entry_of(card, path)
    return _Source(state_dict, entry.hparams, entry.license) if entry else _Source(state_dict)


def _build(cls: type[Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except TypeError as error:
        raise WeightsError(f"{cls.__name__} cannot be built with {dict(arguments)}: {error}") from error

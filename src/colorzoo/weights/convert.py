"""From the authors' file to a safetensors file that brings everything along which its model must know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.registry import load_class
from colorzoo.settings import flatten_arguments, nest_arguments
from colorzoo.weights._files import sha256_of
from colorzoo.weights.apply import apply_weights, entry_of
from colorzoo.weights.caffe import is_caffe, read_caffe
from colorzoo.weights.load import CONVENTIONS, load_state_dict_file, save_weights

if TYPE_CHECKING:
    from torch import Tensor


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
        source: A PyTorch checkpoint (read without running code), a Caffe model, or a folder with the files of
            a model that has several (``published_files`` of its class).
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
    settings = flatten_arguments(cls, model.hparams)
    arguments |= {name: settings[name] for name in cls.recorded_hparams}
    apply_weights(model, found.state_dict, name=str(source), published=True)
    metadata = {
        "model": card.name,
        "hparams": json.dumps(arguments, sort_keys=True),
        "conventions": CONVENTIONS,
        "source": source.name,
        "source_sha256": _hash_of(source, cls.published_files),
        "license": found.license,
    }
    save_weights(out, model.state_dict(), metadata, half=half)
    return Converted(out, sha256_of(out), out.stat().st_size, metadata)


def _read_source(path: Path, card: ModelCard, cls: type[Any]) -> _Source:
    if path.is_dir() and cls.published_files:
        return _Source(_read_folder(path, cls.published_files))
    if path.is_file() and is_caffe(path):
        state_dict, hparams = cls.convert_caffe(read_caffe(path))
        return _Source(state_dict, hparams)
    state_dict = load_state_dict_file(path)
    entry = entry_of(card, path)
    return _Source(state_dict, entry.hparams, entry.license) if entry else _Source(state_dict)


def _read_folder(folder: Path, files: Mapping[str, str]) -> dict[str, Tensor]:
    """Read all files of a model into one state dict, each file's names below a prefix of its own."""
    return {
        f"{prefix}.{name}": value
        for file, prefix in files.items()
        for name, value in load_state_dict_file(folder / file).items()
    }


def _hash_of(source: Path, files: Mapping[str, str]) -> str:
    if source.is_dir():
        return " ".join(f"{name}:{sha256_of(source / name)}" for name in files)
    return sha256_of(source)


def _build(cls: type[Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return cls(**nest_arguments(cls, arguments))
    except (TypeError, ColorzooError) as error:
        raise WeightsError(f"{cls.__name__} cannot be built with {dict(arguments)}: {error}") from error

"""Conversion of published files and training checkpoints to safetensors with settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.card import ModelCard, Weights
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.registry import load_model_class
from colorzoo.settings import flatten_arguments, nest_arguments
from colorzoo.weights.files import sha256_of
from colorzoo.weights.load import (
    CONVENTIONS,
    UNTRAINED,
    apply_weights,
    is_safetensors,
    load_state_dict_file,
    read_weights,
    save_weights,
)
from colorzoo.weights.readers.caffe import is_caffe, read_caffe
from colorzoo.weights.resolve import entry_without_hash, find_entry

if TYPE_CHECKING:
    from torch import Tensor


def convert_weights(
    source: Path,
    card: ModelCard,
    out: Path,
    *,
    hparams: Mapping[str, Any] | None = None,
    half: bool = False,
) -> dict[str, str]:
    """Convert a published weight file to safetensors and return the metadata of the new file.

    The metadata ``hparams`` contain the constructor arguments of the model. The metadata ``untrained``
    contain the names of the parts that the published file does not contain.

    Args:
        source: A PyTorch checkpoint, a Caffe model, or a folder with several published files
            (``published_files`` of the model class). No code of the file is executed.
        card: The model; its class converts the names (``load_published_state_dict``, ``convert_caffe``).
        out: The new file, with the extension ``.safetensors``.
        hparams: Constructor arguments, which override the arguments of card and file.
        half: Whether to store float16.

    Raises:
        WeightsError: The file cannot be read, belongs to another model or is a checkpoint of ``colorzoo
            fit``, or an argument is unknown.
    """
    if out.exists() and out.samefile(source):
        raise WeightsError(f"the output file must not be the source file, got {out}.")
    cls = load_model_class(card)
    state_dict, found_hparams, terms = _read_source(source, card, cls)
    arguments = {**card.hparams, **found_hparams, **(hparams or {})}
    try:
        model = cls(**nest_arguments(cls, arguments))
    except (TypeError, ColorzooError) as error:
        raise WeightsError(f"{cls.__name__} cannot be built with {arguments}: {error}") from error
    if (cls.for_inference(state_dict).keys() - state_dict.keys()) & model.state_dict().keys():
        remedy = f"Run `colorzoo weights pack {card.name} {source} {out}`"
        raise WeightsError(
            f"the source must be a published file, got a checkpoint of `colorzoo fit`. {remedy}."
        )
    settings = flatten_arguments(cls, model.hparams)
    arguments |= {name: settings[name] for name in cls.recorded_hparams}
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    apply_weights(model, state_dict, name=str(source), published=True)
    untrained = _untrained_parts(before, dict(model.named_parameters()))
    if source.is_dir():
        source_sha256 = " ".join(f"{name}:{sha256_of(source / name)}" for name in cls.published_files)
    else:
        source_sha256 = sha256_of(source)
    metadata = {
        "model": card.name,
        "hparams": json.dumps(arguments, sort_keys=True),
        "conventions": CONVENTIONS,
        "source": source.name,
        "source_sha256": source_sha256,
        "license": terms,
    }
    if untrained:
        metadata[UNTRAINED] = " ".join(untrained)
    save_weights(out, model.state_dict(), metadata, half=half)
    return metadata


def _untrained_parts(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the parts of a model whose weights a file does not contain.

    Args:
        before: Parameters of the new model.
        after: Parameters after the file was loaded.
    """
    drawn = [name for name, value in before.items() if value.ndim > 1 and value.min() < value.max()]
    kept = [name for name in drawn if before[name].equal(after[name])]
    loaded = set(drawn) - set(kept)
    found: dict[str, None] = {}
    for name in kept:
        pieces = name.split(".")
        prefixes = [".".join(pieces[:count]) for count in range(1, len(pieces) + 1)]
        alone = (each for each in prefixes if not any(other.startswith(f"{each}.") for other in loaded))
        found[next(alone, name)] = None
    return list(found)


def _read_source(
    path: Path, card: ModelCard, cls: type[Any]
) -> tuple[dict[str, Tensor], Mapping[str, Any], str]:
    """Return the tensors with their published names, the settings in the file, and its license."""
    terms = "as the source"
    if path.is_dir() and cls.published_files:  # the names of each file get a prefix
        state_dict = {
            f"{prefix}.{name}": value
            for file, prefix in cls.published_files.items()
            for name, value in load_state_dict_file(path / file).items()
        }
        return state_dict, {}, terms
    if path.is_file() and not is_safetensors(path) and is_caffe(path):
        return (*cls.convert_caffe(read_caffe(path)), terms)
    content, entry = read_weights(path), find_entry(card, path)
    if entry is not None:
        return content.state_dict, entry.hparams, entry.license
    unhashed = None if content.hparams else entry_without_hash(card, path)
    return content.state_dict, {} if unhashed is None else unhashed.hparams, terms


def pack_checkpoint(checkpoint: Path, card: ModelCard, out: Path) -> Weights:
    """Write the weights of a training checkpoint as float16 safetensors.

    Args:
        checkpoint: Checkpoint of ``colorzoo fit``. Averaged weights are preferred.
        card: The model. The metadata contain its settings, the `recorded_hparams` of the checkpoint, and the
            provenance.
        out: The new file, with the extension ``.safetensors``.

    Returns:
        The weights entry for the card.

    Raises:
        WeightsError: The checkpoint cannot be read.
    """
    cls = load_model_class(card)
    content = read_weights(checkpoint)
    settings = flatten_arguments(cls, content.hparams)
    trained = {key: value for key, value in settings.items() if key in cls.recorded_hparams}
    metadata = {
        "model": card.name,
        "hparams": json.dumps({**card.hparams, **trained}, sort_keys=True),
        "conventions": CONVENTIONS,
    }
    if content.provenance is not None:  # not from the card, which may differ
        metadata["provenance"] = json.dumps(content.provenance, sort_keys=True)
    save_weights(out, cls.for_inference(content.state_dict), metadata)
    return Weights(sha256=sha256_of(out), size=out.stat().st_size, license="Apache-2.0", file=out.name)

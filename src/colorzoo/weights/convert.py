"""Conversion of published weight files and training checkpoints to safetensors files."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.files import check_outputs, sha256_of
from colorzoo.options import constructor_arguments, constructor_parameters
from colorzoo.registry import all_cards, load_model_class
from colorzoo.weights.catalog import entry_without_hash, find_entry, listed_record
from colorzoo.weights.load import (
    CONVENTIONS,
    UNTRAINED,
    Provenance,
    StoredType,
    is_safetensors,
    read_weights,
    save_weights,
)
from colorzoo.weights.readers.caffe import is_caffe, read_caffe

if TYPE_CHECKING:
    from torch import Tensor


def convert_weights(
    source: Path,
    card: ModelCard,
    out: Path,
    *,
    hparams: Mapping[str, Any] | None = None,
    dtype: StoredType | None = None,
    keep: Collection[str] = (),
) -> dict[str, str]:
    """Convert published weights or a checkpoint to safetensors; return the metadata.

    The metadata of the new file contains the following keys, among others:

    - ``hparams``: constructor arguments of the model.
    - ``untrained``: names of parts of the model whose weights are missing from the published file, if any.
    - ``provenance``: training record, if the source is a checkpoint or a file that the card lists.

    Args:
        source: Path of a PyTorch file, a Caffe or Torch7 model, or a checkpoint of ``colorzoo fit``. If a
            model is published as several files (`ColoringModel.published_files`), pass their folder. Code in
            the files is not executed.
        card: Card of the model. The model class converts the parameter names with
            ``convert_published`` or ``convert_caffe``.
        out: Path of the new file, with the extension ``.safetensors``.
        hparams: Constructor arguments, which override the arguments on the card and in the file.
        dtype: Type of the stored weights; see `save_weights`.
        keep: Names of tensors that are not stored in 8 bits.

    Raises:
        WeightsError: The file cannot be read or belongs to another model, or an argument is unknown.
    """
    check_outputs([out], source.iterdir() if source.is_dir() else [source])
    model_class = load_model_class(card)
    overrides = dict(hparams or {})
    # a checkpoint stores settings of the model; if the class has no settings, it stores a training record
    checkpoint = None
    if source.is_file() and not _is_caffe_model(source) and find_entry(card, source) is None:
        content, known = read_weights(source), constructor_parameters(model_class).keys()
        is_checkpoint = content.hparams.keys() & known if known else content.provenance is not None
        checkpoint = content if is_checkpoint else None
    if checkpoint is None:
        state_dict, metadata = _convert_published(source, card, model_class, overrides)
        save_weights(out, state_dict, metadata, dtype=dtype, keep=keep)
        return metadata
    settings = _model_settings(model_class, card.hparams, checkpoint.hparams) | overrides
    # names and shapes must match the model
    with torch.device("meta"):  # without the weights of backbones
        model = _build(model_class, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns because no values are copied to the meta device
        model.load_weights(checkpoint.state_dict, name=str(checkpoint.path))
    metadata = {
        "model": card.name,
        "hparams": json.dumps(settings, sort_keys=True),
        "conventions": CONVENTIONS,
    }
    if checkpoint.provenance is not None:  # from the file, because the card may describe other weights
        metadata["provenance"] = json.dumps(checkpoint.provenance, sort_keys=True)
    if UNTRAINED in checkpoint.stored:
        metadata[UNTRAINED] = str(checkpoint.stored[UNTRAINED])
    save_weights(out, model_class.for_inference(checkpoint.state_dict), metadata, dtype=dtype, keep=keep)
    return metadata


def _convert_published(
    source: Path, card: ModelCard, model_class: type[Any], overrides: dict[str, Any]
) -> tuple[Mapping[str, Tensor], dict[str, str]]:
    """Return the state dict with the names of the model, and the metadata, of published weights."""
    # read the tensors with their published names, the settings that the file requires, and its record
    stored_hparams: Mapping[str, Any] = {}
    record: Provenance | None = None
    if source.is_dir() and model_class.published_files:
        state_dict: dict[str, Tensor] = {}  # the tensor names of each file get the prefix of the file
        for file, prefix in model_class.published_files.items():
            for name, value in read_weights(source / file).state_dict.items():
                state_dict[f"{prefix}.{name}"] = value
    elif _is_caffe_model(source):
        state_dict, stored_hparams = model_class.convert_caffe(read_caffe(source))
    else:
        content, entry = read_weights(source), find_entry(card, source)
        owner = content.stored.get("model")
        if entry is None and owner in all_cards() and owner != card.name:
            raise WeightsError(f"{source} does not match {card.name}. The file belongs to {owner}.")
        state_dict = content.state_dict
        if entry is not None:
            stored = Provenance(model=model_class.__name__)
            stored = stored if entry.published else Provenance.of(content.provenance)
            record = listed_record(stored, entry)
        elif not content.hparams:
            entry = entry_without_hash(card, source)
        stored_hparams = {} if entry is None else entry.hparams
    settings = _model_settings(model_class, card.hparams, stored_hparams) | overrides
    model = _build(model_class, settings)
    settings |= model.hparams
    # replace all parameters by NaN; those that the file lacks stay NaN
    initial_values = {name: value.detach().clone() for name, value in model.named_parameters()}
    for value in model.parameters():
        value.detach().fill_(math.nan)
    model.load_weights(state_dict, name=str(source), published=True)
    # Restore the parameters that the file lacks. A part is named by the first two components of its parameter
    # names, such as ``network.decoder``. Biases and constants do not count, because their initial values are
    # not random.
    untrained_parts: list[str] = []
    for name, value in model.named_parameters():
        if value.isnan().all():
            value.detach().copy_(initial_values[name])
            part = ".".join(name.split(".")[:2])
            if value.ndim > 1 and value.min() < value.max() and part not in untrained_parts:
                untrained_parts.append(part)
    # the hash of the file, or the name and the hash of each file in a folder
    if source.is_dir():
        sha256 = " ".join(f"{name}:{sha256_of(source / name)}" for name in model_class.published_files)
    else:
        sha256 = sha256_of(source)
    metadata = {
        "model": card.name,
        "hparams": json.dumps(settings, sort_keys=True),
        "conventions": CONVENTIONS,
        "source": source.name,
        "source_sha256": sha256,
        "license": "as the source" if record is None else record.license,
    }
    if record is not None:
        metadata["provenance"] = json.dumps(record.to_dict(), sort_keys=True)
    if untrained_parts:
        metadata[UNTRAINED] = " ".join(untrained_parts)
    return model.state_dict(), metadata


def _is_caffe_model(path: Path) -> bool:
    return path.is_file() and not is_safetensors(path) and is_caffe(path)


def _build(cls: type[Any], settings: Mapping[str, Any]) -> Any:
    try:
        return cls(**constructor_arguments(cls, settings))
    except (TypeError, ColorzooError) as error:
        raise WeightsError(f"{cls.__name__} cannot be built with {settings}: {error}") from error


def _model_settings(cls: type[Any], *found: Mapping[str, Any]) -> dict[str, Any]:
    """Join settings by name; settings that only training uses are dropped."""
    known = constructor_parameters(cls).keys()
    return {key: value for each in found for key, value in each.items() if key in known}

"""Conversion of the authors' files and of training checkpoints to safetensors with their settings."""

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
    """Convert a file of the authors, and return the metadata of the new file.

    The entry ``hparams`` configures the model that loads the file. The entry ``untrained`` names the
    parts with random weights, which the authors' file does not contain.

    Args:
        source: A PyTorch checkpoint (read without running code), a Caffe model, or a folder with the files of
            a model that has several (``published_files`` of its class).
        card: The model; its class translates the names (``load_published_state_dict``, ``convert_caffe``).
        out: File to write, with the ending ``.safetensors``.
        hparams: Constructor arguments that the file does not contain; they override those of card and file.
        half: Store float16: half the size, colors within rounding.

    Raises:
        WeightsError: The file cannot be read, is of another model, a checkpoint of ``colorzoo fit``, or an
            argument is unknown.
    """
    if out.exists() and out.samefile(source):
        raise WeightsError(f"{out} would overwrite its own source; name another file to write")
    cls = load_model_class(card)
    state_dict, found_hparams, terms = _read_source(source, card, cls)
    arguments = {**card.hparams, **found_hparams, **(hparams or {})}
    try:
        model = cls(**nest_arguments(cls, arguments))
    except (TypeError, ColorzooError) as error:
        raise WeightsError(f"{cls.__name__} cannot be built with {arguments}: {error}") from error
    if (cls.for_inference(state_dict).keys() - state_dict.keys()) & model.state_dict().keys():
        remedy = f"`colorzoo weights pack {card.name} {source} {out}` makes a weight file of it"
        raise WeightsError(f"{source} is a checkpoint of `colorzoo fit`, not a file of the authors; {remedy}")
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
    """Return the shortest names of the parts of a model that a file left with random weights.

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
    """Return the tensors under the names of the authors, the settings found in the file, and its license."""
    terms = "that of the source"
    if path.is_dir() and cls.published_files:  # each file's names below a prefix of its own
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
    """Write the (averaged) weights of a Lightning checkpoint as float16 safetensors, to ship in a package.

    Args:
        checkpoint: Checkpoint of ``colorzoo fit``; of a run with moving averages the averages are taken.
        card: The model. Its settings go into the file's metadata, with the settings of the checkpoint that
            change the meaning of the weights, and its provenance.
        out: File to write, with the ending ``.safetensors``.

    Returns:
        The entry for the card.

    Raises:
        WeightsError: The checkpoint cannot be read.
    """
    cls = load_model_class(card)
    content = read_weights(checkpoint)
    given = flatten_arguments(cls, content.hparams)
    trained = {key: value for key, value in given.items() if key in cls.recorded_hparams}
    metadata = {
        "model": card.name,
        "hparams": json.dumps({**card.hparams, **trained}, sort_keys=True),
        "conventions": CONVENTIONS,
    }
    if content.provenance is not None:  # never from the card, which may be wrong
        metadata["provenance"] = json.dumps(content.provenance, sort_keys=True)
    save_weights(out, cls.for_inference(content.state_dict), metadata)
    return Weights(sha256=sha256_of(out), size=out.stat().st_size, license="Apache-2.0", file=out.name)

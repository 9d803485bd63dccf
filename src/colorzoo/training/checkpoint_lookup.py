"""The checkpoint of ``--ckpt_path``, on a disk or in a bucket, and the model that the checkpoint records."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import torch
from fsspec.core import url_to_fs

from colorzoo.errors import WeightsError, first_words
from colorzoo.guidance import Recipe
from colorzoo.inference.models import choose_for_guidance
from colorzoo.registry import all_cards, load_task_class, model_card, task_paths
from colorzoo.settings import nest_arguments
from colorzoo.training.arguments import value_of, with_value
from colorzoo.weights.load import REMOVED_SETTINGS

SUFFIX = ".ckpt"
"""File name extension of checkpoints."""


def find_checkpoint(path: str, *, begins: bool) -> str | None:
    """Return the path of a checkpoint: the path itself, or the newest checkpoint below a folder.

    Args:
        path: A file or a folder of runs; also ``s3://BUCKET/FOLDER``.
        begins: Whether to return None for a folder without checkpoints, so that a new training starts.

    Raises:
        WeightsError: The file does not exist, the folder contains no checkpoint, or the bucket cannot be
            read.
    """
    if path in ("last", "best"):
        raise WeightsError(f"--ckpt_path must be a checkpoint or a folder of runs, got {path!r}.")
    try:
        fs, root = url_to_fs(path)
        if fs.isfile(root):
            return path
        found = {file: fs.modified(file) for file in fs.find(root) if file.endswith(SUFFIX)}
    except Exception as error:  # OSError, ImportError, and errors of botocore, which have no common base
        raise WeightsError(f"--ckpt_path {path!r} cannot be read ({first_words(error)}).") from error
    if found:
        newest: str = fs.unstrip_protocol(max(found, key=lambda file: (found[file], file)))
        return newest.removeprefix("file://")
    if not begins or path.endswith(SUFFIX):
        raise WeightsError(f"--ckpt_path {path!r} contains no checkpoint.")
    return None


def with_implied_arguments(words: Sequence[str]) -> list[str]:
    """Add the checkpoint's model and the DataModule of ``--data.root`` if there is no configuration."""
    flags = [word.partition("=")[0] for word in words]
    if "--config" in flags:
        return list(words)
    added = []
    checkpoint = value_of("--ckpt_path", words)
    if checkpoint and not any(flag.startswith("--model") for flag in flags):
        added.append(f"--model={json.dumps(model_of(checkpoint))}")
    if "--data" not in flags and any(flag.startswith("--data.") for flag in flags):
        added.append("--data=FolderDataModule")
    return [*added, *words]


def model_of(checkpoint: str) -> dict[str, Any]:
    """Return class and arguments of the model in a checkpoint of `fit`.

    Raises:
        WeightsError: The file is not a checkpoint, or its class is not a registered model. The module of an
            unregistered class is not imported.
    """
    try:
        with fsspec.open(checkpoint, "rb") as opened:
            content = torch.load(opened, map_location="cpu", weights_only=True)
    except Exception as error:  # OSError, RuntimeError, EOFError, UnpicklingError ...
        raise WeightsError(
            f"--ckpt_path must be a checkpoint of `colorzoo fit`, got {checkpoint!r} "
            f"({type(error).__name__}). For weights alone use --model CLASS --init_from FILE."
        ) from error
    found = content.get("hyper_parameters")
    found = found if isinstance(found, dict) else {}
    path = str(found.get("_class_path"))
    name = path.rpartition(".")[2]
    if task_paths().get(name, "").replace(":", ".") != path:
        raise WeightsError(
            f"--ckpt_path {checkpoint!r} does not record a registered model (_class_path {path[:80]!r}). Add "
            "--model CLASS."
        )
    arguments = {
        key: value for key, value in found.items() if not key.startswith("_") and key not in REMOVED_SETTINGS
    }
    return {"class_path": path, "init_args": arguments}


def with_default_model(words: Sequence[str]) -> list[str]:
    """Add a model to the arguments of `predict` if they contain none.

    The model is a registered name in ``--model`` or ``--init_from``, else the default model. A registered
    name in ``--model`` selects class, settings and weights.

    Raises:
        ColorzooError: No model has weights on this machine.
    """
    named, source = value_of("--model", words), value_of("--init_from", words)
    known = {name for card in all_cards().values() for name in (card.name, *card.aliases)}
    configs = [Path(word.partition("=")[2]) for word in words if word.startswith("--config=")]
    has_model = any(re.search("^model:", path.read_text(encoding="utf-8"), re.MULTILINE) for path in configs)
    has_model = has_model or any(word.startswith(("--model", "--ckpt_path")) for word in words)
    has_data = any(word.startswith(("--data", "--config")) for word in words)
    if named not in known and (has_model or not has_data):
        return list(words)
    name = next((each for each in (named, source) if each in known), None)
    card = model_card(name or choose_for_guidance(None, Recipe(), source or "default").name)
    task = load_task_class(card)
    model = {
        "class_path": f"{task.__module__}.{task.__name__}",
        "init_args": nest_arguments(task, card.hparams),
    }
    added = [f"--model={json.dumps(model)}"]
    if source is None and value_of("--ckpt_path", words) is None:
        added.append(f"--init_from={card.name}")
    return [*added, *with_value("--model", None, words)]

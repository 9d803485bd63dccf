"""Where the weights of a run come from: starting weights, and models rebuilt from their checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorzoo.card import ModelCard
from colorzoo.errors import UnknownModelError, WeightsError
from colorzoo.factory import card_of
from colorzoo.metrics.named import parse_name
from colorzoo.registry import model_card
from colorzoo.tasks import ColorizationModule
from colorzoo.tasks.provenance import Provenance
from colorzoo.weights import apply_weights, load_state_dict_file, resolve_weights
from colorzoo.weights._files import sha256_of
from colorzoo.weights.load import read_provenance


def measure(model: ColorizationModule, names: Sequence[str]) -> None:
    """Choose what validation and test measure.

    Args:
        model: The model.
        names: Metrics by name, see `colorzoo.metrics.named`.

    Raises:
        DataError: There is no such metric.
        WeightsError: A file that a name gives is not there.
    """
    for name in names:
        parse_name(name)
    model.test_metrics = tuple(names)
    # Checkpoints are chosen by PSNR, so that it is always there to look at.
    model.validation_metrics = tuple(names) if "psnr" in names else ("psnr", *names)


def start_from(model: ColorizationModule, source: str) -> None:
    """Load starting weights into a model.

    Args:
        model: The model to start.
        source: A weight file or checkpoint, a tag of the model's card, or the name of a registered model.

    Raises:
        WeightsError: There are no such weights, or they do not fit.
    """
    path, sha256, published = _locate(model, source)
    state = load_state_dict_file(path, sha256=sha256)
    apply_weights(model, state, name=source, published=published)
    model.trained = True
    earlier = Provenance.of(None if published else read_provenance(path))
    model.note_start({"file": path.name, "sha256": sha256_of(path)}, earlier)
    model.continue_from(earlier.stage)


def complete_argv(argv: Sequence[str]) -> list[str]:
    """Add what need not be said: the model of a checkpoint, and the DataModule behind ``--data.root``."""
    verb, *rest = argv
    flags = {word.partition("=")[0] for word in rest}
    if flags & {"--config", "-c"}:
        return list(argv)
    added = []
    checkpoint = _value_of("--ckpt_path", rest)
    if checkpoint and Path(checkpoint).is_file() and not any(flag.startswith("--model") for flag in flags):
        added.append(f"--model={json.dumps(_model_of(Path(checkpoint)))}")
    if "--data" not in flags and any(flag.startswith("--data.") for flag in flags):
        added.append("--data=FolderDataModule")
    return [verb, *added, *rest]


def _locate(model: ColorizationModule, source: str) -> tuple[Path, str | None, bool]:
    """Return path, hash and whether the keys are the authors'."""
    card: ModelCard | None
    try:
        card, tag = model_card(source), "default"
    except UnknownModelError:
        card, tag = card_of(model), source
    if card is None:
        return Path(source), None, False
    found = resolve_weights(card, tag)
    if found is None:
        raise WeightsError(f"--init_from {source!r}: {card.name} has no weights on this machine.")
    return found.path, found.sha256, found.published


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    for index, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
        if word == flag and index + 1 < len(words):
            return words[index + 1]
    return None


def _model_of(checkpoint: Path) -> dict[str, Any]:
    """Return class and arguments of the model in a checkpoint of ``fit``."""
    import torch

    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        hparams = dict(content["hyper_parameters"])
    except (
        Exception
    ) as error:  # by the damage: OSError, RuntimeError, EOFError, KeyError, UnpicklingError ...
        raise WeightsError(
            f"--ckpt_path {str(checkpoint)!r} is no checkpoint of `colorzoo fit` ({type(error).__name__}); "
            "for bare weights use --model CLASS --init_from FILE."
        ) from error
    if "_class_path" not in hparams:
        raise WeightsError(f"--ckpt_path {str(checkpoint)!r} does not say its model; add --model CLASS.")
    arguments = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": arguments}

"""Agreement of a run with the checkpoint that it goes on from, and the arguments that one implies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import ModelParallelStrategy

from colorzoo.errors import WeightsError
from colorzoo.guidance import Recipe
from colorzoo.inference.models import choose_for_guidance
from colorzoo.registry import all_cards, load_task_class, model_card
from colorzoo.settings import nest_arguments
from colorzoo.training.agreement import Change, changes, read_record, recorded_settings, summary
from colorzoo.training.arguments import Argument, value_of, with_value
from colorzoo.training.resuming import agreeing_checkpoint, is_folder
from colorzoo.training.runs import report
from colorzoo.weights import read_weights
from colorzoo.weights.sharded import RECORD, is_sharded


def resume(config: Any, settings: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Replace the folder of ``ckpt_path`` by a checkpoint, and settings by those that it restores.

    A line on stderr names what else differs.

    Args:
        config: The configuration of ``fit``; changed in place.
        settings: Returns what of it says which training it is; see `training_settings`.

    Returns:
        Those settings, after the change.

    Raises:
        WeightsError: No checkpoint of the folder is intact, none agrees and ``fresh`` is not set, or the one
            that is given cannot be resumed with the settings.
    """
    given, now = config.get("ckpt_path"), settings()
    if not given:
        return now

    def differences(checkpoint: Path) -> list[Change]:
        return sorted(changes(recorded_settings(checkpoint), now), key=lambda each: each.key)

    path: Path | None = Path(given)
    if is_folder(Path(given)):
        fresh = bool(config.get("fresh"))
        path = agreeing_checkpoint(Path(given), lambda each: summary(differences(each)), fresh=fresh)
        config["ckpt_path"] = None if path is None else str(path)
    if path is None or not (path.is_file() or is_sharded(path)):
        return now
    try:
        found = differences(path)
    except Exception:  # a file that is no checkpoint is explained when it is loaded
        return now
    if refused := [each for each in found if each.refused]:
        raise WeightsError(
            f"--ckpt_path {given!r} was trained with another optimizer or schedule ({summary(refused)}); "
            "resume it with its own, or start a new training from its weights with --init_from."
        )
    restored = [each for each in found if each.restored]
    for each in restored:
        config[each.key] = each.earlier
    others = [each for each in found if not each.restored]
    parts = [f"with {summary(others)}"] if others else []
    if restored:
        parts.append(f"without effect, as the checkpoint restores its optimizer: {summary(restored)}")
    if config.get("init_from"):
        parts.append("--init_from without effect, as the checkpoint has its own weights")
    if parts:
        report(f"resuming {'; '.join(parts)}")
    return settings()


def check_checkpoint(path: Path, trainer: Trainer) -> None:
    """Check that there is a checkpoint at a path, and that a trainer can resume it.

    Raises:
        WeightsError: It cannot.
    """
    if is_sharded(path):
        if not isinstance(trainer.strategy, ModelParallelStrategy):
            raise WeightsError(
                f"--ckpt_path {str(path)!r} is a sharded checkpoint; resume it with --config "
                "cluster/fsdp.yaml (with any number of processes), or start anew with --init_from."
            )
    elif not path.is_file():
        raise WeightsError(f"--ckpt_path {str(path)!r}: no such file.")


def finished(trainer: Trainer, checkpoint: str | Path | None) -> str:
    """Return that the run of a checkpoint has reached its end, in words; empty if it has not.

    Args:
        trainer: The trainer, which knows the end.
        checkpoint: The checkpoint, or None.
    """
    if not checkpoint:
        return ""
    content = read_record(Path(checkpoint))
    steps = int(content.get("global_step", 0))
    epochs = content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
    if trainer.max_steps > 0 and steps >= trainer.max_steps:
        return f"the run of {checkpoint} is finished: {steps} of {trainer.max_steps} steps"
    done = int(epochs.get("processed", 0))
    if trainer.max_epochs is not None and 0 < trainer.max_epochs <= done:
        return f"the run of {checkpoint} is finished: {done} of {trainer.max_epochs} epochs"
    return ""


def join_shards(verb: str, arguments: Sequence[Argument], folder: Path) -> Sequence[Argument]:
    """Replace the sharded checkpoint of ``validate``, ``test`` and ``predict`` by one file without optimizer.

    Args:
        verb: The verb.
        arguments: Its arguments.
        folder: Where the file is written.
    """
    checkpoint = value_of("--ckpt_path", arguments)
    if verb == "fit" or not checkpoint or not is_sharded(Path(checkpoint)):
        return arguments
    content = torch.load(Path(checkpoint) / RECORD, map_location="cpu", weights_only=True)
    joined = folder / "joined.ckpt"
    torch.save({**content, "state_dict": read_weights(Path(checkpoint)).state_dict}, joined)
    return with_value("--ckpt_path", joined, arguments)


def with_implied_arguments(arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Add implied arguments: the model of a checkpoint, and the DataModule of ``--data.root``."""
    flags = {each.flag for each in arguments}
    if "--config" in flags:
        return arguments
    added = []
    checkpoint = value_of("--ckpt_path", arguments)
    if checkpoint and Path(checkpoint).is_file() and not any(flag.startswith("--model") for flag in flags):
        added.append(Argument("--model", json.dumps(_model_of(Path(checkpoint)))))
    if "--data" not in flags and any(flag.startswith("--data.") for flag in flags):
        added.append(Argument("--data", "FolderDataModule"))
    return [*added, *arguments]


def with_default_model(arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Add the model of ``predict`` where none is named: that of ``--init_from``, else the default.

    A registered name in ``--model`` stands for its class, settings and weights.

    Raises:
        ColorzooError: No model has weights on this machine, or ``--init_from`` is a damaged file.
    """
    flags, named = {each.flag for each in arguments}, value_of("--model", arguments)
    source = value_of("--init_from", arguments)
    known = {name for card in all_cards().values() for name in (card.name, *card.aliases)}
    if named not in known and not _lacks_model(flags, arguments):
        return arguments
    name = next((each for each in (named, source) if each in known), None)
    card = model_card(name or choose_for_guidance(None, Recipe(), source or "default").name)
    task = load_task_class(card)
    model = {
        "class_path": f"{task.__module__}.{task.__name__}",
        "init_args": nest_arguments(task, card.hparams),
    }
    added = [Argument("--model", json.dumps(model))]
    if source is None and "--ckpt_path" not in flags:
        added.append(Argument("--init_from", card.name))
    return [*added, *(each for each in arguments if each.flag != "--model")]


def _lacks_model(flags: set[str], arguments: Sequence[Argument]) -> bool:
    """Return whether arguments name data and no model."""
    contents = [each.content for each in arguments if isinstance(each.content, Mapping)]
    has_model = any(flag.startswith("--model") for flag in flags) or any("model" in c for c in contents)
    has_data = any(flag.startswith("--data") for flag in flags) or any("data" in c for c in contents)
    return has_data and not has_model and "--ckpt_path" not in flags


def _model_of(checkpoint: Path) -> dict[str, Any]:
    """Return class and arguments of the model in a checkpoint of ``fit``."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        hparams = content["hyper_parameters"]
    except Exception as error:  # OSError, RuntimeError, EOFError, KeyError, UnpicklingError ...
        raise WeightsError(
            f"--ckpt_path {str(checkpoint)!r} is not a checkpoint of `colorzoo fit` "
            f"({type(error).__name__}); for bare weights use --model CLASS --init_from FILE."
        ) from error
    if "_class_path" not in hparams:
        raise WeightsError(f"--ckpt_path {str(checkpoint)!r} does not record its model; add --model CLASS.")
    arguments = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": arguments}

"""The rehearsal of a training: what can be known before its first step, on any machine."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.strategies import StrategyRegistry

from colorzoo.data import PictureDataModule
from colorzoo.data.loader import require_one_each
from colorzoo.data.module import divided_batch
from colorzoo.errors import ColorzooError
from colorzoo.training.module import ColorizationModule
from colorzoo.training.resuming import is_remote

_HERE = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "sync_batchnorm": False}
_FLOATS = 3  # of a weight in a checkpoint: itself, and two averages of Adam
_KEPT = 3  # the best checkpoint, the last one, and that of an interruption


def move_here(config: Any) -> None:
    """Let a training that is only rehearsed take one process on the CPU of this machine.

    Args:
        config: The arguments of the Trainer; changed in place.

    Raises:
        ColorzooError: There is no such strategy.
    """
    strategy = config.get("strategy")
    known = StrategyRegistry.available_strategies()
    if isinstance(strategy, str) and strategy != "auto" and strategy not in known:
        near = difflib.get_close_matches(strategy, known) or known
        raise ColorzooError(f"--trainer.strategy: {strategy!r} is not one of {', '.join(near)}.")
    for name, value in _HERE.items():
        config[name] = value
    if config.get("logger") in (None, True):
        config["logger"] = False  # makes its folder when it is made


def rehearse(
    trainer: Trainer, model: ColorizationModule, data: LightningDataModule, processes: int, root: Path
) -> Iterator[str]:
    """Yield in lines what a training will do.

    Args:
        trainer: Its trainer, moved here.
        model: Its task.
        data: Its DataModule.
        processes: Number of processes that it will have.
        root: Its folder.

    Raises:
        ColorzooError: It cannot be run: a metric whose network is missing, a monitor that no validation has,
            pictures that are not there, a batch that cannot be divided, a folder that cannot be written, too
            little space.
    """
    parameters = sum(each.numel() for each in model.parameters())
    yield f"model: {type(model).__name__}, {parameters:,} parameters"
    model.measuring("val")  # has the networks of its metrics, or says so
    yield f"validation: {', '.join(model.validation_metrics)}"
    check_monitors(model, trainer)
    watched = [each.monitor for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
    yield f"best checkpoint by: {', '.join(filter(None, watched)) or 'nothing'}"
    if isinstance(data, PictureDataModule):
        yield from _data_lines(data, processes)
    yield from _space_lines(root, parameters)


def check_monitors(model: ColorizationModule, trainer: Trainer) -> None:
    """Check that a validation has the numbers that callbacks watch, as far as it is known before one.

    Raises:
        ColorzooError: There is no such number.
    """
    watched = sorted(_monitors(trainer))
    measured = type(model).validation_step is ColorizationModule.validation_step
    if not measured or all(name in _known_by_name(model) for name in watched):
        return
    known = sorted(model.measuring("val").compute())
    for name in watched:
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise ColorzooError(f"monitor {name!r}: validation has no such number, but {', '.join(near)}.")


def _monitors(trainer: Trainer) -> set[str]:
    callbacks: Sequence[Any] = trainer.callbacks  # type: ignore[attr-defined]
    watching = [each for each in callbacks if isinstance(each, Checkpoint | EarlyStopping)]
    names = {getattr(each, "monitor", None) for each in watching}
    return {name for name in names if name is not None and name.startswith("val/")}


def _known_by_name(model: ColorizationModule) -> set[str]:
    """Return the numbers that every validation has, for which no metric needs to be built."""
    return {f"val/psnr_{setting}" for setting in model.validation_settings()}


def _data_lines(data: PictureDataModule, processes: int) -> Iterator[str]:
    batches = data.global_batches
    if data.hparams.global_batch is None:
        batches = [size * processes for size in batches]
    parts = [divided_batch(size, processes) for size in batches]
    shown = ", ".join(f"{whole} ({part} in each)" for whole, part in zip(batches, parts, strict=True))
    yield f"global batch: {shown} of {processes} process(es)"
    if not is_remote(data.hparams.root):
        counts = {name: len(data.find_pictures(split)) for name, split in _SPLITS.items()}
        yield "pictures: " + ", ".join(f"{count:,} of {name}" for name, count in counts.items())
        require_one_each(min(counts["validation"], data.hparams.val_limit or counts["validation"]), processes)


_SPLITS = {"training": "train", "validation": "val"}


def _space_lines(root: Path, parameters: int) -> Iterator[str]:
    existing = next(each for each in (root, *root.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        raise ColorzooError(f"{existing} cannot be written: {error.strerror or error}.") from error
    size = 4 * _FLOATS * parameters
    yield f"checkpoints in {root}: about {size / 1e9:.2f} GB each, {free / 1e9:.1f} GB are free"
    if free < _KEPT * size:
        raise ColorzooError(
            f"{existing} has {free / 1e9:.2f} GB left, and {_KEPT} checkpoints take "
            f"{_KEPT * size / 1e9:.2f} GB."
        )

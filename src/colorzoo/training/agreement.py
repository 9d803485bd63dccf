"""Comparison of a resumed training with the settings of its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from colorzoo.data.module import DEFAULT_BATCH
from colorzoo.weights.sharded import RECORD

STATE = "RunRecord"
"""Key of the settings among the states of the callbacks in a checkpoint."""

_TRAINER = (
    "precision",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "limit_train_batches",
    "overfit_batches",
    "sync_batchnorm",
)
_EASY = frozenset({"num_workers", "cache", "check", "val_batch_size", "val_limit"})  # of data: same training
_STATES = ("optimizer", "lr_scheduler")  # restored from the checkpoint with all their options
_OWN = frozenset({"total_steps"})  # of schedules: not restored
_SHOWN = 3


@dataclass(frozen=True)
class Change:
    """A setting that differs from the checkpoint's.

    Attributes:
        key: Its key in the configuration.
        earlier: Value in the checkpoint.
        now: Value of the configuration.
    """

    key: str
    earlier: Any
    now: Any

    @property
    def name(self) -> str:
        """Name of the option on the command line."""
        return self.key.replace("init_args.", "").replace(".class_path", "")

    @property
    def restored(self) -> bool:
        """True if the checkpoint restores the earlier value, so that the new one has no effect."""
        *parents, last = self.key.split(".")
        return self._of_state(parents) and last not in _OWN and not self.refused

    @property
    def refused(self) -> bool:
        """True if the change rules out resuming, because the stored state is that of another class."""
        *parents, last = self.key.split(".")
        of_class = last == "class_path" or last.endswith(_STATES)
        return of_class and self._of_state([*parents, last])

    def _of_state(self, parts: list[str]) -> bool:
        return parts[0] == "model" and any(part.endswith(_STATES) for part in parts)


def training_settings(config: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Return the settings of a configuration that identify its training, as plain values.

    Args:
        config: A configuration of ``fit`` as a mapping.
        processes: Number of processes of the run, from which the global batch follows.
    """
    trainer = config.get("trainer") or {}
    callbacks = trainer.get("callbacks") or []
    averaging = [
        each for each in callbacks if isinstance(each, Mapping) and "Averaging" in each.get("class_path", "")
    ]
    chosen = {name: trainer.get(name) for name in _TRAINER}
    return {
        "seed_everything": config.get("seed_everything"),
        "model": config.get("model"),
        "data": _with_global_batch(config.get("data"), processes),
        "trainer": {**chosen, "averaging": averaging},
    }


def _with_global_batch(data: Any, processes: int) -> Any:
    """Return the settings of data with the global batch in place of the batch of a process."""
    arguments = data.get("init_args") if isinstance(data, Mapping) else None
    if not isinstance(arguments, Mapping) or "global_batch" not in arguments:
        return data
    given = arguments["global_batch"]
    if given is None:
        own = arguments.get("batch_size") or DEFAULT_BATCH
        given = [size * processes for size in own] if isinstance(own, list) else own * processes
    others = {name: value for name, value in arguments.items() if name != "batch_size"}
    return {**data, "init_args": {**others, "global_batch": given}}


def recorded_settings(checkpoint: Path) -> dict[str, Any]:
    """Return the settings that a checkpoint of ``fit`` records.

    Raises:
        Exception: The file is damaged or no checkpoint.
    """
    return settings_in(read_record(checkpoint))


def read_record(checkpoint: Path) -> dict[str, Any]:
    """Return the content of a checkpoint; the tensors of a file are read on access.

    Raises:
        Exception: The file is damaged or no checkpoint.
    """
    file = checkpoint / RECORD if checkpoint.is_dir() else checkpoint
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return content


def settings_in(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in the content of a checkpoint; empty if ``fit`` did not write it."""
    found: dict[str, Any] = content.get("callbacks", {}).get(STATE, {}).get("settings", {})
    return found


def changes(earlier: Any, now: Any, key: str = "") -> Iterator[Change]:
    """Yield the settings that differ and change the training.

    A setting that only one side has, as another version may, is left out. Paths are compared by their last
    part, as images may lie elsewhere on another machine.

    Args:
        earlier: Settings of the checkpoint.
        now: Settings of the configuration.
        key: Key of both.
    """
    if isinstance(earlier, Mapping) and isinstance(now, Mapping):
        if earlier.get("class_path") != now.get("class_path"):
            yield Change(f"{key}.class_path", earlier.get("class_path"), now.get("class_path"))
            return
        for name in earlier.keys() & now.keys():
            if not (key.startswith("data") and name in _EASY):
                yield from changes(earlier[name], now[name], f"{key}.{name}" if key else name)
    elif _comparable(earlier) != _comparable(now):
        yield Change(key, earlier, now)


def summary(found: list[Change]) -> str:
    """Return the differences in words, at most three."""
    shown = [f"{each.name} {_short(each.now)}, not {_short(each.earlier)}" for each in found[:_SHOWN]]
    return "; ".join([*shown, *([f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])])


def _comparable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items()}
    return Path(value).name if isinstance(value, str) and "/" in value else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "class_path" in value:
        value = value["class_path"]
    return str(value).rpartition(".")[2] if isinstance(value, str) and "colorzoo." in value else str(value)

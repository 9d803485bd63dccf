"""Loggers of a training: its folder, pictures and settings for any logger, and Weights & Biases offline."""

from __future__ import annotations

import csv
import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import Trainer, loggers
from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from PIL import Image

from colorzoo.errors import first_words
from colorzoo.training.runs import RUNS, is_first_process

RECORD, TABLE = "run.json", "metrics.csv"
"""Two files of each run."""

_SERVER = "https://api.wandb.ai"
PATIENCE = 5.0  # seconds
_LIMITS = {"init_timeout": 60.0, "finish_timeout": 300.0}  # seconds; without it an end may wait forever
_warned: set[str] = set()


def run_folder(trainer: Trainer) -> Path:
    """Return the folder of the run: that of the first logger, or the default one.

    All processes must call this together: the folder's name is broadcast.
    """
    return Path(trainer.log_dir or trainer.default_root_dir)


def log_picture(loggers: Sequence[Logger], tag: str, picture: Image.Image, step: int) -> None:
    """Log a picture to wandb-like and TensorBoard-like loggers; others, such as CSV, are skipped.

    Args:
        loggers: The loggers of the trainer.
        tag: Name under which the picture appears.
        picture: The picture.
        step: Number of the optimizer step.
    """
    for logger in loggers:
        try:
            _send(logger, tag, picture, step)
        except Exception as error:  # a full disk, a lost connection: a logger must not end a run
            _warn_once(type(logger).__name__, error)


def log_settings(loggers: Sequence[Logger], settings: Mapping[str, Any]) -> None:
    """Log settings of a run to all loggers, beside the arguments of model and data.

    Args:
        loggers: The loggers of the trainer.
        settings: Plain values by name.
    """
    for logger in loggers:
        try:
            logger.log_hyperparams(dict(settings))
        except Exception as error:  # as above
            _warn_once(type(logger).__name__, error)


def _send(logger: Any, tag: str, picture: Image.Image, step: int) -> None:
    if hasattr(logger, "log_image"):
        logger.log_image(tag, [picture], step=step)
    elif hasattr(logger.experiment, "add_image"):
        logger.experiment.add_image(tag, np.asarray(picture), step, dataformats="HWC")


def _warn_once(name: str, error: Exception) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"{name} failed ({type(error).__name__}: {error}); training continues without it", stacklevel=2
        )


class CSVLogger(loggers.CSVLogger):
    """Lightning's table of numbers, ``metrics.csv``, which a resumed run in the same folder continues.

    Lightning's own deletes the rows of the earlier run, and gives two runs that start together one folder.
    """

    def _get_next_version(self) -> int:
        """Return the number of a new folder, which is made: of two runs only one can make it."""
        number = int(super()._get_next_version())
        while is_first_process():
            folder = Path(self.root_dir) / f"version_{number}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
        return number

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """The writer of the table."""
        if self._experiment is None:
            self._experiment = _ContinuedTable(self.log_dir)
        return cast(ExperimentWriter, self._experiment)


class _ContinuedTable(ExperimentWriter):
    """Writer that keeps the rows of an earlier run up to the step at which this one begins."""

    def __init__(self, log_dir: str) -> None:
        path = Path(log_dir) / TABLE
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        with warnings.catch_warnings(action="ignore"):  # of the deletion
            super().__init__(log_dir)
        self._earlier: list[dict[str, Any]] = list(csv.DictReader(lines))
        self._keep(self._earlier)

    def log_metrics(self, metrics_dict: dict[str, float], step: int | None = None) -> None:
        """Add a row; before the first one, drop the rows of steps and validations that are taken again."""
        if self._earlier and step is not None:
            # a run that ended in a validation begins with it, and does not repeat the step before it
            goes_on = _validates(metrics_dict)
            kept = [
                row
                for row in self._earlier
                if int(row["step"]) < step or (int(row["step"]) == step and goes_on and not _validates(row))
            ]
            if len(kept) < len(self._earlier):
                Path(self.metrics_file_path).unlink()
                self._keep(kept)
        self._earlier = []
        super().log_metrics(metrics_dict, step)

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        self.metrics = list(rows)
        self.metrics_keys = []
        self.save()


def _validates(row: Mapping[str, Any]) -> bool:
    """Return whether a row has values of validation."""
    return any(name.startswith("val/") and value != "" for name, value in row.items())


def earlier_run(checkpoint: Path, root: Path) -> Path | None:
    """Return the folder of the run that wrote a checkpoint, if a run below ``root`` did.

    Args:
        checkpoint: Path of the checkpoint.
        root: Folder of the new run.
    """
    folder = checkpoint.resolve().parent.parent
    return folder if folder.parent == (root / RUNS).resolve() and (folder / RECORD).is_file() else None


def place_logger(config: Any, root: Path) -> None:
    """Let a logger of a configuration write below the folder of the run unless its path is absolute.

    Args:
        config: ``class_path`` and ``init_args`` of the logger; changed in place.
        root: ``trainer.default_root_dir``.
    """
    arguments = config["init_args"]
    if "save_dir" in arguments:
        arguments["save_dir"] = str(root / (arguments["save_dir"] or "."))


def continue_logger(config: Any, run: Path) -> None:
    """Let a logger of a configuration continue an earlier run.

    Args:
        config: ``class_path`` and ``init_args`` of the logger; changed in place.
        run: Folder of the earlier run.
    """
    name = config["class_path"].rpartition(".")[2]
    arguments = config["init_args"]
    if name == "CSVLogger" and arguments.get("version") is None:
        config["class_path"] = f"{__name__}.CSVLogger"
        arguments["version"] = run.name
    elif name == "TensorBoardLogger" and arguments.get("version") is None:
        arguments["version"] = run.name
    elif name == "WandbLogger" and not arguments.get("id"):
        arguments["id"] = json.loads((run / RECORD).read_text(encoding="utf-8")).get("wandb")
        arguments["resume"] = "allow"


class WandbLogger(loggers.WandbLogger):
    """Lightning's logger for Weights & Biases, offline if its server cannot be reached.

    Otherwise a server that is down, or a node without a network, would end the training before its first
    step. A server that stops to answer later delays the end of the run by five minutes at most; the run is
    on the disk all the same. ``wandb sync`` uploads such runs later. The variable ``WANDB_MODE`` has
    precedence.

    Args:
        offline: Do not try to reach the server.
        **kwargs: Arguments of Lightning's logger and of `wandb.init`.
    """

    def __init__(self, *, offline: bool = False, **kwargs: Any) -> None:
        if not offline and "WANDB_MODE" not in os.environ and (reason := offline_reason()):
            _report_offline(reason)
            offline = True
        kwargs.setdefault("settings", _limits())
        super().__init__(offline=offline, **kwargs)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run of wandb."""
        from wandb.errors import CommError

        try:
            return super().experiment
        except CommError as error:
            if self._offline:
                raise
            _report_offline(f"its server does not start the run ({first_words(error, 60)})")
            self._offline = True
            self._wandb_init["mode"] = "offline"  # wandb has read its environment by now
            return super().experiment


def _report_offline(reason: str) -> None:
    print(f"colorzoo: wandb runs offline: {reason}; upload the run later with `wandb sync`", file=sys.stderr)


def _limits() -> dict[str, float]:
    """Return wandb's time limits, except those that the user has set or this wandb does not know."""
    import wandb

    known = wandb.Settings.model_fields
    return {
        name: seconds
        for name, seconds in _LIMITS.items()
        if name in known and f"WANDB_{name.upper()}" not in os.environ
    }


def offline_reason() -> str | None:
    """Return why the server of Weights & Biases cannot be used, or None if it can.

    The server is that of ``WANDB_BASE_URL``; the account that of ``WANDB_API_KEY`` or ``~/.netrc``.
    """
    address = urlsplit(os.environ.get("WANDB_BASE_URL", _SERVER))
    host, port = address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
    if not (os.environ.get("WANDB_API_KEY") or _is_known(host)):
        return "no account on this machine (`wandb login`, or WANDB_API_KEY)"
    try:
        urlopen(Request(address.geturl(), method="HEAD"), timeout=PATIENCE).close()
    except HTTPError:
        return None  # any answer is one
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or error  # of a URLError
        return f"{host}:{port} does not answer ({getattr(cause, 'strerror', None) or cause})"
    return None


def _is_known(host: str) -> bool:
    """Return whether the user's ``.netrc`` has a key for a host."""
    try:
        return netrc().authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False

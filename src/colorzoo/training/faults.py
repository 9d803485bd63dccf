"""Errors of libraries that end a training, as one line of ours."""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Callable
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.messages import explain

_LOST_PROCESS = re.compile(  # what gloo, NCCL and the store of torch say when another process is gone
    r"Connection (?:closed|reset) by peer(?: \[\S+\]:\d+)?|remote process exited|Broken pipe|Socket closed"
    r"|failed to recv, got 0 bytes"
)


def translated(error: Exception) -> ColorzooError | None:
    """Return the error of ours that says the same in one line; None if there is none."""
    for kind, explained in _TABLE:
        if isinstance(error, kind) and (found := explained(error)) is not None:
            return found
    return None


def explain_missing_package(error: ModuleNotFoundError) -> ColorzooError:
    """Return the error for a package that is not installed."""
    line = " ".join(str(error).split())
    return ColorzooError(f"{line.rstrip('.')}; install it, or change the setting that needs it.")


def explain_trainer(error: Exception) -> ColorzooError:
    """Return the error for an argument of the Trainer, or for a callback that training cannot start with."""
    message = str(error)
    if "gpu backend" in message or "your machine only has: []" in message:
        message = (
            "this machine has no GPU that torch can use (see `colorzoo doctor`); use one that has, or "
            "--trainer.accelerator auto."
        )
    return ColorzooError(f"trainer: {' '.join(message.split())}")


def explain_load(error: RuntimeError) -> WeightsError | None:
    """Return the error for a checkpoint that does not fit the configured model; None if it is another."""
    message = str(error)
    if "loading state_dict" not in message:
        return None
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    shown = " ".join(lines[1:3])[:240]
    return WeightsError(
        f"the checkpoint does not fit the model of the configuration ({shown}); use the configuration it was "
        "trained with (config.yaml in its run's folder)."
    )


def explain_file_error(error: OSError) -> ColorzooError:
    """Return the error for a file that cannot be read or written, with its path and the reason."""
    reason = error.strerror
    if reason is None:  # of a worker's process: its message is a traceback, whose last line counts
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    path = error.filename2 or error.filename
    named = f"{path}: {reason}" if path else reason
    return ColorzooError(f"{named}; complete checkpoints stay: mend this, then resume with --ckpt_path.")


def explain_lost_process(error: RuntimeError) -> ColorzooError | None:
    """Return the error of a process that waits for one that is gone; None if the error is another."""
    found = _LOST_PROCESS.search(str(error))
    if found is None:
        return None
    return ColorzooError(
        f"another process of this run has ended ({found[0]}); its own messages, or the system's log if it "
        "was killed, say why. Checkpoints stay: resume with --ckpt_path."
    )


def _cause_of(error: BaseException) -> ColorzooError | None:
    """Return the error of this package that the parser has wrapped, if it is one."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ColorzooError):
        inner = inner.__cause__ or inner.__context__
    return inner


_TABLE: tuple[tuple[type[Exception], Callable[[Any], ColorzooError | None]], ...] = (
    (ArgumentError, lambda error: explain(str(error))),
    (MisconfigurationException, explain_trainer),
    (ValueError, _cause_of),
    (ModuleNotFoundError, explain_missing_package),
    (OSError, explain_file_error),
    (RuntimeError, explain_load),
    (RuntimeError, explain_lost_process),
)
"""Kinds of errors in the order in which they are tried, with what says the same in one line."""

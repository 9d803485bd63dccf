"""Conversion of other libraries' exceptions to one-line errors, and a message filter."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from argparse import ArgumentError

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only

from colorzoo.errors import ColorzooError

_NOISE = re.compile(  # headings and irrelevant alternatives in messages of jsonargparse
    r"^$|Parser key|Does not validate|^Subtypes|^Errors:|^Given value( type|: (Namespace|NestedArg|\{))"
    r"|class_path|NoneType|Expected a path"
)
_REMEDIES: tuple[tuple[type[Exception], str, str], ...] = (
    (MisconfigurationException, r"gpu backend|only has: \[\]", "Set --trainer.accelerator to auto or cpu."),
    (MisconfigurationException, "", "Change the --trainer, --model or --data option named above."),
    (ValueError, "val_check_interval", "Change --trainer.val_check_interval."),
    (ModuleNotFoundError, "", "Install the package, or change the setting that requires it."),
    (RecursionError, "", "An option, a configuration or the checkpoint is nested too deeply. Flatten it."),
    (ValueError, "is not in bounds, numpy accepts", "Change --seed_everything."),
    (AttributeError, "learning rate finder", "Set --model.optimizer.lr without LearningRateFinder."),
    (ValueError, "SyncBatchNorm layers only work", "Set --trainer.sync_batchnorm to false on a CPU."),
    (RuntimeError, "Early stopping conditioned", "Set monitor to a logged metric."),
    (RuntimeError, "same dtype|should be the same", "Set --trainer.precision to bf16-mixed or 32-true."),
    (RuntimeError, "loading state_dict", "Use the config.yaml of the run that wrote the checkpoint."),
    (  # messages of gloo, NCCL and torch's store
        RuntimeError,
        "by peer|remote process exited|Broken pipe|Socket closed|failed to recv",
        "Another process of this run has ended. See its messages, then resume with --ckpt_path.",
    ),
)

_INFORMATION = (
    "litlogger",
    "litmodels",
    "TPU available",
    "`weights_only` was not set",
    "Loading `train_dataloader`",
    "Found current_model_state",
    "Restoring states from the checkpoint",
    "Restored all states",
    "Using bfloat16 Automatic Mixed Precision",
    "You are using the plain ModelCheckpoint",
    "Seed set to",
    "SLURM auto-requeueing enabled",
)
_WARNINGS = (
    r".*isinstance\(treespec, LeafSpec\)",
    r".*does not have many workers",
    r".*is smaller than the logging interval",
    r".*ended before the epoch ended and your dataloader is",  # ResumableDataLoader resumes exactly
    r".*Using `DistributedSampler` with the dataloaders",  # SeededSampler repeats no sample
    r".*Checkpoint directory .* exists and is not empty",
    r".*module\(s\) in eval mode at the start of training",
    r"[\s\S]*was deprecated in v4\.\d+\.0 and will be removed in v5",  # jsonargparse, called by Lightning
    r".*callbacks used to create the checkpoint need to be provided",  # see ResumeGuard
    r".*WeightAveraging callback, but loading a checkpoint outside",
    r".*Using ModelCheckpoint with manual optimization",  # the saved state is correct for resuming
    r".*Experiment logs directory .* exists and is not empty",  # see `keep_tables`
    r".*LightningCLI's args parameter is intended",
)


@rank_zero_only
def print_once(text: str) -> None:
    """Print a line in the first process only, even before the process group exists."""
    print(f"colorzoo: {text}", file=sys.stderr)


def translated(error: Exception) -> ColorzooError | None:
    """Return a one-line error for a known exception of another library; otherwise None."""
    if isinstance(error, ArgumentError):
        return explain(str(error))
    if isinstance(error, OSError):
        # the message of an error in a worker process is a traceback; its last line is the reason
        reason = error.strerror or (str(error).strip().splitlines() or [type(error).__name__])[-1]
        path = error.filename2 or error.filename
        text = f"{path}: {reason}" if path else reason
        return ColorzooError(f"{text}. Fix the problem, then resume with --ckpt_path.")
    text = " ".join(str(error).split())
    if type(error).__module__.startswith("wandb"):
        return ColorzooError(f"wandb: {text}. To log without a connection, set WANDB_MODE=offline.")
    for kind, phrase, remedy in _REMEDIES:
        if isinstance(error, kind) and re.search(phrase, text):
            return ColorzooError(f"{text[:300].rstrip('.')}. {remedy}")
    # jsonargparse wraps errors of constructors in a ValueError; find the error of colorzoo that caused it
    inner: BaseException | None = error if isinstance(error, ValueError) else None
    while inner is not None and not isinstance(inner, ColorzooError):
        inner = inner.__cause__ or inner.__context__
    return inner


def explain(message: str) -> ColorzooError:
    """Convert an error message of the argument parser to a one-line `ColorzooError`."""
    lines = [" ".join(line.strip(" -").split()).rstrip(".") for line in message.splitlines()]
    relevant = [line for line in lines if not _NOISE.search(line)]
    problem = ", ".join(dict.fromkeys(relevant))  # without duplicates
    problem = re.sub(r"dot import path string: \S+", "known class", problem)
    problem = re.sub(r"<class '(\w+)'>", r"\1", problem)
    problem = problem[:300] or "invalid value"
    nested_keys = re.findall(r'Parser key "([\w.]+)"', message)  # such as "model" and "init_args.lr"
    if nested_keys:
        problem = f"--{'.'.join(nested_keys)}: {problem}"
    return ColorzooError(f"{problem}. `colorzoo fit --help` shows how to list all options.")


def filter_messages() -> None:
    """Hide Lightning's routine messages for the rest of the process."""
    for pattern in _WARNINGS:
        warnings.filterwarnings("ignore", pattern)
    for name in (
        "lightning.pytorch.utilities.rank_zero",
        "lightning.pytorch.trainer.connectors.checkpoint_connector",
        "lightning.fabric.utilities.seed",
        "lightning.fabric.utilities.rank_zero",
    ):
        logging.getLogger(name).addFilter(_is_relevant)


def _is_relevant(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not any(phrase in text for phrase in _INFORMATION)

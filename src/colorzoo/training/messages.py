"""One-line errors for exceptions of other libraries, and a filter for their routine messages."""

from __future__ import annotations

import difflib
import logging
import re
import warnings
from argparse import ArgumentError
from collections.abc import Iterable

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.registry import task_paths
from colorzoo.settings import argument_types, setting_groups
from colorzoo.training.module import ColorizationModule

_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes:.*|Errors:|Given value.*"
    r"|Problem with given class_path .*|Expected a <class 'NoneType'>|Expected a path but .*|)$"
)
_VALUE = re.compile(r"(?:Given|Got) value: (?!NestedArg)(.+?)(?:\. Got value:.*)?$", re.MULTILINE)
_CHOICES = re.compile(r"Expected a typing\.Literal\[(.*?)\]$", re.MULTILINE)
_NUMBERS = {"float": "a number", "int": "an integer", "bool": "true or false"}
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_MISSING = re.compile(r"arguments are required: ([^\n]+)")
_CLASS = re.compile(r"given class_path '(?:[\w.]+\.)?(\w+)'")
_UNKNOWN_OPTION = re.compile(
    r"Option '([\w.]+)' is not accepted|Key '([\w.]+)' is not expected|nrecognized arguments: --([\w.]+)"
    r"|Group '\w+' does not accept option '([\w.]+)'"
)
_LOST_PROCESS = re.compile(  # messages of gloo, NCCL and torch's store after another process has ended
    r"Connection (?:closed|reset) by peer(?: \[\S+\]:\d+)?|remote process exited|Broken pipe|Socket closed"
    r"|failed to recv, got 0 bytes"
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
    r".*The dirpath has changed from",  # the run folder was moved
    r".*is not supported by the model summary",
    r".*module\(s\) in eval mode at the start of training",
    r"[\s\S]*was deprecated in v4\.\d+\.0 and will be removed in v5",  # jsonargparse, called by Lightning
    r".*callbacks used to create the checkpoint need to be provided",  # see ResumeGuard
    r".*WeightAveraging callback, but loading a checkpoint outside",
    r".*Using ModelCheckpoint with manual optimization",  # the saved state is correct for resuming
    r".*Experiment logs directory .* exists and is not empty",  # see `keep_table`
    r".*LightningCLI's args parameter is intended",
)


def translated(error: Exception) -> ColorzooError | None:
    """Return a one-line error for an exception of another library; None for an unexpected exception."""
    text = " ".join(str(error).split())
    if isinstance(error, ArgumentError):
        return explain(str(error))
    if isinstance(error, MisconfigurationException) or "val_check_interval" in text:
        return explain_trainer(error)
    if isinstance(error, ModuleNotFoundError):
        return ColorzooError(f"{text.rstrip('.')}. Install it, or change the setting that requires it.")
    if type(error).__module__.startswith("wandb"):
        return ColorzooError(f"wandb: {text}. To log without a connection, set WANDB_MODE=offline.")
    if isinstance(error, RecursionError):
        return ColorzooError("an option, a configuration or a checkpoint is nested too deeply.")
    if isinstance(error, OSError):
        # the message of an error in a worker process is a traceback; its last line is the reason
        reason = error.strerror or (str(error).strip().splitlines() or [type(error).__name__])[-1]
        path = error.filename2 or error.filename
        named = f"{path}: {reason}" if path else reason
        return ColorzooError(f"{named}. Fix the problem, then resume with --ckpt_path.")
    if isinstance(error, RuntimeError) and "loading state_dict" in text:
        return WeightsError(
            f"the checkpoint does not match the model of the configuration ({text[:240]}). Use the "
            "config.yaml of its run."
        )
    if isinstance(error, RuntimeError) and (found := _LOST_PROCESS.search(text)):
        return ColorzooError(
            f"another process of this run has ended ({found[0]}). See its messages, or the system log if it "
            "was killed. Resume with --ckpt_path."
        )
    inner: BaseException | None = error  # jsonargparse wraps the errors of constructors
    while isinstance(error, ValueError) and inner is not None and not isinstance(inner, ColorzooError):
        inner = inner.__cause__ or inner.__context__
    return inner if isinstance(inner, ColorzooError) else None


def explain_trainer(error: Exception) -> ColorzooError:
    """Return the error for an invalid argument of the Trainer or of a callback."""
    message = " ".join(str(error).split())
    if "gpu backend" in message or "your machine only has: []" in message:
        message = (
            "--trainer.accelerator must be auto or cpu on this machine, because torch finds no GPU (see "
            "`colorzoo doctor`)."
        )
    return ColorzooError(f"trainer: {message}")


def explain(message: str) -> ColorzooError:
    """Return the error for a message of the argument parser."""
    where = ".".join(re.findall(r'Parser key "([\w.]+)"', message))
    return ColorzooError(f"{_summary(message, where)}. `colorzoo fit --help` lists all options.")


def _summary(message: str, where: str) -> str:
    """Summarize the problem with the option ``where``."""
    if found := _VALUE.search(message):
        if choices := _choices(message):
            near = _suggest(found[1], choices)
            return f"--{where} must be one of {', '.join(choices)}, got {found[1]!r}{near}"
        for name, expected in _NUMBERS.items():
            if f"Expected a <class '{name}'>" in message:
                return f"--{where} must be {expected}, got {found[1]!r}"
    if found := _UNKNOWN_CLASS.search(message):
        names = [*task_paths(), *(cls.__name__ for cls in _known_classes())]
        return f"--{where}: unknown class {found[1]!r}{_suggest(found[1], names)}"
    if found := _MISSING.search(message):
        names = [re.sub(r"^(fit|validate|test|predict)\.", "", name) for name in found[1].split(", ")]
        return "missing " + ", ".join("--" + ".".join(filter(None, (where, name))) for name in names)
    if found := _UNKNOWN_OPTION.search(message):
        name = next(filter(None, found.groups()))
        full = ".".join(filter(None, (where, name)))
        if full in ("optimizer", "lr_scheduler"):  # LightningCLI's own options would bypass the task's
            return f"unknown option --{full} (did you mean --model.{full}?)"
        return f"unknown option --{full}{_suggest_argument(name.rpartition('.')[2], message)}"
    return (f"--{where}: " if where else "") + _innermost(message)


def _innermost(message: str) -> str:
    """Return the first line that is neither a heading nor an alternative."""
    text = re.sub(r'Parser key "[\w.]+":', "", message)
    lines = [" ".join(line.strip(" -").split()) for line in text.splitlines()]
    relevant = [line for line in lines if not _NOISE.match(line)]
    return relevant[0][:300].rstrip(".") if relevant else "invalid value"


def _choices(message: str) -> list[str]:
    """Return the values of a `Literal` in a message."""
    listed = ", ".join(_CHOICES.findall(message))
    if listed and "Expected a <class 'bool'>" in message:
        listed = f"true, false, {listed}"
    return list(dict.fromkeys(word.strip(" '\"") for word in listed.split(",") if word.strip()))


def _suggest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)))
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _suggest_argument(name: str, message: str) -> str:
    """Suggest arguments similar to ``name``, of the class in the message or of all classes."""
    named = _CLASS.findall(message)
    classes = [cls for cls in _known_classes() if cls.__name__ in named]
    known: dict[str, set[str]] = {}  # full names, ``group.name`` for a field of a dataclass, by name
    for cls in classes or _known_classes():
        for each in argument_types(cls):
            known.setdefault(each, set()).add(each)
        for group, kind in setting_groups(cls).items():
            for each in argument_types(kind):
                known.setdefault(each, set()).add(f"{group}.{each}")
    near = difflib.get_close_matches(name, sorted(known))
    shown = [full for each in near for full in sorted(known[each])][:3]
    return f" (did you mean {' or '.join(shown)}?)" if shown else ""


def _known_classes() -> list[type]:
    return [Trainer, *_subclasses(ColorizationModule), *_subclasses(LightningDataModule)]


def _subclasses(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [*children, *(grandchild for child in children for grandchild in _subclasses(child))]


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

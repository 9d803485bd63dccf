"""One-line errors for libraries' errors that end a training, and a filter of routine messages."""

from __future__ import annotations

import difflib
import logging
import re
import warnings
from argparse import ArgumentError
from collections.abc import Iterable

from lightning.fabric.utilities.exceptions import MisconfigurationException

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.registry import task_paths
from colorzoo.settings import argument_types, setting_groups

_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes:.*|Errors:|Given value.*"
    r"|Problem with given class_path .*|Expected a <class 'NoneType'>|Expected a path but .*|)$"
)
_GIVEN = re.compile(r"(?:Given|Got) value: (?!NestedArg)(.+?)(?:\. Got value:.*)?$", re.MULTILINE)
_CHOICES = re.compile(r"Expected a typing\.Literal\[(.*?)\]$", re.MULTILINE)
_NUMBERS = {"float": "a number", "int": "a whole number", "bool": "true or false"}
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_MISSING = re.compile(r"arguments are required: ([^\n]+)")
_CLASS = re.compile(r"given class_path '(?:[\w.]+\.)?(\w+)'")
_UNKNOWN_OPTION = re.compile(
    r"Option '([\w.]+)' is not accepted|Key '([\w.]+)' is not expected|nrecognized arguments: --([\w.]+)"
    r"|Group '\w+' does not accept option '([\w.]+)'"
)

_LOST_PROCESS = re.compile(  # what gloo, NCCL and the store of torch say when another process is gone
    r"Connection (?:closed|reset) by peer(?: \[\S+\]:\d+)?|remote process exited|Broken pipe|Socket closed"
    r"|failed to recv, got 0 bytes"
)
_OF_LIGHTNING = ("optimizer", "lr_scheduler")  # options of LightningCLI that pass by the models' own

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
    r".*ended before the epoch ended and your dataloader is",  # ours resumes exactly
    r".*Using `DistributedSampler` with the dataloaders",  # ours repeats no sample
    r".*Checkpoint directory .* exists and is not empty",
    r".*The dirpath has changed from",  # of a folder that was moved
    r".*is not supported by the model summary",
    r".*module\(s\) in eval mode at the start of training",
    r"[\s\S]*was deprecated in v4\.\d+\.0 and will be removed in v5",  # jsonargparse, of Lightning
    r".*callbacks used to create the checkpoint need to be provided",  # see ResumeGuard
    r".*WeightAveraging callback with a model that overrides the configure_model",  # refused when sharded
    r".*WeightAveraging callback, but loading a checkpoint outside",
    r".*Using ModelCheckpoint with manual optimization",  # what it saves is what a resumed run needs
    r".*Experiment logs directory .* exists and is not empty",  # of a resumed run; see `keep_table`
    r".*LightningCLI's args parameter is intended",
)


def translated(error: Exception) -> ColorzooError | None:
    """Return the error that explains another library's error in one line; None if there is none."""
    text = " ".join(str(error).split())
    if isinstance(error, ArgumentError):
        return explain(str(error))
    if isinstance(error, MisconfigurationException):
        return explain_trainer(error)
    if isinstance(error, ModuleNotFoundError):
        return ColorzooError(f"{text.rstrip('.')}; install it, or change the setting that needs it.")
    if type(error).__module__.startswith("wandb"):
        return ColorzooError(f"wandb: {text}; WANDB_MODE=offline keeps the run for a later `wandb sync`.")
    if isinstance(error, RecursionError):
        return ColorzooError("an option, a configuration or a checkpoint is nested too deeply.")
    if isinstance(error, OSError):
        # the message of a worker's process is a traceback, whose last line counts
        reason = error.strerror or (str(error).strip().splitlines() or [type(error).__name__])[-1]
        path = error.filename2 or error.filename
        named = f"{path}: {reason}" if path else reason
        return ColorzooError(f"{named}; mend this, then resume with --ckpt_path.")
    if isinstance(error, RuntimeError) and "loading state_dict" in text:
        return WeightsError(
            f"the checkpoint does not fit the model of the configuration ({text[:240]}); use the config.yaml "
            "of its run."
        )
    if isinstance(error, RuntimeError) and (found := _LOST_PROCESS.search(text)):
        return ColorzooError(
            f"another process of this run has ended ({found[0]}); its own messages, or the system's log if "
            "it was killed, give the reason. Resume with --ckpt_path."
        )
    inner: BaseException | None = error  # the parser wraps errors of constructors
    while isinstance(error, ValueError) and inner is not None and not isinstance(inner, ColorzooError):
        inner = inner.__cause__ or inner.__context__
    return inner if isinstance(inner, ColorzooError) else None


def explain_trainer(error: Exception) -> ColorzooError:
    """Return the error for an argument of the Trainer, or for a callback that training cannot start with."""
    message = " ".join(str(error).split())
    if "gpu backend" in message or "your machine only has: []" in message:
        message = (
            "this machine has no GPU that torch can use (see `colorzoo doctor`); use one that has, or "
            "--trainer.accelerator auto."
        )
    return ColorzooError(f"trainer: {message}")


def explain(message: str) -> ColorzooError:
    """Return the error for a message of the parser."""
    where = ".".join(re.findall(r'Parser key "([\w.]+)"', message))
    return ColorzooError(f"{_summary(message, where)}; `colorzoo fit --help` lists all options.")


def _summary(message: str, where: str) -> str:
    """Summarize the problem with the option ``where``."""
    if found := _GIVEN.search(message):
        if choices := _choices(message):
            return f"--{where}: {found[1]!r} is not one of {', '.join(choices)}{_suggest(found[1], choices)}"
        for name, wanted in _NUMBERS.items():
            if f"Expected a <class '{name}'>" in message:
                return f"--{where}: must be {wanted}, not {found[1]!r}"
    if found := _UNKNOWN_CLASS.search(message):
        return f"--{where}: unknown class {found[1]!r}{_suggest(found[1], _class_names())}"
    if found := _MISSING.search(message):
        names = [re.sub(r"^(fit|validate|test|predict)\.", "", name) for name in found[1].split(", ")]
        return "missing " + ", ".join("--" + ".".join(filter(None, (where, name))) for name in names)
    if found := _UNKNOWN_OPTION.search(message):
        name = next(filter(None, found.groups()))
        full = ".".join(filter(None, (where, name)))
        if full in _OF_LIGHTNING:
            return f"unknown option --{full} (did you mean --model.{full}?)"
        return f"unknown option --{full}{_suggest_argument(name.rpartition('.')[2], message)}"
    return (f"--{where}: " if where else "") + _innermost(message)


def _innermost(message: str) -> str:
    """Return the first line that is neither a heading nor an alternative."""
    text = re.sub(r'Parser key "[\w.]+":', "", message)
    lines = [" ".join(line.strip(" -").split()) for line in text.splitlines()]
    relevant = [line for line in lines if not _NOISE.match(line)]
    return relevant[0][:300].rstrip(".") if relevant else "the value does not fit"


def _choices(message: str) -> list[str]:
    """Return the values that a setting with a fixed choice takes."""
    listed = ", ".join(_CHOICES.findall(message))
    if listed and "Expected a <class 'bool'>" in message:
        listed = f"true, false, {listed}"
    return list(dict.fromkeys(word.strip(" '\"") for word in listed.split(",") if word.strip()))


def _suggest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)))
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _class_names() -> list[str]:
    return [*task_paths(), *(cls.__name__ for cls in _known_classes())]


def _suggest_argument(name: str, message: str) -> str:
    """Suggest arguments similar to ``name``, of the class in the message or of all classes."""
    named = _CLASS.findall(message)
    classes = [cls for cls in _known_classes() if cls.__name__ in named]
    known = _argument_names(classes or _known_classes())
    near = difflib.get_close_matches(name, sorted(known))
    shown = [full for each in near for full in sorted(known[each])][:3]
    return f" (did you mean {' or '.join(shown)}?)" if shown else ""


def _argument_names(classes: Iterable[type]) -> dict[str, set[str]]:
    """Return the full names of the arguments of classes, ``group.name`` for those in a group, by name."""
    found: dict[str, set[str]] = {}
    for cls in classes:
        for name in argument_types(cls):
            found.setdefault(name, set()).add(name)
        for group, kind in setting_groups(cls).items():
            for name in argument_types(kind):
                found.setdefault(name, set()).add(f"{group}.{name}")
    return found


def _known_classes() -> list[type]:
    from lightning.pytorch import LightningDataModule, Trainer

    from colorzoo.training.module import ColorizationModule

    return [Trainer, *_below(ColorizationModule), *_below(LightningDataModule)]


def _below(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [*children, *(grandchild for child in children for grandchild in _below(child))]


def filter_messages() -> None:
    """Hide Lightning's routine messages for the rest of the process."""
    for pattern in _WARNINGS:
        warnings.filterwarnings("ignore", pattern)
    names = ("utilities.rank_zero", "trainer.connectors.checkpoint_connector")
    for name in (*(f"lightning.pytorch.{each}" for each in names), "lightning.fabric.utilities.seed"):
        logging.getLogger(name).addFilter(_is_relevant)
    logging.getLogger("lightning.fabric.utilities.rank_zero").addFilter(_is_relevant)


def _is_relevant(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not any(phrase in text for phrase in _INFORMATION)

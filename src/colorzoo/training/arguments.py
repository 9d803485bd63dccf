"""Preparation of command-line arguments for LightningCLI: configurations, checkpoints, models and data."""

from __future__ import annotations

import importlib
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from colorzoo.console import first_words
from colorzoo.errors import WeightsError
from colorzoo.registry import DEFAULT_MODELS, all_cards, load_task_class, model_card
from colorzoo.training.callbacks.checkpoints import read_checkpoint
from colorzoo.training.configs import find_config, load_config
from colorzoo.training.messages import print_once

_CLASS_SETTINGS = frozenset(
    prefix + name for prefix in ("", "discriminator_") for name in ("optimizer", "lr_scheduler")
)
SUFFIX = ".ckpt"
"""File extension of checkpoints."""


def prepare_words(words: Sequence[str]) -> list[str]:
    """Return arguments in the form ``--NAME=VALUE``, with configurations resolved to paths.

    Raises:
        ColorzooError: A configuration does not exist or is not a YAML mapping.
    """
    # join each option and its value
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("-") and "=" not in joined[-1] and not word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)

    prepared = []
    for word in joined:
        flag, _, value = word.partition("=")
        if flag in ("--config", "-c") and value:
            path = find_config(value)
            load_config(path)  # its errors contain file and line
            prepared.append(f"--config={path}")
        else:
            prepared.append(word)
    return prepared


def _class_name(value: object) -> str:
    """Return the name of a class without its module, from a path or a mapping with ``class_path``."""
    return str(value.get("class_path") if isinstance(value, dict) else value).rpartition(".")[2]


def note_removed_callbacks(words: Sequence[str]) -> None:
    """Print a note for each argument that replaces callbacks of an earlier configuration.

    Args:
        words: Command-line arguments after `prepare_words`.
    """
    active: list[str] = []  # class names
    for word in words:
        flag, _, value = word.partition("=")
        source = flag
        trainer: Any = {flag.removeprefix("--trainer."): value}
        if flag == "--config":
            source, trainer = value, load_config(Path(value)).get("trainer") or {}
        if not isinstance(trainer, dict):
            continue  # the argument parser reports the error
        own: list[str] = []
        for name in ("callbacks", "callbacks+"):
            found = trainer.get(name) or []
            for each in found if isinstance(found, list) else [found]:
                own.append(_class_name(each))
        if trainer.get("callbacks"):  # null removes all callbacks on purpose
            if removed := [name for name in active if name not in own]:
                print_once(
                    f"{source} removes the callbacks {', '.join(removed)} of an earlier configuration. To "
                    "keep them, write callbacks+ instead of callbacks."
                )
            active = []
        active += own


def with_default_settings(words: Sequence[str]) -> list[str]:
    """Reset optimizers and schedules where an argument selects another class than an earlier configuration.

    The argument parser would keep settings that both classes have, such as the weight decay.

    Args:
        words: Command-line arguments after `prepare_words`.
    """
    prepared: list[str] = []
    classes: dict[str, str] = {}  # by setting
    for word in words:
        flag, _, value = word.partition("=")
        settings: Any = {flag.removeprefix("--model.").removeprefix("init_args."): value}
        if flag == "--config":
            content = load_config(Path(value)).get("model")
            settings = content.get("init_args") if isinstance(content, dict) else None
        moved: list[str] = []
        for name in _CLASS_SETTINGS & (settings.keys() if isinstance(settings, dict) else set()):
            kind = _class_name(settings[name])
            if classes.setdefault(name, kind) != kind:
                # settings of the new class can also stand before the class
                own = (f"--model.{name}.", f"--model.init_args.{name}.")
                moved += [each for each in prepared if each.startswith(own)]
                prepared = [each for each in prepared if each not in moved] + [f"--model.{name}=null"]
            classes[name] = kind
        prepared += [word, *moved]
    return prepared


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return the last value of a flag in ``--NAME=VALUE`` arguments; None without the flag."""
    values = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
    return values[-1] if values else None


def with_value(flag: str, value: str | None, words: Sequence[str]) -> list[str]:
    """Return arguments in which a flag has a new value; None for ``value`` removes the flag."""
    others = [word for word in words if not word.startswith(f"{flag}=")]
    return others if value is None else [*others, f"{flag}={value}"]  # overrides the value of a config


def find_checkpoint(path: str, *, begins: bool) -> str | None:
    """Return the path of a checkpoint file, or of the newest intact checkpoint in a folder.

    A warning names each newer checkpoint that is damaged, executes code when it is loaded, or is not a
    checkpoint. A file that cannot be read raises an error instead, because another process could read it and
    would resume from another step.

    Args:
        path: A checkpoint file or a folder of runs; URLs such as ``s3://BUCKET/FOLDER`` are supported.
        begins: Whether a folder without checkpoints begins a new run. The function then returns None instead
            of raising an error.

    Raises:
        WeightsError: The file does not exist, the folder contains no intact checkpoint, or a file or bucket
            cannot be read.
    """
    if path in ("last", "best"):  # keywords of Lightning
        raise WeightsError(f"--ckpt_path must be a checkpoint or a folder of runs, got {path!r}")
    try:
        fs, root = url_to_fs(path)
        if fs.isfile(root):
            return path
        times = {file: fs.modified(file) for file in fs.find(root) if file.endswith(SUFFIX)}
        problem = ""
        # newest first; with equal times, the last by name
        for file in sorted(times, key=lambda file: (times[file], file), reverse=True):
            url: str = fs.unstrip_protocol(file).removeprefix("file://")
            content = io.BytesIO(fs.cat_file(file))
            try:
                read_checkpoint(content, url)
            except WeightsError as error:
                problem = problem or str(error)
                print_once(f"warning: {error}. Trying the next checkpoint.")
            else:
                return url
    except Exception as error:  # OSError, ImportError, and errors of botocore, which have no common base
        raise WeightsError(f"--ckpt_path {path!r} cannot be read ({first_words(error)})") from error
    if problem:
        raise WeightsError(
            f"--ckpt_path must contain an intact checkpoint: {problem}. To start a new run, delete or "
            f"move the damaged files below {path!r}."
        )
    names_file = path.endswith(SUFFIX)
    if names_file and not fs.isdir(root):
        raise WeightsError(f"--ckpt_path must be an existing checkpoint or folder, got {path!r}")
    if begins and not names_file:
        return None
    raise WeightsError(f"--ckpt_path must contain a checkpoint, got the folder {path!r} without checkpoints")


def _registered_names() -> set[str]:
    return {each for card in all_cards().values() for each in (card.name, *card.aliases)}


def stored_model(words: Sequence[str]) -> str | None:
    """Return the registered name in ``--model`` if ``predict`` uses its stored weights and settings.

    Args:
        words: Command-line arguments of ``colorzoo predict``, before `with_registered_model`.

    Returns:
        The name; ``"default"`` if no argument determines a model; None if other arguments change the model.
    """
    changes = ("--model.", "--config=", "--ckpt_path=", "--init_from=", "--allow_untrained")
    if any(word.startswith(changes) for word in words):
        return None
    name = value_of("--model", words) or "default"
    return name if name == "default" or name in _registered_names() else None


def with_folder_data(words: Sequence[str]) -> list[str]:
    """Add ``--data=FolderDataModule`` if the arguments set ``--data.root`` but no DataModule."""
    flags = [word.partition("=")[0] for word in words]
    implied = "--data.root" in flags and not {"--data", "--config"} & {*flags}
    return ["--data=FolderDataModule", *words] if implied else list(words)


def with_registered_model(verb: str, words: Sequence[str]) -> list[str]:
    """Replace a registered name in ``--model`` by the class and the settings of the model.

    Unless the command is ``fit`` or the arguments select weights, ``--init_from`` with the name of the model
    is added for a trainable model. If no argument determines a model, ``predict`` uses the default model.
    Other arguments are unchanged.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        words: Command-line arguments.

    Raises:
        ColorzooError: No model has weights on this machine.
    """
    name = value_of("--model", words)
    if name not in _registered_names():
        # the model can be a class path, or the model of a configuration or checkpoint
        options_with_model = ("--model", "--config=", "--ckpt_path=", "--init_from=")
        if verb != "predict" or any(word.startswith(options_with_model) for word in words):
            return list(words)
        name = DEFAULT_MODELS["automatic"]
    card = model_card(name)
    task = load_task_class(card)
    settings = dict(card.hparams)
    model = {"class_path": f"{task.__module__}.{task.__name__}", "init_args": settings}
    added = [f"--model={json.dumps(model)}"]
    selects_weights = any(word.startswith(("--init_from=", "--ckpt_path=")) for word in words)
    if card.trainable and verb != "fit" and not selects_weights:
        added.append(f"--init_from={card.name}")
    return [*added, *with_value("--model", None, words)]


def import_tasks(words: Sequence[str]) -> None:
    """Import the task classes named in arguments and configurations.

    If no class is named, all task classes are imported. LightningCLI resolves only names of imported classes.
    """
    known = {card.task.rpartition(":")[2]: card.task for card in all_cards().values()}
    text = " ".join(words)
    for word in words:
        if word.startswith("--config="):
            text += Path(word.removeprefix("--config=")).read_text(encoding="utf-8", errors="replace")
    named = known.keys() & set(re.findall(r"\w+", text))
    for name in named or known:
        importlib.import_module(known[name].partition(":")[0])

"""Arguments of training and measuring, read once from the words of the command line."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colorzoo.registry import task_paths
from colorzoo.training.configs import find_config, load_config

# an argument of a sweep of wandb with ${args_no_hyphens}
_WITHOUT_HYPHENS = re.compile(r"((model|data|trainer)(\.\w+)+|seed_everything|metrics|init_from|compile)=")

# a setting of a group, and not of an optimizer or a schedule
_OF_GROUP = re.compile(
    r"(--model(?:\.init_args)?\.(?!\w*(?:optimizer|scheduler)\b)(?!init_args\.)\w+)\.(\w+)"
)


_BATCHES = ("batch_size", "global_batch")  # of a process, and of all; one of them counts
_SWITCHES = ("--fresh", "--dry_run")  # true when given without a value


@dataclass(frozen=True)
class Argument:
    """One argument.

    Attributes:
        flag: Its flag with hyphens; a word that belongs to no flag as it is.
        value: What is given for the flag.
        content: The content of a configuration, as mappings and lists; None for other arguments.
    """

    flag: str
    value: str | None = None
    content: Any = None

    @property
    def word(self) -> str:
        """The argument as one word of a command line."""
        return self.flag if self.value is None else f"{self.flag}={self.value}"


def read_arguments(words: Sequence[str]) -> list[Argument]:
    """Return the arguments in the words after a verb, with the paths and contents of configurations.

    Raises:
        ColorzooError: A configuration is neither a file nor shipped, or not YAML.
    """
    arguments: list[Argument] = []
    for word in words:
        last = arguments[-1] if arguments else Argument("")
        if last.flag.startswith("-") and last.value is None and not word.startswith("-"):
            arguments[-1] = replace(last, value=word)
        else:
            flag, equals, value = word.partition("=")
            dashes = "--" if _WITHOUT_HYPHENS.match(word) else ""
            arguments.append(Argument(dashes + flag, value if equals else None))
    return [_understood(each) for each in arguments]


def value_of(flag: str, arguments: Sequence[Argument]) -> str | None:
    """Return what is given for a flag, the last one if it is given twice."""
    return next((each.value for each in reversed(arguments) if each.flag == flag), None)


def root_of(arguments: Sequence[Argument]) -> str | None:
    """Return the last ``trainer.default_root_dir`` of options and configurations."""
    found: str | None = None
    for each in arguments:
        if each.flag == "--trainer.default_root_dir":
            found = each.value
        elif isinstance(each.content, Mapping) and isinstance(each.content.get("trainer"), Mapping):
            found = each.content["trainer"].get("default_root_dir", found)
    return found


def with_value(flag: str, value: Path | None, arguments: Sequence[Argument]) -> list[Argument]:
    """Return arguments with another value for a flag that they have; without the flag for None."""
    given = [] if value is None else [Argument(flag, str(value))]
    return [*given, *(each for each in arguments if each.flag != flag)]


def spell_nulls(arguments: Sequence[Argument]) -> list[Argument]:
    """Rewrite ``null`` for a setting of a group, which jsonargparse would take for the word "None"."""

    def spelled(argument: Argument) -> Argument:
        if argument.content is not None or argument.value not in ("None", "null"):  # None: a sweep of wandb
            return argument
        setting = _OF_GROUP.fullmatch(argument.flag)
        if setting is None:
            return replace(argument, value="null")
        return Argument(setting[1], json.dumps({setting[2]: None}))

    return [spelled(each) for each in arguments]


def with_last_batch(arguments: Sequence[Argument]) -> list[Argument]:
    """Unset the batch of a process if that of all is given after it, or the reverse."""
    given = [name for each in arguments for name in _batches_in(each)]
    earlier = [name for name in _BATCHES if name in given and name != given[-1]]
    return [*arguments, *(Argument(f"--data.{name}", "null") for name in earlier)]


def _batches_in(argument: Argument) -> list[str]:
    """Return which settings of a batch an argument gives."""
    if argument.content is None:
        return [name for name in _BATCHES if argument.flag in (f"--data.{name}", f"--data.init_args.{name}")]
    data = argument.content.get("data") if isinstance(argument.content, Mapping) else None
    settings = data.get("init_args") if isinstance(data, Mapping) else None
    return [name for name in _BATCHES if isinstance(settings, Mapping) and settings.get(name) is not None]


def import_tasks(arguments: Sequence[Argument]) -> None:
    """Import the tasks that arguments name, so that short names resolve; all tasks if they name none."""
    known = task_paths()
    given = {name.rpartition(".")[2] for name in _model_names(arguments)}
    for name in given & known.keys() if given else known:
        importlib.import_module(known[name].partition(":")[0])


def _understood(argument: Argument) -> Argument:
    if argument.flag in _SWITCHES and argument.value is None:
        return replace(argument, value="true")
    if argument.value == "None":  # as a sweep of wandb writes null
        return replace(argument, value="null")
    if argument.flag not in ("--config", "-c") or argument.value is None:
        return argument
    path = find_config(argument.value)
    return Argument("--config", str(path), load_config(path))


def _model_names(arguments: Sequence[Argument]) -> Iterator[str]:
    """Yield the names in the values of ``--model`` and in the models of configurations."""
    for each in arguments:
        if each.flag.startswith("--model"):
            yield from re.findall(r"[\w.]+", each.value or "")
        elif isinstance(each.content, Mapping):
            model = each.content.get("model")
            name = model.get("class_path") if isinstance(model, Mapping) else model
            if isinstance(name, str):
                yield name

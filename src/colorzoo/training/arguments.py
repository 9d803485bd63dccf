"""Preparation of command-line arguments for LightningCLI."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from colorzoo.registry import task_paths
from colorzoo.training.configs import find_config, load_config


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


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return the last value of a flag in ``--NAME=VALUE`` arguments; None without the flag."""
    values = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
    return values[-1] if values else None


def with_value(flag: str, value: str | None, words: Sequence[str]) -> list[str]:
    """Return arguments in which a flag has a new value; None for ``value`` removes the flag."""
    others = [word for word in words if not word.startswith(f"{flag}=")]
    return others if value is None else [*others, f"{flag}={value}"]  # overrides the value of a config


def import_tasks(words: Sequence[str]) -> None:
    """Import the task classes named in arguments and configurations.

    If no class is named, all task classes are imported. LightningCLI resolves only names of imported classes.
    """
    known = task_paths()
    text = " ".join(words)
    for word in words:
        if word.startswith("--config="):
            text += Path(word.removeprefix("--config=")).read_text(encoding="utf-8", errors="replace")
    named = known.keys() & set(re.findall(r"\w+", text))
    for name in named or known:
        importlib.import_module(known[name].partition(":")[0])

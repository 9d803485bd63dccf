"""Words of the command line of `fit`, `validate`, `test` and `predict`, prepared for LightningCLI."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from colorzoo.errors import ColorzooError
from colorzoo.registry import task_paths
from colorzoo.training.configs import find_config, load_config

# a setting in a group of settings, but not of an optimizer or a schedule
_IN_GROUP = re.compile(
    r"(--model(?:\.init_args)?\.(?!\w*(?:optimizer|scheduler)\b)(?!init_args\.)\w+)\.(\w+)=null"
)


def prepare_words(words: Sequence[str]) -> list[str]:
    """Return the words after a verb as ``--NAME=VALUE`` with full paths of configurations.

    Raises:
        ColorzooError: A configuration is neither a file nor shipped, or not a mapping in YAML.
    """
    joined: list[str] = []
    for word in words:
        if joined and _awaits_value(joined[-1]) and not word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    joined = [re.sub(r"^-c=", "--config=", word) for word in joined]
    for option, instead in (("--dry_run", "--trainer.fast_dev_run true"), ("--fresh", "another folder")):
        if any(word.partition("=")[0] == option for word in joined):
            raise ColorzooError(f"unknown option {option}; use {instead}.")
    return [_spelled(word) for word in joined]


def _awaits_value(word: str) -> bool:
    return word.startswith("-") and "=" not in word


def _spelled(word: str) -> str:
    """Return a word with the path of its configuration, and null in a group as jsonargparse reads it."""
    flag, _, value = word.partition("=")
    if flag == "--config" and value:
        load_config(path := find_config(value))  # its errors name file and line
        return f"--config={path}"
    # jsonargparse reads a bare null in a nested group as the text "None"
    return f"{found[1]}={json.dumps({found[2]: None})}" if (found := _IN_GROUP.fullmatch(word)) else word


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return the value of a flag in words ``--NAME=VALUE``, the last one if it is given twice."""
    found = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
    return found[-1] if found else None


def with_value(flag: str, value: str | None, words: Sequence[str]) -> list[str]:
    """Return words with another value for a flag; without the flag for None."""
    others = [word for word in words if not word.startswith(f"{flag}=")]
    return others if value is None else [f"{flag}={value}", *others]


def import_tasks(words: Sequence[str]) -> None:
    """Import the tasks that words and configurations name, so that short names resolve; all if none."""
    known = task_paths()
    text = " ".join(words)
    for word in words:
        if word.startswith("--config="):
            text += Path(word.removeprefix("--config=")).read_text(encoding="utf-8", errors="replace")
    for name in known.keys() & set(re.findall(r"\w+", text)) or known:
        importlib.import_module(known[name].partition(":")[0])

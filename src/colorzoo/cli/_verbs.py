"""Finding the verbs of the command line without importing more than one asks for."""

from __future__ import annotations

import argparse
import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Protocol, cast

import colorzoo.cli
from colorzoo.errors import ColorzooError

# `main` is the entry point, and `lightning` serves several verbs that parse their own arguments.
NO_VERBS = frozenset({"main", "lightning"})


class Verb(Protocol):
    """What a module of `colorzoo.cli` offers to be a verb.

    Attributes:
        NAME: The word on the command line.
        HELP: One line for the list of verbs.
        EXAMPLE: Command lines shown below ``--help``.
    """

    NAME: str
    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of the verb."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit code."""
        ...


class LightningVerbs(Protocol):
    """What `colorzoo.cli.lightning` offers: verbs whose arguments the Lightning CLI parses itself.

    Attributes:
        VERBS: One line of help for each verb.
    """

    VERBS: dict[str, str]

    def run(self, argv: list[str]) -> int:
        """Run ``argv``, whose first word is the verb, and return the exit code."""
        ...


def find_verb(name: str) -> Verb | None:
    """Import and return the module of one verb, or None when there is no such verb."""
    module_name = name.replace("-", "_")
    if module_name not in _module_names() - NO_VERBS:
        return None
    verb = _load(module_name)
    return verb if verb is not None and name == verb.NAME else None


def lightning_verbs() -> LightningVerbs | None:
    """Return the module that serves fit, validate, test and predict; it is light until one of them runs."""
    if "lightning" not in _module_names():
        return None
    return cast(LightningVerbs, importlib.import_module("colorzoo.cli.lightning"))


def all_verbs() -> dict[str, str]:
    """Return the line of help of every verb, sorted by name."""
    lightning = lightning_verbs()
    found = dict(lightning.VERBS) if lightning else {}
    found |= {verb.NAME: verb.HELP for verb in _all_modules()}
    return dict(sorted(found.items()))


def unknown_verb(name: str) -> ColorzooError:
    """Return the error for a verb that does not exist; it names the nearest ones."""
    near = difflib.get_close_matches(name, all_verbs(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`colorzoo --help` lists them all."
    return ColorzooError(f"unknown verb {name!r}; {hint}")


def _module_names() -> set[str]:
    found = {module.name for module in pkgutil.iter_modules(colorzoo.cli.__path__)}
    return {name for name in found if not name.startswith("_")}


def _all_modules() -> Iterator[Verb]:
    for name in _module_names() - NO_VERBS:
        verb = _load(name)
        if verb is not None:
            yield verb


def _load(module_name: str) -> Verb | None:
    module = importlib.import_module(f"colorzoo.cli.{module_name}")
    return cast(Verb, module) if hasattr(module, "NAME") else None

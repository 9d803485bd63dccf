"""Finding training configurations: files of the user's, or those that ship with the package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import colorzoo
from colorzoo.errors import ColorzooError

_FLAGS = ("--config", "-c")


def resolve_configs(argv: Sequence[str]) -> list[str]:
    """Replace names of shipped configurations behind ``--config`` by their paths.

    Raises:
        ColorzooError: Neither a file nor a shipped configuration; the message names the nearest ones.
    """
    words = list(argv)
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in _FLAGS and equals:
            words[index] = f"{flag}={find_config(value)}"
        elif index > 0 and words[index - 1] in _FLAGS:
            words[index] = str(find_config(word))
    return words


def find_config(name: str) -> Path:
    """Return the path of a configuration, given as a path or as ``[configs/]zhang2017/local.yaml``.

    Raises:
        ColorzooError: There is no such file.
    """
    if Path(name).is_file():
        return Path(name)
    relative = name.removeprefix("./").removeprefix("configs/")
    for folder in config_folders():
        if (folder / relative).is_file():
            return folder / relative
    shipped = list(_names(config_folders()))
    near = difflib.get_close_matches(relative, shipped, n=3, cutoff=0.5) or shipped
    raise ColorzooError(f"config {name!r} does not exist; shipped ones: {', '.join(near)}.")


def config_folders() -> list[Path]:
    """Return the folders of shipped configurations that exist: in the wheel, else in the source checkout."""
    package = Path(colorzoo.__path__[0])
    return [folder for folder in (package / "configs", package.parents[1] / "configs") if folder.is_dir()]


def _names(folders: Iterable[Path]) -> Iterable[str]:
    for folder in folders:
        yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))

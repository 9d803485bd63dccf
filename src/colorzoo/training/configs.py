"""Training configurations: files of the user or of the package, and the tasks that they name."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import colorzoo
from colorzoo.errors import ColorzooError
from colorzoo.registry import task_paths
from colorzoo.settings import current_arguments

# an argument of a sweep of wandb with ${args_no_hyphens}
_WITHOUT_HYPHENS = re.compile(r"((model|data|trainer)(\.\w+)+|seed_everything|metrics|init_from|compile)=")
_FLAGS = ("--config", "-c")


def resolve_configs(argv: Sequence[str]) -> list[str]:
    """Replace the names of shipped configurations after ``--config`` by their paths.

    Raises:
        ColorzooError: Neither a file nor a shipped configuration; the message names the nearest ones.
    """
    return _with_configs(argv, find_config)


def update_arguments(argv: Sequence[str], folder: Path) -> list[str]:
    """Bring arguments and configurations of earlier versions up to date.

    Args:
        argv: The verb and its arguments, with configurations as paths.
        folder: Folder for updated copies of configurations.
    """

    def updated(path: str) -> Path:
        from omegaconf import OmegaConf
        from yaml import YAMLError

        try:
            content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it is not YAML"
            raise ColorzooError(f"config {path}{line}: {problem}.") from error
        current = current_arguments(content)
        if current == content:
            return Path(path)
        copy = folder / Path(path).name
        OmegaConf.save(OmegaConf.create(current), copy)
        return copy

    words = []
    for word in argv:
        flag, equals, value = word.rpartition("=")
        if equals and value == "None":  # as a sweep of wandb writes null
            value = "null"
        dashes = "--" if _WITHOUT_HYPHENS.match(word) else ""
        words.append(f"{dashes}{flag}{equals}{current_arguments(value)}")
    return _with_configs(words, updated)


def import_tasks(argv: Sequence[str]) -> None:
    """Import the tasks that arguments name, by which their short names resolve; if they name none, all.

    Args:
        argv: The verb and its arguments, with configurations as paths.
    """
    known = task_paths()
    given = {name.rpartition(".")[2] for name in _model_names(argv)}
    for name in given & known.keys() if given else known:
        importlib.import_module(known[name].partition(":")[0])


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


def _with_configs(argv: Sequence[str], replace: Callable[[str], Path]) -> list[str]:
    """Return the arguments with other paths of configurations."""
    words = list(argv)
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in _FLAGS and equals:
            words[index] = f"{flag}={replace(value)}"
        elif index > 0 and words[index - 1] in _FLAGS:
            words[index] = str(replace(word))
    return words


def _model_names(argv: Sequence[str]) -> Iterator[str]:
    """Yield the names in the values of ``--model`` and in the models of configurations."""
    import yaml

    for before, word in zip(["", *argv], argv, strict=False):
        flag, equals, value = word.partition("=")
        if not equals:
            flag, value = before, word
        if flag.startswith("--model"):
            yield from re.findall(r"[\w.]+", value)
        elif flag in _FLAGS:
            content: Any = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
            model = content.get("model") if isinstance(content, Mapping) else None
            name = model.get("class_path") if isinstance(model, Mapping) else model
            if isinstance(name, str):
                yield name


def _names(folders: Iterable[Path]) -> Iterable[str]:
    for folder in folders:
        yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))

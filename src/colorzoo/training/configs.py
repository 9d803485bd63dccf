"""Training configurations: files of the user or of the package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import colorzoo
from colorzoo.errors import ColorzooError
from colorzoo.registry import plugin_packages


def load_config(path: Path) -> Any:
    """Return the content of a configuration as mappings, lists, numbers and text, references as written.

    Raises:
        ColorzooError: The file cannot be read or is not YAML.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError

    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        if not isinstance(content, dict):
            raise ColorzooError(f"config {path}: it must hold a mapping.")
        return content
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ColorzooError(f"config {path}{line}: {problem}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ColorzooError(f"config {path}: {error}.") from error


def find_config(name: str) -> Path:
    """Return the path of a configuration.

    Args:
        name: A path, ``[configs/]zhang2017/local.yaml``, or ``PACKAGE/FILE`` inside an installed package of
            papers.

    Raises:
        ColorzooError: There is no such file.
    """
    if Path(name).is_file():
        return Path(name)
    relative = name.removeprefix("./").removeprefix("configs/")
    for folder in config_folders():
        if (folder / relative).is_file():
            return folder / relative
    if (inside := _inside_package(relative)) is not None:
        return inside
    shipped = list(_names(config_folders()))
    near = difflib.get_close_matches(relative, shipped) or shipped
    raise ColorzooError(f"config {name!r} does not exist; shipped ones: {', '.join(near)}.")


def config_folders() -> list[Path]:
    """Return the folders of shipped configurations that exist: in the wheel, else in the source checkout."""
    package = Path(colorzoo.__path__[0])
    return [folder for folder in (package / "configs", package.parents[1] / "configs") if folder.is_dir()]


def _inside_package(relative: str) -> Path | None:
    """Return the file ``PACKAGE/FILE`` of an installed package of papers, which is not imported."""
    package, _, file = relative.partition("/")
    spec = find_spec(package) if package in plugin_packages() else None
    places = spec.submodule_search_locations if spec is not None else None
    return next((Path(place) / file for place in places or () if (Path(place) / file).is_file()), None)


def _names(folders: Iterable[Path]) -> Iterable[str]:
    for folder in folders:
        yield from sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))

"""Lookup of training configurations in user files and installed packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

import colorzoo
from colorzoo.errors import ColorzooError
from colorzoo.registry import plugins


def load_config(path: Path) -> Any:
    """Return the content of a YAML configuration, with interpolations (``${...}``) unresolved.

    Raises:
        ColorzooError: The file cannot be read or is not a YAML mapping.
    """
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (OSError, UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise ColorzooError(f"--config {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ColorzooError(f"--config must contain a YAML mapping, but {path} does not")
    return content


def find_config(name: str) -> Path:
    """Return the path of a configuration.

    Args:
        name: A path, a configuration of colorzoo such as ``[configs/]zhang2017/local.yaml``, or
            ``PACKAGE/FILE`` in an installed plugin package.

    Raises:
        ColorzooError: The file does not exist.
    """
    if Path(name).is_file():
        return Path(name)
    relative = name.removeprefix("./").removeprefix("configs/")
    package, _, plugin_file = relative.partition("/")
    candidates = [(folder, Path(relative)) for folder in config_folders()]
    # the folders of an installed plugin package, without importing the package
    spec = find_spec(package) if package in {each.module.partition(".")[0] for each in plugins()} else None
    plugin_folders = () if spec is None else spec.submodule_search_locations or ()
    candidates += [(Path(folder), Path(plugin_file)) for folder in plugin_folders]
    for folder, file in candidates:
        if (folder / file).is_file():
            return folder / file
    group = Path(relative).parent
    similar = []
    for folder, file in candidates:
        similar += [f"{group}/{path.name}" for path in (folder / file.parent).glob("*.yaml")]
    examples = f", such as {', '.join(sorted(similar))}" if similar else ""
    raise ColorzooError(f"--config must be a file or a built-in configuration{examples}; got {name!r}")


def config_folders() -> list[Path]:
    """Return the existing configuration folders: of the package and of a source checkout."""
    package = Path(colorzoo.__path__[0])
    return [folder for folder in (package / "configs", package.parents[1] / "configs") if folder.is_dir()]

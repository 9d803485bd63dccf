"""Names of a module that are found at their first use."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str], *, former: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose public names lie in its modules.

    Args:
        package: Name of the package.
        modules: Module of each public name, relative to the package.
        former: Today's name for each former one; see `former_names`.
    """
    find_former = former_names(package, former or {})

    def find(name: str) -> Any:
        if name not in modules:
            return find_former(name)
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return find


def former_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` that finds objects by their former names and warns of these.

    Args:
        module: Name of the module.
        names: Today's name for each former one.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = f"{module}.{name} is now called {names[name]}; the former name will go in colorzoo 0.3"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(module), names[name])

    return find

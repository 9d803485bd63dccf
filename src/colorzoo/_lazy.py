"""Packages whose public names are imported when they are used."""

from __future__ import annotations

import dis
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import lazy_loader  # type: ignore[import-untyped]


def attach_exports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    The names are the imports in the module ``_exports`` of the package, which is compiled but not executed.
    In contrast to stub files and source code, this code object also exists in frozen programs and zip files.

    Args:
        package: Full name of the package.
    """
    spec = find_spec(f"{package}._exports")
    loader: Any = spec and spec.loader
    names: dict[str, list[str]] = {}
    module = ""
    for step in dis.get_instructions(loader.get_code(f"{package}._exports")):
        if step.opname == "IMPORT_NAME":
            module = step.argval.removeprefix(f"{package}.")
        elif step.opname == "IMPORT_FROM":
            names.setdefault(module, []).append(step.argval)
    return lazy_loader.attach(package, submod_attrs=names)

"""Lazy imports: public names of a package are imported when they are first used."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def attach_stub(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package with lazy imports.

    Public names and their modules are read from the stub ``__init__.pyi``, which type checkers also use
    (Scientific Python, SPEC 1). The stub must contain one import per line.

    Args:
        package: ``__name__`` of the package.
        file: ``__file__`` of the package.
    """
    stub = Path(file).with_suffix(".pyi").read_text(encoding="utf-8")
    modules = {name: module for module, name in re.findall(r"^from (\S+) import (\w+)", stub, re.MULTILINE)}

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    names = sorted(modules)
    return find, lambda: sorted(names), names

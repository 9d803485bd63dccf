"""Bundle the pad's scripts into one ES module each: a notebook widget cannot import a second file.

The sources in ``static/js`` (the page), ``static/worker`` (coloring in the browser) and ``static/steps`` (its
steps, named as those of `colorzoo.inference`) are plain ES modules with imports at the top and one list of
exports at the bottom. Bundling removes those lines and puts each module after its imports. All modules share
one scope: a name that is declared twice is a syntax error.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib.resources import files

_IMPORT = re.compile(r'^import\s[^;]*?from\s+"(\.{1,2}/(?:\w+/)?\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s*\{[^}]*\};\n", re.MULTILINE)


def pad_module() -> str:
    """Return the pad as one ES module; its default export is ``{render}``, as anywidget requires."""
    return bundled_module("js/pad")


@cache
def bundled_module(entry: str) -> str:
    """Return a module with all its imports as one module that keeps only its own exports.

    Args:
        entry: Path below ``static``, without the suffix.
    """
    modules: dict[str, str] = {}
    _collect(entry, modules)
    *imported, last = modules.values()
    return "\n".join([*(_EXPORT.sub("", text) for text in imported), last])


@cache
def pad_style() -> str:
    """Return the style sheet; all its rules are below the class ``colorzoo-pad``."""
    return _read("pad.css")


def _collect(name: str, modules: dict[str, str]) -> None:
    """Add a module after its imports."""
    if name in modules:
        return
    source = _read(f"{name}.js")
    for path in _IMPORT.findall(source):
        imported = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        _collect(imported, modules)
    modules[name] = _IMPORT.sub("", source)


def _read(path: str) -> str:
    return (files("colorzoo.studio") / "static" / path).read_text(encoding="utf-8")

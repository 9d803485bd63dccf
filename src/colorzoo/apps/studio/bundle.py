"""Bundling of the drawing pad's scripts into one ES module.

A bundle is needed because a notebook widget cannot import a second file. The sources in ``static/js`` are ES
modules with imports at the top and ``export`` before declarations.

In the bundle, each module follows the modules that it imports. Import statements are removed, and so are the
``export`` keywords of imported modules. All modules share one scope, so two modules must not declare the same
name.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_IMPORT = re.compile(r'^import\s[^;]*?from\s+"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const)\b)", re.MULTILINE)


@cache
def pad_module() -> str:
    """Return the drawing pad as one ES module.

    The default export is ``{render}``, as anywidget requires.
    """
    modules: dict[str, str] = {}
    _collect("pad", modules)
    *imported, last = modules.values()
    return "\n".join([*(_EXPORT.sub("", text) for text in imported), last])


def pad_style() -> str:
    """Return the style sheet, which affects only elements of the class ``colorzoo-pad``."""
    return _read("pad.css")


def _collect(name: str, modules: dict[str, str]) -> None:
    """Add a module and its imports to ``modules``, imports first."""
    if name in modules:
        return
    source = _read(f"js/{name}.js")
    for imported in _IMPORT.findall(source):
        _collect(imported, modules)
    modules[name] = _IMPORT.sub("", source)


def _read(path: str) -> str:
    return (files("colorzoo.apps.studio") / "static" / path).read_text(encoding="utf-8")

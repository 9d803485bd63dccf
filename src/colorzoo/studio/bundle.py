"""The pad's scripts, each joined into one ES module: a notebook widget cannot import a second file.

The sources in ``static/js`` (the page) and ``static/alone`` (what colors without a server) are plain ES
modules that name their imports at the top and their exports in one list at the bottom. Joining them takes
those lines out and puts each file after the files it needs; all share one scope, so a name declared twice is
a syntax error that the tests would meet at once.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib.resources import files

_IMPORT = re.compile(r'^import\s[^;]*?from\s+"(\.{1,2}/(?:\w+/)?\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s*\{[^}]*\};\n", re.MULTILINE)


def pad_module() -> str:
    """Return the whole pad as the text of one ES module whose default export is ``{render}``."""
    return joined_module("js/pad")


@cache
def joined_module(entry: str) -> str:
    """Return a module and all that it imports as the text of one; only its own exports are left.

    Args:
        entry: Name below ``static``, without the ending.
    """
    joined: dict[str, str] = {}
    _collect(entry, joined, ())
    *needed, last = joined.values()
    return "\n".join([*(_EXPORT.sub("", text) for text in needed), last])


@cache
def pad_style() -> str:
    """Return the style sheet; everything in it is below the class ``colorzoo-pad``."""
    return _read("pad.css")


def _collect(name: str, joined: dict[str, str], above: tuple[str, ...]) -> None:
    """Add a module after those it imports."""
    if name in above:
        raise ValueError(f"the modules {' > '.join((*above, name))} import each other")
    if name in joined:
        return
    source = _read(f"{name}.js")
    for needed in _IMPORT.findall(source):
        _collect(posixpath.normpath(posixpath.join(posixpath.dirname(name), needed)), joined, (*above, name))
    joined[name] = _IMPORT.sub("", source)


def _read(path: str) -> str:
    return (files("colorzoo.studio") / "static" / path).read_text(encoding="utf-8")

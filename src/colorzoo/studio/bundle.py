"""The pad's script as one ES module: a notebook widget cannot import a second file.

The sources in ``static/js`` are plain ES modules that name their imports at the top and their exports in one
list at the bottom. Joining them takes those lines out and puts each file after the files it needs; all share
one scope, so a name declared twice is a syntax error that the browser tests would meet at once.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_ENTRY = "pad"
_IMPORT = re.compile(r'^import\s[^;]*?from\s+"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s*\{[^}]*\};\n", re.MULTILINE)


@cache
def pad_module() -> str:
    """Return the whole pad as the text of one ES module whose default export is ``{render}``."""
    joined: dict[str, str] = {}
    _collect(_ENTRY, joined, ())
    return "\n".join(joined.values())


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
    source = _read(f"js/{name}.js")
    for needed in _IMPORT.findall(source):
        _collect(needed, joined, (*above, name))
    text = _IMPORT.sub("", source)
    joined[name] = text if name == _ENTRY else _EXPORT.sub("", text)


def _read(path: str) -> str:
    return (files("colorzoo.studio") / "static" / path).read_text(encoding="utf-8")

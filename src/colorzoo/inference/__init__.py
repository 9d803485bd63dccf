"""Full-size inference: colorize images of any size and format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from colorzoo.inference.border import find_border as find_border
    from colorzoo.inference.colorizer import Colorizer as Colorizer
    from colorzoo.inference.references import ReadReference as ReadReference
    from colorzoo.inference.references import ReferenceEmbedding as ReferenceEmbedding
    from colorzoo.inference.references import embed_references as embed_references
    from colorzoo.inference.selection import find_parts as find_parts
    from colorzoo.inference.selection import select_at as select_at
    from colorzoo.inference.selection import select_outlined as select_outlined

# Name -> module. Resolved at first use, so that light modules of the package import nothing heavy.
_PUBLIC = {
    "Colorizer": "colorizer",
    "ReferenceEmbedding": "references",
    "ReadReference": "references",
    "find_border": "border",
    "find_parts": "selection",
    "embed_references": "references",
    "select_at": "selection",
    "select_outlined": "selection",
}

__all__ = [
    "Colorizer",
    "ReadReference",
    "ReferenceEmbedding",
    "embed_references",
    "find_border",
    "find_parts",
    "select_at",
    "select_outlined",
]

__getattr__ = lazy_names("colorzoo.inference", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)

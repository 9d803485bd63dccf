"""Picture files in and out: formats, profiles, metadata, frames and provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
    from colorzoo.pictures.metadata import Metadata as Metadata
    from colorzoo.pictures.picture import Picture as Picture
    from colorzoo.pictures.provenance import PictureProvenance as PictureProvenance
    from colorzoo.pictures.provenance import read_provenance as read_provenance
    from colorzoo.pictures.read import read_picture as read_picture
    from colorzoo.pictures.write import to_pil as to_pil
    from colorzoo.pictures.write import write_picture as write_picture

# Name -> module. Resolved at first use, so that light modules of the package import nothing heavy.
_PUBLIC = {
    "Metadata": "metadata",
    "Picture": "picture",
    "PictureProvenance": "provenance",
    "read_picture": "read",
    "read_provenance": "provenance",
    "to_pil": "write",
    "write_picture": "write",
}

__all__ = [
    "Metadata",
    "Picture",
    "PictureProvenance",
    "read_picture",
    "read_provenance",
    "to_pil",
    "write_picture",
]

__getattr__ = lazy_names("colorzoo.pictures", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)

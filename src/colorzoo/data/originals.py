"""Encoded full-size images for ``colorzoo predict``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from colorzoo.data.sources import Sources, StoredImage, require_folder, tar_sources
from colorzoo.errors import DataError
from colorzoo.image_io.find import find_images, find_tars


@dataclass(frozen=True)
class Original:
    """Image file or tar member to colorize at full size.

    Attributes:
        name: Name in reports.
        relative: Path relative to the data folder. The path of a tar member starts with the path of the tar
            file, such as ``a.tar/1.jpg``.
        source: Path of the file, or a function that returns its bytes.
    """

    name: str
    relative: str
    source: Path | Callable[[], bytes]


@dataclass(frozen=True)
class Originals:
    """Images of a folder, as files or in tar shards.

    Attributes:
        sources: Files and tar members.
        root: Data folder.
        skipped: Path of each skipped file that looks like an image, and the reason.
        errors: Messages about folders that cannot be searched.
    """

    sources: Sources
    root: str | Path
    skipped: Sequence[tuple[Path, str]] = ()
    errors: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Original:
        found = self.sources[index]
        data = found.read if found.member else Path(found.path)
        return Original(found.name, relative_name(found.name, str(self.root)), data)


def find_originals(root: str | Path) -> Originals:
    """Find images below a folder as ``colorzoo colorize`` does, and images in ``.tar`` files.

    Raises:
        DataError: The folder does not exist or contains no image.
    """
    folder = Path(root)
    require_folder(folder)
    search, tars = find_images([folder]), find_tars(folder)
    files = (StoredImage(str(image.path)) for image in search.found)
    sources = Sources.of(chain(files, *(tar_sources(str(path)) for path in tars)), folder)
    if not sources:
        raise DataError(f"no image below {str(folder)!r}; expected image files, or .tar files with images")
    errors = [str(error) for name, error in search.errors if name != str(folder)]
    return Originals(sources, root, search.omitted, errors)


def relative_name(name: str, root: str) -> str:
    """Return the path of an image relative to a folder, without parent references (``..``)."""
    return str(Path(*(part for part in Path(os.path.relpath(name, root)).parts if part != os.pardir)))

"""Find pictures: files in folders and members of plain ``.tar`` shards, as one list of sources."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from colorzoo.errors import DataError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class Source(NamedTuple):
    """Where the bytes of one picture are.

    Attributes:
        path: The picture file, or the tar file that holds it.
        member: Name inside the tar, or "" for a plain file.
        offset: Position of the bytes in the file.
        size: Number of bytes, or -1 for all that follow.
    """

    path: str
    member: str = ""
    offset: int = 0
    size: int = -1

    @property
    def name(self) -> str:
        """The name under which reports mention this picture."""
        return f"{self.path}/{self.member}" if self.member else self.path

    def read(self) -> bytes:
        """Return the encoded picture."""
        with open(self.path, "rb") as stream:  # noqa: PTH123 - called per picture; Path costs more
            stream.seek(self.offset)
            return stream.read(self.size)


def find_sources(folder: Path) -> list[Source]:
    """List all pictures below a folder, recursively, in the order of their names.

    Raises:
        DataError: The folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"data folder {str(folder)!r} does not exist; give --data.root a folder of pictures.")
    found = [source for path in _walk(folder) for source in _open(path)]
    if not found:
        kinds = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"no picture below {str(folder)!r}; expected {kinds}, or .tar shards of them.")
    return found


def split_by_content(sources: Sequence[Source], val_share: float) -> tuple[list[Source], list[Source]]:
    """Split into training and validation by a hash of each picture's bytes.

    The same picture always falls on the same side, whatever its name and whatever else is in the folder,
    so duplicates never straddle the split.

    Args:
        sources: All pictures.
        val_share: Expected share of the validation part, in [0, 1).
    """
    train: list[Source] = []
    val: list[Source] = []
    for source in sources:
        digest = hashlib.sha256(source.read()).digest()
        is_val = int.from_bytes(digest[:8], "big") < val_share * 2**64
        (val if is_val else train).append(source)
    return train, val


def _walk(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _open(path: Path) -> Iterator[Source]:
    suffix = path.suffix.lower()
    if suffix in EXTENSIONS:
        yield Source(str(path))
    elif suffix == ".tar":
        yield from _tar_members(path)


def _tar_members(path: Path) -> Iterator[Source]:
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in EXTENSIONS:
                    yield Source(str(path), member.name, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise DataError(f"{str(path)!r} is no plain (uncompressed) tar shard: {error}.") from error

"""Find pictures: files in folders and members of plain ``.tar`` shards, as one compact sequence."""

from __future__ import annotations

import hashlib
import os
import tarfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import torch
from torch import Tensor

from colorzoo.data.packed import PackedStrings, tensor_of
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


class Sources(Sequence[Source]):
    """An immutable sequence of `Source` that costs some 40 bytes a picture and is shared by all workers.

    Build one with `Sources.of`. Slices and `select` give views without copying names.

    Args:
        root: Folder that most names are relative to.
        names: Path below ``root`` of each plain file, name inside its tar of each member.
        archives: Paths of the tar files.
        members: ``(N, 3)`` int64: index into ``archives`` (-1: a plain file), offset and size; None if all
            are plain files.
        rows: Which of the stored pictures are in this view, in order; None for all.
    """

    def __init__(
        self,
        root: str,
        names: PackedStrings,
        archives: tuple[str, ...] = (),
        members: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self._root, self._names, self._archives = root, names, archives
        self._members, self._rows = members, rows

    @classmethod
    def of(cls, sources: Iterable[Source], root: str | Path = "") -> Sources:
        """Pack sources, consuming them one by one.

        Args:
            sources: In the order they shall have.
            root: A folder above most of them; naming it saves memory, nothing else.
        """
        prefix = f"{root}{os.sep}" if root else ""
        archives: dict[str, int] = {}
        columns = array("q")
        names = PackedStrings.of(_record(sources, prefix, archives, columns))
        members = tensor_of(columns, torch.int64).view(-1, 3) if archives else None
        return cls(prefix, names, tuple(archives), members)

    def __len__(self) -> int:
        return len(self._names) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sources: ...
    def __getitem__(self, index: int | slice) -> Source | Sources:
        if isinstance(index, slice):
            return self.select(torch.arange(len(self), dtype=torch.int32)[index])
        row = range(len(self))[index]
        row = row if self._rows is None else int(self._rows[row])
        archive, offset, size = (-1, 0, -1) if self._members is None else self._members[row].tolist()
        if archive < 0:
            return Source(os.path.join(self._root, self._names[row]))  # noqa: PTH118 - called per picture
        return Source(self._archives[archive], self._names[row], offset, size)

    def __iter__(self) -> Iterator[Source]:
        return (self[index] for index in range(len(self)))

    def select(self, rows: Tensor) -> Sources:
        """Return a view of the pictures at ``rows`` (int64 or int32), in that order."""
        chosen = rows.to(torch.int32) if self._rows is None else self._rows[rows.long()]
        return Sources(self._root, self._names, self._archives, self._members, chosen)


def find_sources(folder: Path) -> Sources:
    """List all pictures below a folder, recursively, in the order of their names.

    Linked folders are followed, each once.

    Raises:
        DataError: The folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"data folder {str(folder)!r} does not exist; give --data.root a folder of pictures.")
    found = Sources.of((source for path in walk_files(str(folder)) for source in _open(path)), folder)
    if not found:
        kinds = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"no picture below {str(folder)!r}; expected {kinds}, or .tar shards of them.")
    return found


def split_by_content(sources: Sources, val_share: float) -> tuple[Sources, Sources]:
    """Split into training and validation by a hash of each picture's bytes.

    The same picture always falls on the same side, whatever its name and whatever else is in the folder,
    so duplicates never straddle the split.

    Args:
        sources: All pictures.
        val_share: Expected share of the validation part, in [0, 1).
    """
    is_val = torch.zeros(len(sources), dtype=torch.bool)
    for index, source in enumerate(sources):
        digest = hashlib.sha256(source.read()).digest()
        is_val[index] = int.from_bytes(digest[:8], "big") < val_share * 2**64
    return sources.select((~is_val).nonzero()[:, 0]), sources.select(is_val.nonzero()[:, 0])


def walk_files(folder: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the paths of all files below a folder, sorted, without holding more than one folder's names.

    Args:
        folder: Where to look.
        above: Real paths of the folders that lead here; a link back to one of them is skipped.
    """
    here = os.path.realpath(folder)
    if here in above:
        return
    with os.scandir(folder) as listing:
        entries = sorted((entry.name, entry.is_dir()) for entry in listing)
    for name, is_folder in entries:
        path = os.path.join(folder, name)  # noqa: PTH118 - a million Path objects cost 400 MB
        if is_folder:
            yield from walk_files(path, above | {here})
        else:
            yield path


def tar_sources(path: str) -> Iterator[Source]:
    """Yield the pictures inside a plain tar file.

    Raises:
        DataError: The file is compressed or no tar.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps an object per member
                if member.isfile() and _suffix(member.name) in EXTENSIONS:
                    yield Source(path, member.name, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise DataError(f"{path!r} is no plain (uncompressed) tar shard: {error}.") from error


def _open(path: str) -> Iterator[Source]:
    suffix = _suffix(path)
    if suffix in EXTENSIONS:
        yield Source(path)
    elif suffix == ".tar":
        yield from tar_sources(path)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - called per picture


def _record(
    sources: Iterable[Source], prefix: str, archives: dict[str, int], columns: array[int]
) -> Iterator[str]:
    """Yield the name to store of each source, noting where its bytes are on the way."""
    for source in sources:
        if source.member:
            number = archives.setdefault(source.path, len(archives))
            columns.extend((number, source.offset, source.size))
            yield source.member
        else:
            columns.extend((-1, 0, -1))
            yield source.path.removeprefix(prefix)

"""Pictures as they are stored, undecoded: what is to be colored at full size, not trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from colorzoo.data.shard_reader import ShardReader
from colorzoo.data.sources import Sources


@dataclass(frozen=True)
class Original:
    """One stored picture.

    Attributes:
        name: How reports call it.
        relative: Its path below the data folder, in which a member of ``a.tar`` lies below ``a.tar``.
        data: The encoded picture.
    """

    name: str
    relative: str
    data: bytes


class Originals(Protocol):
    """Stored pictures by number; reading one may raise OSError."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Original: ...

    def name(self, index: int) -> str:
        """Return how reports call a picture, without reading it."""


class SourceOriginals:
    """The pictures of a folder, plain or in tar shards.

    Args:
        sources: Where they are.
        root: The data folder.
    """

    def __init__(self, sources: Sources, root: str | Path) -> None:
        self.sources, self.root = sources, str(root)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Original:
        source = self.sources[index]
        return Original(source.name, relative_name(source.name, self.root), source.read())

    def name(self, index: int) -> str:
        """Return the path of a picture."""
        return self.sources[index].name


class ShardOriginals:
    """The pictures in shards that ``colorzoo data shard`` wrote, of the size they have there.

    Args:
        readers: The splits, one after the other.
    """

    def __init__(self, *readers: ShardReader) -> None:
        self.readers = readers

    def __len__(self) -> int:
        return sum(map(len, self.readers))

    def __getitem__(self, index: int) -> Original:
        for reader in self.readers:
            if index < len(reader):
                data, _, name = reader[index]
                return Original(name, relative_name(name, ""), data)
            index -= len(reader)
        raise IndexError(index)

    def name(self, index: int) -> str:
        """Return the number of a picture: its name is stored with its bytes."""
        return f"picture {index} of the shards"


def relative_name(name: str, root: str) -> str:
    """Return the path of a picture below a folder; one that lies elsewhere keeps what is not common."""
    path = os.path.relpath(name, root) if root else os.path.normpath(name).lstrip(os.sep)
    return str(Path(*(part for part in Path(path).parts if part != os.pardir)))

"""Pages of a TIFF, each as a TIFF of its own, without copying the file."""

from __future__ import annotations

import io
import struct
from typing import IO, Any

_SUBFILE = 254
_COPY = 1  # a page that says so shows another one again, at another size
_MOST = 100_000  # pages; a chain of more is a damaged one


class PageStream(io.RawIOBase):
    """A TIFF whose first page is another one of it: only its header reads differently.

    Args:
        file: The whole file.
        header: What to read at its beginning.
    """

    def __init__(self, file: IO[bytes], header: bytes) -> None:
        super().__init__()
        self._file, self._header, self._place = file, header, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The whole file's: libtiff, which takes it, goes by the place of a page, not by the header."""
        return self._file.fileno()

    def plain(self) -> PageStream:
        """Return the same without number, for readers that would go by it past the header."""
        return _PlainPageStream(self._file, self._header)

    def tell(self) -> int:
        """The place in the file."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as files do."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = self._file.seek(0, io.SEEK_END) + offset if start is None else start + offset
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read from the file, or from the header in its place."""
        self._file.seek(self._place)
        data = self._file.read(-1 if size is None else size)
        if self._place < len(self._header):
            begin = self._header[self._place :][: len(data)]
            data = begin + data[len(begin) :]
        self._place += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read into memory."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


class _PlainPageStream(PageStream):
    """Without a number of a file."""

    def fileno(self) -> int:
        """There is none."""
        raise io.UnsupportedOperation("fileno")


def pages_of(file: IO[bytes]) -> list[bytes]:
    """Return the header that each page of a TIFF needs for a `PageStream`.

    Smaller copies of a page, which some software adds, are left out. The list ends where the file is damaged.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    word, entry, place_at = ("Q", 20, 8) if big else ("L", 12, 4)
    headers: list[bytes] = []
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(order + word, head, place_at)
        while place and place not in seen and len(seen) < _MOST:
            seen.add(place)
            file.seek(place)
            (count,) = _unpack(file, order + ("Q" if big else "H"))
            entries = file.read(count * entry)
            if not _is_copy(entries, order, entry):
                headers.append(head[:place_at] + struct.pack(order + word, place))
            (place,) = _unpack(file, order + word)
    except (struct.error, OverflowError, MemoryError, OSError):  # the chain leaves the file
        pass
    return headers


def _unpack(file: IO[bytes], form: str) -> tuple[int]:
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return (value,)


def _is_copy(entries: bytes, order: str, size: int) -> bool:
    for place in range(0, len(entries) - size + 1, size):
        (tag,) = struct.unpack_from(order + "H", entries, place)
        if tag == _SUBFILE:
            return bool(
                struct.unpack_from(order + "L", entries, place + size - (4 if size == 12 else 8))[0] & _COPY
            )
    return False

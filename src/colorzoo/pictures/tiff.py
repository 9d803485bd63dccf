"""TIFF: its pages, pictures of more than 8 bits a channel, and writing, where Pillow does not suffice."""

from __future__ import annotations

import io
import logging
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.pictures.metadata import Metadata, for_tiff
from colorzoo.pictures.picture import upright
from colorzoo.pictures.samples import Samples
from colorzoo.pictures.tags import (
    ORIENTATION,
    Tags,
    fraction,
    longs,
    raw_bytes,
    shorts,
    write_tags,
)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # colorzoo reports what it cannot read

TIFF_HEADER = b"II*\0\x08\0\0\0"  # the first directory follows at once
_SUBFILE, _REDUCED_COPY = 254, 1
_MOST_PAGES = 100_000  # a longer chain of directories is a damaged one
_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 2  # kinds of extra samples


class PageStream(io.RawIOBase):
    """A TIFF that starts with another of its pages; only the header reads differently.

    Args:
        file: The whole file.
        header: The bytes to read at its beginning.
    """

    def __init__(self, file: IO[bytes], header: bytes) -> None:
        super().__init__()
        self._file, self._header, self._place = file, header, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the whole file, for readers that go by the offset of the page."""
        return self._file.fileno()

    def tell(self) -> int:
        """Return the position."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        self._place = self._file.seek(0, io.SEEK_END) + offset if start is None else start + offset
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read from the file, with the header in place of its beginning."""
        self._file.seek(self._place)
        data = self._file.read(-1 if size is None else size)
        if self._place < len(self._header):
            begin = self._header[self._place :][: len(data)]
            data = begin + data[len(begin) :]
        self._place += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def page_headers(file: IO[bytes]) -> list[bytes]:
    """Return the header of each page for a `PageStream`.

    Reduced copies of a page, which some software adds, are left out. The list ends where the file is damaged.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    word, entry, place_at = ("Q", 20, 8) if big else ("L", 12, 4)
    headers: list[bytes] = []
    seen: set[int] = set()

    def unpack(form: str) -> int:
        (value,) = struct.unpack(order + form, file.read(struct.calcsize(order + form)))
        return int(value)

    try:
        (place,) = struct.unpack_from(order + word, head, place_at)
        while place and place not in seen and len(seen) < _MOST_PAGES:
            seen.add(place)
            file.seek(place)
            entries = file.read(unpack("Q" if big else "H") * entry)
            if not _is_reduced_copy(entries, order, entry):
                headers.append(head[:place_at] + struct.pack(order + word, place))
            place = unpack(word)
    except (struct.error, OverflowError, MemoryError, OSError):  # the chain leaves the file
        pass
    return headers


def _is_reduced_copy(entries: bytes, order: str, size: int) -> bool:
    for place in range(0, len(entries) - size + 1, size):
        (tag,) = struct.unpack_from(order + "H", entries, place)
        if tag == _SUBFILE:
            (flags,) = struct.unpack_from(order + "L", entries, place + size - (4 if size == 12 else 8))
            return bool(flags & _REDUCED_COPY)
    return False


def decode_tiff(file: IO[bytes]) -> Samples | None:
    """Decode the first page of a TIFF of any sample type.

    Returns:
        Its samples, upright; None for a file that is damaged, or neither gray, RGB nor CMYK, see
        `refused_kind`.
    """
    import tifffile

    try:
        size = file.seek(0, 2)
        with tifffile.TiffFile(_rewound(file)) as tiff:
            page: Any = tiff.pages[0]
            # tifffile takes pixels beyond the end of the file as zeros
            cut_short = _end_of(page) > size or not page.dataoffsets
            color = _channels_of_color(page)
            if color is None or cut_short:
                return None
            stored: NDArray[Any] = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
                stored = np.moveaxis(stored, 0, -1)
            orientation = page.tags.valueof(ORIENTATION, 1)
    except Exception:  # each codec has an error of its own, and damaged tags raise many types
        return None
    if stored.ndim not in (2, 3) or stored.reshape(*stored.shape[:2], -1).shape[2] < color:
        return None
    values = upright(stored.reshape(*stored.shape[:2], -1), int(orientation))
    alpha, multiplied = _alpha_of(page, color, values.shape[2])
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    return Samples(values, bits, color, inverted, alpha, multiplied, page.iccprofile)


def _channels_of_color(page: Any) -> int | None:
    """Return the number of channels of light or ink; None for palettes, Lab and other codes."""
    return {0: 1, 1: 1, 2: 3, 5: 4}.get(int(page.photometric))


def _alpha_of(page: Any, color: int, channels: int) -> tuple[int | None, bool]:
    """Return the number of the alpha channel, or None, and whether color was multiplied by it."""
    kinds = tuple(int(kind) for kind in page.extrasamples)
    if not kinds and channels == color + 1:  # Pillow too takes a channel that is not declared for alpha
        return color, False
    alpha = next((i for i, kind in enumerate(kinds) if kind in (_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA)), None)
    return (None, False) if alpha is None else (color + alpha, kinds[alpha] == _MULTIPLIED_ALPHA)


def refused_kind(file: IO[bytes]) -> str | None:
    """Describe the samples of a TIFF that is whole and yet not read; None for a damaged one."""
    import tifffile

    try:
        with tifffile.TiffFile(_rewound(file)) as tiff:
            page: Any = tiff.pages[0]
            if _channels_of_color(page) is not None:
                return None
            page.asarray()
            return f"{page.photometric.name} of {page.bitspersample} bits"
    except Exception:  # as above
        return None


def tiff_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Read width and height of the first page; None if its directory is damaged."""
    import tifffile

    try:
        with tifffile.TiffFile(_rewound(file)) as tiff:
            page: Any = tiff.pages[0]
            return int(page.imagewidth), int(page.imagelength)
    except Exception:  # as above
        return None


def missing_bytes(data: bytes) -> int:
    """Return how many bytes an uncompressed TIFF lacks of its first page; 0 for any other file."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page: Any = tiff.pages[0]
            pixels = int(np.prod(page.shape)) * page.dtype.itemsize
            missing = _end_of(page) - len(data)
            return missing if page.compression == 1 and 0 < missing <= pixels else 0
    except Exception:  # as above
        return 0


def _rewound(file: Any) -> Any:
    file.seek(0)
    return file


def _end_of(page: Any) -> int:
    ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    return int(max(ends, default=0))


def encode_page(stored: NDArray[Any], data: Metadata, place: int) -> tuple[bytes, bytes]:
    """Return the directory of a page and its pixels, to be written one behind the other.

    The page is one strip: uncompressed if the source was, else deflated differences (predictor 2). The
    descriptive tags of the source are copied byte for byte.

    Args:
        stored: ``(H, W, 3 or 4)`` uint8 or uint16.
        data: Metadata of the page.
        place: Offset of the directory in the file.
    """
    height, width, channels = stored.shape
    strip = _encode_strip(stored, compress=not data.uncompressed)
    tags = _descriptive_tags(data)
    bits = stored.dtype.itemsize * 8
    tags |= {256: longs(width), 257: longs(height), 258: shorts(*(bits,) * channels), 262: shorts(2)}
    tags |= {259: shorts(1 if data.uncompressed else 8), 277: shorts(channels)}
    tags |= {273: longs(0), 278: longs(height), 279: longs(len(strip))}
    if not data.uncompressed:
        tags[317] = shorts(2)
    if channels == 4:
        tags[338] = shorts(2)  # alpha was not multiplied into the color
    tags[273] = longs(place + len(write_tags(tags, place)))
    return write_tags(tags, place), strip


def _encode_strip(stored: NDArray[Any], *, compress: bool) -> bytes:
    stored = stored.astype(stored.dtype.newbyteorder("<"))
    if not compress:
        return stored.tobytes()
    import imagecodecs

    return bytes(imagecodecs.deflate_encode(imagecodecs.delta_encode(stored, axis=1).tobytes()))


def _descriptive_tags(data: Metadata) -> Tags:
    tags = for_tiff(data)
    if data.dpi:
        tags |= {282: fraction(data.dpi[0]), 283: fraction(data.dpi[1]), 296: shorts(2)}
    if data.xmp:
        tags[700] = raw_bytes(data.xmp, undefined=False)
    if data.icc:
        tags[34675] = raw_bytes(data.icc)
    return tags

"""TIFF: the directories that are pages, samples of every type, and writing of pages.

tifffile decodes the samples. It does not write the directories of EXIF and GPS, so pages are encoded here.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from colorzoo.errors import CutShortError, ImageError
from colorzoo.image_io.formats import open_image
from colorzoo.image_io.metadata import Exif, Metadata, clean_xmp, descriptive, for_tiff
from colorzoo.image_io.pixels import Pixels, image_pixels
from colorzoo.image_io.raster_image import upright
from colorzoo.image_io.samples import Samples, SamplesError, sample_pixels
from colorzoo.image_io.tags import (
    IPTC,
    LAYERS,
    ORIENTATION,
    PROFILE,
    XMP,
    Layout,
    Tags,
    exif_block,
    fraction,
    longs,
    numbers,
    raw_bytes,
    read_directory,
    read_header,
    read_tags,
    shorts,
    write_tags,
)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # colorzoo reports what it cannot read

TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF_HEADER = b"II*\0\x08\0\0\0"  # the first directory follows at once
MOST_PAGES = 20_000
"""Largest number of directories of a file that are looked at; a longer chain is damaged or an attack."""
_ONE_NUMBER = (254, 255, 256, 257, 262)  # NewSubfileType, SubfileType, width, height, photometric
_BELOW, _MOST_BELOW = 330, 16  # SubIFDs
_STRIPS = (273, 324, 513)  # offsets of strips, tiles and of an old JPEG
_REDUCED, _PAGE, _MASK = 1, 2, 4  # bits of NewSubfileType
_OLD_REDUCED, _MASK_PHOTOMETRIC = 2, 4
_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 2  # kinds of extra samples
_COLOR_CHANNELS = {
    0: 1,
    1: 1,
    2: 3,
    3: 1,
    4: 1,
    5: 4,
}  # by photometric; a palette has one before it is applied
_PALETTE, _YCBCR, _LAB, _JPEG = 3, 6, 8, 7
_MOST_NAMED = 3
_IS_MASK = "transparency mask"


@dataclass(frozen=True)
class Directory:
    """A directory of a TIFF.

    Attributes:
        place: Offset in the file.
        number: Number in the chain, from 1; a directory below another has the number of that one.
        size: Width and height.
        reason: Why it is not a page; empty for a page.
    """

    place: int
    number: int
    size: tuple[int, int]
    reason: str

    def __str__(self) -> str:
        width, height = self.size
        return f"directory {self.number} ({self.reason}, {width} x {height})"


@dataclass(frozen=True)
class TiffPages:
    """Pages of a TIFF.

    Attributes:
        pages: The directories that hold a full image, at most `MOST_PAGES` and one more.
        skipped: The directories that hold something else.
    """

    pages: tuple[Directory, ...]
    skipped: tuple[Directory, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Name the directories that are skipped."""
        if not self.skipped:
            return ()
        named = ", ".join(map(str, self.skipped[:_MOST_NAMED]))
        more = f" and {len(self.skipped) - _MOST_NAMED} more" if len(self.skipped) > _MOST_NAMED else ""
        return (f"skipped in the TIFF: {named}{more}",)


def find_pages(file: IO[bytes]) -> TiffPages:
    """Find the directories that are pages.

    A reduced copy, a mask or a depth map is not a page. The largest full image among a directory and its
    SubIFDs is one page. If the file has no full image, its largest directory is the page.
    """
    pages: list[Directory] = []
    skipped: list[Directory] = []
    for family in _families(file):
        page = max((each for each in family if not each.reason), key=_pixels, default=None)
        pages += [page] if page else []
        skipped += [replace(d, reason=d.reason or "smaller copy") for d in family if d is not page]
    if not pages and skipped:
        page = max(skipped, key=lambda d: (d.reason != _IS_MASK, _pixels(d)))
        if _pixels(page):
            return TiffPages((page,), tuple(d for d in skipped if d is not page))
    return TiffPages(tuple(pages), tuple(skipped))


def _pixels(directory: Directory) -> int:
    return directory.size[0] * directory.size[1]


def _families(file: IO[bytes]) -> Iterator[list[Directory]]:
    """Yield each directory of the chain with those below it; the chain ends where the file is damaged."""
    header = read_header(file)
    if header is None:
        return
    layout, place = header
    room = file.seek(0, io.SEEK_END)  # directories of more bytes overlap: an attack
    seen: set[int] = set()
    while place and place not in seen and len(seen) <= MOST_PAGES and room > 0:
        seen.add(place)
        values, following, size = _values(file, layout, place)
        room -= size
        family = [_directory(place, len(seen), values)]
        for offset in values.get(_BELOW, ()):
            inner, _, size = _values(file, layout, offset)
            room -= size
            family.append(_directory(offset, len(seen), inner))
        if size:
            yield family
        place = following


def _values(file: IO[bytes], layout: Layout, place: int) -> tuple[dict[int, tuple[int, ...]], int, int]:
    """Return the numbers of a directory that tell its kind, the offset of the next, and its bytes."""
    entries, following, _ = read_directory(file, layout, place)
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, count, inline in entries:
        if tag in _STRIPS:
            values[tag] = (1,)
        elif tag in _ONE_NUMBER and count == 1:
            values[tag] = numbers(file, layout, kind, count, inline)
        elif tag == _BELOW:
            values[tag] = numbers(file, layout, kind, min(count, _MOST_BELOW), inline)
    return values, following, 12 * len(entries)


def _directory(place: int, number: int, values: dict[int, tuple[int, ...]]) -> Directory:
    kind, old, width, height, photometric = ((*values.get(tag, ()), 0)[0] for tag in _ONE_NUMBER)
    reason = ""
    if kind & _MASK or photometric == _MASK_PHOTOMETRIC:
        reason = _IS_MASK
    elif kind & _REDUCED or old == _OLD_REDUCED:
        reason = "reduced copy"
    elif kind & ~_PAGE:
        reason = "not a page"
    elif not (width and height and values.keys() & set(_STRIPS)):
        reason = "no image"
    return Directory(place, number, (width, height), reason)


def read_page(file: IO[bytes], page: Directory, name: str) -> tuple[Pixels, Metadata, Exif]:
    """Decode a page of a TIFF of any sample type, and read its metadata.

    Returns:
        Its pixels, upright; its metadata; and its EXIF, whose note names what a result does not keep.

    Raises:
        ImageError: It is damaged, or of a kind that cannot be read.
    """
    tags, complete = read_tags(file, page.place)
    try:
        pixels, found = _decoded(file, page.place, tags)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except MemoryError:
        raise ImageError(
            f"{name} does not fit into memory at {page.size[0]} x {page.size[1]} pixels"
        ) from None
    except Exception as error:  # each codec has an error of its own, and damaged tags raise many types
        reason = " ".join(str(error).split())
        raise CutShortError(f"{name} is damaged or cut short: {reason}") from error
    notes = [] if complete else ["some tags were damaged or too large and dropped"]
    notes += ["the layers of Photoshop were dropped"] if LAYERS in tags else []
    notes += ["its tiles are not kept: results are stored in one strip"] if found.is_tiled else []
    bits = _bits(found)
    if found.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP or bits > 16:
        stored = "floats" if found.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP else "integers"
        notes.append(f"its {stored} of {bits} bits become integers of at most 16 bits")
    exif = Exif(exif_block(descriptive(tags)), 1, "; ".join(notes) or None)
    data = Metadata(
        exif=exif.block,
        xmp=clean_xmp(tags[XMP].value if XMP in tags else None, turned=_orientation(tags) != 1)[0],
        dpi=_resolution(found, _orientation(tags)),
        iptc=tags[IPTC].value if IPTC in tags else None,
        format="TIFF",
        uncompressed=found.compression == 1,
    )
    return pixels, data, exif


def _orientation(tags: Tags) -> int:
    stored = tags.get(ORIENTATION)
    if stored is None:
        return clean_xmp(tags[XMP].value)[1] if XMP in tags else 1
    value = int.from_bytes(stored.value[:2], "little")
    return value if 1 <= value <= 8 else 1


def _resolution(page: Any, orientation: int) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof(296, 2)))
    across, down = (page.tags.valueof(tag) for tag in (282, 283))
    if not (unit and across and down and across[1] and down[1]):
        return None
    dpi = across[0] / across[1] * unit, down[0] / down[1] * unit
    if min(dpi) <= 1:  # 1 x 1 is a pixel aspect ratio, not a resolution
        return None
    return dpi if orientation < 5 else dpi[::-1]


def _bits(page: Any) -> int:
    return page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)


def _decoded(file: IO[bytes], place: int, tags: Tags) -> tuple[Pixels, Any]:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tiff.filehandle.seek(place)
        page: Any = tifffile.TiffPage(tiff, 0)
        kind = int(page.photometric)
        if kind not in _COLOR_CHANNELS and kind not in (_YCBCR, _LAB):
            raise SamplesError(
                f"is a TIFF of {page.photometric.name} of {_bits(page)} bits, save it as RGB first"
            )
        if kind == _LAB and _bits(page) > 8:
            raise SamplesError(f"is a TIFF of CIELAB of {_bits(page)} bits, save it as RGB first")
        ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=size + 1) > size:  # tifffile takes pixels beyond the end of the file as zeros
            raise CutShortError("some of its pixels are missing")
        if page.compression not in tifffile.TIFF.DECOMPRESSORS:
            codec = getattr(page.compression, "name", page.compression)
            raise SamplesError(f"is a TIFF compressed by {codec}, save it without compression first")
        if page.imagedepth > 1:
            raise SamplesError("is a TIFF of three dimensions, save its slices as pages first")
        if kind == _LAB or (kind == _YCBCR and page.compression != _JPEG):
            return _by_pillow(file, place), page
        return sample_pixels(_samples(page, tags), None), page


def _by_pillow(file: IO[bytes], place: int) -> Pixels:
    """Decode a page of Lab or of YCbCr with subsampled colors by libtiff, which converts both."""
    layout, _ = read_header(file) or (Layout("<", big=False), 0)
    file.seek(0)
    data = bytearray(file.read())
    struct.pack_into(layout.order + ("Q" if layout.big else "L"), data, 8 if layout.big else 4, place)
    with open_image(io.BytesIO(data)) as image:
        image.load()
        return image_pixels(image, 8)


def _samples(page: Any, tags: Tags) -> Samples:
    stored: NDArray[Any] = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
        stored = np.moveaxis(stored, 0, -1)
    stored = stored.reshape(*stored.shape[:2], -1)
    color, bits = 3 if page.photometric == _YCBCR else _COLOR_CHANNELS[int(page.photometric)], _bits(page)
    if page.photometric == _PALETTE:
        palette = np.asarray(page.colormap)
        indices = np.minimum(stored[..., 0], palette.shape[1] - 1)
        colors = palette[:, indices] >> (8 if palette.max() > 255 else 0)
        stored = np.dstack([*colors.astype(np.uint8), stored[..., 1:]])
        color, bits = 3, 8
    if stored.shape[2] < color:
        raise SamplesError(
            f"is a TIFF of {stored.shape[2]} channels where {color} are needed, save it as RGB"
        )
    alpha, multiplied = _alpha_of(page, color, stored.shape[2])
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    profile = tags[PROFILE].value if PROFILE in tags else None
    return Samples(upright(stored, _orientation(tags)), bits, color, inverted, alpha, multiplied, profile)


def _alpha_of(page: Any, color: int, channels: int) -> tuple[int | None, bool]:
    """Return the number of the alpha channel, or None, and whether color was multiplied by it."""
    kinds = tuple(int(kind) for kind in page.extrasamples)
    if not kinds and channels == color + 1:  # Pillow too takes a channel that is not declared for alpha
        return color, False
    alpha = next((i for i, kind in enumerate(kinds) if kind in (_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA)), None)
    return (None, False) if alpha is None else (color + alpha, kinds[alpha] == _MULTIPLIED_ALPHA)


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

"""TIFF files: find the directories that are pages, decode samples of any type, and encode pages.

tifffile decodes the samples. Pages are encoded here, because tifffile does not write the EXIF and GPS
directories.
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

from colorzoo.errors import ImageError, TruncatedImageError
from colorzoo.image_io.formats import open_image
from colorzoo.image_io.metadata import Exif, Metadata, clean_xmp, descriptive_tags, tiff_tags
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
    longs,
    rational,
    raw_bytes,
    read_directory,
    read_header,
    read_integers,
    read_tags,
    shorts,
    write_tags,
)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # colorzoo reports errors itself

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF_HEADER = b"II*\0\x08\0\0\0"  # the first directory follows the header
MAX_PAGES = 20_000
"""Maximum number of directories that are read; a longer chain is damaged or malicious."""
_SCALAR_TAGS = (254, 255, 256, 257, 262)  # NewSubfileType, SubfileType, width, height, photometric
_SUBIFDS, _MAX_SUBIFDS = 330, 16
_DATA_TAGS = (273, 324, 513)  # offsets of strips, of tiles, and of an old-style JPEG
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
}  # color channels by photometric; a palette has one index
_PALETTE, _YCBCR, _LAB, _JPEG = 3, 6, 8, 7
_MAX_LISTED = 3
_IS_MASK = "transparency mask"


@dataclass(frozen=True)
class Directory:
    """A directory of a TIFF.

    Attributes:
        offset: Offset in the file.
        number: Number in the chain, from 1; a SubIFD has the number of its parent.
        size: Width and height.
        reason: Why the directory is not a page; empty for a page.
    """

    offset: int
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
        pages: Directories that contain a full image; one more than `MAX_PAGES` if the file has more.
        skipped: All other directories.
    """

    pages: tuple[Directory, ...]
    skipped: tuple[Directory, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Return a note that lists the skipped directories."""
        if not self.skipped:
            return ()
        listed = ", ".join(map(str, self.skipped[:_MAX_LISTED]))
        more = f" and {len(self.skipped) - _MAX_LISTED} more" if len(self.skipped) > _MAX_LISTED else ""
        return (f"skipped in the TIFF: {listed}{more}",)


def find_pages(file: IO[bytes]) -> TiffPages:
    """Find the directories that are pages.

    Reduced copies, masks and depth maps are not pages. Each directory in the chain gives at most one page:
    the largest full image of the directory and its SubIFDs. If the file has no full image, the largest
    directory is the page.
    """
    pages: list[Directory] = []
    skipped: list[Directory] = []
    for family in _families(file):
        page = max((each for each in family if not each.reason), key=_pixel_count, default=None)
        pages += [page] if page else []
        skipped += [replace(d, reason=d.reason or "smaller copy") for d in family if d is not page]
    if not pages and skipped:
        page = max(skipped, key=lambda d: (d.reason != _IS_MASK, _pixel_count(d)))
        if _pixel_count(page):
            return TiffPages((page,), tuple(d for d in skipped if d is not page))
    return TiffPages(tuple(pages), tuple(skipped))


def _pixel_count(directory: Directory) -> int:
    return directory.size[0] * directory.size[1]


def _families(file: IO[bytes]) -> Iterator[list[Directory]]:
    """Yield each directory of the chain with its SubIFDs, up to the first damaged directory."""
    header = read_header(file)
    if header is None:
        return
    layout, offset = header
    remaining = file.seek(0, io.SEEK_END)  # the directories cannot have more bytes unless they overlap
    visited: set[int] = set()
    while offset and offset not in visited and len(visited) <= MAX_PAGES and remaining > 0:
        visited.add(offset)
        values, following, size = _read_values(file, layout, offset)
        remaining -= size
        family = [_directory(offset, len(visited), values)]
        for inner_offset in values.get(_SUBIFDS, ()):
            inner, _, size = _read_values(file, layout, inner_offset)
            remaining -= size
            family.append(_directory(inner_offset, len(visited), inner))
        if size:
            yield family
        offset = following


def _read_values(file: IO[bytes], layout: Layout, offset: int) -> tuple[dict[int, tuple[int, ...]], int, int]:
    """Return the tags that determine the kind of a directory, the offset of the next one, and its size."""
    entries, following, _ = read_directory(file, layout, offset)
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, count, inline in entries:
        if tag in _DATA_TAGS:
            values[tag] = (1,)
        elif tag in _SCALAR_TAGS and count == 1:
            values[tag] = read_integers(file, layout, kind, count, inline)
        elif tag == _SUBIFDS:
            values[tag] = read_integers(file, layout, kind, min(count, _MAX_SUBIFDS), inline)
    return values, following, 12 * len(entries)


def _directory(offset: int, number: int, values: dict[int, tuple[int, ...]]) -> Directory:
    kind, old, width, height, photometric = ((*values.get(tag, ()), 0)[0] for tag in _SCALAR_TAGS)
    reason = ""
    if kind & _MASK or photometric == _MASK_PHOTOMETRIC:
        reason = _IS_MASK
    elif kind & _REDUCED or old == _OLD_REDUCED:
        reason = "reduced copy"
    elif kind & ~_PAGE:
        reason = "not a page"
    elif not (width and height and values.keys() & set(_DATA_TAGS)):
        reason = "no image"
    return Directory(offset, number, (width, height), reason)


def read_page(file: IO[bytes], page: Directory, name: str) -> tuple[Pixels, Metadata, Exif]:
    """Decode a page of any sample type and read its metadata.

    Returns:
        Upright pixels, metadata, and EXIF with a note about properties that a result does not preserve.

    Raises:
        ImageError: The page is damaged or not supported.
    """
    tags, complete = read_tags(file, page.offset)
    try:
        pixels, decoded = _decode(file, page.offset, tags)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except MemoryError:
        raise ImageError(
            f"{name} does not fit into memory at {page.size[0]} x {page.size[1]} pixels"
        ) from None
    except Exception as error:  # codecs have their own error types, and damaged tags raise many types
        reason = " ".join(str(error).split())
        raise TruncatedImageError(f"{name} is damaged or cut short: {reason}") from error
    notes = [] if complete else ["some tags were damaged or too large and dropped"]
    notes += ["Photoshop layers dropped"] if LAYERS in tags else []
    notes += ["tiles are written as one strip"] if decoded.is_tiled else []
    bits = _bits(decoded)
    if decoded.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP or bits > 16:
        stored = "float" if decoded.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP else "integer"
        notes.append(f"{bits}-bit {stored} samples are written as integers of at most 16 bits")
    exif = Exif(exif_block(descriptive_tags(tags)), 1, "; ".join(notes) or None)
    data = Metadata(
        exif=exif.block,
        xmp=clean_xmp(tags[XMP].value if XMP in tags else None, turned=_orientation(tags) != 1)[0],
        dpi=_resolution(decoded, _orientation(tags)),
        iptc=tags[IPTC].value if IPTC in tags else None,
        format="TIFF",
        uncompressed=decoded.compression == 1,
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


def _decode(file: IO[bytes], offset: int, tags: Tags) -> tuple[Pixels, Any]:
    """Return the pixels of a page, and its `tifffile.TiffPage`."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tiff.filehandle.seek(offset)
        page: Any = tifffile.TiffPage(tiff, 0)
        kind = int(page.photometric)
        if kind not in _COLOR_CHANNELS and kind not in (_YCBCR, _LAB):
            raise SamplesError(f"is a {_bits(page)}-bit {page.photometric.name} TIFF; save it as RGB")
        if kind == _LAB and _bits(page) > 8:
            raise SamplesError(f"is a {_bits(page)}-bit CIELAB TIFF; save it as RGB")
        ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=size + 1) > size:  # tifffile reads pixels beyond the end of the file as zeros
            raise TruncatedImageError("some pixels are missing")
        if page.compression not in tifffile.TIFF.DECOMPRESSORS:
            codec = getattr(page.compression, "name", page.compression)
            raise SamplesError(f"is a TIFF compressed with {codec}; save it without compression")
        if page.imagedepth > 1:
            raise SamplesError("is a volumetric TIFF with three dimensions; save its slices as pages")
        if kind == _LAB or (kind == _YCBCR and page.compression != _JPEG):
            return _decode_with_pillow(file, offset), page
        return sample_pixels(_samples(page, tags), None), page


def _decode_with_pillow(file: IO[bytes], offset: int) -> Pixels:
    """Decode a page of Lab or subsampled YCbCr with libtiff, which converts both to RGB."""
    layout, _ = read_header(file) or (Layout("<", big=False), 0)
    file.seek(0)
    data = bytearray(file.read())
    struct.pack_into(layout.order + ("Q" if layout.big else "L"), data, 8 if layout.big else 4, offset)
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
        raise SamplesError(f"is a TIFF with {stored.shape[2]} channels, expected {color}; save it as RGB")
    alpha, multiplied = _alpha_of(page, color, stored.shape[2])
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    profile = tags[PROFILE].value if PROFILE in tags else None
    return Samples(upright(stored, _orientation(tags)), bits, color, inverted, alpha, multiplied, profile)


def _alpha_of(page: Any, color: int, channels: int) -> tuple[int | None, bool]:
    """Return the index of the alpha channel, or None, and whether color is premultiplied by it."""
    kinds = tuple(int(kind) for kind in page.extrasamples)
    if not kinds and channels == color + 1:  # an undeclared extra channel is alpha, as in Pillow
        return color, False
    alpha = next((i for i, kind in enumerate(kinds) if kind in (_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA)), None)
    return (None, False) if alpha is None else (color + alpha, kinds[alpha] == _MULTIPLIED_ALPHA)


def encode_page(stored: NDArray[Any], data: Metadata, offset: int) -> tuple[bytes, bytes]:
    """Encode a page as a directory and a strip of pixels that follows it.

    The strip is uncompressed if the source is, otherwise compressed with Deflate and predictor 2. The
    descriptive tags of the source are copied without changing their bytes.

    Args:
        stored: ``(H, W, 3 or 4)`` uint8 or uint16.
        data: Metadata of the page.
        offset: Offset of the directory in the file.
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
        tags[338] = shorts(_STRAIGHT_ALPHA)
    tags[273] = longs(offset + len(write_tags(tags, offset)))
    return write_tags(tags, offset), strip


def _encode_strip(stored: NDArray[Any], *, compress: bool) -> bytes:
    stored = stored.astype(stored.dtype.newbyteorder("<"))
    if not compress:
        return stored.tobytes()
    return bytes(imagecodecs.deflate_encode(imagecodecs.delta_encode(stored, axis=1).tobytes()))


def _descriptive_tags(data: Metadata) -> Tags:
    tags = tiff_tags(data)
    if data.dpi:
        tags |= {282: rational(data.dpi[0]), 283: rational(data.dpi[1]), 296: shorts(2)}
    if data.xmp:
        tags[700] = raw_bytes(data.xmp, undefined=False)
    if data.icc:
        tags[34675] = raw_bytes(data.icc)
    return tags

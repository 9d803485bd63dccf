"""TIFF files: find pages, decode samples of any type, and encode pages.

tifffile is used to find and decode pages. Pillow is used to encode the directories of pages, because tifffile
cannot write EXIF and GPS directories.
"""

from __future__ import annotations

import io
import itertools
import logging
from contextlib import suppress
from typing import IO, Any, NamedTuple

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from colorzoo.errors import ImageError
from colorzoo.image_io.metadata import (
    IPTC,
    ORIENTATION,
    PROFILE,
    XMP,
    Metadata,
    clean_exif,
    clean_xmp,
    descriptive_tags,
    valid_orientation,
)
from colorzoo.image_io.pixels import Pixels
from colorzoo.image_io.samples import Samples, SamplesError, sample_pixels

# tifffile prints no messages, because colorzoo reports errors itself
logging.getLogger("tifffile").addHandler(logging.NullHandler())

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF_HEADER = b"II*\0\x08\0\0\0"  # the first directory follows the header
MAX_PAGES = 20_000
"""Maximum number of directories to read; a longer chain is probably damaged or malicious."""
_MAX_SUBIFDS = 16
_FULL_IMAGES = (0, 2)  # NewSubfileType of full images; other values are reduced copies and masks
_MASK_PHOTOMETRIC = 4
_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 2  # values of ExtraSamples
_COLOR_CHANNELS = {
    0: 1,
    1: 1,
    2: 3,
    3: 1,
    4: 1,
    5: 4,
}  # number of color channels by photometric interpretation; a palette image has one index channel
_PALETTE, _YCBCR, _JPEG = 3, 6, 7


class Directory(NamedTuple):
    """Offset of a TIFF directory in the file, and width and height of its image."""

    offset: int
    size: tuple[int, int]


def find_pages(file: IO[bytes]) -> tuple[Directory, ...]:
    """Find the directories of a TIFF file that contain pages.

    Reduced copies, masks and depth maps are not pages. Each directory contributes at most one page: the
    largest full image in the directory and its SubIFDs. If the file has no full image, the largest image is
    the only page.

    The search ends at the first damaged directory, or after `MAX_PAGES` directories.
    """
    pages, others = list[Directory](), dict[Directory, None]()
    remaining = file.seek(0, io.SEEK_END)  # directories that do not overlap cannot exceed the file size
    file.seek(0)
    with suppress(Exception), tifffile.TiffFile(file) as tiff:
        for page in itertools.islice(tiff.pages, MAX_PAGES):
            family: list[Any] = [page, *itertools.islice(page.pages or (), _MAX_SUBIFDS)]
            remaining -= sum(12 * len(each.tags) for each in family)
            if remaining < 0 or _directory(page) in others:  # the chain of directories can be circular
                break
            full = [_directory(each) for each in family if _is_full_image(each)]
            pages += [max(full, key=_pixel_count)] if full else []
            others |= dict.fromkeys(map(_directory, family))
    largest = max(others, key=_pixel_count, default=None)
    return tuple(pages) or ((largest,) if largest and _pixel_count(largest) else ())


def _directory(page: Any) -> Directory:
    width, height = page.imagewidth, page.imagelength
    # for a damaged tag, tifffile returns a tuple
    is_valid = isinstance(width, int) and isinstance(height, int)
    return Directory(page.offset, (width, height) if is_valid else (0, 0))


def _pixel_count(directory: Directory) -> int:
    return directory.size[0] * directory.size[1]


def _is_full_image(page: Any) -> bool:
    has_kind = page.subfiletype in _FULL_IMAGES and page.photometric != _MASK_PHOTOMETRIC
    return has_kind and bool(_pixel_count(_directory(page)) and page.dataoffsets)


def read_page(file: IO[bytes], page: Directory, name: str) -> tuple[Pixels, Metadata, int]:
    """Decode a page with samples of any type; return pixels, metadata and orientation.

    Raises:
        ImageError: The page is damaged or not supported.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        with tifffile.TiffFile(file) as tiff:
            tiff.filehandle.seek(page.offset)
            found: Any = tifffile.TiffPage(tiff, 0)
            pixels = sample_pixels(_samples(found, size), _bytes_of(found, PROFILE))
            exif = Image.Exif()
            exif.bigtiff, exif.endian = tiff.is_bigtiff, tiff.byteorder
            with suppress(Exception):  # Pillow raises many types of errors for damaged tags
                exif.load_from_fp(file, page.offset)
            return pixels, *_metadata(found, exif)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except MemoryError:
        raise ImageError(
            f"{name} does not fit into memory: {page.size[0]} x {page.size[1]} pixels; resize the image"
        ) from None
    except Exception as error:  # codecs have their own error types, and damaged tags raise many types
        reason = " ".join(str(error).split())
        raise ImageError(f"{name} is damaged, truncated or not supported: {reason}") from error


def _metadata(page: Any, exif: Image.Exif) -> tuple[Metadata, int]:
    orientation = valid_orientation(page.tags.valueof(ORIENTATION))
    dpi: tuple[float, float] = page.get_resolution(tifffile.RESUNIT.INCH)
    data = Metadata(
        exif=clean_exif(exif),
        xmp=clean_xmp(_bytes_of(page, XMP), turned=orientation != 1),
        # 1 x 1 is a pixel aspect ratio, not a resolution
        dpi=None if min(dpi) <= 1 else dpi if orientation < 5 else dpi[::-1],
        iptc=_bytes_of(page, IPTC),
        format="TIFF",
    )
    return data, orientation


def _bytes_of(page: Any, tag: int) -> bytes | None:
    value = page.tags.valueof(tag)
    return value if isinstance(value, bytes) else None


def _samples(page: Any, file_size: int) -> Samples:
    """Decode the samples of a `tifffile.TiffPage`.

    Raises:
        SamplesError: Samples are missing, or the color type or the number of channels is not supported.
    """
    is_jpeg_color = page.photometric == _YCBCR and page.compression == _JPEG
    color = 3 if is_jpeg_color else _COLOR_CHANNELS.get(int(page.photometric))
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if color is None:
        raise SamplesError(
            f"is a {bits}-bit {page.photometric.name} TIFF, which is not supported; save it as RGB"
        )
    if page.imagedepth > 1:
        raise SamplesError("is a volumetric TIFF, which is not supported; save the slices as pages")
    ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    if max(ends, default=file_size + 1) > file_size:  # tifffile reads missing samples as zeros
        raise SamplesError("is truncated: some pixels are missing")
    stored: NDArray[Any] = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
        stored = np.moveaxis(stored, 0, -1)
    stored = stored.reshape(*stored.shape[:2], -1)
    if page.photometric == _PALETTE:
        palette = np.asarray(page.colormap)
        indices = np.minimum(stored[..., 0], palette.shape[1] - 1)
        colors = palette[:, indices] >> (8 if palette.max() > 255 else 0)
        stored = np.dstack([*colors.astype(np.uint8), stored[..., 1:]])
        color, bits = 3, 8
    if stored.shape[2] < color:
        raise SamplesError(f"is a TIFF with {stored.shape[2]} channels instead of {color}; save it as RGB")
    alpha, multiplied = _alpha_of(page, color, stored.shape[2])
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    return Samples(stored, bits, color, inverted, alpha, multiplied)


def _alpha_of(page: Any, color: int, channels: int) -> tuple[int | None, bool]:
    """Return the index of the alpha channel or None, and whether colors are premultiplied."""
    kinds = tuple(int(kind) for kind in page.extrasamples)
    if not kinds and channels == color + 1:  # an undeclared extra channel is alpha, as in Pillow
        return color, False
    alpha = next((i for i, kind in enumerate(kinds) if kind in (_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA)), None)
    return (None, False) if alpha is None else (color + alpha, kinds[alpha] == _MULTIPLIED_ALPHA)


def encode_page(stored: NDArray[Any], data: Metadata, offset: int) -> tuple[bytes, bytes]:
    """Encode a page as a TIFF directory followed by a strip of pixels.

    The pixels are compressed with Deflate.

    Args:
        stored: Pixels, ``(H, W, 3 or 4)`` uint8 or uint16.
        data: Metadata of the page.
        offset: Offset of the directory in the file.
    """
    height, width, channels = stored.shape
    stored = stored.astype(stored.dtype.newbyteorder("<"))
    strip = bytes(imagecodecs.deflate_encode(imagecodecs.delta_encode(stored, axis=1).tobytes()))
    exif = Image.Exif()
    exif.load(data.exif or b"")
    tags: dict[int, Any] = descriptive_tags(exif)
    tags |= {256: width, 257: height, 258: (stored.dtype.itemsize * 8,) * channels, 277: channels}
    tags |= {259: 8, 262: 2, 317: 2}  # Deflate, RGB, horizontal predictor
    tags |= {273: 0, 278: height, 279: len(strip)}  # Pillow adds the length of the directory to tag 273
    if channels == 4:
        tags[338] = _STRAIGHT_ALPHA
    if data.dpi:
        tags |= {282: data.dpi[0], 283: data.dpi[1], 296: 2}
    tags |= {tag: value for tag, value in ((XMP, data.xmp), (IPTC, data.iptc), (PROFILE, data.icc)) if value}
    directory = ImageFileDirectory_v2(ifh=TIFF_HEADER)
    for tag, value in tags.items():
        directory[tag] = value
    return directory.tobytes(offset), strip

"""TIFF files: find pages and decode their samples with tifffile."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.ExifTags import Base
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from colorzoo.errors import ImageError
from colorzoo.pixels.profiles import Pixels
from colorzoo.pixels.samples import Samples, SamplesError, sample_pixels

# tifffile prints no messages, because colorzoo reports errors itself
logging.getLogger("tifffile").addHandler(logging.NullHandler())

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 20_000
"""Maximum number of directories to read; a longer chain is probably damaged or malicious."""
_MAX_SUBIFDS = 16
_TAG_SIZE = 12  # bytes of a tag in a directory; a tag of a BigTIFF has more bytes
_FULL_IMAGES = (0, 2)  # NewSubfileType of full images; other values are reduced copies and masks
_COLOR_CHANNELS = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.PALETTE: 1,  # the index of the color
    PHOTOMETRIC.MASK: 1,
    PHOTOMETRIC.SEPARATED: 4,
}


class Directory(NamedTuple):
    """TIFF directory (header of an image).

    Attributes:
        offset: Offset in the file.
        size: Width and height in pixels.
        parent: Offset of the directory with the metadata; None unless this directory is a SubIFD.
        skipped: Whether the file contains reduced copies or masks that are not pages.
    """

    offset: int
    size: tuple[int, int]
    parent: int | None = None
    skipped: bool = False


def find_pages(file: IO[bytes]) -> tuple[Directory, ...]:
    """Find the directories of a TIFF file that contain pages.

    Reduced copies, masks and depth maps are not pages. Each directory contributes at most one page: the
    largest full image in the directory and its SubIFDs. If the file has no full image, the largest image is
    the only page.

    The search ends at the first damaged or repeated directory, or after `MAX_PAGES` directories. Pages found
    before are returned.
    """
    pages = list[Directory]()
    visited = dict[Directory, None]()  # all directories, in the order of the file
    skipped = False
    tag_bytes = 0  # of the directories read so far
    file_size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with suppress(Exception), tifffile.TiffFile(file) as tiff:
        for page in itertools.islice(tiff.pages, MAX_PAGES):
            subifds: list[Any] = list(itertools.islice(page.pages or (), _MAX_SUBIFDS))
            family = [page, *subifds]
            tag_bytes += sum(_TAG_SIZE * len(each.tags) for each in family)
            has_overlap = tag_bytes > file_size  # separate directories are not larger than the file
            if has_overlap or _directory(page) in visited:  # the chain of directories can be circular
                break
            full_images = [
                _directory(each)
                for each in family
                if each.subfiletype in _FULL_IMAGES
                and each.photometric != PHOTOMETRIC.MASK
                and _pixel_count(_directory(each))
                and each.dataoffsets
            ]
            if full_images:
                largest = max(full_images, key=_pixel_count)
                is_nested = largest.offset != page.offset
                pages.append(largest._replace(parent=page.offset) if is_nested else largest)
            else:
                skipped = True
            visited |= dict.fromkeys(map(_directory, family))
    if pages:
        return pages[0]._replace(skipped=skipped), *pages[1:]
    images = [directory for directory in visited if _pixel_count(directory) > 0]
    return (max(images, key=_pixel_count),) if images else ()


def _directory(page: Any) -> Directory:
    width, height = page.imagewidth, page.imagelength
    # for a damaged tag, tifffile returns a tuple
    is_valid = isinstance(width, int) and isinstance(height, int)
    return Directory(page.offset, (width, height) if is_valid else (0, 0))


def _pixel_count(directory: Directory) -> int:
    return directory.size[0] * directory.size[1]


@contextmanager
def open_page(file: IO[bytes], page: Directory, name: str) -> Iterator[tuple[Any, Any]]:
    """Open a page of a TIFF file.

    Args:
        file: Stream of the file.
        page: Directory of the page, from `find_pages`.
        name: Name of the page for error messages.

    Yields:
        Two `tifffile.TiffPage`: with the pixels and with the metadata, which differ for a SubIFD.

    Raises:
        ImageError: The page is damaged or not supported. Errors in the ``with`` block are converted, too.
    """
    file.seek(0)
    try:
        with tifffile.TiffFile(file) as tiff:
            tiff.filehandle.seek(page.offset)  # `TiffPage` reads the directory at the current position
            with_pixels = tifffile.TiffPage(tiff, 0)
            tiff.filehandle.seek(page.offset if page.parent is None else page.parent)
            yield with_pixels, tifffile.TiffPage(tiff, 0)
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except MemoryError:
        raise ImageError(
            f"{name} ({page.size[0]} x {page.size[1]} pixels) does not fit into memory. Downscale the image."
        ) from None
    except Exception as error:  # codecs have their own error types, and damaged tags raise many types
        reason = " ".join(str(error).split())
        raise ImageError(f"{name} is damaged, truncated or not supported: {reason}") from error


def page_pixels(page: Any) -> Pixels:
    """Decode the pixels of an opened page, in stored orientation and with samples of any type.

    Raises:
        SamplesError: Samples are missing, or the color type or the number of channels is not supported.
    """
    return sample_pixels(_samples(page, page.parent.filehandle.size), tag_bytes(page, Base.InterColorProfile))


def page_orientation(page: Any) -> int:
    """Return the EXIF orientation of an opened page, from 1 to 8."""
    stored: Any = page.tags.valueof(Base.Orientation)
    return stored if stored in range(1, 9) else 1


def tag_bytes(page: Any, tag: int) -> bytes | None:
    """Return the value of a tag of an opened page; None if it is absent or does not consist of bytes."""
    value = page.tags.valueof(tag)
    return value if isinstance(value, bytes) else None


def _samples(page: Any, file_size: int) -> Samples:
    """Decode the samples of a `tifffile.TiffPage`.

    Raises:
        SamplesError: Samples are missing, or the color type or the number of channels is not supported.
    """
    bit_depths: int | tuple[int, ...] = page.bitspersample
    bits = bit_depths if isinstance(bit_depths, int) else max(bit_depths)
    # the number of color channels; without the tag, tifffile assumes inverted gray
    has_color_type = Base.PhotometricInterpretation in page.tags
    if not has_color_type:
        color_channels = 3 if page.samplesperpixel > 2 else 1
    elif page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG:
        color_channels = 3  # the JPEG decoder returns RGB
    elif page.photometric in _COLOR_CHANNELS:
        color_channels = _COLOR_CHANNELS[page.photometric]
    else:
        raise SamplesError(
            f"is a {bits}-bit {page.photometric.name} TIFF, which is not supported. Save it as RGB."
        )
    if page.imagedepth > 1:
        raise SamplesError("is a volumetric TIFF, which is not supported. Save each slice as a page.")
    # tifffile would read missing samples as zeros
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > file_size:
        raise SamplesError("is truncated: some pixels are missing")
    # decode to (H, W, C)
    stored: NDArray[Any] = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
        stored = np.moveaxis(stored, 0, -1)
    stored = stored.reshape(*stored.shape[:2], -1)
    # replace the indices of a palette by 8-bit RGB; further channels are kept
    if page.photometric == PHOTOMETRIC.PALETTE:
        palette = np.asarray(page.colormap)
        indices = np.minimum(stored[..., 0], palette.shape[1] - 1)
        colors = palette[:, indices] >> (8 if palette.max() > 255 else 0)
        stored = np.dstack([*colors.astype(np.uint8), stored[..., 1:]])
        color_channels, bits = 3, 8
    channels = stored.shape[2]
    if channels < color_channels:
        raise SamplesError(f"is a TIFF with {channels} channels instead of {color_channels}. Save it as RGB.")
    # the first extra channel that is alpha
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds and channels == color_channels + 1:
        kinds = [EXTRASAMPLE.UNASSALPHA]  # an undeclared extra channel is alpha, as in Pillow
    alpha_index, is_premultiplied = None, False
    for index, kind in enumerate(kinds, color_channels):
        if kind in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA):
            alpha_index, is_premultiplied = index, kind == EXTRASAMPLE.ASSOCALPHA
            break
    is_inverted = has_color_type and page.photometric == PHOTOMETRIC.MINISWHITE
    return Samples(stored, bits, color_channels, is_inverted, alpha_index, is_premultiplied)

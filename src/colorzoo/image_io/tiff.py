"""TIFF files: read pages with their metadata, and encode pages.

tifffile decodes pages. Pillow encodes the directories of pages, because tifffile cannot write EXIF and GPS
directories.
"""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any, cast

import imagecodecs
import tifffile
from numpy.typing import NDArray
from PIL.ExifTags import Base
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PREDICTOR

from colorzoo.errors import ImageError
from colorzoo.image_io.exif import copy_directories, encode_directories
from colorzoo.image_io.metadata import (
    IPTC,
    PHOTOSHOP,
    PROFILE,
    XMP,
    Metadata,
    clean_exif,
    clean_xmp,
    photoshop_iptc,
    set_description,
    set_resolution,
)
from colorzoo.pixels.profiles import Pixels
from colorzoo.pixels.tiff import Directory, open_page, page_orientation, page_pixels, tag_bytes

_MAX_TIFF = 2**32 - 2**26  # bytes; offsets have 32 bits, and directories need less than 64 MB


def read_page(file: IO[bytes], page: Directory, name: str) -> tuple[Pixels, Metadata, int]:
    """Decode a page of a TIFF file, with samples (channel values) of any type.

    Args:
        file: Stream of the file.
        page: Directory of the page, from `find_pages`.
        name: Name of the page for error messages.

    Returns:
        Pixels in stored orientation, metadata, and the EXIF orientation from 1 to 8.

    Raises:
        ImageError: The page is damaged or not supported.
    """
    with open_page(file, page, name) as (tiff_page, parent):
        pixels, orientation = page_pixels(tiff_page), page_orientation(parent)
        offset = page.offset if page.parent is None else page.parent
        exif, exif_notes, dropped = clean_exif(file, offset)
        kinds = [int(kind) for kind in tiff_page.extrasamples]
        lost_channels = len(kinds) > 1 or EXTRASAMPLE.UNSPECIFIED in kinds
        dropped += ["extra channel"] if lost_channels else []
        dropped += ["reduced copy or mask"] if page.skipped else []
        # collect the metadata
        has_unit = parent.resolutionunit != tifffile.RESUNIT.NONE
        dpi: tuple[float, float] = parent.get_resolution(tifffile.RESUNIT.INCH) if has_unit else (1, 1)
        upright_dpi = dpi if orientation < 5 else dpi[::-1]
        xmp, names = clean_xmp(tag_bytes(parent, XMP) or b"")
        iptc, resources = photoshop_iptc(tag_bytes(parent, PHOTOSHOP) or b"")
        metadata = Metadata(
            exif=exif,
            xmp=xmp or None,
            # 1 x 1 is a pixel aspect ratio, not a resolution
            dpi=upright_dpi if min(dpi) > 1 else None,
            iptc=tag_bytes(parent, IPTC) or iptc,
            dropped=tuple(dict.fromkeys((*dropped, *names, *resources))),
            format="TIFF",
        )
        return replace(pixels, notes=pixels.notes + exif_notes), metadata, orientation


def encode_page(stored: NDArray[Any], data: Metadata, offset: int) -> tuple[bytes, bytes]:
    """Encode a page as a TIFF directory followed by a strip of pixels.

    The pixels are compressed with Deflate.

    Args:
        stored: Pixels, ``(H, W, 3)`` or with alpha ``(H, W, 4)``, uint8 or uint16.
        data: Metadata of the page.
        offset: Offset of the directory in the file.

    Returns:
        Encoded directory, and compressed pixels that must follow it in the file.

    Raises:
        ImageError: The file would exceed the limit of 4 GB.
    """
    # compress with Deflate, after horizontal differencing
    little_endian = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    differences = imagecodecs.delta_encode(little_endian, axis=1)
    # the encoder accepts any buffer, although it is typed as bytes; tobytes() would copy the whole page
    strip = bytes(imagecodecs.deflate_encode(cast(bytes, differences)))
    if offset + len(strip) > _MAX_TIFF:
        raise ImageError("a TIFF must be smaller than 4 GB. Set --frames first to write only the first page.")
    main, nested, *_ = copy_directories(data.exif or b"")
    # tags of the pixels and their strip
    height, width, channels = stored.shape
    tags: dict[int, int | tuple[int, ...]] = {
        Base.ImageWidth: width,
        Base.ImageLength: height,
        Base.BitsPerSample: (stored.dtype.itemsize * 8,) * channels,
        Base.Compression: int(COMPRESSION.ADOBE_DEFLATE),
        Base.PhotometricInterpretation: int(PHOTOMETRIC.RGB),
        Base.SamplesPerPixel: channels,
        Base.RowsPerStrip: height,
        Base.StripByteCounts: len(strip),
        Base.Predictor: int(PREDICTOR.HORIZONTAL),
    }
    if channels == 4:
        tags[Base.ExtraSamples] = int(EXTRASAMPLE.UNASSALPHA)
    main.update(tags)
    # tags of the metadata
    set_resolution(main, data.dpi)
    set_description(main, data.comment)
    blocks = ((XMP, data.xmp), (IPTC, data.iptc), (PROFILE, data.icc))
    main.update((number, value) for number, value in blocks if value)
    # the strip follows the nested directories; Pillow adds the offset of the end of the main directory
    main[Base.StripOffsets] = sum(len(directory.tobytes()) for directory in nested.values())
    return encode_directories(main, nested, offset), strip

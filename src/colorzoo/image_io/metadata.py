"""Metadata of image files: EXIF, XMP and IPTC.

Metadata is copied from the source to the result. Entries that do not apply to the result are removed when the
file is read: pixel layout, size, orientation, thumbnails and embedded images.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from PIL.ExifTags import Base

from colorzoo.image_io.exif import TIFF_HEADER, Directory, copy_directories, encode_directories

XMP, IPTC, PHOTOSHOP, PROFILE = 700, 33723, 34377, 34675
EXIF_PREFIX = b"Exif\0\0"
"""Prefix of EXIF blocks in JPEG segments."""
IPTC_RESOURCE = 0x0404
"""Number of the IPTC record among the Photoshop resources of a file."""
# Kept tags: document name, description, maker, model, software, date, artist, computer, rating, copyright;
# text tags of Windows; geographic position of a GeoTIFF. Other tags of the first directory describe the file.
_DESCRIPTIVE_TAGS = frozenset(
    {*(269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432), *range(40091, 40096)}
    | {33550, 33922, 34264, 34735, 34736, 34737}
)
# Removed: order and bits of compressed components, maker note, color space, size, interoperability, gamma.
# Maker notes contain offsets into the original file, which are wrong in another file.
_CODING_TAGS = frozenset({37121, 37122, 37500, 40961, 40962, 40963, 40965, 42240})
_XMP_FILE_PROPERTIES = (
    r"tiff:(?:ImageWidth|ImageLength|Orientation|BitsPerSample|Compression|PhotometricInterpretation|"
    r"SamplesPerPixel|PlanarConfiguration|YCbCr\w+|[XY]Resolution|ResolutionUnit|NativeDigest)",
    r"exif:(?:PixelXDimension|PixelYDimension|ColorSpace|ComponentsConfiguration|CompressedBitsPerPixel|"
    r"Gamma|NativeDigest)",
    r"xmp:(?:Thumbnails|PageInfo)",
    r"photoshop:(?:ColorMode|ICCProfile)",
    r"dc:format",
    r"xmpNote:HasExtendedXMP",
    r"(?:GCamera|Camera|GContainer|Container|GDepth|GImage|GAudio|hdrgm|HDRGainMap|apdi):\w+",
    r"(?:xmlns:colorzoo|colorzoo:\w+)",  # record of an earlier colorization (`ImageProvenance`)
)
# positions in the image: GeoTIFF tags of the main directory; subject tags of the EXIF directory
_POSITION_TAGS = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 37396, 41492})
_XMP_POSITIONS = (r"exif:SubjectArea", r"exif:SubjectLocation", r"GPano:\w+")
# relative to the image size, such as faces
_XMP_REGIONS = (r"mwg-rs:Regions", r"MP:RegionInfo", r"Iptc4xmpExt:ImageRegion", r"acdsee-rs:Regions")


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image file; every field is optional.

    Examples:
        >>> read_image("photo.png").metadata.format
        'PNG'

    Attributes:
        exif: EXIF block (TIFF structure without the ``Exif`` prefix). Pixel layout, size, orientation,
            thumbnail and maker note are removed.
        icc: sRGB profile of the pixels after the conversion to sRGB; None if the file has no color profile.
        xmp: XMP packet. Pixel layout, orientation, thumbnails and the record of an earlier colorization are
            removed.
        dpi: Horizontal and vertical resolution of the upright image in dots per inch.
        text: Keywords and values of PNG text chunks.
        comment: Comment of a JPEG or GIF. Other formats store it as PNG text or as EXIF image description,
            unless this field has another value.
        iptc: IPTC record of a JPEG or TIFF.
        format: Name of the source format in Pillow, such as ``"PNG"``; None for arrays.
        source: Path of the source file; None for arrays and PIL images.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    iptc: bytes | None = None
    format: str | None = None
    source: Path | None = None


def clean_exif(source: IO[bytes] | bytes, offset: int | None = None) -> tuple[bytes | None, tuple[str, ...]]:
    """Copy the EXIF tags that describe the image content, and drop tags that describe the file.

    Args:
        source: Stream of a TIFF file, or content of an EXIF block.
        offset: Position of the main directory; None for the first directory.

    Returns:
        EXIF block, or None if no tag is left, and a note for the user if damaged tags were dropped.
    """
    copied = copy_directories(source, selected=_DESCRIPTIVE_TAGS, dropped=_CODING_TAGS, offset=offset)
    notes = ("damaged EXIF tags were discarded",) if copied.is_damaged else ()
    return encode_exif(copied.main, copied.nested), notes


def encode_exif(main: Directory, nested: Mapping[int, Directory]) -> bytes | None:
    """Encode an EXIF block; return None for empty directories."""
    if not main and not nested:
        return None
    return TIFF_HEADER + encode_directories(main, nested, len(TIFF_HEADER))


def set_resolution(directory: Directory, dpi: tuple[float, float] | None) -> None:
    """Set the tags of the horizontal and vertical resolution in dots per inch, unless it is None."""
    if dpi is not None:
        inch = 2  # value of ResolutionUnit
        tags = (Base.XResolution, dpi[0]), (Base.YResolution, dpi[1]), (Base.ResolutionUnit, inch)
        directory.update(tags)


def set_description(directory: Directory, comment: bytes | None) -> None:
    """Set the image description to the comment of a JPEG or GIF, unless the directory has a description."""
    if comment and Base.ImageDescription not in directory:
        directory[Base.ImageDescription] = comment


def photoshop_resources(iptc: bytes) -> bytes:
    """Return Photoshop resources that contain an IPTC record."""
    return struct.pack(">4sHHL", b"8BIM", IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def iptc_record(resources: bytes) -> bytes | None:
    """Return the IPTC record in Photoshop resources, which can also be a bare record; None if absent."""
    if resources.startswith(b"\x1c"):
        return resources
    data = resources.removeprefix(b"Photoshop 3.0\0")
    while data.startswith(b"8BIM") and len(data) > 12:
        number = int.from_bytes(data[4:6], "big")
        name_size = 2 + data[6] // 2 * 2  # length and text of the name, padded to an even number of bytes
        content_start = 6 + name_size + 4
        size = int.from_bytes(data[content_start - 4 : content_start], "big")
        if number == IPTC_RESOURCE:
            return data[content_start : content_start + size]
        padding = size % 2
        data = data[content_start + size + padding :]
    return None


def properties_pattern(*names: str) -> re.Pattern[str]:
    """Return a regex that matches XMP properties, stored as XML attributes or XML elements.

    Args:
        *names: Regular expressions of the property names.
    """
    return re.compile(
        "|".join(
            rf"\s(?:{name})\s*=\s*(?:\"[^\"]*\"|'[^']*')|<({name})(?=[\s/>])(?:[^>]*/>|.*?</\{number}\s*>)"
            for number, name in enumerate(names, 1)
        ),
        re.DOTALL,
    )


_FILE_PATTERN = properties_pattern(*_XMP_FILE_PROPERTIES)
_PIXEL_PATTERN = properties_pattern(*_XMP_POSITIONS)
_POSITION_PATTERN = properties_pattern(*_XMP_POSITIONS, *_XMP_REGIONS)


def clean_xmp(xmp: bytes) -> bytes:
    """Remove the properties of an XMP packet that describe the file, such as its orientation."""
    return _without(_FILE_PATTERN, xmp)


def _without(pattern: re.Pattern[str], xmp: bytes) -> bytes:
    packet = pattern.sub("", xmp.decode("utf-8", "surrogateescape"))
    return packet.encode("utf-8", "surrogateescape")


def without_positions(data: Metadata, *, scaled: bool = False) -> Metadata:
    """Remove the positions of faces and subjects, and the georeference of a GeoTIFF.

    They are wrong after an image is cropped or rotated.

    Args:
        data: Metadata of the image.
        scaled: Keep positions that are relative to the image size, because the image was only scaled.
    """
    copied = copy_directories(data.exif or b"", dropped=_POSITION_TAGS)
    exif = encode_exif(copied.main, copied.nested)
    xmp = data.xmp and _without(_PIXEL_PATTERN if scaled else _POSITION_PATTERN, data.xmp)
    return replace(data, exif=exif, xmp=xmp)

"""Metadata of image files: EXIF, XMP and IPTC.

Metadata is copied from the source to the result. Entries that do not apply to the result are removed when the
file is read: pixel layout, size, orientation, thumbnails and embedded images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

ORIENTATION, XMP, IPTC, PROFILE = 274, 700, 33723, 34675
EXIF_IFD, GPS_IFD = int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
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
)
_XMP_REGIONS = (r"mwg-rs:Regions", r"MP:RegionInfo")  # face positions, relative to the image size


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
        xmp: XMP packet. Pixel layout, orientation and thumbnails are removed.
        dpi: Horizontal and vertical resolution of the upright image in dots per inch.
        text: Keywords and values of PNG text chunks.
        comment: JPEG or GIF comment.
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


def clean_exif(exif: Image.Exif) -> bytes | None:
    """Return an EXIF block without the tags that describe the file, such as its pixel layout.

    The result is None if no tag is left.

    Raises:
        Exception: The EXIF is damaged. Pillow raises many types of errors.
    """
    kept = Image.Exif()
    kept.endian = exif.endian  # Unicode comments are stored in this byte order
    for tag, value in descriptive_tags(exif).items():
        if isinstance(value, dict):
            kept.get_ifd(tag).update(value)
        else:
            kept[tag] = value
    block = kept.tobytes().removeprefix(b"Exif\0\0")
    return block if len(block) > len(Image.Exif().tobytes()) else None


def descriptive_tags(exif: Image.Exif) -> dict[int, Any]:
    """Return the EXIF tags that describe the image content instead of the file structure.

    In the result, the EXIF and GPS directories are nested dicts.
    """
    tags = {tag: _encoded(exif[tag]) for tag in _DESCRIPTIVE_TAGS & set(exif)}
    for ifd in (EXIF_IFD, GPS_IFD):
        values = exif.get_ifd(ifd)
        if nested := {tag: _encoded(values[tag]) for tag in values.keys() - _CODING_TAGS}:
            tags[ifd] = nested
    return tags


def _encoded(value: Any) -> Any:
    """Return non-ASCII text as bytes, because Pillow decodes text as Latin-1 but encodes it as ASCII."""
    return value.encode("latin-1") if isinstance(value, str) and not value.isascii() else value


def valid_orientation(value: object) -> int:
    """Return a valid EXIF orientation unchanged, and 1 for values outside 1 to 8."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


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


_FILE_PATTERN, _REGION_PATTERN = properties_pattern(*_XMP_FILE_PROPERTIES), properties_pattern(*_XMP_REGIONS)


def clean_xmp(xmp: object, *, turned: bool) -> bytes | None:
    """Remove the XMP properties that describe the file, such as its orientation.

    Args:
        xmp: XMP packet; None is returned for values other than bytes.
        turned: Whether the image was rotated to be upright. If True, face regions are also removed, because
            the rotation invalidates their positions.
    """
    if not isinstance(xmp, bytes):
        return None
    packet = _FILE_PATTERN.sub("", xmp.decode("utf-8", "surrogateescape"))
    if turned:
        packet = _REGION_PATTERN.sub("", packet)
    return packet.encode("utf-8", "surrogateescape")

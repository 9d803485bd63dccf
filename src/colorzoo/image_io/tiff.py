"""TIFF files: find pages, decode samples of any type, and encode pages.

tifffile is used to find and decode pages. Pillow encodes the directories of pages, because tifffile cannot
write EXIF and GPS directories.
"""

from __future__ import annotations

import io
import itertools
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any, NamedTuple, cast

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.ExifTags import Base
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PREDICTOR

from colorzoo.errors import ImageError
from colorzoo.image_io.exif import copy_directories, encode_directories
from colorzoo.image_io.metadata import (
    IPTC,
    ORIENTATION,
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
from colorzoo.image_io.raster_image import AlphaArray, FloatArray, Levels, Pixels, unit_range, with_profile

# tifffile prints no messages, because colorzoo reports errors itself
logging.getLogger("tifffile").addHandler(logging.NullHandler())

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 20_000
"""Maximum number of directories to read; a longer chain is probably damaged or malicious."""
_MAX_TIFF = 2**32 - 2**26  # bytes; offsets have 32 bits, and directories need less than 64 MB
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
_OVERSHOOT = 0.1  # tolerated overshoot of resampling filters, as a fraction of the full scale
_DARK = 1 / 16  # if the maximum is a smaller fraction of the full scale, the scale may be wrong
_SIZE_MARKER = b"\xff\x4f\xff\x51"  # SOC and SIZ, the first markers of a JPEG 2000 codestream


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
    file_size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        with tifffile.TiffFile(file) as tiff:
            tiff.filehandle.seek(page.offset)  # `TiffPage` reads the directory at the current position
            tiff_page: Any = tifffile.TiffPage(tiff, 0)
            pixels = sample_pixels(_samples(tiff_page, file_size), _bytes_of(tiff_page, PROFILE))
            kinds = [int(kind) for kind in tiff_page.extrasamples]
            lost_channels = len(kinds) > 1 or EXTRASAMPLE.UNSPECIFIED in kinds
            offset = page.offset if page.parent is None else page.parent
            exif, exif_notes, dropped = clean_exif(file, offset)
            tiff.filehandle.seek(offset)
            tiff_page = tifffile.TiffPage(tiff, 0)
            dropped += ["extra channel"] if lost_channels else []
            dropped += ["reduced copy or mask"] if page.skipped else []
            # collect the metadata
            stored_orientation = tiff_page.tags.valueof(ORIENTATION)
            orientation: int = stored_orientation if stored_orientation in range(1, 9) else 1
            has_unit = tiff_page.resolutionunit != tifffile.RESUNIT.NONE
            dpi: tuple[float, float] = tiff_page.get_resolution(tifffile.RESUNIT.INCH) if has_unit else (1, 1)
            upright_dpi = dpi if orientation < 5 else dpi[::-1]
            xmp, names = clean_xmp(_bytes_of(tiff_page, XMP) or b"")
            iptc, resources = photoshop_iptc(_bytes_of(tiff_page, PHOTOSHOP) or b"")
            metadata = Metadata(
                exif=exif,
                xmp=xmp or None,
                # 1 x 1 is a pixel aspect ratio, not a resolution
                dpi=upright_dpi if min(dpi) > 1 else None,
                iptc=_bytes_of(tiff_page, IPTC) or iptc,
                dropped=tuple(dict.fromkeys((*dropped, *names, *resources))),
                format="TIFF",
            )
            return replace(pixels, notes=pixels.notes + exif_notes), metadata, orientation
    except SamplesError as error:
        raise ImageError(f"{name} {error}") from error
    except MemoryError:
        raise ImageError(
            f"{name} ({page.size[0]} x {page.size[1]} pixels) does not fit into memory. Downscale the image."
        ) from None
    except Exception as error:  # codecs have their own error types, and damaged tags raise many types
        reason = " ".join(str(error).split())
        raise ImageError(f"{name} is damaged, truncated or not supported: {reason}") from error


def _bytes_of(page: Any, tag: int) -> bytes | None:
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


class SamplesError(ValueError):
    """Error for samples (channel values) that cannot be decoded or converted to sRGB.

    The message does not contain the file name; callers insert the name.
    """


@dataclass(frozen=True)
class Samples:
    """Samples (channel values) decoded from an image file, before the conversion to sRGB.

    Attributes:
        values: Samples ``(H, W, channels)`` in the stored type; color channels come first.
        bits: Bits per sample that the file declares; can be fewer than the bits of the type.
        color: Number of color channels: 1 (gray), 3 (RGB) or 4 (CMYK).
        inverted: Whether the lowest value is white instead of black.
        alpha: Index of the alpha channel; None for an opaque image.
        multiplied: Whether the color channels are premultiplied by alpha.
    """

    values: NDArray[Any]
    bits: int
    color: int
    inverted: bool = False
    alpha: int | None = None
    multiplied: bool = False


def sample_pixels(samples: Samples, profile: bytes | None) -> Pixels:
    """Convert decoded samples to sRGB pixels.

    Unsigned samples of 8 or 16 bits keep their type, and boolean samples become 0 and 255. All other samples
    are converted to floats in [0, 1]. Then premultiplied colors are divided by alpha, inverted colors are
    inverted, and the color profile is applied.

    Args:
        samples: Decoded samples.
        profile: ICC profile of the samples; None if the file has no color profile.

    Raises:
        SamplesError: Some color values are NaN, infinite or complex.
    """
    values, bits = samples.values, samples.bits
    color = values[..., 0] if samples.color == 1 else values[..., : samples.color]
    # convert the type of the color channels
    levels: Levels
    notes: tuple[str, ...] = ()
    if color.dtype.kind == "b":
        levels = color.astype(np.uint8) * np.uint8(255)
    elif color.dtype.kind != "u" or bits > 16:
        levels, notes = _unit_range(color)
    else:
        full, top = 2**bits - 1, int(color.max())
        if bits > 8 and top < full * _DARK:
            notes = (f"very dark: values reach only {top} of {full}",)
        if bits in (8, 16):
            levels = color.astype(np.uint8 if bits == 8 else np.uint16)
        else:
            levels = np.minimum(color.astype(np.float32) / np.float32(full), 1)
    # convert the type of alpha, and divide premultiplied colors by alpha
    alpha: AlphaArray | None = None
    if samples.alpha is not None:
        stored_alpha = values[..., samples.alpha]
        kind = stored_alpha.dtype.kind
        if kind == "u" and bits in (8, 16):
            alpha = stored_alpha.astype(np.uint8) if bits == 8 else stored_alpha.astype(np.uint16)
        else:
            value_bits = bits - 1 if kind == "i" else bits  # without the sign
            full_alpha = 1.0 if kind == "f" else 2.0**value_bits - 1
            opacity = np.clip(np.nan_to_num(stored_alpha.astype(np.float64) / full_alpha), 0, 1)
            alpha = np.rint(opacity * 65535).astype(np.uint16)
        if samples.multiplied:
            divisor = unit_range(np.maximum(alpha, 1))  # at least one level, which avoids a division by 0
            levels = np.clip(unit_range(levels) / (divisor[..., None] if levels.ndim == 3 else divisor), 0, 1)
    if samples.inverted:
        white = np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else np.float32(1)
        levels = white - levels
    bit_depth = 8 if bits <= 8 else 16
    return with_profile(Pixels(levels, alpha, bit_depth, notes=notes), profile)


def _unit_range(stored: NDArray[Any]) -> tuple[FloatArray, tuple[str, ...]]:
    """Convert values of unknown range to [0, 1]; return notes about the conversion.

    The white level is the smallest common maximum, such as 255 or 65535, that no value exceeds. Floats may
    exceed the white level, or be negative, by a tenth of the white level; these values are clipped.

    Values are stretched to [0, 1] instead if no common maximum fits, for example because integers are
    negative. They are also stretched if all values are below a sixteenth of the white level, except if the
    white level is 1.

    Raises:
        SamplesError: Some values are NaN, infinite or complex.
    """
    if stored.dtype.kind not in "iuf":
        raise SamplesError(
            "contains complex numbers, which are not supported. Save the file with real numbers."
        )
    values = stored.astype(np.float64)
    invalid_count = np.count_nonzero(~np.isfinite(values))
    if invalid_count > 0:
        raise SamplesError(
            f"contains NaN or infinite values ({invalid_count} of {values.size}). Replace these values."
        )
    low, high = float(values.min()), float(values.max())
    # common maxima of the data type, in ascending order
    if stored.dtype.kind == "f":
        white_levels = [1.0, 255.0, 65535.0]
    elif stored.dtype.kind == "i":
        white_levels = sorted({255.0, 65535.0, float(np.iinfo(stored.dtype).max)})
    else:
        white_levels = [255.0, 65535.0, 2.0**32 - 1, 2.0**64 - 1]
    overshoot = _OVERSHOOT if stored.dtype.kind == "f" else 0.0
    for white in white_levels:
        is_in_range = low >= -overshoot * white and high <= (1 + overshoot) * white
        is_too_dark = white != 1 and high < white * _DARK
        if is_in_range and not is_too_dark:
            notes = () if white == 1 else (f"range of values assumed to be 0 to {white:.0f}",)
            return np.clip(values / white, 0, 1).astype(np.float32), notes
    stretched = ((values - low) / max(high - low, 1e-12)).astype(np.float32)
    return stretched, (f"range of values from {low:g} to {high:g} stretched to black and white",)


def decode_jpeg2000(file: IO[bytes]) -> Samples | None:
    """Decode a JPEG 2000 file whose unsigned samples have a bit depth other than 8.

    Pillow would change the values of such samples.

    Returns:
        Decoded samples. None if the samples are signed or have 8 bits, or if the file is damaged.
    """
    file.seek(0)
    data = file.read()
    start = data.find(_SIZE_MARKER)
    kind = data[start + 42 : start + 43]  # number of bits minus one, and the sign in the highest bit
    if start < 0 or not kind or kind[0] == 7 or kind[0] >= 128:
        return None
    try:
        stored: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    except Exception:  # errors of OpenJPEG
        return None
    return plain_samples(stored.reshape(*stored.shape[:2], -1), kind[0] + 1)


def decode_png(file: IO[bytes]) -> Samples | None:
    """Decode a 16-bit PNG; return None if the file is damaged."""
    file.seek(0)
    try:
        stored: NDArray[Any] = imagecodecs.png_decode(file.read())
    except Exception:  # errors of libpng, or the image does not fit into memory
        return None
    return plain_samples(stored.reshape(*stored.shape[:2], -1), 16)


def plain_samples(values: NDArray[Any], bits: int) -> Samples:
    """Convert an array of gray or RGB samples, with or without alpha, to `Samples`.

    Args:
        values: ``(H, W, channels)`` with 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha) channels.
        bits: Bits per sample that the file declares.
    """
    channels = values.shape[2]
    return Samples(values, bits, 1 if channels < 3 else 3, alpha=channels - 1 if channels in (2, 4) else None)

"""Files of more than 8 bits a channel, which Pillow cuts or refuses: by tifffile and imagecodecs."""

from __future__ import annotations

import io
import logging
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.inference.pages import PageStream
from colorzoo.inference.picture import upright

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it cannot read is reported by us

_ORIENTATION = 274
_MIN_IS_BLACK, _RGB = 1, 2  # other photometric interpretations are not light


def decode_png(data: bytes) -> NDArray[Any] | None:
    """Return the stored (H, W, channels) of a PNG, not turned upright; None where it is damaged."""
    import imagecodecs

    try:
        stored: NDArray[Any] = imagecodecs.png_decode(data)
    except Exception:  # libpng's errors, and those of a size that does not fit into memory
        return None
    return stored.reshape(*stored.shape[:2], -1)


def decode_jxl(data: bytes) -> NDArray[Any] | None:
    """Return the (H, W, channels) of a JPEG XL, of an animation the first; None where it is damaged."""
    import imagecodecs

    try:
        stored: NDArray[Any] = imagecodecs.jpegxl_decode(data)
    except Exception:  # as above; also where this imagecodecs was built without JPEG XL
        return None
    return stored.reshape(-1, *stored.shape[-3:])[0] if stored.ndim > 2 else stored[..., None]


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Encode (H, W, 3 or 4) uint16.

    Differences of neighbors hardly repeat in 16 bits, so that looking for more than runs takes four times as
    long and saves no bytes.
    """
    from imagecodecs import PNG, png_encode

    return bytes(png_encode(pixels, level=1, strategy=PNG.STRATEGY.RLE, filter=PNG.FILTER.SUB))


def decode_tiff(file: IO[bytes]) -> NDArray[Any] | None:
    """Return the (H, W, 1 to 4) of a TIFF's first page, upright.

    Returns:
        Of the stored type; None where the file is damaged, or neither gray nor RGB with or without alpha.
    """
    import tifffile

    try:
        size = file.seek(0, 2)
        with tifffile.TiffFile(_rewound(file)) as tiff:
            page: Any = tiff.pages[0]
            if page.photometric not in (_MIN_IS_BLACK, _RGB) or _is_cut_off(page, size):
                return None
            stored: NDArray[Any] = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
                stored = np.moveaxis(stored, 0, -1)
            orientation = page.tags.valueof(_ORIENTATION, 1)
    except Exception:  # each codec has an error of its own, and damaged tags raise anything
        return None
    if stored.ndim not in (2, 3) or stored.shape[2:] > (4,):
        return None
    return upright(stored.reshape(*stored.shape[:2], -1), int(orientation))


def tiff_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Read width and height of a TIFF's first page; None where its directory is damaged."""
    import tifffile

    try:
        with tifffile.TiffFile(_rewound(file)) as tiff:
            page: Any = tiff.pages[0]
            return int(page.imagewidth), int(page.imagelength)
    except Exception:  # as above
        return None


def _rewound(file: Any) -> Any:
    file = file.plain() if isinstance(file, PageStream) else file
    file.seek(0)
    return file


def _is_cut_off(page: Any, size: int) -> bool:
    """Whether pixels lie beyond the end of the file, which tifffile would take as zeros."""
    return _end_of(page) > size or not page.dataoffsets


def _end_of(page: Any) -> int:
    ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    return int(max(ends, default=0))


def missing_bytes(data: bytes) -> int:
    """Return how many bytes of its first page a TIFF without compression lacks; 0 for any other file."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page: Any = tiff.pages[0]
            pixels = int(np.prod(page.shape)) * page.dtype.itemsize
            missing = _end_of(page) - len(data)
            return missing if page.compression == 1 and 0 < missing <= pixels else 0
    except Exception:  # as above
        return 0


def encode_tiff_strip(pixels: NDArray[Any]) -> bytes:
    """Encode (H, W, channels) as differences from the left neighbor (predictor 2), deflated."""
    import imagecodecs

    differences = imagecodecs.delta_encode(pixels.astype(pixels.dtype.newbyteorder("<")), axis=1)
    return bytes(imagecodecs.deflate_encode(differences.tobytes()))

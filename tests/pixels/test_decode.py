"""`read_pixels` decodes the same pixels as `read_image`, which also reads the metadata."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.read import read_image
from colorzoo.pixels.decode import read_pixels

NOISE = np.random.default_rng(0).integers(0, 256, (24, 16, 4), dtype=np.uint8)  # portrait
SAMPLES = {
    "gray": NOISE[..., 0],
    "rgb": NOISE[..., :3],
    "rgba": NOISE,
    "deep": NOISE[..., :3].astype(np.uint16) * 200,
    "float": NOISE[..., :3] / np.float32(255),
    "equal": np.repeat(NOISE[..., :1], 3, axis=2),
}


def tiff(samples: np.ndarray, orientation: int) -> bytes:
    file = io.BytesIO()
    kind = "minisblack" if samples.ndim == 2 else "rgb"
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(file, samples, photometric=kind, extratags=tags)
    return file.getvalue()


def assert_same_pixels(data: bytes) -> None:
    found, expected = read_pixels(data), read_image(data)
    assert found.levels.dtype == expected.levels.dtype
    assert np.array_equal(found.levels, expected.levels)
    assert (found.alpha is None) == (expected.alpha is None)
    assert found.alpha is None or np.array_equal(found.alpha, expected.alpha)
    assert (found.bit_depth, found.size) == (expected.bit_depth, expected.size)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("kind", SAMPLES)
def test_tiff_pixels_equal_the_pixels_of_read_image(kind: str, orientation: int) -> None:
    data = tiff(SAMPLES[kind], orientation)
    assert_same_pixels(data)
    assert read_pixels(data).size == ((16, 24) if orientation < 5 else (24, 16))
    assert read_pixels(data).levels.ndim == (2 if kind in ("gray", "equal") else 3)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_page_in_a_subifd_has_the_orientation_of_the_main_directory(orientation: int) -> None:
    """Raw converters store a preview with the metadata, and the image in a SubIFD."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        tags = [(274, 3, 1, orientation, True)]
        writer.write(NOISE[::2, ::2, :3], photometric="rgb", subifds=1, subfiletype=1, extratags=tags)
        writer.write(NOISE[..., :3], photometric="rgb")
    assert_same_pixels(file.getvalue())
    turns = {1: 0, 3: 2, 6: -1}[orientation]
    assert np.array_equal(read_pixels(file.getvalue()).levels, np.rot90(NOISE[..., :3], turns))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("orientation", [1, 5, 8])
def test_pixels_of_other_formats_equal_the_pixels_of_read_image(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.fromarray(NOISE[..., :3]).save(file, file_format, exif=exif)
    assert_same_pixels(file.getvalue())


def test_pages_with_too_many_pixels_and_files_without_pages_raise() -> None:
    data = tiff(SAMPLES["rgb"], 1)
    assert read_pixels(data, max_pixels=24 * 16).size == (16, 24)
    with pytest.raises(ImageError, match="million pixels"):
        read_pixels(data, max_pixels=24 * 16 - 1)
    with pytest.raises(ImageError, match="contains no image"):
        read_pixels(data[:8])
    with pytest.raises(ImageError, match="some pixels are missing"):
        read_pixels(data[: len(data) - 20])

"""Images of 16 bits and floats keep every value."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image

RNG = np.random.default_rng(7)
NOISE16 = RNG.integers(0, 65536, (24, 32, 4)).astype(np.uint16)


def same_bytes(image: RasterImage, expected: np.ndarray, full: int = 255) -> bool:
    return np.array_equal(np.rint(image.rgb * full).astype(int), expected)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_color_survives_exactly(tmp_path, name, channels):
    pixels = NOISE16[..., :channels]
    image = read_image(pixels)
    assert image.bit_depth == 16
    written = write_image(tmp_path / name, image.rgb, image)
    stored = cv2.imread(str(written), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored[..., [2, 1, 0, 3][:channels]], pixels)
    again = read_image(written)
    assert same_bytes(again, pixels[..., :3], 65535)
    if channels == 4:
        np.testing.assert_array_equal(again.alpha, pixels[..., 3])

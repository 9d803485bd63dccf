"""The gamma that a PNG declares is applied once."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from colorzoo.image_io.read import read_image
from png_files import png_chunk

RAMP = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(4, 0)


def gamma(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">L", value)


GRAY, LINEAR = gamma(45455), gamma(100_000)


def png(levels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, "PNG")
    data = memory.getvalue()
    return data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:]


def to_light(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(
    ("chunk", "exponent", "kind"),
    [(LINEAR, 1.0, np.uint16), (gamma(55556), 0.55556, np.uint8), (gamma(44500), 0.445, np.uint16)],
)
def test_png_gamma_is_converted_to_srgb(chunk, exponent, kind):
    full = np.iinfo(kind).max
    stored = np.rint(to_light(RAMP) ** exponent * full).astype(kind)
    read = read_image(png(stored, chunk))
    expected = (stored / full) ** (1 / exponent)
    np.testing.assert_allclose(to_light(read.rgb[..., 0]), expected, atol=2e-4)
    assert read.bit_depth == (8 if kind == np.uint8 else 16)


@pytest.mark.parametrize(
    "chunks",
    [
        *((), (GRAY,), ((b"sRGB", b"\0"), LINEAR)),
        *((gamma(value),) for value in (0, 46300)),  # about that of sRGB
    ],
)
def test_srgb_png_is_unchanged(chunks):
    stored = np.rint(RAMP * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.rint(read_image(png(stored, *chunks)).rgb[..., 0] * 255), stored)

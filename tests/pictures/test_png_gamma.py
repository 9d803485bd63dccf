"""The gamma that a PNG declares is applied once."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from colorzoo.pictures.png import png_chunk
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.write import write_picture

RAMP = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(4, 0)


def gamma(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">L", value)


GRAY, LINEAR = gamma(45455), gamma(100_000)
CODE = (b"cICP", bytes([1, 8, 0, 1]))


def png(levels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, "PNG")
    data = memory.getvalue()
    return data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:]


def to_light(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("chunk", "exponent"),
    [(LINEAR, 1.0), (CODE, 1.0), *((gamma(value), value / 1e5) for value in (55556, 46364, 44546))],
)
def test_light_is_converted_to_srgb(chunk, exponent, kind):
    full = np.iinfo(kind).max
    stored = np.rint(to_light(RAMP) ** exponent * full).astype(kind)
    read = read_picture(png(stored, chunk))
    expected = (stored / full) ** (1 / exponent)
    np.testing.assert_allclose(to_light(read.rgb[..., 0]), expected, atol=2e-4)
    assert read.bit_depth == (8 if kind == np.uint8 else 16)


@pytest.mark.parametrize(
    "chunks",
    [
        *((), (GRAY,), ((b"sRGB", b"\0"), LINEAR), ((b"cICP", bytes([1, 13, 0, 1])), LINEAR)),
        *((gamma(value),) for value in (0, 44547, 46363)),  # within a fiftieth of that of sRGB
    ],
)
def test_what_is_srgb_stays_to_the_bit(chunks):
    stored = np.rint(RAMP * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.rint(read_picture(png(stored, *chunks)).rgb[..., 0] * 255), stored)


def test_the_result_says_that_it_is_srgb_and_is_read_alike(tmp_path):
    picture = read_picture(png(np.rint(RAMP * 65535).astype(np.uint16), LINEAR))
    again = read_picture(write_picture(tmp_path / "out.png", picture.rgb, picture))
    assert again.metadata.icc is not None
    np.testing.assert_allclose(again.rgb, picture.rgb, atol=1e-4)


@pytest.mark.parametrize(("primaries", "transfer"), [(2, 13), *((1, code) for code in (1, 6, 13, 14, 15))])
def test_codes_of_about_the_curve_of_srgb_are_srgb(primaries, transfer):
    stored = np.rint(RAMP * 255).astype(np.uint8)
    picture = read_picture(png(stored, (b"cICP", bytes([primaries, transfer, 0, 1]))))
    assert not picture.notes
    np.testing.assert_array_equal(np.rint(picture.rgb[..., 0] * 255), stored)


@pytest.mark.parametrize("code", [bytes([9, 16, 0, 1]), bytes([12, 13, 0, 1])])
def test_color_spaces_that_are_not_converted_are_named(code):
    notes = read_picture(png(np.rint(RAMP * 255).astype(np.uint8), (b"cICP", code))).notes
    assert "its color space (cICP) was taken as sRGB" in notes


@pytest.mark.parametrize(
    ("value", "taken"), [(9_999, False), (10_000, True), (300_000, True), (300_001, False)]
)
def test_a_gamma_beyond_a_tenth_and_three_is_ignored_and_named(value, taken):
    stored = np.rint(RAMP * 255).astype(np.uint8)
    found = read_picture(png(stored, gamma(value)))
    assert ("is out of range and was ignored" in " ".join(found.notes)) != taken
    assert np.array_equal(np.rint(found.rgb[..., 0] * 255), stored) != taken

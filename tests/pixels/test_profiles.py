"""Color profiles are applied, and results contain an sRGB profile."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from colorzoo.pixels.profiles import srgb_profile, to_srgb

NOISE = np.random.default_rng(3).integers(0, 256, (6, 9, 3)).astype(np.uint8)
RAMP = np.linspace(0, 255, 64).round().astype(np.uint8)


def rewritten(path: Path, name: str) -> tuple[RasterImage, Image.Image]:
    raster = read_image(path)
    with Image.open(write_image(path.with_name(name), raster.rgb, raster)) as image:
        image.load()
    return raster, image


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def profile(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    white = fixed(0.9642, 1.0, 0.8249)
    tags = {**tags, b"wtpt": b"XYZ \0\0\0\0" + white, b"desc": b"desc" + bytes(8) + bytes(80)}
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">LL", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    head = struct.pack(">L4sL", size, b"lcms", 0x02400000) + kind + space + pcs + bytes(12) + b"acsp"
    head = head + bytes(68 - len(head)) + white
    return head + bytes(128 - len(head)) + struct.pack(">L", len(tags)) + table + body


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">LH", 1, round(value * 256))


ADOBE_XYZ = {
    b"r": (0.60974, 0.31111, 0.01947),
    b"g": (0.20528, 0.62567, 0.06087),
    b"b": (0.14919, 0.06322, 0.74457),
}
TABLE = b"curv\0\0\0\0" + struct.pack(">L33H", 33, *(round(65535 * (i / 32) ** 1.8) for i in range(33)))


def wide(curve: bytes) -> bytes:
    columns = {name + b"XYZ": b"XYZ \0\0\0\0" + fixed(*column) for name, column in ADOBE_XYZ.items()}
    return profile(b"RGB ", {**columns, **{name + b"TRC": curve for name in ADOBE_XYZ}})


GRAY_PROFILE = profile(b"GRAY", {b"kTRC": gamma(1.0)})


@pytest.mark.parametrize("curve", [gamma(2.2), TABLE], ids=["gamma", "table"])
def test_to_srgb_matches_pillow_for_rgb_profiles(curve):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    source = ImageCms.ImageCmsProfile(io.BytesIO(wide(curve)))
    target = ImageCms.createProfile("sRGB")
    expected = np.asarray(ImageCms.profileToProfile(Image.fromarray(pixels), source, target)) / 255.0
    ours, tag = to_srgb((pixels / 255).astype(np.float32), wide(curve))
    assert np.abs(ours - expected).max() < 2.1 / 255
    assert np.abs(to_srgb(pixels, wide(curve))[0] / 255.0 - expected).max() < 2.1 / 255
    assert np.abs(expected - pixels / 255).max() > 0.05
    assert tag == srgb_profile()


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_profile_is_converted_to_srgb_and_output_is_tagged(tmp_path, bits):
    pixels = RAMP[None] if bits == 8 else RAMP[None].astype(np.uint16) * 257
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path, icc_profile=GRAY_PROFILE)
    raster, image = rewritten(path, "y.png")
    linear = RAMP / 255
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(raster.rgb[0, :, 0] - expected).max() < 1e-4
    assert raster.bit_depth == bits
    assert image.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("extension", ["png", "tif", "webp"])
def test_rgb_profile_is_applied_without_changing_alpha(tmp_path, extension):
    alpha = Image.fromarray(NOISE[..., 1])
    image = Image.fromarray(NOISE)
    image.putalpha(alpha)
    image.save(tmp_path / "x.png", icc_profile=wide(gamma(2.2)))
    raster, again = rewritten(tmp_path / "x.png", f"y.{extension}")
    expected = to_srgb(NOISE, wide(gamma(2.2)))[0]
    np.testing.assert_array_equal(np.rint(raster.rgb * 255), expected)
    np.testing.assert_array_equal(raster.alpha, NOISE[..., 1])
    assert again.info["icc_profile"] == srgb_profile()


def test_srgb_and_untagged_images_keep_pixels_and_tags(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(NOISE).save(tmp_path / "x.png", icc_profile=icc)
    Image.fromarray(NOISE).save(tmp_path / "z.png")
    tagged, image = rewritten(tmp_path / "x.png", "y.png")
    np.testing.assert_array_equal(np.rint(tagged.rgb * 255), NOISE)
    assert image.info["icc_profile"] == icc
    assert "icc_profile" not in rewritten(tmp_path / "z.png", "w.png")[1].info


@pytest.mark.parametrize(
    ("icc", "bits"),
    [(b"nonsense" * 40, 8), (GRAY_PROFILE, 16), (wide(gamma(2.2))[:200], 8), (GRAY_PROFILE[:100], 16)],
)
def test_read_image_drops_invalid_profiles_with_a_note(tmp_path, icc, bits):
    raster = read_image(NOISE if bits == 8 else NOISE.astype(np.uint16) * 257)
    tagged = replace(raster, metadata=replace(raster.metadata, icc=icc))
    again = read_image(write_image(tmp_path / "x.png", raster.rgb, tagged))
    np.testing.assert_array_equal(again.rgb, raster.rgb)
    assert "color profile" in again.notes[0]
    assert again.metadata.icc is None


def cmyk_profile() -> bytes:
    """Return a table profile in which each ink reduces the lightness and magenta increases a."""
    corners = [(i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1) for i in range(16)]
    lab = [(255 - 60 * (c + m + y + k), 128 + 60 * m, 128) for c, m, y, k in corners]
    ramp = bytes(range(256))
    grid = b"".join(bytes(max(0, value) for value in color) for color in lab)
    table = (
        b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + grid + ramp * 3
    )
    return profile(b"CMYK", {b"A2B0": table}, b"prtr", b"Lab ")


def table_rgb_profile() -> bytes:
    """Return a table profile that gives the mean of the channels as lightness.

    With the colorimetric intent, the profile gives black.
    """
    corners = [(i >> 2 & 1, i >> 1 & 1, i & 1) for i in range(8)]
    ramp = bytes(range(256))
    perceptual, colorimetric = (
        b"mft1\0\0\0\0"
        + bytes([3, 3, 2, 0])
        + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
        + ramp * 3
        + b"".join(bytes([most * sum(color), 128, 128]) for color in corners)
        + ramp * 3
        for most in (85, 0)
    )
    return profile(b"RGB ", {b"A2B0": perceptual, b"A2B1": colorimetric}, b"scnr", b"Lab ")


@pytest.mark.parametrize("bits", [8, 16])
def test_read_image_applies_table_profiles_at_full_bit_depth(tmp_path, bits):
    pixels = NOISE if bits == 8 else NOISE.astype(np.uint16) * 257
    raster = read_image(pixels)
    tagged = replace(raster, metadata=replace(raster.metadata, icc=table_rgb_profile()))
    again = read_image(write_image(tmp_path / "x.png", raster.rgb, tagged))
    lightness = 100 * NOISE.mean(axis=-1) / 255
    linear = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness * 27 / 24389)
    gray = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(again.rgb - gray[..., None]).max() < 3 / 255
    assert (again.bit_depth, again.notes) == (bits, ())


def test_read_image_converts_cmyk_with_its_profile(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 0, 0))
    image.save(tmp_path / "x.jpg", icc_profile=cmyk_profile(), quality=100)
    raster, again = rewritten(tmp_path / "x.jpg", "y.jpg")
    red, green, blue = raster.rgb[4, 4] * 255
    # Lab (76, 60, 0); inverting the inks without the profile would give (255, 0, 255)
    assert (red, blue) == (pytest.approx(255, abs=2), pytest.approx(187, abs=8))
    assert 120 < green < 160
    assert raster.notes == ("converted from CMYK",)
    assert again.info["icc_profile"] == srgb_profile()


def test_note_on_an_invalid_cmyk_profile_names_the_conversion(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 0, 0))
    image.save(tmp_path / "x.jpg", icc_profile=srgb_profile(), quality=100)  # the profile is for RGB
    (note,) = read_image(tmp_path / "x.jpg").notes
    assert "color profile is for RGB" in note
    assert note.endswith("converted from CMYK without a color profile")

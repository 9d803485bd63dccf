"""Images of every mode and format are read exactly and written without changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from colorzoo.errors import ImageError
from colorzoo.image_io.raster_image import RasterImage, chroma_note, fill_hidden, is_gray, quantized
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import to_pil, write_image, write_notes
from colorzoo.pixels.raster import composite_on_paper, composite_on_white

RNG = np.random.default_rng(7)
COLOR = cv2.GaussianBlur(RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8), (0, 0), 3)
NOISE = RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 256, (24, 32)).astype(np.uint8)


MODES = {
    "gray": Image.fromarray(NOISE[..., 0]),
    "one bit": Image.fromarray(NOISE[..., 0]).convert("1"),
    "palette": Image.fromarray(NOISE).quantize(64),
    "color": Image.fromarray(NOISE),
    "gray and alpha": Image.merge("LA", [Image.fromarray(NOISE[..., 0]), Image.fromarray(ALPHA)]),
    "color and alpha": Image.fromarray(np.dstack([NOISE, ALPHA])),
}


@pytest.mark.parametrize(
    ("mode", "name"),
    [*((mode, "x.png") for mode in MODES), ("color and alpha", "x.tif"), ("palette", "x.tif")],
)
def test_read_image_and_write_image_preserve_every_mode(tmp_path, mode, name):
    image = MODES[mode]
    image.save(tmp_path / name)
    raster = read_image(tmp_path / name)
    expected = np.asarray(image.convert("RGBA" if "alpha" in mode else "RGB"))[..., :3]
    np.testing.assert_array_equal(np.rint(raster.rgb * 255), expected)
    assert (raster.alpha is not None) == ("alpha" in mode)
    again = read_image(write_image(tmp_path / f"out-{name}", raster.rgb, raster))
    np.testing.assert_array_equal(again.rgb, raster.rgb)
    if "alpha" in mode:
        np.testing.assert_array_equal(raster.alpha, ALPHA)
        np.testing.assert_array_equal(again.alpha, ALPHA)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_write_image_preserves_16_bit_color(tmp_path, name, channels):
    pixels = RNG.integers(0, 65536, (24, 32, channels)).astype(np.uint16)
    image = read_image(pixels)
    assert image.bit_depth == 16
    written = write_image(tmp_path / name, image.rgb, image)
    stored = cv2.imread(str(written), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored[..., [2, 1, 0, 3][:channels]], pixels)
    again = read_image(written)
    np.testing.assert_array_equal(np.rint(again.rgb * 65535), pixels[..., :3])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_opaque_float_arrays_stay_opaque(dtype):
    raster = read_image(np.ones((2, 3, 4), dtype))
    assert raster.alpha is None or (raster.alpha == 65535).all()


@pytest.mark.parametrize("name", ["x.webp", "x.avif"])
def test_write_image_keeps_alpha_exact_in_lossy_formats(tmp_path, name):
    raster = read_image(np.dstack([COLOR, ALPHA]))
    again = read_image(write_image(tmp_path / name, raster.rgb, raster))
    np.testing.assert_array_equal(again.alpha, ALPHA)
    assert np.abs(again.rgb - raster.rgb).mean() < 0.02


def test_webp_with_quality_100_is_lossless(tmp_path):
    raster = read_image(NOISE)
    for quality in (99, 100):
        again = read_image(write_image(tmp_path / f"{quality}.webp", raster.rgb, raster, quality=quality))
        assert np.array_equal(again.rgb, raster.rgb) == (quality == 100)


def test_to_pil_and_quantized_convert_alpha_to_the_result_bit_depth():
    alpha = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    levels = np.zeros((256, 256, 3), np.uint16)
    deep = RasterImage(levels, alpha=alpha, bit_depth=16)
    np.testing.assert_array_equal(np.asarray(to_pil(levels, deep))[..., 3], np.rint(alpha / 257))
    shallow = RasterImage(levels, alpha=alpha.astype(np.uint8))
    np.testing.assert_array_equal(quantized(levels, shallow, 16)[..., 3], shallow.alpha.astype(int) * 257)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_composite_on_white_blends_transparent_pixels(dtype):
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    levels = np.array([[0, 0, full, full]], dtype)
    alpha = np.array([[0, 51, 51, 255]], np.uint8)
    for pixels in (levels, np.dstack([levels] * 3)):
        found = composite_on_white(RasterImage(pixels, alpha=alpha))
        assert (found.alpha, found.levels.dtype, found.levels.shape) == (None, dtype, pixels.shape)
        np.testing.assert_allclose(found.rgb[0, :, 1], [1, 0.8, 1, 1], atol=1e-6)
    assert composite_on_white(opaque := RasterImage(levels)) is opaque


@pytest.mark.parametrize("ink", [0, 255])
def test_composite_on_paper_uses_black_paper_for_white_ink(ink: int) -> None:
    alpha = np.zeros((20, 30), np.uint8)
    alpha[5, 3:20] = alpha[4:15, 25] = 255
    levels = np.where(alpha > 0, ink, 90).astype(np.uint8)
    found = composite_on_paper(RasterImage(levels, alpha=alpha))
    assert found.alpha is None
    np.testing.assert_array_equal(found.levels, alpha if ink else 255 - alpha)


@pytest.mark.parametrize(("least", "dtype"), [(1, np.uint8), (3, np.uint8), (300, np.uint16)])
def test_composite_on_paper_finds_white_ink_on_nearly_transparent_pixels(least: int, dtype: type) -> None:
    alpha = np.full((40, 60), least, dtype)
    alpha[18:22] = np.iinfo(dtype).max
    image = RasterImage(np.full((40, 60), 255, np.uint8), alpha=alpha)
    found = composite_on_paper(image).levels
    assert found[20].min() == 255
    assert found[0].max() < 4


def test_hidden_colors_do_not_change_how_visible_gray_pixels_are_read() -> None:
    alpha = np.where(np.arange(768).reshape(24, 32) % 5 > 0, 200, 0).astype(np.uint8)
    levels = NOISE[..., 0]
    gray = np.dstack([levels, levels, levels, alpha])
    green = gray.copy()
    green[alpha == 0, :3] = (0, 255, 0)
    one, other = read_image(gray), read_image(green)
    assert one.levels.shape == other.levels.shape == levels.shape
    np.testing.assert_array_equal(one.levels[alpha > 0], other.levels[alpha > 0])


def test_composite_on_paper_uses_white_paper_if_the_visible_page_is_white() -> None:
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[0, 0] = 0  # a transparent corner
    page = RasterImage(np.full((20, 30), 255, np.uint8), alpha=alpha)
    assert composite_on_paper(page).levels.min() == 255
    assert composite_on_paper(RasterImage(page.levels, alpha=0 * alpha)).levels.min() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_fill_hidden_depends_on_visible_colors_only(dtype: type, channels: int) -> None:
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    levels = (NOISE[..., :channels].squeeze() * np.float64(scale)).astype(dtype)
    alpha = np.zeros((24, 32), np.uint8)
    alpha[4:20, 4:16] = 200
    other = levels.copy()
    other[alpha == 0] = levels.max()
    filled, from_other = (fill_hidden(RasterImage(each, alpha)) for each in (levels, other))
    assert filled.alpha is None
    assert filled.levels.dtype == dtype
    np.testing.assert_array_equal(filled.levels, from_other.levels)
    np.testing.assert_array_equal(filled.levels[alpha > 0], levels[alpha > 0])
    # the fill consists of visible colors: no darker and no lighter
    visible = levels[alpha > 0]
    assert (filled.levels >= visible.min(0)).all()
    assert (filled.levels <= visible.max(0)).all()


def test_fill_hidden_uses_near_colors_and_almost_ignores_almost_transparent_pixels() -> None:
    levels = np.zeros((32, 64, 3), np.uint8)
    levels[:, :16], levels[:, 48:] = (200, 0, 0), (0, 0, 200)
    alpha = np.zeros((32, 64), np.uint8)
    alpha[:, :16] = alpha[:, 48:] = 255
    levels[:, 16:48] = (0, 255, 0)
    alpha[10:20, 20:30] = 1
    filled = fill_hidden(RasterImage(levels, alpha)).levels.astype(int)
    assert (filled[..., 1] < 20).all()
    assert (filled[:, 16:20, 0] > filled[:, 16:20, 2]).all()
    assert (filled[:, 44:48, 2] > filled[:, 44:48, 0]).all()


def test_fill_hidden_of_an_invisible_image_is_gray() -> None:
    filled = fill_hidden(RasterImage(NOISE, np.zeros((24, 32), np.uint8))).levels
    assert len(np.unique(filled)) == 1


@pytest.mark.parametrize("hidden", [(0, 0, 0), (0, 255, 0), (255, 120, 0)])
def test_chroma_note_ignores_hidden_colors(hidden: tuple[int, int, int]) -> None:
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:, :48] = 255
    gradient = np.tile(np.linspace(20, 235, 96), (64, 1))[..., None]
    sepia = gradient * (1, 0.85, 0.65)
    colors = np.tile(cv2.resize(COLOR, (96, 64))[:, :1], (1, 96, 1))
    for visible in (np.repeat(gradient, 3, axis=2), sepia, colors):
        opaque = RasterImage(np.ascontiguousarray(visible[:, :48].astype(np.uint8)))
        levels = np.where(alpha[..., None] > 0, visible, hidden).astype(np.uint8)
        assert chroma_note(RasterImage(levels, alpha)) == chroma_note(opaque)
        assert is_gray(RasterImage(levels, alpha)) == is_gray(opaque)


@pytest.mark.parametrize(("name", "limit"), [("x.webp", 16383), ("x.jpg", 65500), ("x.gif", 65535)])
def test_write_image_enforces_the_side_limit_of_the_format(tmp_path, name, limit):
    fits, longer = (RasterImage(np.full((1, limit + more), 90, np.uint8)) for more in (0, 1))
    assert read_image(write_image(tmp_path / name, fits.rgb, fits)).size == (limit, 1)
    with pytest.raises(ImageError, match=f"at most {limit} pixels"):
        write_image(tmp_path / f"new-{name}", longer.rgb, longer)


@pytest.mark.parametrize("name", ["x.jpg", "x.bmp"])
def test_hidden_colors_do_not_appear_in_formats_without_alpha(tmp_path, name):
    alpha = np.zeros((24, 32), np.uint8)
    alpha[4:20, 8:24] = 255
    results = []
    for number, hidden in enumerate(((0, 0, 0), (0, 255, 0))):
        levels = np.where(alpha[..., None] > 0, COLOR, hidden).astype(np.uint8)
        path = tmp_path / f"{number}-{name}"
        assert "filled with white" in " ".join(write_notes(path, RasterImage(levels, alpha)))
        results.append(read_image(write_image(path, levels, RasterImage(levels, alpha))).levels)
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0][0, 0].tolist() == [255, 255, 255]


def test_write_image_keeps_transparent_pixels_in_gif(tmp_path):
    alpha = np.where(ALPHA < 128, 0, 255)
    assert {127, 128} <= {*ALPHA.ravel().tolist()}
    raster = read_image(np.dstack([COLOR, ALPHA]))
    again = read_image(write_image(tmp_path / "x.gif", raster.rgb, raster))
    np.testing.assert_array_equal(again.alpha, alpha)
    assert np.abs(again.rgb - raster.rgb)[alpha == 255].mean() < 0.03


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *(((24, 32), bool), ((24, 32, 1), np.uint8), ((24, 32, 3), np.uint16)),
        *(((24, 32, 4), dtype) for dtype in (np.uint8, np.float64)),
    ],
)
def test_read_image_converts_arrays(shape, dtype):
    full = 1 if dtype in (bool, np.float64) else np.iinfo(dtype).max
    array = RNG.random(shape) > 0.5 if dtype is bool else (RNG.random(shape) * full).astype(dtype)
    raster = read_image(array)
    color = array.reshape(24, 32, -1)[..., :3] / full
    np.testing.assert_allclose(raster.rgb, np.broadcast_to(color, (24, 32, 3)), atol=1e-6)
    assert (raster.alpha is not None) == (shape[-1] == 4)
    assert raster.bit_depth == (8 if dtype in (bool, np.uint8) else 16)
    if raster.alpha is not None:
        np.testing.assert_allclose(
            raster.alpha / np.iinfo(raster.alpha.dtype).max, array[..., 3] / full, atol=8e-6
        )


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 8, 8), np.uint8), "(H, W, 3)"),
        (np.full((8, 8), 200.0), "[0, 1]"),
        (np.full((8, 8), np.nan), "[0, 1]"),
        (np.zeros((8, 8), np.int64), "int64"),
        (np.zeros((0, 8), np.uint8), "(0, 8"),
    ],
)
def test_read_image_rejects_invalid_arrays(array, words):
    with pytest.raises(ImageError) as caught:
        read_image(array)
    assert words in str(caught.value)


def test_read_image_does_not_change_pil_images():
    image = MODES["color and alpha"].copy()
    raster = read_image(image)
    np.testing.assert_array_equal(np.rint(raster.rgb * 255), NOISE)
    assert image.mode == "RGBA"
    result = to_pil(raster.rgb, raster)
    assert result.size == image.size
    np.testing.assert_array_equal(np.asarray(result), np.asarray(image))


def sepia(noise: float) -> Image.Image:
    gray = Image.fromarray(COLOR[..., 0]).resize((200, 150), Image.Resampling.BICUBIC)
    tinted = np.asarray(ImageOps.colorize(gray, "#20140a", "#fff0d0")).astype(float)
    return Image.fromarray(np.clip(tinted + RNG.normal(0, noise, tinted.shape), 0, 255).astype(np.uint8))


def test_chroma_note_distinguishes_sepia_gray_and_color():
    tinted, gray = read_image(sepia(2)), read_image(sepia(0).convert("L"))
    color = read_image(Image.fromarray(COLOR).resize((200, 150), Image.Resampling.BICUBIC))
    assert [chroma_note(p) for p in (tinted, gray, color)] == ["sepia tint dropped", None, "already in color"]
    assert [is_gray(p) for p in (tinted, gray, color)] == [False, True, False]


def smooth_color(seed: int) -> Image.Image:
    """Return an image of smooth color patches with a mean chroma of about 12."""
    patches = np.random.default_rng(seed).integers(40, 216, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(("colors", "seed"), [(4, 0), (16, 2), (256, 0)])
def test_chroma_note_is_stable_under_palette_quantization(colors, seed):
    image = smooth_color(seed)
    assert chroma_note(read_image(image.quantize(colors))) == "already in color"
    for dark, light in (("#20140a", "#fff0d0"), ("#001030", "#f0f8ff")):
        tinted = ImageOps.colorize(image.convert("L"), dark, light).quantize(colors)
        assert "tint dropped" in (chroma_note(read_image(tinted)) or "")


@pytest.mark.parametrize(
    ("levels", "share", "gray"), [(3, 1, True), (4, 1, False), (99, 10, True), (99, 11, False)]
)
def test_is_gray_tolerates_3_levels_and_outlier_pixels(levels, share, gray):
    """Channels of a gray image differ by at most 3 of 255 levels, except at 0.1 % of the pixels."""
    array = np.full((100, 100, 3), 100, np.uint8)
    array.reshape(-1, 3)[: 10_000 if share == 1 else share, 1] += levels
    assert is_gray(RasterImage(array)) == gray

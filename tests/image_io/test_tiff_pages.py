"""Directories of a TIFF that are pages, and those that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.frames import read_frames
from colorzoo.image_io.read import check_image, read_image
from frames_in import frames_in

SCAN = np.random.default_rng(0).integers(0, 65536, (40, 60)).astype(np.uint16)
THUMB = (SCAN[::4, ::4] >> 8).astype(np.uint8)
MASK = np.ones((40, 60), bool)
OLD_REDUCED = (255, 3, 1, 2, True)  # SubfileType of TIFF 5
Writer = Callable[[tifffile.TiffWriter], None]


def written(*pages: tuple[np.ndarray, dict[str, Any]]) -> Writer:
    def write(file: tifffile.TiffWriter) -> None:
        for pixels, options in pages:
            file.write(pixels, **{"photometric": "minisblack", "metadata": None, **options})

    return write


REDUCED, AS_PAGE, AS_MASK = {"subfiletype": 1}, {"subfiletype": 2}, {"subfiletype": 4, "photometric": 4}
SCAN_PAGE, THUMB_PAGE, MASK_PAGE = (SCAN, {}), (THUMB, REDUCED), (MASK, AS_MASK)
BELOW = {"subifds": 1}
ONE_SCAN = {
    "preview first": (written(THUMB_PAGE, SCAN_PAGE), "directory 1 (reduced copy, 15 x 10)"),
    "preview last": (written(SCAN_PAGE, THUMB_PAGE), "directory 2 (reduced copy"),
    "previews around": (written(THUMB_PAGE, SCAN_PAGE, THUMB_PAGE), "directory 3 (reduced copy"),
    "preview of TIFF 5": (
        written((THUMB, {"extratags": [OLD_REDUCED]}), SCAN_PAGE),
        "directory 1 (reduced copy",
    ),
    "mask behind": (written(SCAN_PAGE, MASK_PAGE), "directory 2 (transparency mask, 60 x 40)"),
    "mask first": (written(MASK_PAGE, SCAN_PAGE), "directory 1 (transparency mask"),
    "mask by photometric": (written(SCAN_PAGE, (MASK, {"photometric": 4})), "directory 2 (transparency mask"),
    "mask by kind": (written(SCAN_PAGE, (MASK, {"subfiletype": 4})), "directory 2 (transparency mask"),
    "mask of the preview": (
        written(SCAN_PAGE, (THUMB > 9, {"subfiletype": 5, "photometric": 4})),
        "directory 2 (transparency mask",
    ),
    "page kind": (written(THUMB_PAGE, (SCAN, AS_PAGE)), "directory 1 (reduced copy"),
    "depth map": (written(SCAN_PAGE, (THUMB, {"subfiletype": 8})), "directory 2 (not a page"),
    "scan below the preview": (written((THUMB, REDUCED | BELOW), SCAN_PAGE), "directory 1 (reduced copy"),
    "scan below an unmarked preview": (written((THUMB, BELOW), SCAN_PAGE), "directory 1 (smaller copy"),
    "pyramid below": (written((SCAN, {"subifds": 2}), THUMB_PAGE, THUMB_PAGE), "directory 1 (reduced copy"),
    "tiles": (written(THUMB_PAGE, (SCAN, {"tile": (16, 16), "compression": "zlib"})), "directory 1"),
    "only a reduced scan": (written((SCAN, REDUCED)), ""),
    "only reduced copies": (written(THUMB_PAGE, (SCAN, REDUCED)), "directory 1 (reduced copy"),
}


SOME = ("mask first", "scan below the preview", "pyramid below")


@pytest.mark.parametrize(
    ("case", "options"),
    [
        *((case, {}) for case in ONE_SCAN),
        *((case, options) for case in SOME for options in ({"bigtiff": True}, {"byteorder": ">"})),
    ],
    ids=str,
)
def test_the_full_image_is_read_and_other_directories_are_listed(
    tmp_path: Path, case: str, options: dict[str, Any]
) -> None:
    write, named = ONE_SCAN[case]
    with tifffile.TiffWriter(tmp_path / "a.tif", **options) as file:
        write(file)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.levels, SCAN)
    assert named in " ".join(image.notes)
    assert any("skipped" in note for note in image.notes) == bool(named)
    assert frames_in(tmp_path / "a.tif") is None  # so every caller colors this page alone
    check_image(tmp_path / "a.tif")


def test_pages_with_a_preview_and_a_mask_each(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shift in (0, 1):
            written(THUMB_PAGE, (np.roll(SCAN, shift), AS_PAGE), MASK_PAGE)(file)
    frames = frames_in(tmp_path / "a.tif")
    assert frames is not None
    first, second = (frame.image for frame in read_frames(tmp_path / "a.tif", frames))
    np.testing.assert_array_equal(first.levels, SCAN)
    np.testing.assert_array_equal(second.levels, np.roll(SCAN, 1))
    assert first.notes[0].endswith("directory 4 (reduced copy, 15 x 10) and 1 more")
    assert second.notes == ()


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("YCbCr", {"compression": "tiff_lzw"}),
        ("RGB", {"compression": "jpeg"}),
        ("LAB", {}),
        ("P", {}),
        ("CMYK", {}),
        ("1", {"compression": "group4"}),
    ],
)
def test_every_kind_of_color_is_read_behind_a_preview(
    tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    """Those that libtiff converts too."""
    rng = np.random.default_rng(1)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 6, 3)).astype(np.uint8)).resize((60, 40))
    image = smooth if mode == "LAB" else smooth.convert(mode)
    if mode == "LAB":
        image = Image.merge("LAB", [Image.new("L", (60, 40), value) for value in (150, 20, 10)])
    image.save(tmp_path / "alone.tif", **options)
    preview = Image.new("1" if mode == "1" else "L", (15, 10))
    preview.save(tmp_path / "b.tif", tiffinfo={254: 1}, save_all=True, append_images=[image], **options)
    alone, behind = read_image(tmp_path / "alone.tif"), read_image(tmp_path / "b.tif")
    assert behind.size == (60, 40)
    np.testing.assert_allclose(alone.rgb, behind.rgb, atol=0.02)
    if mode in ("RGB", "P", "1", "YCbCr"):
        np.testing.assert_allclose(alone.rgb * 255, np.asarray(image.convert("RGB")), atol=40)


def test_a_three_dimensional_tiff_raises(tmp_path: Path) -> None:
    volume = np.zeros((5, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack", volumetric=True, tile=(5, 16, 16))
    with pytest.raises(ImageError, match="three dimensions"):
        read_image(tmp_path / "a.tif")

"""Selection of the TIFF directories that are pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from colorzoo.errors import ImageError
from colorzoo.image_io.frames import read_frames
from colorzoo.image_io.read import check_image, read_image
from frames_in import frames_in

SCAN = np.random.default_rng(0).integers(0, 65536, (40, 60)).astype(np.uint16)
THUMB = (SCAN[::4, ::4] >> 8).astype(np.uint8)
MASK = np.ones((40, 60), bool)
OLD_REDUCED = (255, 3, 1, 2, True)  # SubfileType of TIFF 5
Writer = Callable[[tifffile.TiffWriter], None]


def page_writer(*pages: tuple[np.ndarray, dict[str, Any]]) -> Writer:
    def write(file: tifffile.TiffWriter) -> None:
        for pixels, options in pages:
            file.write(pixels, **{"photometric": "minisblack", "metadata": None, **options})

    return write


REDUCED, AS_PAGE, AS_MASK = {"subfiletype": 1}, {"subfiletype": 2}, {"subfiletype": 4, "photometric": 4}
SCAN_PAGE, THUMB_PAGE, MASK_PAGE = (SCAN, {}), (THUMB, REDUCED), (MASK, AS_MASK)
BELOW = {"subifds": 1}
ONE_SCAN = {
    "previews around": page_writer(THUMB_PAGE, SCAN_PAGE, THUMB_PAGE),
    "preview of TIFF 5": page_writer((THUMB, {"extratags": [OLD_REDUCED]}), SCAN_PAGE),
    "mask first": page_writer(MASK_PAGE, SCAN_PAGE),
    "mask by photometric": page_writer(SCAN_PAGE, (MASK, {"photometric": 4})),
    "mask by kind": page_writer(SCAN_PAGE, (MASK, {"subfiletype": 4})),
    "depth map": page_writer(SCAN_PAGE, (THUMB, {"subfiletype": 8})),
    "scan below the preview": page_writer((THUMB, REDUCED | BELOW), SCAN_PAGE),
    "pyramid below": page_writer((SCAN, {"subifds": 2}), THUMB_PAGE, THUMB_PAGE),
    "only reduced copies": page_writer(THUMB_PAGE, (SCAN, REDUCED)),
}


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=str)
@pytest.mark.parametrize("case", ONE_SCAN)
def test_read_image_selects_the_full_size_page(tmp_path: Path, case: str, options: dict[str, Any]) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", **options) as file:
        ONE_SCAN[case](file)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").levels, SCAN)
    assert frames_in(tmp_path / "a.tif") is None  # only one page is colorized
    check_image(tmp_path / "a.tif")


def test_read_frames_skips_previews_and_masks_of_pages(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shift in (0, 1):
            page_writer(THUMB_PAGE, (np.roll(SCAN, shift), AS_PAGE), MASK_PAGE)(file)
    frames = frames_in(tmp_path / "a.tif")
    assert frames is not None
    first, second = (frame.image for frame in read_frames(tmp_path / "a.tif", frames))
    np.testing.assert_array_equal(first.levels, SCAN)
    np.testing.assert_array_equal(second.levels, np.roll(SCAN, 1))


def test_read_image_rejects_volumetric_tiff(tmp_path: Path) -> None:
    volume = np.zeros((5, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack", volumetric=True, tile=(5, 16, 16))
    with pytest.raises(ImageError, match="volumetric"):
        read_image(tmp_path / "a.tif")


def test_read_image_rejects_tiff_with_two_width_values(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", THUMB, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags[256].overwrite((2**31, 2**31))
    with pytest.raises(ImageError, match="contains no image"):
        read_image(tmp_path / "a.tif")

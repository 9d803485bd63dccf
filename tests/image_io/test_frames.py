"""Frames and pages keep their pixels, bit depth, timing, loops and transparency."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.frames import ColoredFrame, Frames, ImageFrame, frames_notes, read_frames, write_frames
from colorzoo.image_io.read import read_image
from colorzoo.pixels.profiles import srgb_profile
from frames_in import frames_in

DURATIONS = [80, 40, 250, 80]
RNG = np.random.default_rng(3)


def animation_frames(alpha: bool = False, size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    """Return four frames with few colors."""
    width, height = size
    frames = []
    for left in (2, 8, 8, 20):
        array = np.full((height, width, 4), (200, 190, 60, 0 if alpha else 255), np.uint8)
        array[5:20, left : left + 10] = (20, 90, 160, 255)
        frames.append(Image.fromarray(array if alpha else array[..., :3]))
    return frames


def write_animation(path: Path, alpha: bool = False, loop: int | None = 0, **options: Any) -> Path:
    first, *others = animation_frames(alpha)
    others[1].paste((20, 190, 60, 255), (0, 0, 3, 3))  # Pillow merges equal frames
    given = {} if loop is None else {"loop": loop}
    options = {"lossless": True} | options if path.suffix == ".webp" else options
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, **given, **options)
    return path


def copy_frames(source: Path, target: Path) -> list[ImageFrame]:
    """Copy the frames of a file to another file without changes, and read the copy."""
    frames = frames_in(source)
    assert frames is not None
    read = read_frames(source, frames)
    colored = (ColoredFrame(f.image.rgb, f.image, f.milliseconds) for f in read)
    write_frames(target, colored, frames)
    again = frames_in(target)
    assert again is not None
    assert (again.plays if again.kind == "frames" else 0) == (frames.plays if again.kind == "frames" else 0)
    return list(read_frames(target, again))


def visible_colors(frame: ImageFrame) -> np.ndarray:
    """Return the colors of opaque pixels, for comparisons."""
    alpha = frame.image.alpha
    visible = np.ones(frame.image.rgb.shape[:2], bool) if alpha is None else alpha > alpha.max() // 2
    return np.where(visible[..., None], np.rint(frame.image.rgb * 255), 0)


@pytest.mark.parametrize(
    ("source", "target", "alpha"),
    [
        *(("a.gif", "x.gif", True), ("a.gif", "x.webp", True)),
        *(("a.webp", "x.webp", True), ("a.webp", "x.tif", True)),
    ],
)
def test_write_frames_keeps_every_frame_and_its_duration(
    tmp_path: Path, source: str, target: str, alpha: bool
) -> None:
    path = write_animation(tmp_path / source, alpha)
    frames = frames_in(path)
    assert frames is not None
    assert (frames.kind, frames.count, frames.plays) == ("frames", 4, 0)
    given = list(read_frames(path, frames))
    assert [frame.milliseconds for frame in given] == DURATIONS
    again = copy_frames(path, tmp_path / target)
    assert len(again) == 4
    if target != "x.tif":
        assert [frame.milliseconds for frame in again] == DURATIONS
    lossy = target == "x.webp"
    for before, after in zip(given, again, strict=True):
        difference = np.abs(visible_colors(before) - visible_colors(after))
        assert (difference.mean() if lossy else difference.max()) <= (6 if lossy else 2)
    assert frames_notes(tmp_path / target, frames)[0] == "4 frames"


@pytest.mark.parametrize(
    ("name", "plays", "loop"),
    [("a.gif", 0, 0), ("a.gif", 1, None), ("a.gif", 3, 2), ("a.webp", 3, 3)],
)
def test_write_frames_stores_the_number_of_loops(
    tmp_path: Path, name: str, plays: int, loop: int | None
) -> None:
    """GIF stores the number of repetitions, which excludes the first playback."""
    path = write_two_frames(tmp_path / name, plays=plays)
    with Image.open(path) as image:
        assert image.info.get("loop") == loop
    frames = frames_in(path)
    assert frames is not None
    assert frames.plays == min(plays, 65_535)


def write_two_frames(path: Path, milliseconds: float = 50, *, plays: int = 0) -> Path:
    """Write an animation of two frames."""
    images = [read_image(drawing) for drawing in animation_frames()[:2]]
    frames = [ColoredFrame(image.rgb, image, milliseconds) for image in images]
    return write_frames(str(path), frames, Frames("frames", 2, plays, alpha=False))


@pytest.mark.parametrize("name", ["a.webp", "a.gif"])
def test_write_frames_keeps_animation_metadata(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[315] = "Ann"
    icc = srgb_profile()
    given: dict[str, dict[str, Any]] = {
        "a.webp": {"exif": exif.tobytes(), "icc_profile": icc, "xmp": b"<xml>"},
        "a.gif": {"comment": b"of more than one block" * 30},
    }
    copy_frames(write_animation(tmp_path / name, **given[name]), tmp_path / f"b-{name}")
    with Image.open(tmp_path / name) as source, Image.open(tmp_path / f"b-{name}") as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        assert image.getexif().get(315) == ("Ann" if "exif" in given[name] else None)
        for key in given[name].keys() - {"exif"}:
            assert image.info[key] == source.info[key], key


def write_pages(path: Path, dtype: type, count: int = 3, **options: Any) -> list[np.ndarray]:
    full = np.iinfo(dtype).max
    expected_pages = [RNG.integers(0, full, (30 - k, 40 + k, 3)).astype(dtype) for k in range(count)]
    with tifffile.TiffWriter(path, **options) as file:
        for number, page in enumerate(expected_pages):
            file.write(page, compression="deflate" if number % 2 else None, photometric="rgb")
    return expected_pages


@pytest.mark.parametrize(("dtype", "bigtiff"), [(np.uint8, False), (np.uint16, True)])
def test_write_frames_keeps_size_and_bit_depth_of_pages(tmp_path: Path, dtype: type, bigtiff: bool) -> None:
    expected_pages = write_pages(tmp_path / "a.tif", dtype, bigtiff=bigtiff)
    copy_frames(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        for page, expected in zip(file.pages, expected_pages, strict=True):
            assert page.dtype == dtype
            np.testing.assert_array_equal(page.asarray(), expected)


def test_write_frames_keeps_the_metadata_of_each_page(tmp_path: Path) -> None:
    first, second = (Image.new("L", (20, 10), value) for value in (50, 90))
    second.encoderinfo = {"tiffinfo": {270: "the second"}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second], tiffinfo={270: "the first"})
    copy_frames(tmp_path / "a.tif", tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as image:
        found = []
        for number in range(2):
            image.seek(number)
            found.append(image.tag_v2[270])
    assert found == ["the first", "the second"]


def test_tiff_frames_ignore_cyclic_page_chains(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", np.uint8, count=2)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, second = (page.offset for page in file.pages)
    (count,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<L", data, second + 2 + 12 * count, first)
    (tmp_path / "a.tif").write_bytes(data)
    found = frames_in(tmp_path / "a.tif")
    assert found is not None
    assert found.count == 2


def test_read_frames_names_the_damaged_page(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", np.uint8)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start : start + length] = b"\xff" * length
    (tmp_path / "a.tif").write_bytes(data)
    frames = frames_in(tmp_path / "a.tif")
    assert frames is not None
    with pytest.raises(ImageError, match=r"page 2 of .*a\.tif is damaged"):
        list(read_frames(tmp_path / "a.tif", frames))


def test_write_frames_leaves_no_file_after_an_error(tmp_path: Path) -> None:
    frames = frames_in(write_animation(tmp_path / "a.gif"))
    assert frames is not None

    def failing() -> Iterator[ColoredFrame]:
        yield from [ColoredFrame(f.image.rgb, f.image) for f in read_frames(tmp_path / "a.gif", frames)][:2]
        raise ImageError("no more")

    with pytest.raises(ImageError, match="no more"):
        write_frames(tmp_path / "out" / "b.gif", failing(), frames)
    assert list((tmp_path / "out").iterdir()) == []


def test_only_the_first_image_of_an_animated_png_is_read(tmp_path: Path) -> None:
    path = write_animation(tmp_path / "a.png")
    assert frames_in(path) is None
    assert read_image(path).notes == ("first of 4 frames",)


def test_gif_frames_with_a_palette_after_gray_frames_keep_their_pixels(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frames = [ramp, ramp[::-1], np.where(ramp < 100, 40, 215).astype(np.uint8), ramp.T]
    path = tmp_path / "gray.gif"
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others)
    description = frames_in(path)
    assert description is not None
    found = [frame.image.levels for frame in read_frames(path, description)]
    assert [np.array_equal(levels, frame) for levels, frame in zip(found, frames, strict=True)] == [True] * 4

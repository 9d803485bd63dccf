"""Frames and pages keep pixels, depth, timing, loops and transparency."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.frames import Frames, PictureFrame, read_frames
from colorzoo.pictures.pixels import srgb_profile
from colorzoo.pictures.png import SIGNATURE, deep_frames, png_chunk
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.tiff import PageStream
from colorzoo.pictures.write import frames_notes, holds_frames
from colorzoo.pictures.write_frames import ColoredFrame, write_frames
from frames_in import frames_in

DURATIONS = [80, 40, 250, 80]
RNG = np.random.default_rng(3)


def drawings(alpha: bool = False, size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    """Return four frames in few colors, of which two are alike: writers must not join them."""
    width, height = size
    frames = []
    for left in (2, 8, 8, 20):
        array = np.full((height, width, 4), (200, 190, 60, 0 if alpha else 255), np.uint8)
        array[5:20, left : left + 10] = (20, 90, 160, 255)
        frames.append(Image.fromarray(array if alpha else array[..., :3]))
    return frames


def moving(path: Path, alpha: bool = False, loop: int | None = 0, **options: Any) -> Path:
    first, *others = drawings(alpha)
    others[1].putpixel((0, 0), (201, 190, 60, 255))  # Pillow joins frames that are alike
    given = {} if loop is None else {"loop": loop}
    options = {"lossless": True} | options if path.suffix == ".webp" else options
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, **given, **options)
    return path


def copied(source: Path, target: Path) -> list[PictureFrame]:
    """Write the frames of a file as they are to another one, and return what is read of that."""
    frames = frames_in(source)
    assert frames is not None
    read = read_frames(source, frames)
    colored = (ColoredFrame(f.picture.rgb, f.picture, f.milliseconds, f.hidden) for f in read)
    write_frames(target, colored, frames)
    again = frames_in(target)
    assert again is not None
    assert (again.plays if again.kind == "frames" else 0) == (frames.plays if again.kind == "frames" else 0)
    return list(read_frames(target, again))


def composed(frame: PictureFrame) -> np.ndarray:
    """Return color where there is any, for comparing."""
    alpha = frame.picture.alpha
    visible = np.ones(frame.picture.rgb.shape[:2], bool) if alpha is None else alpha > alpha.max() // 2
    return np.where(visible[..., None], np.rint(frame.picture.rgb * 255), 0)


@pytest.mark.parametrize("target", ["x.gif", "x.png", "x.webp", "x.tif"])
@pytest.mark.parametrize("source", ["a.gif", "a.png", "a.webp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_frame_is_copied_with_its_duration(
    tmp_path: Path, source: str, target: str, alpha: bool
) -> None:
    path = moving(tmp_path / source, alpha)
    frames = frames_in(path)
    assert frames is not None
    assert (frames.kind, frames.count, frames.plays) == ("frames", 4, 0)
    given = list(read_frames(path, frames))
    assert [frame.milliseconds for frame in given] == DURATIONS
    again = copied(path, tmp_path / target)
    assert len(again) == 4
    if target != "x.tif":
        assert [frame.milliseconds for frame in again] == DURATIONS
    lossy = target == "x.webp" and source != "a.webp"
    for before, after in zip(given, again, strict=True):
        difference = np.abs(composed(before) - composed(after))
        assert (difference.mean() if lossy else difference.max()) <= (6 if lossy else 2)
    assert frames_notes(tmp_path / target, frames)[0] == "4 frames"


@pytest.mark.parametrize(
    ("name", "plays", "loop"),
    [
        *(("a.gif", 0, 0), ("a.gif", 1, None), ("a.gif", 3, 2), ("a.gif", 70_000, 65_535)),
        *(
            ("a.webp", 0, 0),
            ("a.webp", 3, 3),
            ("a.webp", 70_000, 65_535),
            ("a.png", 0, 0),
            ("a.png", 70_000, 70_000),
        ),
    ],
)
def test_animations_keep_their_number_of_loops(
    tmp_path: Path, name: str, plays: int, loop: int | None
) -> None:
    """GIF counts the repetitions after the first."""
    path = written(tmp_path / name, plays=plays)
    with Image.open(path) as image:
        assert image.info.get("loop") == loop
    data = path.read_bytes()
    assert data.endswith({".gif": b";", ".png": png_chunk(b"IEND", b"")}.get(path.suffix, b""))
    assert path.suffix != ".webp" or struct.unpack_from("<L", data, 4) == (len(data) - 8,)
    frames = frames_in(path)
    assert frames is not None
    assert frames.plays == min(plays, {"a.gif": 65_536, "a.webp": 65_535}.get(name, plays))


@pytest.mark.parametrize(
    ("name", "milliseconds", "stored"),
    [("a.webp", 70.6, 71), ("a.webp", 9e9, 2**24 - 1), ("a.gif", 44, 40), ("a.gif", 46, 50)],
)
def test_durations_are_rounded_to_what_the_format_holds(
    tmp_path: Path, name: str, milliseconds: float, stored: int
) -> None:
    path = written(tmp_path / name, milliseconds)
    with Image.open(path) as image:
        image.load()
        assert image.info["duration"] == stored


def written(path: Path, milliseconds: float = 50, *, plays: int = 0) -> Path:
    """Write an animation of two frames."""
    pictures = [read_picture(drawing) for drawing in drawings()[:2]]
    frames = [ColoredFrame(picture.rgb, picture, milliseconds) for picture in pictures]
    return write_frames(str(path), frames, Frames("frames", 2, plays, alpha=False))


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.png"])
def test_an_animation_keeps_its_metadata(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[315] = "Ann"
    icc = srgb_profile()
    given: dict[str, dict[str, Any]] = {
        "a.webp": {"exif": exif.tobytes(), "icc_profile": icc, "xmp": b"<xml>", "background": (9, 8, 7, 6)},
        "a.gif": {"comment": b"of more than one block" * 30},
        "a.png": {"exif": exif.tobytes(), "icc_profile": icc},
    }
    copied(moving(tmp_path / name, **given[name]), tmp_path / f"b-{name}")
    with Image.open(tmp_path / name) as source, Image.open(tmp_path / f"b-{name}") as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        assert image.getexif().get(315) == ("Ann" if "exif" in given[name] else None)
        for key in given[name].keys() - {"exif"}:
            assert image.info[key] == source.info[key], key


@pytest.mark.parametrize(
    ("milliseconds", "fraction"),
    [
        *((0, (0, 1)), (1000 / 30, (1, 30)), (1e6 / 1001, (1000, 1001)), (65_535_000, (65535, 1))),
        *((65_535_400, (65535, 1)), (9e9, (65535, 1)), (20_000_500, (40001, 2)), (40_000_500, (40000, 1))),
    ],
)
def test_a_duration_is_the_nearest_fraction_of_16_bits(
    tmp_path: Path, milliseconds: float, fraction: tuple[int, int]
) -> None:
    data = written(tmp_path / "b.png", milliseconds).read_bytes()
    place = data.index(b"fcTL") + 4
    assert struct.unpack(">HH", data[place + 20 : place + 24]) == fraction


def test_pixels_uncovered_by_a_frame_are_transparent(tmp_path: Path) -> None:
    """Disposal: a thing that moves over nothing leaves no trail."""
    frames = copied(moving(tmp_path / "a.gif", alpha=True, disposal=2), tmp_path / "b.gif")
    assert [int((frame.picture.alpha > 127).sum()) for frame in frames] == [150, 150, 151, 150]


@pytest.mark.parametrize(("disposal", "left"), [(0, (9, 0, 0, 9)), (1, (0, 0, 0, 0)), (2, (5, 5, 5, 9))])
def test_a_deep_frame_is_left_cleared_or_taken_back(disposal: int, left: tuple[int, ...]) -> None:
    """Two by two red pixels over gray, and what the next frame, a pixel elsewhere, shows there."""
    ground, patch = np.full((4, 4, 4), (5, 5, 5, 9), np.uint16), np.full((2, 2, 4), (9, 0, 0, 9), np.uint16)
    chunks = [(b"IHDR", struct.pack(">LLBBBBB", 4, 4, 16, 6, 0, 0, 0)), (b"acTL", struct.pack(">LL", 3, 0))]
    frames = ((ground, 0, 0, 0), (patch, 1, 1, disposal), (patch[:1, :1], 0, 0, 0))
    for number, (frame, x, y, after) in enumerate(frames):
        height, width = frame.shape[:2]
        control = struct.pack(">LLLLLHHBB", 2 * number, width, height, x, y, 1, 10, after, 0)
        body = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in frame))
        name, begin = (b"fdAT", struct.pack(">L", 2 * number + 1)) if number else (b"IDAT", b"")
        chunks += [(b"fcTL", control), (name, begin + body)]
    data = SIGNATURE + b"".join(png_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))
    found = [frame for frame, _ in deep_frames(io.BytesIO(data), "a.png")]
    assert tuple(found[1][2, 2]) == (9, 0, 0, 9)
    assert tuple(found[2][2, 2]) == left


@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (4, 2)])
@pytest.mark.parametrize("key", [False, True])
def test_deep_frames_have_the_channels_of_the_file(color: int, channels: int, key: bool) -> None:
    """And alpha if one color is transparent."""
    frames = RNG.integers(0, 65536, (2, 4, 5, channels)).astype(np.uint16)
    frames[1, 2, 3] = frames[0, 0, 0]
    chunks = [(b"IHDR", struct.pack(">LLBBBBB", 5, 4, 16, color, 0, 0, 0))]
    chunks += [(b"tRNS", frames[0, 0, 0].astype(">u2").tobytes())] if key else []
    for number, frame in enumerate(frames):
        body = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in frame))
        control = struct.pack(">LLLLLHHBB", number, 5, 4, 0, 0, 3, 0, 0, 0)  # hundredths of a second
        chunks += [(b"fcTL", control), (b"fdAT", bytes(4) + body[:9]), (b"fdAT", bytes(4) + body[9:])]
    data = SIGNATURE + b"".join(png_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))
    found = list(deep_frames(io.BytesIO(data), "a.png"))
    opaque = [
        [0 if (pixel == frames[0, 0, 0]).all() else 65535 for pixel in frame.reshape(20, -1)]
        for frame in frames
    ]
    expected = (
        np.concatenate([frames, np.reshape(opaque, (2, 4, 5, 1))], axis=3) if key and color != 4 else frames
    )
    np.testing.assert_array_equal([frame for frame, _ in found], expected)
    assert [milliseconds for _, milliseconds in found] == [30, 30]


def pages(path: Path, dtype: type, count: int = 3, **options: Any) -> list[np.ndarray]:
    full = np.iinfo(dtype).max
    made = [RNG.integers(0, full, (30 - k, 40 + k, 3)).astype(dtype) for k in range(count)]
    with tifffile.TiffWriter(path, **options) as file:
        for number, page in enumerate(made):
            file.write(page, compression="deflate" if number % 2 else None, photometric="rgb")
    return made


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_page_keeps_its_size_and_depth(tmp_path: Path, dtype: type, bigtiff: bool) -> None:
    made = pages(tmp_path / "a.tif", dtype, bigtiff=bigtiff)
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [page.compression.name for page in file.pages] == ["NONE", "ADOBE_DEFLATE", "NONE"]
        for page, expected in zip(file.pages, made, strict=True):
            assert page.dtype == dtype
            np.testing.assert_array_equal(page.asarray(), expected)


def test_a_page_is_read_as_a_file_that_begins_with_its_header(tmp_path: Path) -> None:
    content = bytes(range(40))
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as file:
        page, same = PageStream(file, b"HEADER"), io.BytesIO(b"HEADER" + content[6:])
        assert (page.readable(), page.seekable(), page.fileno()) == (True, True, file.fileno())
        for _ in range(300):
            place, whence = [(int(RNG.integers(0, 45)), 0), (int(RNG.integers(0, 5)), 1), (-3, 2)][
                RNG.integers(3)
            ]
            assert page.seek(place, whence) == same.seek(place, whence) == page.tell()
            size = [None, -1, 0, 1, 4, 9, 50][RNG.integers(7)]
            assert page.read(size) == same.read(size)
            one, other = bytearray(5), bytearray(5)
            assert (page.readinto(one), one) == (same.readinto(other), other)
            assert page.tell() == same.tell()


def test_each_page_keeps_its_own_metadata(tmp_path: Path) -> None:
    first, second = (Image.new("L", (20, 10), value) for value in (50, 90))
    second.encoderinfo = {"tiffinfo": {270: "the second"}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second], tiffinfo={270: "the first"})
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as image:
        found = []
        for number in range(2):
            image.seek(number)
            found.append(image.tag_v2[270])
    assert found == ["the first", "the second"]


def test_reduced_copies_of_a_page_are_skipped(tmp_path: Path) -> None:
    whole = RNG.integers(0, 255, (40, 60, 3)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(whole, photometric="rgb")
        file.write(whole[::2, ::2], photometric="rgb", subfiletype=1)
    assert frames_in(tmp_path / "a.tif") is None


def test_an_endless_chain_of_pages_is_read_once(tmp_path: Path) -> None:
    pages(tmp_path / "a.tif", np.uint8, count=2)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, second = (page.offset for page in file.pages)
    (count,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<L", data, second + 2 + 12 * count, first)
    (tmp_path / "a.tif").write_bytes(data)
    found = frames_in(tmp_path / "a.tif")
    assert found is not None
    assert found.count == 2


def deep_png(path: Path, *, hidden: bool) -> list[np.ndarray]:
    """Write an animated PNG of 16 bits with a part that is laid over, and one that goes again."""
    rng = np.random.default_rng(0)
    whole = [rng.integers(0, 65536, (16, 20, 4)).astype(np.uint16) for _ in range(2)]
    part = rng.integers(0, 65536, (6, 8, 4)).astype(np.uint16)

    def pixels(array: np.ndarray) -> bytes:
        data = imagecodecs.png_encode(array)
        place = data.index(b"IDAT")
        return data[place + 4 : place + 4 + int.from_bytes(data[place - 4 : place], "big")]

    def control(number: int, width: int, height: int, x: int, y: int, clear: int, blend: int) -> bytes:
        body = struct.pack(">LLLLLHHBB", number, width, height, x, y, 1, 20, clear, blend)
        return png_chunk(b"fcTL", body)

    chunks = [png_chunk(b"IHDR", struct.pack(">LLBBBBB", 20, 16, 16, 6, 0, 0, 0))]
    chunks.append(png_chunk(b"acTL", struct.pack(">LL", 3, 0)))
    if hidden:
        chunks.append(png_chunk(b"IDAT", pixels(np.full((16, 20, 4), 9999, np.uint16))))
        chunks += [
            control(0, 20, 16, 0, 0, 0, 0),
            png_chunk(b"fdAT", struct.pack(">L", 1) + pixels(whole[0])),
        ]
    else:
        chunks += [control(0, 20, 16, 0, 0, 0, 0), png_chunk(b"IDAT", pixels(whole[0]))]
    chunks += [control(2, 8, 6, 5, 4, 2, 1), png_chunk(b"fdAT", struct.pack(">L", 3) + pixels(part))]
    chunks += [control(4, 20, 16, 0, 0, 1, 0), png_chunk(b"fdAT", struct.pack(">L", 5) + pixels(whole[1]))]
    path.write_bytes(SIGNATURE + b"".join(chunks) + png_chunk(b"IEND", b""))
    mixed = whole[0].copy()
    over, under = part / 65535, whole[0][4:10, 5:13] / 65535
    left = under[..., 3:] * (1 - over[..., 3:])
    alpha = over[..., 3:] + left
    color = (over[..., :3] * over[..., 3:] + under[..., :3] * left) / alpha
    mixed[4:10, 5:13] = np.rint(np.dstack([color, alpha]) * 65535)
    return [whole[0], mixed, whole[1]]


@pytest.mark.parametrize("hidden", [False, True])
def test_an_animated_png_of_16_bits_shows_the_right_frame(tmp_path: Path, hidden: bool) -> None:
    expected = deep_png(tmp_path / "a.png", hidden=hidden)
    first = read_picture(tmp_path / "a.png")
    assert (first.bit_depth, first.notes) == (16, ("first of 4 frames" if hidden else "first of 3 frames",))
    np.testing.assert_array_equal(np.rint(first.rgb * 65535), expected[0][..., :3])
    again = copied(tmp_path / "a.png", tmp_path / "b.png")
    assert [frame.hidden for frame in again] == [True, False, False, False][not hidden :]
    shown = [frame for frame in again if not frame.hidden]
    for frame, pixels in zip(shown, expected, strict=True):
        assert (frame.picture.bit_depth, frame.milliseconds) == (16, 50)
        np.testing.assert_allclose(frame.picture.rgb * 65535, pixels[..., :3], rtol=0, atol=0.02)
        np.testing.assert_array_equal(frame.picture.alpha, pixels[..., 3])
    with Image.open(tmp_path / "b.png") as image:  # and for other software it is one too
        assert (image.n_frames, image.info.get("default_image", False)) == (3 + hidden, hidden)


def test_8_bit_animations_start_with_the_first_shown_frame(tmp_path: Path) -> None:
    hidden, first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "lime"), drawings()[0]
    hidden.save(
        tmp_path / "a.png",
        save_all=True,
        append_images=[first, second.crop((0, 0, 8, 8))],
        default_image=True,
    )
    assert read_picture(tmp_path / "a.png").rgb[0, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(("kind", "held"), [("frames", "tif gif png webp"), ("pages", "tif")])
def test_formats_that_cannot_hold_all_have_a_note(kind: Literal["frames", "pages"], held: str) -> None:
    for name in ("tif", "gif", "png", "webp", "jpg", "avif", "bmp"):
        found, frames = name in held.split(), Frames(kind, 3)
        assert holds_frames(f"x.{name}", frames) == found
        format_name = {"jpg": "JPEG", "tif": "TIFF"}.get(name, name.upper())
        timing = ("timing dropped: TIFF holds pages",) if (kind, name) == ("frames", "tif") else ()
        lost = (f"first of 3 {kind}: {format_name} cannot hold the others",)
        assert frames_notes(f"x.{name}", frames) == ((f"3 {kind}", *timing) if found else lost)


def test_a_damaged_page_is_named_and_left_out_only_when_asked(tmp_path: Path) -> None:
    pages(tmp_path / "a.tif", np.uint8)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start : start + length] = b"\xff" * length
    (tmp_path / "a.tif").write_bytes(data)
    frames = frames_in(tmp_path / "a.tif")
    assert frames is not None
    with pytest.raises(PictureError, match=r"page 2 of .*a\.tif is damaged"):
        list(read_frames(tmp_path / "a.tif", frames))
    whole = list(read_frames(tmp_path / "a.tif", frames, salvage=True))
    assert [frame.picture.size for frame in whole] == [(40, 30), (42, 28)]
    assert [frame.picture.metadata.source for frame in whole] == [tmp_path / "a.tif", None]
    assert [frame.picture.notes for frame in whole] == [(), ()]
    (tmp_path / "a.tif").write_bytes(data[:8] + bytes(len(data) - 8))
    with pytest.raises(PictureError, match=r"a\.tif is damaged: none of its 3 pages can be read"):
        list(read_frames(tmp_path / "a.tif", frames, salvage=True))


def test_an_animation_cut_short_gives_its_whole_frames_when_asked(tmp_path: Path) -> None:
    path = moving(tmp_path / "a.png")
    frames = frames_in(path)
    assert frames is not None
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(PictureError, match="frame 4 of"):
        list(read_frames(path, frames))
    assert len(list(read_frames(path, frames, salvage=True))) == 3


def test_a_failure_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    frames = frames_in(moving(tmp_path / "a.gif"))
    assert frames is not None

    def failing() -> Iterator[ColoredFrame]:
        yield from [ColoredFrame(f.picture.rgb, f.picture) for f in read_frames(tmp_path / "a.gif", frames)][
            :2
        ]
        raise PictureError("no more")

    with pytest.raises(PictureError, match="no more"):
        write_frames(tmp_path / "out" / "b.gif", failing(), frames)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_quality_is_95_as_of_a_single_picture(tmp_path: Path) -> None:
    images = [Image.fromarray(RNG.integers(0, 255, (64, 64, 3), np.uint8)) for _ in range(2)]
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=50)
    frames = frames_in(tmp_path / "a.webp")
    assert frames is not None
    written = []
    for given in ({}, {"quality": 95}, {"quality": 94}):
        read = read_frames(tmp_path / "a.webp", frames)
        out = tmp_path / f"{given}.webp"
        write_frames(out, (ColoredFrame(f.picture.rgb, f.picture) for f in read), frames, **given)
        written.append(out.read_bytes())
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path, name: str) -> None:
    def peak(count: int) -> int:
        images = [Image.fromarray(RNG.integers(0, 255, (64, 64, 3), np.uint8)) for _ in range(count)]
        source = tmp_path / f"{count}{name}"
        images[0].save(source, save_all=True, append_images=images[1:], duration=50)
        images.clear()
        tracemalloc.start()
        frames = frames_in(source)
        assert frames is not None
        read = read_frames(source, frames)
        write_frames(
            tmp_path / f"out{count}{name}", (ColoredFrame(f.picture.rgb, f.picture) for f in read), frames
        )
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    few, many = peak(3), peak(15)
    stored = (tmp_path / f"15{name}").stat().st_size if name == "a.webp" else 0  # its decoder wants all bytes
    assert (
        many - stored < few + 12 * 64 * 64 * 3 * 4 / 4
    )  # a quarter of the frames that were added, as floats

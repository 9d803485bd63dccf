"""Films as archives hold them: cut short, with odd sound, pixels that are not square, or transparency."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from colorzoo.cli.main import main
from colorzoo.video.encoding import choose_encoding
from colorzoo.video.file import VideoFile
from colorzoo.video.matroska import set_pixel_aspect
from colorzoo.video.run import PartsFolder, color_video
from colorzoo.video.whole import missing_bytes
from tiny_video import StubColorer, read_frames, scene, write_video

PICTURES = [scene(n) for n in range(8)]


def convert(source: Path, out: Path, codec: str | None = None) -> VideoFile:
    video = VideoFile(source, choose_encoding(out, codec, None))
    color_video(video, StubColorer(), PartsFolder(out, "test"), out, steady=0, size=32)
    return video


def last_duration(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
    return packets[-1].duration * packets[-1].time_base


@pytest.mark.parametrize(("extension", "codec"), [(".mp4", None), (".mkv", "ffv1"), (".webm", None)])
@pytest.mark.parametrize("source", [".mp4", ".mkv"])
def test_the_last_frame_lasts_as_long_as_it_did(tmp_path, source, extension, codec):
    film = write_video(tmp_path / f"in{source}", PICTURES)
    convert(film, tmp_path / f"out{extension}", codec)
    assert last_duration(tmp_path / f"out{extension}") == last_duration(film) == Fraction(1, 25)


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_sound_that_cannot_be_held_is_refused_before_the_work(tmp_path, dry_run, capsys, monkeypatch):
    film = write_video(tmp_path / "in.mp4", PICTURES, sound=True)
    monkeypatch.setattr(VideoFile, "frames", lambda _: pytest.fail("a frame was read"))
    assert main(["video", str(film), str(tmp_path / "out.webm"), *dry_run]) == 2
    assert "cannot hold the sound (aac); name the result .mkv" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize(
    ("codec", "extension"), [("ffv1", ".mkv"), ("mpeg4", ".avi"), ("libvpx-vp9", ".webm"), ("mpeg4", ".mp4")]
)
def test_a_film_that_is_cut_short_is_no_success(tmp_path, codec, extension):
    film = write_video(tmp_path / f"in{extension}", PICTURES, codec=codec)
    assert missing_bytes(film) == 0
    data = film.read_bytes()
    film.write_bytes(data[:-100])
    assert missing_bytes(film) == 100
    if extension == ".mp4":  # whose index is at the end
        return
    assert "100 bytes are missing" in convert(film, tmp_path / "out.mkv").issues.lines()[0]


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (b"RIFF" + (96).to_bytes(4, "little") + bytes(90), 6),
        (b"RIFF" + (90).to_bytes(4, "little") + bytes(96), 0),
        (b"\0\0\0\x10ftyp" + bytes(8) + b"\0\0\0\x20mdat" + bytes(20), 4),
        (b"\0\0\0\x10ftyp" + bytes(8) + b"\0\0\0\1mdat" + (70).to_bytes(8, "big") + bytes(50), 4),
        (b"\0\0\0\x10ftyp" + bytes(8) + b"\0\0\0\0mdat" + bytes(50), 0),  # up to the end of the file
        (b"\x1aE\xdf\xa3\x83abc\x18\x53\x80\x67\x40\x64" + bytes(90), 10),
        (b"\x1aE\xdf\xa3\x83abc\x18\x53\x80\x67\xff" + bytes(90), 0),  # of unknown length
        (b"\x1aE\xdf\xa3", 0),
        (b"\0\0\0\x10none" + bytes(4), 0),
    ],
)
def test_what_is_missing_by_the_sizes_that_a_container_declares(tmp_path, content, missing):
    (tmp_path / "film").write_bytes(content)
    assert missing_bytes(tmp_path / "film") == missing


def test_the_verb_exits_with_1_for_a_film_that_is_cut_short(tmp_path, capsys):
    film = write_video(tmp_path / "in.mkv", PICTURES, codec="ffv1")
    film.write_bytes(film.read_bytes()[:-100])
    assert main(["video", str(film), str(tmp_path / "out.mkv"), "--dry-run"]) == 1
    assert "is not whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codec", "extension"),
    [
        ("ffv1", ".mkv"),
        ("vp9", ".mkv"),
        ("vp9", ".webm"),
        ("h264", ".mp4"),
        ("h264", ".mkv"),
        ("hevc", ".mkv"),
    ],
)
@pytest.mark.parametrize("sound", [False, True])
def test_the_aspect_of_a_pixel_is_kept(tmp_path, codec, extension, sound):
    sound = sound and extension == ".mkv"
    film = write_video(tmp_path / "in.mkv", PICTURES, aspect=Fraction(16, 15), sound=sound)
    out = tmp_path / f"out{extension}"
    assert not convert(film, out, codec).issues.lines()
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        next(container.decode(video=0))
        width = stream.sample_aspect_ratio * stream.width
        assert float(width) == pytest.approx(64 * 16 / 15, abs=0.5)
        container.seek(200_000)
        assert next(container.decode(video=0)).pts is not None
    assert len(read_frames(out)) == len(PICTURES)


@pytest.mark.parametrize("codec", ["ffv1", "h264"])
def test_the_table_of_contents_of_matroska_names_the_places_of_what_it_lists(tmp_path, codec):
    film = write_video(tmp_path / "in.mkv", PICTURES, aspect=Fraction(16, 15))
    assert not convert(film, tmp_path / "out.mkv", codec).issues.lines()
    data = (tmp_path / "out.mkv").read_bytes()
    start = data.index(b"\x18\x53\x80\x67") + 12  # of the segment, whose size FFmpeg writes in eight bytes
    listed = {}
    for entry in re.finditer(rb"\x53\xab\x84(.{4})\x53\xac([\x81-\x88])", data, re.DOTALL):
        size = entry[2][0] & 0x7F
        listed[entry[1]] = int.from_bytes(data[entry.end() : entry.end() + size], "big")
    assert b"\x16\x54\xae\x6b" in listed  # the tracks, which lie elsewhere once the aspect is written
    assert {name: data[start + place :][:4] for name, place in listed.items()} == {
        name: name for name in listed
    }


def test_a_film_without_room_for_the_aspect_of_a_pixel_stays_as_it_is(tmp_path):
    film = write_video(tmp_path / "film.mkv", PICTURES, codec="ffv1")
    good = film.read_bytes()
    start = good.index(b"\xec\x01")  # the room that FFmpeg leaves: a name, eight bytes of size, and zeros
    size = int.from_bytes(good[start + 2 : start + 9], "big")
    for name, room in ((b"\xec", 0), (b"\xec", 9), (b"\xed", size)):  # too small, or none
        parts = [(name, room), *([(b"\xed", size - room - 9)] if room < size else [])]
        changed = b"".join(each + b"\x01" + left.to_bytes(7, "big") + bytes(left) for each, left in parts)
        film.write_bytes(good[:start] + changed + good[start + 9 + size :])
        before = film.read_bytes()
        assert len(before) == len(good)
        assert not set_pixel_aspect(film, Fraction(16, 15))
        assert film.read_bytes() == before
    film.write_bytes(good)
    assert set_pixel_aspect(film, Fraction(16, 15))


def test_the_transparency_of_vp9_is_named(tmp_path):
    film = write_video(tmp_path / "in.webm", PICTURES, codec="libvpx-vp9", alpha=True)
    assert "the transparency is dropped" in convert(film, tmp_path / "out.mkv").issues.lines()

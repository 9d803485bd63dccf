"""Archival videos: truncated files, several audio tracks, non-square pixels."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.video.encoding import choose_encoding
from colorzoo.video.file import VideoFile
from colorzoo.video.run import PartsFolder, color_video
from colorzoo.video.truncation import missing_bytes
from tiny_video import StubColorer, add_sound, gray_frame, read_frames, scene, write_video

IMAGES = [scene(n) for n in range(8)]


def convert(source: Path, out: Path, codec: str | None = None) -> VideoFile:
    video = VideoFile(source, choose_encoding(out, codec, None))
    color_video(video, StubColorer(), PartsFolder(out, "test"), out, steady=0, size=32)
    return video


def last_duration(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
    return packets[-1].duration * packets[-1].time_base


@pytest.mark.parametrize(("extension", "codec"), [(".mp4", None), (".mkv", "ffv1")])
def test_duration_of_the_last_frame_is_kept(tmp_path, extension, codec):
    film = write_video(tmp_path / "in.mkv", IMAGES)
    convert(film, tmp_path / f"out{extension}", codec)
    assert last_duration(tmp_path / f"out{extension}") == last_duration(film) == Fraction(1, 25)


def test_unsupported_sound_is_an_error_before_decoding(tmp_path, capsys, monkeypatch):
    film = write_video(tmp_path / "in.mp4", IMAGES, sound=True)
    monkeypatch.setattr(VideoFile, "frames", lambda _: pytest.fail("a frame was read"))
    assert main(["video", str(film), str(tmp_path / "out.webm")]) == 2
    assert "audio codec aac" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize(
    ("codec", "extension"), [("ffv1", ".mkv"), ("mpeg4", ".avi"), ("libvpx-vp9", ".webm"), ("mpeg4", ".mp4")]
)
def test_truncated_files_are_reported(tmp_path, codec, extension):
    film = write_video(tmp_path / f"in{extension}", IMAGES, codec=codec)
    assert missing_bytes(film) == 0
    data = film.read_bytes()
    film.write_bytes(data[:-100])
    assert missing_bytes(film) == 100
    if extension == ".mp4":  # whose index is at the end
        return
    video = convert(film, tmp_path / "out.mkv")
    assert "100 bytes are missing" in video.issues.lines()[0]
    assert len(read_frames(tmp_path / "out.mkv")) == len(list(video.frames())) > 3


def test_missing_bytes_follow_from_the_declared_sizes(tmp_path):
    mp4, mkv = b"\0\0\0\x10ftyp" + bytes(8), b"\x1aE\xdf\xa3\x83abc\x18\x53\x80\x67"
    for content, missing in (
        (b"RIFF" + (96).to_bytes(4, "little") + bytes(90), 6),
        (b"RIFF" + (90).to_bytes(4, "little") + bytes(96), 0),
        (mp4 + b"\0\0\0\x20mdat" + bytes(20), 4),
        (mp4 + b"\0\0\0\1mdat" + (70).to_bytes(8, "big") + bytes(50), 4),
        (mp4 + b"\0\0\0\0mdat" + bytes(50), 0),  # up to the end of the file
        (mkv + b"\x40\x64" + bytes(90), 10),
        (mkv + b"\xff" + bytes(90), 0),  # of unknown length
        (b"\x1aE\xdf\xa3", 0),
        (b"\0\0\0\x10none" + bytes(4), 0),
    ):
        (tmp_path / "video").write_bytes(content)
        assert missing_bytes(tmp_path / "video") == missing


def test_truncated_videos_exit_with_1(tmp_path, capsys):
    film = write_video(tmp_path / "in.mkv", IMAGES, codec="ffv1")
    film.write_bytes(film.read_bytes()[:-100])
    assert main(["video", str(film), str(tmp_path / "out.mkv"), "--dry-run"]) == 1
    assert "is truncated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codec", "extension"),
    [
        ("ffv1", ".mkv"),
        ("h264", ".mp4"),
        *(pytest.param(*case, marks=pytest.mark.nightly) for case in (("vp9", ".webm"), ("hevc", ".mkv"))),
    ],
)
def test_pixel_aspect_ratio_is_kept(tmp_path, codec, extension):
    film = write_video(tmp_path / "in.mkv", IMAGES, aspect=Fraction(16, 15), sound=extension == ".mkv")
    out = tmp_path / f"out{extension}"
    assert not convert(film, out, codec).issues.lines()
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        next(container.decode(video=0))
        width = stream.sample_aspect_ratio * stream.width
        assert float(width) == pytest.approx(64 * 16 / 15, abs=0.5)
        container.seek(200_000)
        assert next(container.decode(video=0)).pts is not None
    assert len(read_frames(out)) == len(IMAGES)


def make_tracks(path: Path) -> Path:
    """Write a video with two languages, a forced subtitle, a font and a cover, with titles and flags."""
    flags, cover = av.stream.Disposition, io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(cover, "JPEG")
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as container:
        container.metadata.update(title="A film", DIRECTOR="Someone")
        streams = [
            container.add_stream("mpeg4", rate=25),
            *(container.add_stream("aac", 44100) for _ in "ab"),
        ]
        streams.append(container.add_mux_stream("subrip"))
        film, *sounds, subtitle = streams
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        for stream, (title, language, flag) in zip(streams, TRACKS, strict=True):
            stream.metadata.update(title=title, language=language)
            stream.disposition = flags(flag)
        for sound in sounds:
            sound.layout = "mono"
        container.add_attachment("font.ttf", "font/ttf", b"a font")
        container.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        for image in IMAGES:
            container.mux(film.encode(gray_frame(image, "yuv420p")))
        container.mux(film.encode())
        for sound in sounds:
            add_sound(container, sound, 0.32)
        text = av.Packet(b"Bonjour")
        text.pts = text.dts = 0
        text.duration, text.time_base, text.stream = 200, Fraction(1, 1000), subtitle
        container.mux(text)
    return path


TRACKS = [("Main", "deu", 1 | 4), ("Commentary", "eng", 8), ("VO", "fra", 1 | 128), ("Signs", "fra", 64)]


def tracks(path: Path) -> list[tuple[str, str, str, int]]:
    """Return type, title, language and flags of all streams."""
    with av.open(str(path)) as container:
        return [
            (
                stream.type,
                stream.metadata.get("title", stream.metadata.get("name", "")),
                stream.metadata.get("language", ""),
                int(stream.disposition),
            )
            for stream in container.streams
        ]


def test_matroska_keeps_titles_languages_and_flags(tmp_path):
    film = make_tracks(tmp_path / "in.mkv")
    assert [row[1:] for row in tracks(film)[:4]] == TRACKS
    assert not convert(film, tmp_path / "out.mkv").issues.lines()
    assert tracks(tmp_path / "out.mkv") == tracks(film)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams[4].data == b"a font"


def test_streams_that_mp4_cannot_store_are_named(tmp_path):
    film, out = make_tracks(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    notes = "; ".join(convert(film, out).issues.lines())
    for dropped in ("stream 3 (subtitle", "stream 4 (attachment", "original of stream 0", "DIRECTOR"):
        assert dropped in notes
    (_, *sounds, cover) = tracks(out)
    assert [row[1:3] for row in sounds] == [("Commentary", "eng"), ("VO", "fra")]
    assert [row[3] & 129 for row in sounds] == [0, 129]  # the second one is the default
    assert cover == ("video", "", "", 1 << 10)


DISPLAY = (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 1, 10_000_000)


def light_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the HDR metadata of the first frame, with the numerators of rationals."""
    data = {each.type.name: bytes(each) for each in read_frames(path)[0].side_data}
    if "MASTERING_DISPLAY_METADATA" not in data:
        return {}
    display = np.frombuffer(data["MASTERING_DISPLAY_METADATA"], np.int32)[:20:2]
    level = np.frombuffer(data["CONTENT_LIGHT_LEVEL"], np.int32)[:2]
    return {"display": tuple(display.tolist()), "level": tuple(level.tolist())}


@pytest.mark.parametrize(("codec", "extension"), [("hevc", ".mp4"), ("h264", ".mkv"), ("ffv1", ".mkv")])
def test_hdr_metadata_is_kept_or_named(tmp_path, codec, extension):
    red, green, blue, white, light = zip(DISPLAY[::2], DISPLAY[1::2], strict=True)
    params = "log-level=none:repeat-headers=1:max-cll=1000,400:master-display=" + "".join(
        f"{name}({a},{b})"
        for name, (a, b) in zip(
            ("G", "B", "R", "WP", "L"), (green, blue, red, white, light[::-1]), strict=True
        )
    )
    film = tmp_path / "in.mp4"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": params})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        for image in IMAGES[:3]:
            container.mux(stream.encode(gray_frame(image.astype(np.uint16) * 4, "yuv420p10le")))
        container.mux(stream.encode())
    expected = {"display": DISPLAY, "level": (1000, 400)}
    assert light_of(film) == expected
    out = tmp_path / f"out{extension}"
    notes = "; ".join(convert(film, out, codec).issues.lines())
    assert light_of(out) == ({} if codec == "ffv1" else expected)
    assert ("MASTERING_DISPLAY_METADATA" in notes) == ("CONTENT_LIGHT_LEVEL" in notes) == (codec == "ffv1")

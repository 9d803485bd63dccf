"""Everything that a video file contains is kept, or a note names it."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.frames import VideoError
from colorzoo.apps.video.parts import PartsFolder
from colorzoo.apps.video.run import color_shots
from colorzoo.image_io.provenance import ImageProvenance
from tiny_video import StubColorer, add_sound, gray_frame, read_frames, scene, times, write_video

IMAGES = [scene(n) for n in range(12)]
ORIGIN = ImageProvenance("ab" * 32, "cd" * 32, "zhang2016")


def convert(source: Path, out: Path, codec: str | None = None, *, selected: range | None = None) -> str:
    """Colorize a video; return all notes in one text, the notes before the work first."""
    video = VideoFile(source, choose_codec(out, codec), *([] if selected is None else [selected]))
    video.join((), out)
    assert not out.exists()
    color_shots(video, StubColorer(), PartsFolder(out, "test"), steady=0, origin=ORIGIN)
    return "\n".join(video.issues.lines())


def write_streams(path: Path, codec: str, sound: str, seconds: float, **tags: str) -> Path:
    """Write a video whose sound has another duration."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream(sound, rate=44100, layout="mono")
        voice.bit_rate = 64_000
        voice.metadata["language"] = "deu"
        container.metadata.update(tags)
        for number, image in enumerate(IMAGES):
            frame = gray_frame(image, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        add_sound(container, voice, seconds)
    return path


def write_dv(path: Path) -> Path:
    codec = av.CodecContext.create("dvvideo", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 720, 576, "yuv420p", Fraction(1, 25)
    packets = [codec.encode(gray_frame(scene(n, size=(576, 720)), "yuv420p")) for n in range(2)]
    path.write_bytes(b"".join(bytes(packet) for group in packets for packet in group))
    return path


@pytest.mark.parametrize("extension", [".mp4", ".mov"])
def test_raw_dv_keeps_its_frame_rate(tmp_path: Path, extension: str) -> None:
    source, out = write_dv(tmp_path / "in.dv"), tmp_path / f"out{extension}"
    assert VideoFile(source, "h264").plan.rate == 25
    convert(source, out)
    assert times(out) == [0, Fraction(1, 25)]
    with av.open(str(out)) as container:
        assert container.duration == 80_000


@pytest.mark.parametrize("rate", [1000.0, 1.0, 25.0])
def test_wrong_frame_rate_in_flv_header_is_ignored(tmp_path: Path, rate: float) -> None:
    source = write_video(tmp_path / "in.flv", IMAGES, codec="flv")
    content = source.read_bytes()
    start = content.index(b"framerate") + len(b"framerate") + 1
    source.write_bytes(content[:start] + np.array(rate, ">f8").tobytes() + content[start + 8 :])
    assert VideoFile(source, "h264").plan.rate == 25
    convert(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(480_000, abs=1000)


def test_unsupported_frame_size_is_an_error_before_the_work(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", [scene(0, size=(6, 8))], codec="ffv1")
    with pytest.raises(VideoError, match="hevc does not support 8 x 6 pixels"):
        VideoFile(source, "hevc").join((), tmp_path / "out.mp4")


@pytest.mark.parametrize(("timecode", "kept"), [("01:02:03:04", True), ("01:02:03;04", False), ("?", False)])
def test_time_code_that_mp4_cannot_store_is_dropped_with_a_note(
    tmp_path: Path, timecode: str, kept: bool
) -> None:
    source = write_streams(tmp_path / "in.mkv", "libx264", "aac", 0.5, timecode=timecode)
    notes = convert(source, tmp_path / "out.mp4")
    assert (f"time code {timecode} is dropped" in notes) is not kept
    assert "time code" in convert(source, tmp_path / "part.mkv", selected=range(4, 8))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].metadata.get("timecode") == timecode) is kept


def captions(number: int, content: bytes) -> bytes:
    """Insert captions (ATSC A/53) into an H.264 packet."""
    pair = bytes([0x94, 0xA0 + number])
    payload = b"\xb5\x00\x31GA94\x03\x41\xff\xfc" + pair + b"\xff"
    return b"\0\0\0\1\x06\x04" + bytes([len(payload)]) + payload + b"\x80" + content


def caption_bytes(path: Path) -> list[bytes]:
    return [bytes(frame.side_data["A53_CC"]) for frame in read_frames(path) if "A53_CC" in side_types(frame)]


def side_types(frame: Any) -> set[str]:
    return {frame.side_data[index].type.name for index in range(len(frame.side_data))}


@pytest.mark.parametrize(
    ("extension", "codec", "kept"),
    [
        (".mp4", "h264", True),
        (".mov", "hevc", True),
        (".mkv", "h264", True),
        (".webm", "vp9", False),
        (".mkv", "ffv1", False),
    ],
)
def test_captions_inside_frames_are_kept_or_named(
    tmp_path: Path, extension: str, codec: str, kept: bool
) -> None:
    def later(number: int, content: bytes) -> bytes:  # the first frame has no captions
        return captions(number, content) if number else content

    source = write_video(tmp_path / "in.mp4", IMAGES, spoil=later)
    out = tmp_path / f"out{extension}"
    assert len(caption_bytes(source)) == len(IMAGES) - 1
    assert ("closed caption" in convert(source, out, codec)) is not kept
    assert caption_bytes(out) == (caption_bytes(source) if kept else [])


@pytest.mark.parametrize(
    ("name", "codec", "sound", "seconds"),
    [
        ("in.mkv", "libx264", "aac", 2),
        ("in.flv", "flv", "aac", 2),
        ("in.wmv", "wmv2", "wmav2", 2),
        ("in.avi", "mpeg4", "ac3", 0.48),
        ("in.mp4", "libx264", "aac", 0.48),
    ],
)
def test_only_truncated_files_are_incomplete(
    tmp_path: Path, name: str, codec: str, sound: str, seconds: float
) -> None:
    source = write_streams(tmp_path / name, codec, sound, seconds)
    assert "ends at" not in convert(source, tmp_path / "out.mkv")
    if name == "in.wmv":  # FFmpeg ignores the declared duration of a truncated file
        return
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    try:
        video = VideoFile(source, "h264")
    except VideoError:  # the index at the end of an MP4 file is lost
        return
    assert len(list(video.frames())) <= len(IMAGES)
    assert video.issues.incomplete or video.issues.broken


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4"])
def test_complete_file_with_a_late_start_is_complete(tmp_path: Path, name: str) -> None:
    source = write_video(tmp_path / name, IMAGES, clock=5)
    assert "ends at" not in convert(source, tmp_path / "out.mp4")
    if name == "in.mkv":
        source.write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
        video = VideoFile(source, "h264")
        assert len(list(video.frames())) < len(IMAGES)
        assert video.issues.incomplete


@pytest.mark.parametrize("extension", [".mov", ".mp4"])
def test_hevc_has_the_tag_of_apple_players_and_the_index_comes_first(tmp_path: Path, extension: str) -> None:
    out = tmp_path / f"out{extension}"
    convert(write_video(tmp_path / "in.mkv", IMAGES), out, "hevc")
    content = out.read_bytes()
    assert b"hvc1" in content
    assert b"hev1" not in content
    assert content.index(b"moov") < content.index(b"mdat")
    assert len(read_frames(out)) == len(IMAGES)


def test_tags_that_the_container_does_not_support_are_named(tmp_path: Path) -> None:
    source = write_streams(tmp_path / "in.mkv", "libx264", "aac", 0.5, title="A", OWN="b")
    notes = convert(source, tmp_path / "out.mp4")
    assert "tags of the file are dropped: OWN" in notes
    assert "title" not in notes
    assert not convert(source, tmp_path / "out.mkv")
    chapters = write_video(tmp_path / "chapters.mkv", IMAGES, sound=True)
    assert "chapters" in convert(chapters, tmp_path / "part.mkv", selected=range(2, 4))


@pytest.mark.parametrize(("extension", "language"), [(".mov", "ger"), (".mp4", "deu"), (".mkv", "deu")])
def test_language_is_kept(tmp_path: Path, extension: str, language: str) -> None:
    out = tmp_path / f"out{extension}"
    assert not convert(write_streams(tmp_path / "in.mkv", "libx264", "aac", 0.5), out)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].metadata["language"] == language


def test_xmp_of_the_source_is_kept(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><own>kept</own></rdf:RDF></x:xmpmeta>'
    box = b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp
    source, out = write_video(tmp_path / "in.mp4", IMAGES), tmp_path / "out.mov"
    source.write_bytes(source.read_bytes() + (len(box) + 4).to_bytes(4, "big") + box)
    convert(source, out)
    assert b"<own>kept</own>" in out.read_bytes()
    assert ORIGIN.model.encode() in out.read_bytes()


def test_frames_with_exif_are_colorized(tmp_path: Path) -> None:
    source, out, exif = tmp_path / "in.avi", tmp_path / "out.mp4", Image.Exif()
    exif[0x110] = "A camera"
    with av.open(str(source), "w") as container:
        stream = container.add_mux_stream("mjpeg", rate=25, width=64, height=48)
        stream.time_base = Fraction(1, 25)
        for number, image in enumerate(IMAGES):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", exif=exif)
            packet = av.Packet(file.getvalue())
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    assert "metadata of the frames is dropped" in convert(source, out)
    assert len(read_frames(out)) == len(IMAGES)


def test_sound_that_mp4_cannot_copy_is_converted(tmp_path: Path) -> None:
    """FFmpeg refuses PCM with two channels and no layout only after the packets."""
    source, out = tmp_path / "in.avi", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for image in IMAGES:
            container.mux(stream.encode(gray_frame(image, "yuv420p")))
        container.mux(stream.encode())
        for first in range(0, 19200, 960):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, first, Fraction(1, 48000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    assert "converted to aac" in convert(source, out)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


@pytest.mark.parametrize("extension", [".mkv", ".mp4"])
def test_excerpt_contains_the_subtitles_that_are_shown_in_it(tmp_path: Path, extension: str) -> None:
    source, out = tmp_path / f"in{extension}", tmp_path / f"out{extension}"
    cues = {"ends": (0, 100), "lasts": (100, 240), "inside": (240, 280), "leaves": (280, 470)}
    cues["late"] = (470, 480)
    with av.open(str(source), "w") as container:
        film = container.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        codec = "subrip" if extension == ".mkv" else "mov_text"
        subtitle = container.add_mux_stream(codec)
        for image in IMAGES:
            container.mux(film.encode(gray_frame(image, "yuv420p")))
        container.mux(film.encode())
        for text, (first, last) in cues.items():
            size = b"" if extension == ".mkv" else len(text).to_bytes(2, "big")
            packet = av.Packet(size + text.encode())
            packet.pts = packet.dts = first
            packet.duration, packet.time_base, packet.stream = last - first, Fraction(1, 1000), subtitle
            container.mux(packet)
    convert(source, out, selected=range(4, 9))  # 160 to 360 ms
    with av.open(str(out)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size > 2]
        found = {
            bytes(packet).decode().strip("\0\5\6\7"): [
                round(1000 * time * packet.time_base) for time in (packet.pts, packet.duration)
            ]
            for packet in packets
        }
    assert found == {"lasts": [0, 80], "inside": [80, 40], "leaves": [120, 80]}

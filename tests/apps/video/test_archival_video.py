"""Archival videos: truncated files, several audio tracks and non-square pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colorzoo.apps.cli.main import main
from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.parts import PartsFolder
from colorzoo.apps.video.run import color_shots
from tiny_video import (
    StubColorer,
    add_sound,
    gray_frame,
    read_frames,
    scene,
    sound_packets,
    times,
    write_video,
)

IMAGES = [scene(n) for n in range(8)]


def convert(source: Path, out: Path, codec: str | None = None) -> VideoFile:
    video = VideoFile(source, choose_codec(out, codec))
    color_shots(video, StubColorer(), PartsFolder(out, "test"), steady=0)
    return video


def last_duration(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
    return packets[-1].duration * packets[-1].time_base


@pytest.mark.parametrize(("extension", "codec"), [(".mp4", None), (".mkv", "ffv1")])
def test_color_shots_keeps_the_duration_of_the_last_frame(tmp_path, extension, codec):
    film = write_video(tmp_path / "in.mkv", IMAGES)
    convert(film, tmp_path / f"out{extension}", codec)
    assert last_duration(tmp_path / f"out{extension}") == last_duration(film) == Fraction(1, 25)


def test_color_shots_reports_truncated_files(tmp_path):
    film, out = write_video(tmp_path / "in.mkv", IMAGES, codec="ffv1"), tmp_path / "out.mkv"
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    assert "the file ends at" in convert(film, out).issues.lines()[0]
    assert 1 < len(read_frames(out)) < len(IMAGES)


@pytest.mark.parametrize(
    ("codec", "extension"), [("ffv1", ".mkv"), ("h264", ".mp4"), ("vp9", ".webm"), ("hevc", ".mkv")]
)
def test_color_shots_keeps_the_pixel_aspect_ratio(tmp_path, codec, extension):
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


# the first two titles contain the element ids of a track name and of the video settings; the length of the
# last title with its padding, 4974 bytes, is stored as the id of a track name
@pytest.mark.parametrize("title", ["Snow White", "\u0930\u093e\u091c\u093e", "x" * 150, "x" * 4960])
@pytest.mark.parametrize(("codec", "extension"), [("ffv1", ".mkv"), ("vp9", ".webm")])
def test_color_shots_keeps_track_titles_beside_the_pixel_aspect_ratio(tmp_path, codec, extension, title):
    film, titled = tmp_path / "in.mkv", tmp_path / "titled.mkv"
    write_video(film, IMAGES, aspect=Fraction(16, 15))
    with av.open(str(film)) as source, av.open(str(titled), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])  # declares 12,800 frames/s
        stream.metadata["title"] = title
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    out = tmp_path / f"out{extension}"
    convert(titled, out, codec)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.metadata["title"] == title
        assert float(stream.sample_aspect_ratio) == pytest.approx(16 / 15, abs=0.01)
    assert len(read_frames(out)) == len(IMAGES)


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
@pytest.mark.parametrize("clocks", [(0, 0, 0), (100, 20_000), (20_000, 100)])
def test_color_shots_continues_after_jumps_of_the_clock(tmp_path, clocks, extension):
    recordings = [
        write_video(tmp_path / f"{number}.ts", IMAGES, sound=True, clock=clock)
        for number, clock in enumerate(clocks)
    ]
    film, out = tmp_path / "joined.ts", tmp_path / f"out{extension}"
    film.write_bytes(b"".join(path.read_bytes() for path in recordings))
    assert not convert(film, out).issues.lines()
    shown = times(out)
    assert len(shown) == len(IMAGES) * len(clocks)
    assert np.diff(shown).astype(float) == pytest.approx(1 / 25, abs=0.001)
    sound = [start for start, _ in sound_packets(out)]
    assert len(sound) == pytest.approx(sum(len(sound_packets(path)) for path in recordings), abs=len(clocks))
    steps = np.diff(sound).astype(float)
    assert steps.min() > 0
    assert steps.max() < 0.05
    assert float(sound[-1] - shown[-1]) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("codec", "extension", "result"),
    [
        ("ac3", ".mkv", "ac3"),
        ("wmav1", ".mkv", "aac"),
        *((codec, ".mp4", "aac") for codec in ("wmav2", "adpcm_ima_wav", "pcm_mulaw")),
        ("wmav2", ".mov", "aac"),
        ("wmav2", ".webm", "opus"),
    ],
)
def test_color_shots_copies_or_converts_every_audio_codec(tmp_path, codec, extension, result):
    film, out = tmp_path / "in.wmv", tmp_path / f"out{extension}"
    write_video(film, IMAGES * 4, codec="wmv2", sound=codec)
    notes = convert(film, out).issues.lines()
    if result == codec:
        assert not notes
        assert [data for _, data in sound_packets(out)] == [data for _, data in sound_packets(film)]
    else:
        assert len(notes) == 1
        assert f"{codec}) is converted to" in notes[0]
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == result
        assert container.metadata["title"] == "A film"
        frames = list(container.decode(audio=0))
    wave = np.concatenate([frame.to_ndarray().astype(float).ravel() for frame in frames])
    assert wave.std() > 0
    seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    assert seconds == pytest.approx(len(IMAGES) * 4 / 25, abs=0.1)


def test_video_command_omits_the_sound_and_reads_names_with_colons(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_video(Path("10:30 'a' |b.mp4"), IMAGES, sound=True)
    assert main(["video", "10:30 'a' |b.mp4", "11:30.mp4", "--no-sound", "--size", "32"]) == 0
    assert "11:30.mp4: 8 frames" in capsys.readouterr().out
    with av.open("file:11:30.mp4") as container:
        assert not container.streams.audio


def test_color_shots_reports_dropped_transparency_of_vp9(tmp_path):
    film = write_video(tmp_path / "in.webm", IMAGES, codec="libvpx-vp9", pixels="yuva420p")
    assert convert(film, tmp_path / "out.mp4").issues.lines() == ("transparency is dropped",)


TRACKS = [("Main", "deu", 1 | 4), ("Commentary", "eng", 8), ("VO", "fra", 1 | 128), ("Signs", "fra", 64)]


def make_tracks(path: Path) -> Path:
    """Write a video with two audio languages, a forced subtitle, a font, titles and flags."""
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as container:
        streams = [container.add_stream("mpeg4", rate=25)]
        streams += [container.add_stream("aac", 44100, layout="mono") for _ in "ab"]
        streams.append(container.add_mux_stream("subrip"))
        film, *sounds, subtitle = streams
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        for stream, (title, language, flag) in zip(streams, TRACKS, strict=True):
            stream.metadata.update(title=title, language=language)
            stream.disposition = av.stream.Disposition(flag)
        container.add_attachment("font.ttf", "font/ttf", b"a font")
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


def test_matroska_output_keeps_titles_languages_flags_and_attachments(tmp_path):
    film, out = make_tracks(tmp_path / "in.mkv"), tmp_path / "out.mkv"
    assert not convert(film, out).issues.lines()
    with av.open(str(out)) as container:
        *streams, font = container.streams
        found = [(*map(each.metadata.get, ("title", "language")), int(each.disposition)) for each in streams]
        assert found == TRACKS
        assert font.data == b"a font"


def test_mp4_output_reports_unsupported_streams(tmp_path):
    notes = "; ".join(convert(make_tracks(tmp_path / "in.mkv"), tmp_path / "out.mp4").issues.lines())
    assert "stream 3 (subtitle" in notes
    assert "stream 4 (attachment" in notes


def test_color_shots_reports_dropped_hdr_metadata(tmp_path):
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    params = f"log-level=none:repeat-headers=1:max-cll=1000,400:master-display={display}"
    film = tmp_path / "in.mp4"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": params})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        for image in IMAGES[:3]:
            container.mux(stream.encode(gray_frame(image.astype(np.uint16) * 4, "yuv420p10le")))
        container.mux(stream.encode())
    assert "HDR metadata of the frames is dropped" in convert(film, tmp_path / "out.mp4").issues.lines()


@pytest.mark.parametrize("extension", [".mov", ".mp4", ".mkv", ".webm"])
def test_time_codes_and_chapter_titles_are_copied_without_a_note(tmp_path: Path, extension: str) -> None:
    film, out = tmp_path / "in.mov", tmp_path / f"out{extension}"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["timecode"] = "01:02:03:04"
        for number in range(6):
            frame = gray_frame(scene(number), "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert convert(film, out).issues.lines() == ()
    with av.open(str(out)) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
    assert tags["timecode"] == "01:02:03:04"
    chapters = write_video(tmp_path / "chapters.mov", IMAGES, sound=True)
    new = tmp_path / f"new{extension}"
    notes = convert(chapters, new).issues.lines()
    assert [note for note in notes if "data" in note] == []
    with av.open(str(new)) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One"]

"""All properties of a video file except the colors are preserved."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colorzoo.apps.video.container import frame_to_rgb
from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.file import VideoFile, _time_code
from colorzoo.apps.video.parts import PartsFolder, Shot, parts_path
from colorzoo.apps.video.run import color_shots
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.metadata import Metadata
from colorzoo.image_io.provenance import ImageProvenance, add_provenance
from tiny_video import StubColorer, lightness_planes, read_frames, scene, sound_packets, times, write_video

SCENES = [scene(n) for n in range(6)] + [scene(n, seed=7) for n in range(6)]


def convert(
    source: Path, out: Path, colorer: StubColorer | None = None, codec: str | None = None, crf: int = 16
) -> tuple[list[Shot], int]:
    video = VideoFile(source, choose_codec(out, codec), crf=crf)
    return color_shots(video, colorer or StubColorer(), PartsFolder(out, "test"), steady=0)


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_color_shots_keeps_variable_timestamps(tmp_path: Path, extension: str) -> None:
    pts = np.cumsum([0, 512, 700, 300, 512, 2048, 128, 512, 512, 900, 512, 512]).tolist()
    source = write_video(tmp_path / f"in{extension}", SCENES, pts=pts)
    out = tmp_path / f"out{extension}"
    convert(source, out)
    assert times(out) == times(source)
    if extension != ".mkv":  # Matroska stores times in milliseconds
        assert times(out) == [number * Fraction(1, 12800) for number in pts]


@pytest.mark.parametrize(("extension", "count"), [(".mp4", 12), (".mkv", 12), (".h264", None)])
def test_video_file_describes_format_and_frame_times(tmp_path: Path, extension: str, count: int) -> None:
    """Frames of an elementary stream get times from the frame rate, because it has no timestamps."""
    source = write_video(tmp_path / f"in{extension}", SCENES)
    video = VideoFile(source, choose_codec(tmp_path / "out.mkv", "ffv1"))
    formats = {"from": "h264 yuv420p", "to": "ffv1 yuv420p"}
    assert video.describe() == {"width": 64, "height": 48, "frames": count, "rate": 25.0, **formats}
    times_of_frames = [frame.pts * video.plan.time_base for frame in video.frames()]
    assert times_of_frames == [Fraction(number, 25) for number in range(12)]


@pytest.mark.parametrize(
    ("name", "codec"), [("in.mp4", "libx265"), ("in.webm", "libvpx-vp9"), ("in.mkv", "libx264")]
)
def test_frames_from_equals_reading_from_the_start(tmp_path: Path, name: str, codec: str) -> None:
    images = [scene(n, seed=n // 20) for n in range(60)]
    video = VideoFile(
        write_video(tmp_path / name, images, codec=codec), choose_codec(tmp_path / "out.mkv", "ffv1")
    )
    frames = list(video.frames())
    pts = [frame.decoded.pts for frame in frames]
    for first in (0, 1, 19, 37, 59):
        found = list(video.frames_from(first, pts))
        assert [frame.number for frame in found] == list(range(first, 60))
        for frame in found[:3]:
            np.testing.assert_array_equal(frame.gray(), frames[frame.number].gray())


@pytest.mark.parametrize(("seconds", "text"), [("0", "0:00:00.000"), ("3723.45", "1:02:03.450")])
def test_time_codes_include_hours(seconds: str, text: str) -> None:
    assert _time_code(Fraction(seconds)) == text


def test_color_shots_colorizes_only_inside_the_border(tmp_path: Path) -> None:
    out, border = tmp_path / "out.mkv", Rectangle(10, 8, 44, 32)
    video = VideoFile(write_video(tmp_path / "in.mp4", SCENES[:2]), choose_codec(out, "ffv1"))
    color_shots(video, StubColorer(20), PartsFolder(out, "a"), steady=0, border=border)
    red = read_frames(out)[0].to_ndarray(format="rgb24").astype(int)
    chroma = np.ptp(red, axis=2)
    near, far = (np.ones(chroma.shape, bool) for _ in range(2))
    near[5:43, 7:57] = False
    far[11:37, 13:51] = False
    assert chroma[near].max() <= 3
    assert chroma[~far].min() > 10


@pytest.mark.parametrize("turn", [0, 90, -90, 180])
def test_color_shots_finds_borders_in_upright_frames(tmp_path: Path, turn: int) -> None:
    frame = np.random.default_rng(0).integers(60, 220, (160, 120)).astype(np.uint8)
    frame[:12], frame[-28:] = 16, 16  # bars of unlike heights above and below the upright image
    stored = np.ascontiguousarray(np.rot90(frame, -turn // 90))
    source = write_video(tmp_path / "in.mp4", [stored] * 2, turn=turn)
    convert(source, tmp_path / "out.mp4", StubColorer(20))
    result = read_frames(tmp_path / "out.mp4")[0].to_ndarray(format="rgb24").astype(int)
    chroma = np.ptp(np.rot90(result, turn // 90), axis=2)  # of the upright image
    colored_rows = (chroma.mean(axis=1) > 5).nonzero()[0]
    assert (colored_rows[0], colored_rows[-1] + 1) == (pytest.approx(12, abs=4), pytest.approx(132, abs=4))
    assert (chroma[40:100].mean(axis=0) > 5).all()


def tags_of(path: Path) -> tuple[str | None, ...]:
    """Return the title of a video, the title of its chapter, and the language of its audio."""
    with av.open(str(path)) as video:
        (chapter,) = video.chapters()
        return (
            video.metadata["title"],
            chapter["metadata"]["title"],
            video.streams.audio[0].metadata["language"],
        )


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_color_shots_copies_audio_packets_and_titles(tmp_path: Path, extension: str) -> None:
    source = write_video(tmp_path / f"in{extension}", SCENES, sound=True)
    out = tmp_path / f"out{extension}"
    convert(source, out)
    assert len(sound_packets(source)) > 10
    assert tags_of(out) == tags_of(source)
    assert sound_packets(out) == sound_packets(source)
    assert times(out) == times(source)


@pytest.mark.parametrize(
    ("pixels", "bits", "tags"),
    [
        ("yuv420p", 8, {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}),
        ("yuv420p", 8, {"color_range": 2, "colorspace": 6, "color_primaries": 6, "color_trc": 6}),
        ("yuv422p", 8, {"color_range": 1, "colorspace": 6, "color_primaries": 5, "color_trc": 6}),
        ("yuv420p10le", 10, {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 14}),
    ],
)
def test_color_shots_keeps_bit_depth_color_tags_and_luma_samples(
    tmp_path: Path, pixels: str, bits: int, tags: dict[str, int]
) -> None:
    grain = np.random.default_rng(0).integers(-3, 4, SCENES[0].shape)
    scale = 1 << (bits - 8)
    images = [((image.astype(int) + 4) * scale + grain).astype(np.uint16) for image in SCENES[:3]]
    source = write_video(tmp_path / "in.mkv", images, codec="ffv1", pixels=pixels, tags=tags)
    out = tmp_path / "out.mkv"
    convert(source, out, codec="ffv1")
    for before, after in zip(read_frames(source), read_frames(out), strict=True):
        assert after.format.name == pixels
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            assert getattr(after, name) == getattr(before, name) == tags[name], name
    for was, now in zip(lightness_planes(source, bits), lightness_planes(out, bits), strict=True):
        assert np.array_equal(was, now)  # without color, frames do not change


@pytest.mark.parametrize(
    "pixels", ["gray16le", "bgr0", "yuva420p", "yuv420p12le", "gray", "ya8", "gray10le", "yuv420p10le"]
)
def test_color_shots_converts_uncommon_pixel_formats(tmp_path: Path, pixels: str) -> None:
    scale = {"gray10le": 4, "yuv420p10le": 4, "gray16le": 256, "yuv420p12le": 16}.get(pixels, 1)
    deep = np.uint8 if scale == 1 else np.uint16
    images = [image.astype(deep) * deep(scale) for image in SCENES[:2]]
    source = write_video(tmp_path / "in.mkv", images, codec="ffv1", pixels=pixels, tags={})
    out = tmp_path / "out.mp4"
    video = VideoFile(source, choose_codec(out))
    color_shots(video, StubColorer(), PartsFolder(out, "test"), steady=0)
    dropped = ["transparency is dropped"]
    notes = {"yuv420p12le": ["reduced from 12 to 10 bits"], "yuva420p": dropped, "ya8": dropped}
    assert video.issues.notes == notes.get(pixels, [])
    bits = 8 if scale == 1 else 10
    for frame, now, was in zip(read_frames(out), lightness_planes(out, bits), SCENES, strict=False):
        assert frame.format.name in (("yuv420p", "yuvj420p") if bits == 8 else ("yuv420p10le",))
        assert frame.colorspace == 6
        expected = was.astype(float)
        if pixels == "bgr0":  # RGB has full range, the result 16 to 235
            expected = 16 + expected * 219 / 255
        levels = now / 2 ** (bits - 8)
        if frame.color_range == 2:
            levels = levels * (255.75 / 255)
        assert np.abs(levels - expected).mean() < 2.5  # encoder loss


def test_color_shots_colorizes_rotated_videos_upright(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", SCENES, turn=90)
    out, colorer = tmp_path / "out.mp4", StubColorer()
    convert(source, out, colorer)
    assert colorer.seen[0][1] == (43, 32)  # 64 x 48 stored, 48 x 64 displayed
    assert {frame.rotation for frame in read_frames(out)} == {90}
    (first, *_) = VideoFile(out, choose_codec(out)).frames()
    shown = read_frames(out)[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(first.rgb_image().levels - np.rot90(shown)).max() <= 3
    pairs = zip(lightness_planes(source), lightness_planes(out), strict=True)
    assert all(np.abs(was.astype(int) - now).mean() < 2 for was, now in pairs)


_ONE, _LAST = 1 << 16, 1 << 30
MIRRORS = {  # display matrices of players, and the same change of an array
    "left to right": ((-_ONE, 0, 0, 0, _ONE, 0, 0, 0, _LAST), lambda image: image[:, ::-1]),
    "top to bottom": ((_ONE, 0, 0, 0, -_ONE, 0, 0, 0, _LAST), lambda image: image[::-1]),
    "transposed": ((0, _ONE, 0, _ONE, 0, 0, 0, 0, _LAST), lambda image: np.swapaxes(image, 0, 1)),
    "turned": ((0, _ONE, 0, -_ONE, 0, 0, 0, 0, _LAST), lambda image: np.rot90(image, -1)),
}


@pytest.mark.parametrize("name", MIRRORS)
def test_color_shots_shows_mirrored_videos_upright_to_the_model(tmp_path: Path, name: str) -> None:
    matrix, change = MIRRORS[name]
    source = write_video(tmp_path / "in.mp4", SCENES[:2], matrix=matrix)
    stored = read_frames(source)[0].to_ndarray(format="rgb24").astype(int)
    (first, *_) = VideoFile(source, choose_codec(tmp_path / "out.mp4")).frames()
    shown = first.rgb_image().levels.astype(int)
    assert np.abs(shown - change(stored)).max() <= 3
    assert np.abs(first.gray() - shown.mean(axis=2)).mean() < 20  # luma has a limited range
    assert first.lightness().shape[2:] == shown.shape[:2]
    corner = np.zeros((2, *shown.shape[:2]), np.float32)
    corner[:, :8, :8] = 1
    assert np.array_equal(change(first.as_stored(corner)[0]), corner[0])


def test_color_shots_with_higher_crf_writes_smaller_files(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", SCENES[:3], codec="ffv1")
    outs = [tmp_path / f"{crf}.mp4" for crf in (4, 16, 40)]
    for out in outs:
        convert(source, out, StubColorer(20), crf=int(out.stem))
    sizes = [out.stat().st_size for out in outs]
    assert sizes == sorted(set(sizes), reverse=True)


def test_color_shots_keeps_odd_frame_sizes(tmp_path: Path) -> None:
    size = (45, 63)
    source = write_video(tmp_path / "in.mkv", [s[: size[0], : size[1]] for s in SCENES[:2]], codec="ffv1")
    out = tmp_path / "out.mp4"
    convert(source, out, StubColorer(20))
    frame = read_frames(out)[0]
    assert (frame.height, frame.width, frame.format.name) == (*size, "yuv444p")


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_color_shots_stores_the_digital_source_type(tmp_path: Path, extension: str) -> None:
    source, out = write_video(tmp_path / "in.mkv", SCENES[:3]), tmp_path / f"out{extension}"
    origin = ImageProvenance("ab" * 32, "cd" * 32, "zhang2016")
    video, parts = VideoFile(source, choose_codec(out)), PartsFolder(out, "test")
    color_shots(video, StubColorer(), parts, steady=0, origin=origin)
    assert len(read_frames(out)) == 3
    if extension in (".mp4", ".mov"):
        packet = out.read_bytes().partition(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"))[2]
        assert packet == add_provenance(Metadata(), origin).xmp
    else:
        with av.open(str(out)) as container:
            assert container.metadata["DIGITAL_SOURCE_TYPE"] == origin.source_type


def garbage(at: int):
    return lambda number, content: b"\0\0\0\1" + bytes(range(7, 67)) if number == at else content


@pytest.mark.parametrize("at", [4, 0])
def test_color_shots_reports_and_drops_undecodable_frames(tmp_path: Path, at: int) -> None:
    source = write_video(tmp_path / "in.mkv", SCENES[:6] * 2, spoil=garbage(at))
    out = tmp_path / "out.mkv"
    video = VideoFile(source, choose_codec(out))
    color_shots(video, StubColorer(), PartsFolder(out, "test"), steady=0)
    # without an encoded key frame, no frame can be decoded before the next key frame
    lost = range(6) if at == 0 else [at]
    assert times(out) == [Fraction(number, 25) for number in range(12) if number not in lost]
    assert f"0:00:00.{at * 40:03}" in video.issues.broken
    assert "damaged frames" in video.issues.lines()[0]


def test_interrupted_join_leaves_no_partial_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "in.mp4", SCENES)
    out = tmp_path / "out.mp4"

    def killed(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("colorzoo.apps.video.file.join_parts", killed)
    with pytest.raises(KeyboardInterrupt):
        convert(source, out)
    monkeypatch.undo()
    assert not out.exists()
    assert parts_path(out).is_dir()
    colorer = StubColorer()
    assert convert(source, out, colorer)[1] == len(SCENES)
    assert colorer.seen == []
    assert times(out) == times(source)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "bgr0"])
def test_a_video_in_color_keeps_its_colors(tmp_path: Path, pixels: str) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for number in range(8):
            levels = np.dstack([scene(number), scene(number) // 2, 255 - scene(number)])
            frame = av.VideoFrame.from_ndarray(levels, format="rgb24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = VideoFile(source, choose_codec(out, "ffv1"))
    shots, _ = color_shots(video, StubColorer(), PartsFolder(out, "a"), steady=0)
    assert "already in color" in shots[0].notes[0]
    for before, after in zip(read_frames(source), read_frames(out), strict=True):
        difference = np.abs(frame_to_rgb(before).astype(int) - frame_to_rgb(after))
        assert difference.max() <= (0 if pixels == "yuv420p" else 255)
        assert np.median(difference) <= 3  # chroma is subsampled at the edges of the pattern


def test_frames_of_another_size_are_noted(tmp_path: Path) -> None:
    """A portrait section follows a landscape section, as in a joined recording."""
    parts = [
        write_video(tmp_path / f"{clock}.ts", [scene(n, size=size) for n in range(6)], clock=clock)
        for clock, size in enumerate([(48, 64), (80, 48)])
    ]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    out = tmp_path / "out.mkv"
    video = VideoFile(source, choose_codec(out, None))
    color_shots(video, StubColorer(), PartsFolder(out, "test"))
    assert "frames 6 to 11 have 48 x 80 pixels and were scaled to 64 x 48" in video.issues.lines()

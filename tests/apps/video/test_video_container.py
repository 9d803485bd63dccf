"""Selection of the main video stream."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from colorzoo.apps.cli.main import main
from colorzoo.apps.video.container import main_video_stream
from tiny_video import read_frames, scene

DISPOSITION = av.stream.Disposition


def make_video(path: Path, streams: list[tuple[str, int, int, int]], form: str | None = None) -> Path:
    """Write a video with streams of a codec, width, number of frames and disposition."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w", format=form) as container:
        made = []
        for codec, width, _, disposition in streams:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = width, width * 3 // 4
            stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
            stream.disposition = disposition
            made.append(stream)
        for stream, (_, width, count, _) in zip(made, streams, strict=True):
            for number in range(count):
                image = scene(number, size=(width * 3 // 4, width))
                frame = av.VideoFrame.from_ndarray(np.dstack([image] * 3), format="rgb24")
                container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode())
    return path


def test_video_command_does_not_colorize_cover_art(tmp_path: Path) -> None:
    streams = [("mpeg4", 64, 5, DISPOSITION.default), ("mjpeg", 96, 1, DISPOSITION.attached_pic)]
    covered, out = make_video(tmp_path / "in" / "video.mp4", streams), tmp_path / "new.mp4"
    assert main(["video", str(covered), str(out), "--size", "32", "--device", "cpu"]) == 0
    assert len(read_frames(out)) == 5


@pytest.mark.parametrize(
    ("form", "streams", "chosen"),
    [
        ("matroska", [("mjpeg", 96, 1, 0), ("mpeg4", 64, 5, 0)], 1),  # cover art stored as a video track
        ("mov", [("png", 128, 1, DISPOSITION.default), ("mpeg4", 64, 5, 0)], 1),
        ("matroska", [("mpeg4", 64, 5, DISPOSITION.default), ("mpeg4", 96, 5, 0)], 0),
        ("avi", [("mpeg4", 32, 5, 0), ("mpeg4", 64, 5, 0)], 1),
        ("mp4", [("mjpeg", 96, 1, DISPOSITION.attached_pic)], None),
    ],
)
def test_main_video_stream_selects_the_default_video_codec_stream(
    form: str, streams: Any, chosen: int | None, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "video", streams, form)
    with av.open(str(path)) as container:
        found = main_video_stream(container)
        assert (None if found is None else found.index) == chosen

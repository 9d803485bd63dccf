"""Resumption of interrupted video runs, and frame buffering."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.apps.video.encoding import choose_encoding
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.run import PartsFolder, color_video, parts_path
from tiny_video import StubColorer, lightness_planes, scene, write_video

SCENES = [scene(n, seed) for seed in (0, 7, 9) for n in range(6)]


def color(source: Path, out: Path, colorer: StubColorer, settings: str = "a") -> int:
    video = VideoFile(source, choose_encoding(out, None, None))
    return color_video(video, colorer, PartsFolder(out, settings), out, steady=0, size=32)[1]


def test_color_video_resumes_with_the_interrupted_shot(tmp_path: Path) -> None:
    source, out, whole = (tmp_path / name for name in ("in.mp4", "out.mp4", "whole.mp4"))
    write_video(source, SCENES)
    ticks, parts = iter(range(9)), PartsFolder(out, "a")
    video = VideoFile(source, choose_encoding(out, None, None))
    with pytest.raises(StopIteration):  # raised in the second shot
        color_video(video, StubColorer(20), parts, out, steady=0, size=32, tick=lambda: next(ticks))
    assert not out.exists()
    colorer = StubColorer(20)
    assert color(source, out, colorer) == 6
    assert [number for number, _ in colorer.seen] == list(range(6, 18))
    color(source, whole, StubColorer(20))
    assert out.read_bytes() == whole.read_bytes()
    assert not parts_path(out).exists()


def test_parts_folder_deletes_parts_with_other_settings(tmp_path: Path) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    kept = PartsFolder(out, "b")
    kept.part(0, ".nut").write_bytes(b"of another run")
    (kept.path / "shot-00000000.json").write_text('{"first": 0, "count": 18}')
    assert color(source, out, StubColorer()) == 0
    assert len(lightness_planes(out)) == 18


def test_parts_folder_rejects_folders_with_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "out.mp4.parts"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(VideoError, match="parts"):
        PartsFolder(tmp_path / "out.mp4", "a")
    assert (folder / "mine.txt").exists()


@pytest.mark.parametrize(("size", "window"), [((30, 40), 72), ((1200, 1600), 46)])
def test_color_video_limits_buffered_frame_bytes(tmp_path: Path, size: tuple[int, int], window: int) -> None:
    """Each pixel needs three bytes; at least 6 and at most 72 frames are buffered."""
    light, events = torch.full((1, 1, *size), 50.0), list[str]()
    gray = np.full(size, 120, np.uint8)
    image = SimpleNamespace(lightness=lambda: light, gray=lambda: gray)

    def frames() -> Iterator[VideoFrame]:
        for number in range(window + 2):
            events.append("read")
            yield VideoFrame(number, image)

    writer = SimpleNamespace(write=lambda *_: events.append("written"), close=lambda: None)
    source: Any = SimpleNamespace(
        frames=frames, extension=".nut", part=lambda _: writer, join=lambda *paths: paths[1].touch()
    )
    colorer: Any = StubColorer()
    parts, out, ticks = PartsFolder(tmp_path / "out", "a"), tmp_path / "out", list[int]()
    color_video(source, colorer, parts, out, size=16, border="none", tick=lambda: ticks.append(len(events)))
    assert len(ticks) == window + 2
    assert events == ["read"] * window + ["written"] * window + ["read"] * 2 + ["written"] * 2

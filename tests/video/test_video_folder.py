"""A folder of frames becomes a folder of frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.video.folder import FrameFolder
from colorzoo.video.library import VideoError
from colorzoo.video.parts import PartsFolder, parts_path
from colorzoo.video.run import Result, color_video
from tiny_video import StubPainter, scene


def make_frames(folder: Path) -> Path:
    folder.mkdir()
    for number in range(4):
        Image.fromarray(scene(number)).save(folder / f"f{number:03d}.png")
    Image.fromarray(scene(0, seed=7).repeat(257).reshape(48, 64, 257)[..., 0].astype(np.uint16) * 257).save(
        folder / "f004.png"
    )
    Image.fromarray(scene(1, seed=7)).save(folder / "f005.jpg")
    (folder / "notes.txt").write_text("no frame")
    return folder


def color(source: Path, out: Path, painter: StubPainter) -> tuple[FrameFolder, Result]:
    folder = FrameFolder(source)
    return folder, color_video(folder, painter, PartsFolder(out, "a"), out, steady=0.5, size=32)


def test_every_frame_gets_its_name_and_its_depth(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    _, result = color(source, out, StubPainter(20))
    assert [(shot.first, shot.count) for shot in result.shots] == [(0, 4), (4, 2)]
    assert sorted(path.name for path in out.iterdir()) == [f"f{n:03d}.png" for n in range(5)] + ["f005.jpg"]
    assert not parts_path(out).exists()
    first = np.asarray(Image.open(out / "f000.png").convert("RGB")).astype(int)
    assert (first[..., 0] - first[..., 2]).mean() > 20
    import imagecodecs

    assert imagecodecs.imread(str(out / "f004.png")).dtype == np.uint16


@pytest.mark.parametrize("broken", [0, 2])
def test_a_broken_picture_is_told_and_filled(tmp_path: Path, broken: int) -> None:
    source, out, painter = make_frames(tmp_path / "in"), tmp_path / "out", StubPainter()
    (source / f"f{broken:03d}.png").write_bytes(b"no picture")
    folder, result = color(source, out, painter)
    assert folder.findings.broken == [f"f{broken:03d}.png"]
    assert painter.seen[broken][1] == "missing"
    assert result.frames == len(list(out.iterdir())) == 6


def test_pictures_of_another_size_begin_a_shot(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    Image.fromarray(scene(2)[:40]).save(source / "f002.png")
    _, result = color(source, out, StubPainter())
    assert [shot.first for shot in result.shots] == [0, 2, 3, 4]
    assert Image.open(out / "f002.png").size == (64, 40)


def test_what_cannot_be_colored_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="holds no picture"):
        FrameFolder(tmp_path / "empty")
    (tmp_path / "empty" / "a.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="none of the pictures"):
        FrameFolder(tmp_path / "empty")


def test_moving_the_frames_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    color(source, tmp_path / "whole", StubPainter(20))
    folder, parts = FrameFolder(source), PartsFolder(out, "a")

    class KilledError(BaseException): ...

    def killed(paths: list[Path], whole: Path) -> None:
        FrameFolder.join(folder, paths[:1], whole)
        raise KilledError

    folder.join = killed
    with pytest.raises(KilledError):
        color_video(folder, StubPainter(20), parts, out, steady=0.5, size=32)
    assert not out.exists()
    color(source, out, StubPainter(20))
    same = [(out / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "whole").iterdir()]
    assert same == [True] * 6

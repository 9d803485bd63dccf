"""Resumption of interrupted video runs, and frame buffering."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import ReadIssues, VideoError
from colorzoo.apps.video.parts import PartsFolder, Shot, parts_path
from colorzoo.apps.video.run import color_shots
from colorzoo.apps.video.shots import ShotSpan
from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io.raster_image import RasterImage
from tiny_video import StubColorer, lightness_planes, scene, write_video

SCENES = [scene(n, seed) for seed in (0, 7, 9) for n in range(6)]


def color(source: Path, out: Path, colorer: StubColorer, *, overwrite: bool = False) -> int:
    video = VideoFile(source, choose_codec(out))
    return color_shots(video, colorer, PartsFolder(out, "a", overwrite=overwrite), steady=0)[1]


def test_color_shots_resumes_with_the_interrupted_shot(tmp_path: Path) -> None:
    source, out, whole = (tmp_path / name for name in ("in.mp4", "out.mp4", "whole.mp4"))
    write_video(source, SCENES)
    ticks, parts = iter(range(9)), PartsFolder(out, "a")
    video = VideoFile(source, choose_codec(out))
    with pytest.raises(StopIteration):  # raised in the second shot
        color_shots(video, StubColorer(20), parts, steady=0, tick=lambda _: next(ticks))
    assert not out.exists()
    # the unfinished shot is deleted
    assert {path.name[:13] for path in parts.path.glob("shot-*")} == {"shot-00000000"}
    colorer = StubColorer(20)
    assert color(source, out, colorer) == 6
    assert [number for number, _ in colorer.seen] == list(range(6, 18))
    color(source, whole, StubColorer(20))
    assert out.read_bytes() == whole.read_bytes()
    assert not parts_path(out).exists()


@pytest.mark.parametrize(("seconds", "is_allowed"), [(59.0, True), (61.0, False)])
def test_shots_with_other_settings_are_kept_until_the_result_is_published(
    tmp_path: Path, seconds: float, is_allowed: bool
) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    with PartsFolder(out, "b") as kept:
        name, _ = kept.find(range(18))
        (kept.path / f"{name}.nut").write_bytes(b"of another run")
        kept.finish(name, Shot(0, 18, seconds=seconds))
    (kept.path / "mine.txt").write_text("keep")
    video = VideoFile(source, choose_codec(out))

    def interrupted_run(*, overwrite: bool = False) -> None:
        ticks, parts = iter(range(9)), PartsFolder(out, "a", overwrite=overwrite)
        with pytest.raises(StopIteration):
            color_shots(video, StubColorer(), parts, steady=0, tick=lambda _: next(ticks))

    if is_allowed:
        interrupted_run()
    else:
        for run in (interrupted_run, PartsFolder(out, "a").plan):
            with pytest.raises(VideoError, match=r"1 finished shots \(1\.0 minutes of work\).*--overwrite"):
                run()
        interrupted_run(overwrite=True)
    # neither run has lost a shot
    with PartsFolder(out, "b", overwrite=True) as parts:
        assert parts.find(range(18)) == (name, Shot(0, 18, settings="b", seconds=seconds, name=name))
        assert (parts.path / f"{name}.nut").read_bytes() == b"of another run"
    assert color(source, out, StubColorer(), overwrite=True) == 6
    assert [path.name for path in kept.path.iterdir()] == ["mine.txt"]
    assert len(lightness_planes(out)) == 18


class KeyedColorer(StubColorer):
    """Key frames influence their own shot; key frame 1 also influences the shot at frame 12."""

    def __init__(self, keys: Sequence[int]) -> None:
        super().__init__(20)
        self.keys = keys

    def keys_of(self, span: Any, lightness: object) -> list[int]:
        return [key for key in self.keys if key in span.frames or (key == 1 and span.frames.start == 12)]


def test_a_key_frame_recomputes_only_the_shots_that_it_influences(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    source = write_video(tmp_path / "in.mp4", SCENES)
    spans = [ShotSpan(range(first, first + 6)) for first in (0, 6, 12)]

    def colored_frames(keys: dict[int, str]) -> list[int]:
        colorer: Any = KeyedColorer(list(keys))
        video = VideoFile(source, choose_codec(out))
        parts = PartsFolder(out, "a", keys, overwrite=True)
        color_shots(video, colorer, parts, steady=0, spans=spans, keep_shots=True)
        assert len(list(parts.path.glob("shot-*.json"))) == 3
        assert len(lightness_planes(out)) == 18
        return sorted({number for number, _ in colorer.seen})

    assert colored_frames({7: "a"}) == list(range(18))
    assert colored_frames({7: "a"}) == []
    assert colored_frames({7: "b"}) == list(range(6, 12))
    assert colored_frames({7: "b", 1: "c"}) == [*range(6), *range(12, 18)]
    assert colored_frames({1: "c"}) == list(range(6, 12))
    assert "replaces 2 finished shots" in PartsFolder(out, "a", {1: "d"}).plan()
    assert PartsFolder(out, "a", {1: "c", 7: "b"}).plan().startswith("replaces 1 finished shots")
    assert PartsFolder(out, "a", {1: "c"}).plan() == "resumes from out.mp4.parts"


def test_parts_folder_rejects_folders_with_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "out.mp4.parts"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    parts = PartsFolder(tmp_path / "out.mp4", "a", overwrite=True)
    for content in ("", "{}", "a", '{"settings": "b"}'):
        for run in (parts.plan, parts.__enter__):
            with pytest.raises(VideoError, match=r"out.mp4.parts .*not created by colorzoo"):
                run()
        (folder / "job.json").write_text(content)
    assert {path.name for path in folder.iterdir()} == {"mine.txt", "job.json"}


def hold_lock(out: Path, is_locked: Any) -> None:
    with PartsFolder(out, "a") as parts:
        (parts.path / "shot-00000000-00000000.nut").write_bytes(b"unfinished")
        is_locked.set()
        time.sleep(60)


def test_parts_folder_is_locked_until_its_process_ends(tmp_path: Path) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    context = multiprocessing.get_context("spawn")
    is_locked = context.Event()
    process = context.Process(target=hold_lock, args=(out, is_locked))
    process.start()
    try:
        assert is_locked.wait(60)
        for overwrite in (False, True):
            for run in (
                PartsFolder(out, "b", overwrite=overwrite).plan,
                lambda: color(source, out, StubColorer()),
            ):
                with pytest.raises(VideoError, match=rf"being written by process {process.pid} on \S+\."):
                    run()
        assert parts_path(out).joinpath("shot-00000000-00000000.nut").read_bytes() == b"unfinished"
    finally:
        process.kill()  # SIGKILL: the process cannot unlock the folder
        process.join()
    assert PartsFolder(out, "a").plan() == "resumes from out.mp4.parts"
    color(source, out, StubColorer())
    assert len(lightness_planes(out)) == 18
    assert not parts_path(out).exists()


def test_video_does_not_replace_a_result_written_during_the_run(tmp_path: Path) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    video, parts = VideoFile(source, choose_codec(out)), PartsFolder(out, "a")
    with pytest.raises(VideoError, match="already exists"):
        color_shots(video, StubColorer(), parts, steady=0, tick=lambda _: out.write_bytes(b"new"))
    assert out.read_bytes() == b"new"
    with pytest.raises(VideoError, match="already exists"):
        color(source, out, StubColorer())
    assert out.read_bytes() == b"new"
    out.unlink()
    assert color(source, out, StubColorer()) == 18  # no shot was lost


def test_edited_frames_of_a_folder_do_not_change_the_kept_shots(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number, image in enumerate(SCENES[4:8]):  # the second shot starts at frame 2
        Image.fromarray(image).save(source / f"{number}.png")

    def seen_frames(keys: dict[int, str]) -> list[int]:
        colorer: Any = KeyedColorer(list(keys))
        parts = PartsFolder(out, "a", keys, overwrite=True)
        spans = [ShotSpan(range(2)), ShotSpan(range(2, 4))]
        color_shots(FrameFolder(source), colorer, parts, steady=0, spans=spans, keep_shots=True)
        return [number for number, _ in colorer.seen]

    assert seen_frames({3: "a"}) == [0, 1, 2, 3]
    before = (out / "0.png").read_bytes()
    (out / "0.png").write_bytes(b"edited in place")
    assert seen_frames({3: "b"}) == [2, 3]
    assert (out / "0.png").read_bytes() == before


@pytest.mark.parametrize(("size", "window"), [((30, 40), 72), ((1200, 1600), 46)])
def test_color_shots_limits_buffered_frame_bytes(tmp_path: Path, size: tuple[int, int], window: int) -> None:
    """Each pixel needs three bytes; at least 6 and at most 72 frames are buffered."""
    light, events = torch.full((1, 1, *size), 50.0), list[str]()
    gray = np.full(size, 120, np.uint8)
    image: dict[str, Any] = {
        "lightness": lambda: light,
        "gray": lambda: gray,
        "rgb_image": lambda: RasterImage(gray),
    }

    def frames() -> Iterator[SimpleNamespace]:
        for number in range(window + 2):
            events.append("read")
            yield SimpleNamespace(number=number, **image)

    writer = SimpleNamespace(write=lambda *_: events.append("written"), close=lambda: None)
    source: Any = SimpleNamespace(
        frames=frames,
        extension=".nut",
        part=lambda _: writer,
        join=lambda *paths: paths[1].touch(),
        issues=ReadIssues(),
    )
    colorer: Any = StubColorer()
    colorer.size = 16
    parts, ticks = PartsFolder(tmp_path / "out", "a"), list[int]()
    color_shots(source, colorer, parts, border="none", tick=lambda _: ticks.append(len(events)))
    assert len(ticks) == window + 2
    del events[: window + 2]  # shot detection
    assert events == ["read"] * window + ["written"] * window + ["read"] * 2 + ["written"] * 2


def test_video_deletes_the_parts_of_a_run_without_finished_shots(tmp_path: Path) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    video, parts = VideoFile(source, choose_codec(out)), PartsFolder(out, "b")
    with pytest.raises(StopIteration):
        color_shots(video, StubColorer(), parts, steady=0, tick=lambda _: next(iter(())))
    assert not parts.path.exists()
    parts.path.mkdir()
    (parts.path / "job.json").write_text('{"process": 1, "host": "a"}')  # of a killed process
    (parts.path / "shot-00000000-00000000.nut").touch()
    assert color(source, out, StubColorer()) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out.mp4"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_recipes_of_frames_have_the_encodings_of_other_recipes(tmp_path: Path, encoding: str) -> None:
    """Notepad and PowerShell write a byte order mark, and UTF-16."""
    text = '{"version": 2, "points": [{"x": 3, "y": 4, "color": "#c04020"}]}'
    (tmp_path / "key.recipe.json").write_text(text, encoding=encoding)
    (tmp_path / "plain.recipe.json").write_text(text, encoding="utf-8")
    found, plain = (
        FilmRecipe.read(None, {2: tmp_path / f"{name}.recipe.json"}, ()).keys[0] for name in ("key", "plain")
    )
    assert found.recipe == Recipe(points=(PointHint(3, 4, color="#c04020"),))
    assert found.sha256 == plain.sha256


def test_dissolve_mixes_the_colors_of_both_shots(tmp_path: Path) -> None:
    """A resumed run, in which the first shot is finished, writes equal frames."""
    source, out, again = tmp_path / "in", tmp_path / "out", tmp_path / "again"
    source.mkdir()
    for number in range(14):
        Image.new("L", (64, 48), 128).save(source / f"{number:02}.png")
    spans = [ShotSpan(range(6)), ShotSpan(range(6, 14), 4)]

    class TwoShots(StubColorer):
        def color(self, frame: Any, lightness: Tensor) -> Tensor:
            self.seen.append((frame.number, ()))
            return torch.full((1, 2, *lightness.shape[-2:]), 10.0 if frame.number < 6 else 40.0)

    def run(result: Path, **options: Any) -> list[int]:
        colorer: Any = TwoShots()
        parts = PartsFolder(result, "a")
        color_shots(FrameFolder(source), colorer, parts, spans=spans, border="none", **options)
        return [number for number, _ in colorer.seen]

    run(out)
    red = [int(np.asarray(Image.open(out / f"{number:02}.png"))[24, 32, 0]) for number in range(14)]
    assert len({*red[:6]}) == len({*red[10:]}) == 1
    assert red[5:11] == sorted({*red[5:11]})  # increasing
    ticks = iter(range(9))
    with pytest.raises(StopIteration):
        run(again, tick=lambda _: next(ticks))
    assert min(run(again)) >= 10  # frames of the dissolve are not predicted
    for number in range(14):
        assert (again / f"{number:02}.png").read_bytes() == (out / f"{number:02}.png").read_bytes()

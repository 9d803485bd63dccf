"""Colorization of frame folders."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import ReadIssues, VideoError
from colorzoo.apps.video.parts import PartsFolder, Shot, parts_path
from colorzoo.apps.video.run import color_frame, color_shots
from colorzoo.files import sha256_of
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io import ImageProvenance, Metadata, read_provenance, update_sidecar
from colorzoo.inference.colorizer import Colorizer
from tiny_model import tiny_model
from tiny_video import StubColorer, scene


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


def color(source: Path, out: Path, colorer: StubColorer) -> tuple[FrameFolder, list[Shot]]:
    folder = FrameFolder(source)
    return folder, color_shots(folder, colorer, PartsFolder(out, "a"), steady=0.5)[0]


def test_color_shots_keeps_names_and_bit_depth_of_frames(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    with PartsFolder(out, "a") as parts:
        parts.finish("shot-00000099-00000000", Shot(99, 1))  # keeps the folder
        interrupted = parts.path / parts.find(range(4))[0]
        interrupted.mkdir()
        (interrupted / "f000.png").write_bytes(b"of a run that was interrupted")
        (interrupted / f".colorzoo-{'0' * 32}.part").touch()
    folder, shots = color(source, out, StubColorer(20))
    kind = "a folder of images"
    assert folder.describe() == {"width": 64, "height": 48, "frames": 6, "from": kind, "to": kind}
    assert [(shot.first, shot.count) for shot in shots] == [(0, 4), (4, 2)]
    assert sorted(path.name for path in out.iterdir()) == [f"f{n:03d}.png" for n in range(5)] + ["f005.jpg"]
    assert not parts_path(out).exists()
    first = np.asarray(Image.open(out / "f000.png").convert("RGB")).astype(int)
    assert (first[..., 0] - first[..., 2]).mean() > 20
    import imagecodecs

    assert imagecodecs.imread(str(out / "f004.png")).dtype == np.uint16


def test_frame_folder_coloring_applies_border_and_keeps_other_files(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").touch()
    folder, inside = FrameFolder(source), Rectangle(10, 8, 44, 32)
    parts = PartsFolder(out, "a", overwrite=True)
    color_shots(folder, StubColorer(20), parts, steady=0, border=inside)
    assert (out / "notes.txt").exists()
    (first, *_) = FrameFolder(out).frames()
    is_colored = np.ptp(first.image.rgb, axis=2) > 0.05
    assert is_colored[inside.slices].all()
    assert is_colored.sum() == 44 * 32


def test_hidden_colors_of_transparent_frames_have_no_effect(tmp_path: Path) -> None:
    alpha = np.zeros((48, 64), np.uint8)
    alpha[8:40, 12:50] = 255
    results = []
    for name, hidden in (("black", 0), ("white", 255)):
        (tmp_path / name).mkdir()
        for number in range(3):
            levels = np.where(alpha > 0, scene(number), hidden).astype(np.uint8)
            Image.fromarray(np.dstack([levels, alpha])).save(tmp_path / name / f"f{number}.png")
        color(tmp_path / name, tmp_path / f"out-{name}", StubColorer(20))
        frames = FrameFolder(tmp_path / f"out-{name}").frames()
        results.append([frame.image for frame in frames])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one.alpha, alpha)
        np.testing.assert_array_equal(one.levels[alpha > 0], other.levels[alpha > 0])
        np.testing.assert_array_equal(one.levels, other.levels)


def test_frame_folder_reports_and_skips_broken_images(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    (source / "f002.png").write_bytes(b"no image")
    folder, shots = color(source, out, StubColorer())
    assert folder.issues.broken == ["f002.png"]
    assert sum(shot.count for shot in shots) == len(list(out.iterdir())) == 5
    # the frame number stays the position of the file, so that --key names the same frame
    assert [frame.number for frame in folder.frames()] == [0, 1, 3, 4, 5]


def test_frames_with_the_same_result_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.jp2", "a.jp2.png", "b.png"):
        Image.fromarray(scene(0)).save(tmp_path / name)
    with pytest.raises(VideoError, match=r"a\.jp2 and a\.jp2\.png"):
        FrameFolder(tmp_path)


def test_output_can_be_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    color_shots(FrameFolder(source), StubColorer(), PartsFolder(Path(), "a", overwrite=True), steady=0.5)
    assert len(list(out.iterdir())) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_read_issues_list_at_most_five_broken_frames() -> None:
    for names, listed in (("abcde", "a, b, c, d, e"), ("abcdef", "a, b, c, d, e ...")):
        lines = (f"{len(names)} damaged frames, at {listed}", "cut", "note")
        assert ReadIssues(list(names), ["note"], "cut").lines() == lines


def test_frame_size_change_starts_a_shot(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    Image.fromarray(scene(2)[:40]).save(source / "f002.png")
    _, shots = color(source, out, StubColorer())
    assert [shot.first for shot in shots] == [0, 2, 3, 4]
    assert Image.open(out / "f002.png").size == (64, 40)


def test_frame_folder_sorts_naturally_and_skips_hidden_files(tmp_path: Path) -> None:
    names = ["f1.png", "f2.png", "f10.png", "f11.png"]
    for name in (*names, "._f1.png"):
        Image.fromarray(scene(0)).save(tmp_path / name)
    assert [frame.name for frame in FrameFolder(tmp_path).frames()] == names


def test_color_frame_equals_the_frame_of_the_film(tmp_path: Path) -> None:
    """The frame is in the second shot, and frames more than one window after it are not read."""
    source = tmp_path / "in"
    source.mkdir()
    for number in range(90):
        Image.fromarray(scene(number, seed=7 * (number > 2))).save(source / f"{number:03d}.png")
    colorer = FrameColorer(Colorizer(tiny_model(), device="cpu", size=32))
    folder = FrameFolder(source)
    color_shots(folder, colorer, PartsFolder(tmp_path / "out", "a"))
    written = np.asarray(Image.open(tmp_path / "out" / "005.png").convert("RGB"))
    assert np.array_equal(color_frame(folder, colorer, 5), written)
    for number in (0, 89):
        assert color_frame(folder, colorer, number).shape == (48, 64, 3)
    with pytest.raises(VideoError, match="no frame 90"):
        color_frame(folder, colorer, 90)


def test_shots_in_color_are_kept_unless_recolor_is_set(tmp_path: Path) -> None:
    source = make_frames(tmp_path / "in")
    for number in range(3):  # frame 3 of the first shot is gray, as in a fade
        levels = np.dstack([scene(number), scene(number) // 2, 255 - scene(number)])
        Image.fromarray(levels).save(source / f"f{number:03d}.png")
    for recolor in (False, True):
        folder, out = FrameFolder(source), tmp_path / f"out{recolor}"
        parts = PartsFolder(out, "a")
        shots, _ = color_shots(folder, StubColorer(20), parts, steady=0, recolor=recolor)
        is_kept = np.array_equal(Image.open(out / "f001.png"), Image.open(source / "f001.png"))
        frame = color_frame(folder, StubColorer(20), 1, steady=0, recolor=recolor)
        assert np.array_equal(frame, Image.open(out / "f001.png"))
        assert is_kept != recolor
        assert [len(shot.notes) for shot in shots] == [int(not recolor), 0]
        assert np.ptp(np.asarray(Image.open(out / "f005.jpg")).astype(int), axis=2).mean() > 10


def test_frame_folder_raises_for_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="no image"):
        FrameFolder(tmp_path / "empty")
    (tmp_path / "empty" / "a.png").write_bytes(b"no image")
    with pytest.raises(VideoError, match="no image file"):
        FrameFolder(tmp_path / "empty")


def test_frame_folder_resumes_an_interrupted_join(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    color(source, tmp_path / "intact", StubColorer(20))
    folder, parts = FrameFolder(source), PartsFolder(out, "a")

    class KilledError(BaseException): ...

    def killed(paths: list[Path], whole: Path, _: object) -> None:
        FrameFolder.join(folder, paths[:1], whole)
        raise KilledError

    folder.join = killed
    with pytest.raises(KilledError):
        color_shots(folder, StubColorer(20), parts, steady=0.5)
    assert not out.exists()
    color(source, out, StubColorer(20))
    same = [(out / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "intact").iterdir()]
    assert same == [True] * 6


def test_video_deletes_only_its_own_frames_of_an_earlier_result(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    origin = ImageProvenance(source="a", settings="b", model="c")

    def color_again() -> tuple[str, ...]:
        folder, parts = FrameFolder(source), PartsFolder(out, "a", overwrite=True)
        color_shots(folder, StubColorer(20), parts, steady=0, origin=origin)
        return folder.issues.lines()

    assert color_again() == ()
    for number in (0, 1, 2):
        (source / f"f{number:03d}.png").rename(source / f"g{number}.png")
    (out / "notes.txt").touch()
    assert color_again() == ()
    frames = {"f003.png", "f004.png", "f005.jpg", "g0.png", "g1.png", "g2.png"}
    assert {path.name for path in out.iterdir()} == frames | {"notes.txt"}
    # frames that the user edited or added are kept
    Image.fromarray(scene(9)).save(out / "g0.png")
    (out / "g2.png").rename(out / "best.png")
    for number in (0, 1, 2):
        (source / f"g{number}.png").unlink()
    (note,) = color_again()
    assert "best.png" in note
    kept = {"f003.png", "f004.png", "f005.jpg", "best.png", "g0.png", "notes.txt"}
    assert {path.name for path in out.iterdir()} == kept
    assert np.array_equal(np.asarray(Image.open(out / "g0.png")), scene(9))


def test_record_of_frames_deletes_nothing_outside_the_folder(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    other = tmp_path / "other.png"
    other.write_bytes(b"")
    frames = json.dumps({"../other.png": sha256_of(other), str(other): sha256_of(other)})
    update_sidecar(out, Metadata(), ImageProvenance(source="a", settings="b", model="c", frames=frames))
    color_shots(FrameFolder(source), StubColorer(), PartsFolder(out, "a", overwrite=True), steady=0)
    assert other.exists()
    assert len(list(out.iterdir())) == 6


def test_video_resumes_while_frames_are_moved_to_an_existing_folder(tmp_path: Path) -> None:
    source, out = make_frames(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    (out / "f004.png").mkdir()  # cannot be replaced by a file

    def color_again() -> None:
        parts = PartsFolder(out, "a", overwrite=True)
        color_shots(FrameFolder(source), StubColorer(), parts, steady=0, origin=origin)

    origin = ImageProvenance(source="a", settings="b", model="c")
    with pytest.raises(VideoError, match="cannot be written"):
        color_again()
    (out / "f004.png").rmdir()
    color_again()
    assert len(list(out.iterdir())) == len(json.loads(read_provenance(out).frames)) == 6
    assert not parts_path(out).exists()
    # frames that were already moved are not lost if the user deletes OUT
    (out / "f004.png").unlink()
    (out / "f004.png").mkdir()
    with pytest.raises(VideoError, match="cannot be written"):
        color_again()
    shutil.rmtree(out)
    color_again()
    assert len(list(out.iterdir())) == 6


def test_frames_of_another_size_and_more_pages_are_noted(tmp_path: Path) -> None:
    for number, size in enumerate([(48, 64), (48, 64), (64, 36), (64, 36), (48, 64), (64, 36)]):
        Image.fromarray(scene(number, size=size)).save(tmp_path / f"{number}.tif")
    pages = [Image.fromarray(scene(number)) for number in range(3)]
    pages[0].save(tmp_path / "0.tif", save_all=True, append_images=pages[1:])
    film = FrameFolder(tmp_path)
    for _ in range(2):  # the second run gives the same notes
        assert len(list(film.frames())) == 6
    assert len(film.issues.notes) == 1
    assert "0.tif has 3 pages" in film.issues.notes[0]
    (line,) = film.issues.lines()[1:]
    assert line.startswith("frames 2 to 3, 5 have 36 x 64 pixels")

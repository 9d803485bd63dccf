"""Results, notes and errors of ``colorzoo video``."""

import json
import os
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from colorzoo.apps.cli._file_options import VideoOptions
from colorzoo.apps.cli.main import main
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.container import frame_to_rgb
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.frames import VideoFrame
from colorzoo.apps.video.parts import PartsFolder, parts_path
from colorzoo.image_io.provenance import read_provenance
from tiny_model import write_tiny_weights
from tiny_video import lightness_planes, read_frames, scene, sound_packets, times, write_video

SCENES = [scene(n) for n in range(4)] + [scene(n, seed=7) for n in range(4)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors"))


def video(*words: object) -> int:
    return main(["video", *map(str, words), "--size", "32", "--device", "cpu"])


def chroma(path: Path, columns: slice = slice(None)) -> list[float]:
    images = (frame_to_rgb(frame)[:, columns].astype(float) / 255 for frame in read_frames(path))
    return [float(np.ptp(rgb, axis=2).mean()) for rgb in images]


def test_video_colorizes_all_frames(tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES, sound=True), tmp_path / "out.mp4"
    assert video(source, out, "--weights", weights, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["status"], report["frames"], report["shots"], report["broken"]) == (
        "colored",
        8,
        [0, 4],
        [],
    )
    assert times(out) == times(source)
    assert sound_packets(out) == sound_packets(source)
    assert min(chroma(out)) > 0.02 > max(chroma(source))
    origin = read_provenance(out)
    assert origin is not None
    assert origin.model == "zhang2017_local_small"  # the model of the weights
    assert video(source, out, "--weights", weights, "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "skipped"
    for option, value in (("--steady", ".5"), ("--border", "none"), ("--codec", "hevc"), ("--crf", "30")):
        assert video(source, out, "--weights", weights, option, value) == 2
        assert "--overwrite" in capsys.readouterr().err
    others = write_video(tmp_path / "others.mp4", SCENES[:2])
    assert video(others, out, "--weights", weights) == 2
    assert "already exists" in capsys.readouterr().err
    gray = ("--strength", "0", "--overwrite", "--provenance", "none")
    assert video(source, out, "--weights", weights, *gray) == 0
    assert max(chroma(out)) < 0.02
    assert read_provenance(out) is None  # the record of the earlier result was removed
    within = ("--border", "32,0,32,48")
    assert video(source, out, "--weights", weights, *within, "--overwrite") == 0
    left, right = (chroma(out, half) for half in (slice(0, 28), slice(36, None)))
    assert min(right) > 0.02 > max(left)


def test_every_option_that_determines_the_result_is_part_of_its_record(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES[:2]), tmp_path / "out.mkv"
    other_weights = str(write_tiny_weights(tmp_path / "other.safetensors", seed=1))
    Image.fromarray(np.dstack([SCENES[0], SCENES[1], SCENES[2]])).save(tmp_path / "key.png")
    (tmp_path / "film.json").write_text('{"shots": {"split": [1]}}')
    changes: dict[str, list[object]] = {
        "strength": ["--strength", ".5"],
        "temperature": ["--temperature", ".5"],
        "size": ["--size", "16"],
        "precision": ["--precision", "float32"],
        "reference": ["--reference", tmp_path / "key.png"],
        "key": ["--key", f"1={tmp_path / 'key.png'}"],
        "recipe": ["--recipe", tmp_path / "film.json"],
        "frames": ["--frames", "1:"],
        "recolor": ["--recolor"],
        "steady": ["--steady", ".5"],
        "border": ["--border", "none"],
        "weights": ["--weights", other_weights],
        "codec": ["--codec", "ffv1"],
        "crf": ["--crf", "30"],
        "no_sound": ["--no-sound"],
    }
    # these change the source, where results are written, or what is printed; the weights name the model
    others = {"source", "output", "device", "model", "overwrite", "provenance", "dry_run", "json"}
    others |= {"frame", "shots", "apply_matches"}  # the last has no effect without recipes of frames
    others |= {"hints", "match_sheet"}  # this model accepts no hints, and the sheet is another file
    assert {each.name for each in fields(VideoOptions)} == changes.keys() | others
    first = ["video", str(source), str(out), "--device", "cpu", "--weights", weights]
    assert main(first) == 0
    assert main(first) == 0  # skipped
    for name, words in changes.items():
        capsys.readouterr()
        assert main([*first, *map(str, words)]) == 2, name
        assert "different source or settings" in capsys.readouterr().err, name


def test_video_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_video(tmp_path / "in.mp4", SCENES)
    assert video(source, tmp_path / "out.webm", "--dry-run", "--json") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert printed.err == f"{tmp_path / 'out.webm'}: 64x48, h264 yuv420p to vp9 yuv420p, {report['model']}\n"
    assert (report["status"], report["description"]["frames"]) == ("planned", 8)
    assert (report["description"]["to"], report["notes"]) == ("vp9 yuv420p", [])
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_video_asks_before_it_replaces_the_shots_of_other_settings(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    frame_count = iter(range(6))

    def interrupted_color(self: FrameColorer, frame: VideoFrame, lightness: Tensor) -> Tensor:
        if next(frame_count, None) is None:
            raise KeyboardInterrupt
        return lightness.new_zeros(1, 2, *lightness.shape[2:])

    with monkeypatch.context() as patch:
        patch.setattr(FrameColorer, "color", interrupted_color)
        assert video(source, out, "--weights", weights, "--steady", "0") == 130
    shots = sorted(path.name for path in parts_path(out).glob("shot*"))
    assert any(name.endswith(".json") for name in shots)
    with monkeypatch.context() as patch:
        patch.setattr("colorzoo.apps.video.parts._MUCH_WORK", -1.0)
        for mode in ([], ["--dry-run"]):  # the default --steady
            capsys.readouterr()
            assert video(source, out, "--weights", weights, *mode) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert "1 finished shots" in line
            assert "--overwrite" in line
            assert sorted(path.name for path in parts_path(out).glob("shot*")) == shots
    for mode, note in ((["--steady", "0"], "resumes from"), ([], "replaces 1 finished shots")):
        assert video(source, out, "--weights", weights, "--dry-run", "--json", *mode) == 0
        assert json.loads(capsys.readouterr().out)["notes"][0].startswith(note)
        assert sorted(path.name for path in parts_path(out).glob("shot*")) == shots
    assert video(source, out, "--weights", weights, "--steady", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == 4
    assert not parts_path(out).exists()


def test_second_video_with_the_same_output_stops_with_one_line(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    with PartsFolder(out, "settings of the first run"):
        capsys.readouterr()
        for mode in ([], ["--dry-run"], ["--overwrite"]):
            assert video(source, out, "--weights", weights, *mode) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"process {os.getpid()} on " in line
    assert not out.exists()
    assert video(source, out, "--weights", weights, "--overwrite") == 0


def test_video_with_a_damaged_packet_sets_exit_code_1(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_video(
        tmp_path / "in.mkv", SCENES, spoil=lambda n, b: b"\0\0\0\1" + bytes(60) if n == 2 else b
    )
    assert video(source, tmp_path / "out.mkv", "--weights", weights) == 1
    printed = capsys.readouterr()
    assert "(1 damaged frames, at 0:00:00.080)" in printed.out
    assert printed.err == f"colorzoo: error: {source} is damaged; only readable frames were used\n"


def test_video_key_option_sets_reference_frames(tmp_path: Path) -> None:
    source, out = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "out.mp4"
    tinted = np.stack([SCENES[0] * 0.9, SCENES[0] * 0.5, SCENES[0] * 0.3], axis=2).astype(np.uint8)
    Image.fromarray(tinted).save(tmp_path / "key.png")
    assert video(source, out, "--key", f"0={tmp_path / 'key.png'}") == 0
    assert read_provenance(out).model == "colorzoo2026"
    colors = [frame_to_rgb(frame).mean(axis=(0, 1)) / 255 for frame in read_frames(out)]
    for number in (0, 2):  # the key frame and a later frame
        assert colors[number][0] - colors[number][2] > 0.2
    assert np.abs(colors[0] - colors[2]).max() < 0.06
    assert np.abs(lightness_planes(out)[0].mean() - lightness_planes(source)[0].mean()) < 6


def test_video_key_of_a_frame_after_a_broken_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, out, key = tmp_path / "in", tmp_path / "out", tmp_path / "key.png"
    frames.mkdir()
    for number, image in enumerate(SCENES[:4]):
        Image.fromarray(image).save(frames / f"{number}.png")
    (frames / "1.png").write_bytes(b"no image")
    tinted = np.stack([SCENES[3] * 1.1, SCENES[3], SCENES[3] * 0.8], axis=2).astype(np.uint8)
    Image.fromarray(tinted).save(key)
    assert video(frames, out, "--key", f"1={key}", "--key", f"3={key}") == 2
    assert f"key frame 1 is damaged in {frames}" in capsys.readouterr().err
    assert video(frames, out, "--key", f"4={key}") == 2
    assert f"key frame 4 does not exist in {frames}" in capsys.readouterr().err
    assert video(frames, out, "--key", f"3={key}", "--strength", "1", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["broken"]) == (3, ["1.png"])
    result = np.asarray(Image.open(out / "3.png").convert("RGB")).astype(float)
    assert np.abs(result - tinted).mean() < 6


def test_video_accepts_frame_folder(tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, image in enumerate(SCENES):
        Image.fromarray(image).save(folder / f"{number}.png")
    assert video(folder, tmp_path / "out", "--weights", weights) == 0
    assert len(list((tmp_path / "out").iterdir())) == 8
    line = f"{tmp_path / 'out'}: 8 frames in 2 shots by zhang2017_local_small\n"
    assert capsys.readouterr() == (line, "")


def test_result_of_a_frame_folder_is_skipped_or_replaced(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number, image in enumerate(SCENES[:3]):
        Image.fromarray(image).save(source / f"{number}.png")
    assert video(source, out, "--weights", weights) == 0
    assert video(source, out, "--weights", weights) == 0
    assert "already exists" in capsys.readouterr().out
    (source / "2.png").unlink()
    assert video(source, out, "--weights", weights) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert video(source, out, "--weights", weights, "--overwrite") == 0
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png"]
    record = out.with_name("out.colorzoo.xmp")
    record.write_text(record.read_text().replace('frames="', 'frames="['))  # a damaged record
    assert main(["info", str(out)]) == 0
    assert video(source, out, "--weights", weights, "--overwrite") == 0


def drawn(number: int) -> np.ndarray:
    """Return line art that moves; gray levels of limited range."""
    page = np.full((144, 192), 235, np.uint8)
    for left in (20, 100):
        cv2.rectangle(page, (left + number, 20), (left + 60 + number, 120), 16, 2)
        cv2.circle(page, (left + 30 + number, 70), 20, 16, 2)
    return page


def test_video_of_line_art_is_colorized_by_the_model_for_drawings(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    for number in range(3):
        Image.fromarray(drawn(number)).save(frames / f"{number}.png")
    film = write_video(tmp_path / "film.mp4", [drawn(number) for number in range(2)])
    for source, result in ((frames, out), (film, tmp_path / "out.mp4")):
        assert video(source, result, "--dry-run") == 0
        assert "colorzoo2026_drawing" in capsys.readouterr().out
        assert not result.exists()
        assert video(source, result) == 0
        assert "in 1 shot by colorzoo2026_drawing" in capsys.readouterr().out
        assert result.exists()
    assert video(frames, out, "--weights", weights, "--overwrite") == 0  # chosen by the user
    assert "line art" in capsys.readouterr().out
    assert video(frames, out, "--model", "cho2023_small", "--overwrite") == 2
    assert "colorzoo colorize FRAMES -o OUT --model cho2023_small" in capsys.readouterr().err


def test_video_with_a_drawn_title_is_colorized(tmp_path: Path) -> None:
    photos = [np.kron(image, np.ones((3, 3), np.uint8)) for image in SCENES]
    film = write_video(tmp_path / "film.mp4", [drawn(0)] * 6 + photos)
    assert video(film, tmp_path / "out.mp4", "--dry-run") == 0
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, image in enumerate([drawn(0)] * 6 + photos):
        Image.fromarray(image).save(frames / f"{number}.png")
    assert video(frames, tmp_path / "out", "--dry-run") == 0


def test_video_of_an_image_file_names_the_command_for_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [Image.fromarray(image) for image in SCENES]
    for extension in ("webp", "tif", "png", "jpg"):
        path = tmp_path / f"in.{extension}"
        several = {} if extension in ("png", "jpg") else {"save_all": True, "append_images": images[1:]}
        images[0].save(path, **several)
        assert video(path, tmp_path / "out.mp4") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"colorzoo colorize {path}" in line
    images[0].save(tmp_path / "in.gif", save_all=True, append_images=images[1:])
    assert video(tmp_path / "in.gif", tmp_path / "out.mp4") == 0


def invalid_inputs(folder: Path) -> dict[str, tuple[list[object], str]]:
    good = write_video(folder / "good.mp4", SCENES[:2], sound=True)
    text = folder / "text.mp4"
    text.write_text("no video " * 99)
    frames = folder / "frames"
    frames.mkdir()
    gray = folder / "gray.png"
    for path in (gray, frames / "0.png"):
        Image.fromarray(SCENES[0]).save(path)
    tinted = folder / "tinted.png"
    Image.fromarray(np.dstack([SCENES[0], SCENES[0] // 2, SCENES[0] // 3])).save(tinted)
    points = folder / "points.json"
    points.write_text('{"version": 2, "points": [{"x": 30, "y": 20, "color": "#c03020"}]}')
    there = folder / "there.mp4"
    there.write_bytes(b"mine")
    new = folder / "new.mp4"
    return {
        "no such": ([folder / "none.mp4", new], "no such file or folder"),
        "no video": ([text, new], "cannot be read as a video"),
        "itself": ([good, good], "also an input"),
        "unknown container": ([good, folder / "new.xyz"], "got .xyz"),
        "codec": ([good, folder / "new.webm", "--codec", "h264"], "--codec must be vp9"),
        "sound of a folder": ([frames, folder / "out", "--no-sound"], "--no-sound"),
        "in the way": ([good, there], "already exists"),
        "folder to file": ([frames, new], "must be a folder"),
        "codec of a folder": ([frames, folder / "out", "--codec", "h264"], "--codec"),
        "key": ([good, new, "--key", "first.png"], "FRAME=FILE"),
        "key twice": ([good, new, "--key", "0=a.png", "--key", "00=b.png"], "contains frame 0 twice"),
        "key of no frame": ([good, new, "--key", f"2={tinted}"], "key frame 2 does not exist in"),
        "huge key": ([good, new, "--key", f"{10**30}={tinted}"], f"key frame {10**30} does not exist in"),
        "recipe of an image": ([good, new, "--recipe", points], "recipe of an image. Set --key FRAME=FILE"),
        "dry run of a frame": ([good, folder / "f.png", "--frame", "0", "--dry-run"], "--dry-run cannot be"),
        "part of a frame": (
            [good, folder / "f.png", "--frame", "0", "--frames", "0:1"],
            "--frames cannot be",
        ),
        "frames": ([good, new, "--frames", "5"], "--frames must be A:B with A below B"),
        "no frames": ([good, new, "--frames", "1:1"], "--frames must be A:B with A below B"),
        "frames after the end": ([good, new, "--frames", "2:"], "--frames selects no frame"),
        "no recipe": ([good, new, "--recipe", folder / "none.json"], "No such file"),
        "no OUT": ([good], "OUT is required"),
        "no key": ([good, new, "--key", "1=none.png"], "none.png: No such file"),
        "gray key": ([good, new, "--key", f"0={gray}"], "has no color"),
        "no reference taken": (
            [good, new, "--model", "zhang2017_local_small", "--reference", gray],
            "--key and --reference",
        ),
        "sketches": ([good, new, "--model", "cho2023_small"], "a sketch model"),
        "steady": ([good, new, "--steady", "2"], "--steady"),
    }


def test_invalid_video_inputs_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, (words, message) in invalid_inputs(tmp_path).items():
        assert video(*words) == 2, name
        lines = capsys.readouterr().err.strip().splitlines()
        errors = [line for line in lines if line.startswith("colorzoo: error: ")]
        assert len(errors) == 1, (name, lines)
        assert message in errors[0], (name, errors[0])
        assert "Traceback" not in "".join(lines)
    assert not (tmp_path / "new.mp4").exists()
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


def test_damaged_film_recipes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, recipe = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "film.json"
    tinted = tmp_path / "tinted.png"
    Image.fromarray(np.dstack([SCENES[0], SCENES[0] // 2, SCENES[0] // 3])).save(tinted)
    key = '{"frame": 1, "image": "tinted.png"}'
    for content, message in (
        ("{", "cannot be read"),
        ("[]", "film must be a JSON object"),
        ('{"version": 2}', "film.version must be at most 1"),
        ('{"points": []}', "this is the recipe of an image"),
        ('{"point": []}', "film has the unknown field 'point'"),
        ('{"keys": [{"image": "tinted.png"}]}', "film.keys[0].frame is missing"),
        ('{"keys": [{"frame": 1}]}', "film.keys[0] must have"),
        ('{"keys": [{"frame": -1, "image": "tinted.png"}]}', "film.keys[0].frame must be"),
        ('{"keys": [{"frame": 1, "image": "none.png"}]}', "none.png: No such file"),
        ('{"keys": [{"frame": 1, "recipe": {"points": [{"x": 1}]}}]}', "recipe.points[0].color is missing"),
        (f'{{"keys": [{key}, {key}]}}', "key frames contain frame 1 twice"),
        ('{"keys": [{"frame": 8, "image": "tinted.png"}]}', "key frame 8 does not exist"),
        ('{"references": ["none.png"]}', "none.png: No such file"),
        ('{"shots": {"join": [3]}}', "shots.join contains frame 3, but no shot starts at this frame"),
        ('{"shots": {"join": [0]}}', "shots.join contains frame 0, but no shot starts at this frame"),
        ('{"shots": {"split": [9]}}', "shots.split contains frame 9, which the film does not have"),
        ('{"shots": {"split": [2], "join": [2]}}', "join and split contain frame 2 twice"),
    ):
        recipe.write_text(content)
        assert video(source, tmp_path / "new.mp4", "--recipe", recipe) == 2, content
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line, (content, line)
    assert not (tmp_path / "new.mp4").exists()


def test_film_recipe_equals_key_options(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, recipe = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "film.json"
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    Image.fromarray(np.dstack([SCENES[0], SCENES[0] // 2, SCENES[0] // 3])).save(first)
    Image.fromarray(np.dstack([SCENES[6] // 3, SCENES[6] // 2, SCENES[6]])).save(second)
    point = {"points": [{"x": 20, "y": 20, "color": "#2040c0"}]}
    (tmp_path / "point.json").write_text(json.dumps(point))
    keys = [{"frame": 6, "image": "second.png"}, {"frame": 2, "recipe": point}]
    recipe.write_text(json.dumps({"version": 1, "keys": keys, "references": ["first.png"]}))
    options = ["--key", f"6={second}", "--key", f"2={tmp_path / 'point.json'}", "--reference", first]
    assert video(source, tmp_path / "a.mkv", "--codec", "ffv1", *options) == 0
    assert video(source, tmp_path / "b.mkv", "--codec", "ffv1", "--recipe", recipe) == 0
    results = [[frame_to_rgb(each) for each in read_frames(tmp_path / name)] for name in ("a.mkv", "b.mkv")]
    np.testing.assert_array_equal(*results)
    assert video(source, tmp_path / "b.mkv", "--codec", "ffv1", "--recipe", recipe) == 0
    assert "already exists with the same source and settings" in capsys.readouterr().out


def test_shots_are_listed_and_corrected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, recipe = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "film.json"
    assert main(["video", str(source), "--shots"]) == 0
    assert capsys.readouterr().out == "shot 1: frames 0 to 3\nshot 2: frames 4 to 7\n"
    recipe.write_text('{"shots": {"join": [4], "split": [6]}}')
    assert main(["video", str(source), "--shots", "--recipe", str(recipe), "--json"]) == 0
    certain = {"dissolve": 0, "doubtful": False}
    assert json.loads(capsys.readouterr().out) == [
        {"first": 0, "count": 6, **certain},
        {"first": 6, "count": 2, **certain},
    ]


def test_frames_option_colorizes_a_part(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_video(tmp_path / "in.mp4", SCENES * 3, sound=True)
    whole, part = tmp_path / "whole.mkv", tmp_path / "part.mkv"
    each = ("--weights", weights, "--codec", "ffv1", "--steady", "0")
    assert video(source, whole, *each) == 0
    assert video(source, part, *each, "--frames", "6:15", "--json") == 0
    report = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert (report["frames"], report["shots"], report["incomplete"]) == (9, [6, 8, 12], False)
    np.testing.assert_array_equal(lightness_planes(part), lightness_planes(whole)[6:15])
    assert times(part) == [time - times(whole)[6] for time in times(whole)[6:15]]
    sound = [time for time, _ in sound_packets(part)]
    assert 0 <= min(sound) < 0.03
    assert 0.32 < max(sound) < 0.36
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, image in enumerate(SCENES):
        Image.fromarray(image).save(frames / f"{number}.png")
    assert video(frames, tmp_path / "out", "--weights", weights, "--frames", ":3") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "2.png"]


def test_frame_option_prints_the_notes_of_the_film(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(8):
        levels = scene(number)
        Image.fromarray(np.dstack([levels, levels // 2, 255 - levels])).save(frames / f"{number}.png")
    for words in ([tmp_path / "out"], [tmp_path / "frame.png", "--frame", "2"]):
        assert video(frames, *words, "--weights", weights) == 0
        assert "already in color were kept; set --recolor" in capsys.readouterr().out


def test_dry_run_does_not_read_the_whole_film_without_an_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "in.mp4", SCENES)
    monkeypatch.setattr(VideoFile, "digest", lambda _: pytest.fail("the film was read"))
    assert video(source, tmp_path / "out.mp4", "--dry-run") == 0


def test_frame_option_writes_a_frame_in_the_colors_of_the_film(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, frame = write_video(tmp_path / "in.mp4", SCENES), tmp_path / "frame.png"
    recipe, corrected = tmp_path / "frame.recipe.json", tmp_path / "corrected.json"
    assert video(source, frame, "--frame", "5") == 0
    assert f"{frame}: frame 5" in capsys.readouterr().out
    image = np.asarray(Image.open(frame)).astype(float)
    shown = (scene(5 - 4, seed=7).astype(float) - 16) * 255 / 219
    assert np.abs(np.asarray(Image.open(frame).convert("L")) - shown).mean() < 6
    # the recipe starts from the colors of the frame
    colorized = main(["colorize", str(frame), "--recipe", str(recipe), "-o", str(tmp_path / "again.png")])
    assert colorized == 0
    assert np.abs(np.asarray(Image.open(tmp_path / "again.png")).astype(float) - image).mean() < 8
    # a recipe without changes is not a key, and a recipe with a point changes the film
    assert video(source, tmp_path / "new.mp4", "--key", f"5={recipe}") == 2
    assert "key frame 5: the recipe changes no color" in capsys.readouterr().err
    document = json.loads(recipe.read_text())
    corrected.write_text(json.dumps(document | {"points": [{"x": 30, "y": 20, "color": "#c03020"}]}))
    assert video(source, tmp_path / "new.mp4", "--key", f"5={corrected}") == 0
    # a reference of the key is not replaced by the frame
    own, points = tmp_path / "own.png", [{"x": 30, "y": 20, "color": "#c03020"}]
    corrected.write_text(json.dumps(document | {"exemplar": {"path": str(frame)}, "points": points}))
    assert video(source, own, "--frame", "5", "--key", f"5={corrected}") == 0
    assert json.loads(own.with_suffix(".recipe.json").read_text())["exemplar"]["path"] == str(frame)
    # a relative path of a reference is relative to the new recipe
    (tmp_path / "sub").mkdir()
    corrected.write_text(json.dumps(document | {"exemplar": {"path": "frame.png"}, "points": points}))
    assert video(source, tmp_path / "sub" / "own.png", "--frame", "5", "--key", f"5={corrected}") == 0
    written = json.loads((tmp_path / "sub" / "own.recipe.json").read_text())
    assert written["exemplar"]["path"] == str(Path("..", "frame.png"))
    # a recipe outside the selected frames is not applied silently
    assert video(source, tmp_path / "part.mp4", "--frames", "6:8", "--key", f"5={corrected}") == 0
    assert "the recipe of frame 5 is not applied" in capsys.readouterr().out
    for words, reason in (
        ((source, tmp_path / "new.png", "--frame", "8"), "no frame 8"),
        ((source, tmp_path / "new.xyz", "--frame", "0"), "must be one of"),
        ((source, source, "--frame", "0"), "also an input"),
        ((source, frame, "--frame", "0"), "already exists"),
    ):
        assert video(*words) == 2
        assert reason in capsys.readouterr().err

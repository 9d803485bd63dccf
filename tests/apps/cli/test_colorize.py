"""`colorzoo colorize`: files, messages and invalid input."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from colorzoo.apps.cli._colorize import parse_point
from colorzoo.batch import runner
from colorzoo.guidance import PointHint
from colorzoo.image_io.provenance import read_provenance
from tiny_model import Run, gray_image


def write_gray(path: Path, height: int = 30, width: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray_image(height, width)).save(path)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_results_are_written_beside_the_image(run: Run, tmp_path: Path) -> None:
    source = write_gray(tmp_path / "mit Leer ünd 写真 [1].jpg")
    code, out, err = run(source)
    result = tmp_path / "mit Leer ünd 写真 [1].color.jpg"
    assert (code, out, err) == (0, f"{result}\n", "")
    with Image.open(result) as image:
        assert image.size == (40, 30)
        assert np.ptp(np.asarray(image), axis=2).max() > 5
    assert len(tree(tmp_path)) == 2


def test_output_folder_that_cannot_be_searched_fails_each_image(run: Run, tmp_path: Path) -> None:
    sources = [write_gray(tmp_path / name) for name in ("a.png", "b.png")]
    folder = f"{tmp_path / ('x' * 300)}/"
    code, _, err = run(*sources, "-o", folder, "--failed", tmp_path / "failed.txt")
    assert code == 2
    assert [line.startswith("colorzoo: error: ") for line in err.splitlines()[:2]] == [True, True]
    assert (tmp_path / "failed.txt").read_text() == "".join(f"{source}\n" for source in sources)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_unsuitable_reference_is_refused_before_weights_are_downloaded(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "recipe.json").write_text('{"version": 2, "exemplar": {"path": "pipe.png"}}')
    source = write_gray(tmp_path / "a.png")
    code, _, err = run(source, "--recipe", tmp_path / "recipe.json", "--model", "zhao2021")
    assert (code, "not a regular file" in err) == (2, True), err


def test_box_and_statistics_options_are_recorded_in_the_recipe(run: Run, tmp_path: Path) -> None:
    source, look = write_gray(tmp_path / "a.png"), tmp_path / "look.png"
    Image.new("RGB", (30, 20), "#c04020").save(look)
    words = ("--box", "1,2.5,8,9", "--saturation", "0.25", "--histogram-of", look)
    code, _, err = run(source, *words)
    assert code == 0, err
    origin = read_provenance(tmp_path / "a.color.png")
    assert origin is not None
    recipe = json.loads(origin.recipe)
    assert recipe["boxes"] == [{"x": 1, "y": 2.5, "width": 8, "height": 9}]
    assert recipe["statistics"]["saturation"] == 0.25
    assert sum(recipe["statistics"]["histogram"]) == pytest.approx(1, abs=1e-3)


OUTSIDE = '{"points": [{"x": 99, "y": 5, "color": "#c04020"}]}'


INVALID = {  # options and a part of the error message
    "--recipe outside.json": "points[0]",
    "--recipe a.png": "a.png",
    "--point 99,5=#c04020": "points[0]",
    "--point 5,5=nocolor": "--point",
    "--point 5,5=red --reach far": "--reach",
    "--point 5,5=red@11": "--point",
    "--box 1,2,0,4": "--box",
    "--strength nan": "--strength",
    "--histogram-of missing.jpg": "missing.jpg",
    "--max-pixels 0": "--max-pixels",
    "--model zhang2016_small --weights default --render-factor 20": "render_factor",
    "--model zhang2017_locl": "zhang2017_local",
    "--recipe model.json": "zhang2017_local",
    "--device warp": "warp",
    "--weights text.bin": "text.bin",
    "--weights other.pt": "other.pt",
    "-o text.bin/out.png": "text.bin",
    "-o a.png": "a.png",
    "--colour": "--colour",
}


def test_invalid_options_are_one_line_and_leave_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_gray(Path("a.png"))
    write_gray(Path("a.jpg"))
    Path("outside.json").write_text(OUTSIDE)
    Path("model.json").write_text('{"model": "zang2017_local"}')
    Path("text.bin").write_text("no weights")
    torch.save({"layer.weight": torch.zeros(3)}, "other.pt")
    before = tree(tmp_path)
    for words, message in INVALID.items():
        code, out, err = run("a.png", *words.split())
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith("colorzoo: error: ")
        assert message in err
    assert tree(tmp_path) == before


def test_quality_and_pixel_limit_apply_to_each_file(run: Run, tmp_path: Path) -> None:
    write_gray(tmp_path / "in" / "a.jpg")
    write_gray(tmp_path / "in" / "b.jpg", 31)
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "out", "--quality", "7", "--max-pixels", "0.0012")
    assert (code, tree(tmp_path / "out")) == (1, ["a.jpg"])
    assert "b.jpg" in err
    assert "40 x 31" in err
    Image.new("L", (8, 8)).save(tmp_path / "same.jpg", quality=7)
    found, same = Image.open(tmp_path / "out" / "a.jpg"), Image.open(tmp_path / "same.jpg")
    assert found.quantization[0] == same.quantization[0]  # type: ignore[attr-defined]


def test_unexpected_errors_do_not_stop_the_run(run: Run, tmp_path: Path, monkeypatch) -> None:
    def read(stream: IO[bytes], name: str, *options, **more):
        if name.endswith("a.png"):
            raise ZeroDivisionError("oops")
        return real(stream, name, *options, **more)

    real = runner.read_file
    monkeypatch.setattr(runner, "read_file", read)
    for name in ("a.png", "b.png"):
        write_gray(tmp_path / name)
    code, out, err = run(tmp_path)
    assert (code, out) == (1, f"{tmp_path / 'b.color.png'}\n")
    assert "a.png: unexpected ZeroDivisionError: oops" in err
    monkeypatch.setenv("COLORZOO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "a.png")


def test_folders_are_mirrored_and_runs_resume(run: Run, tmp_path: Path) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    for name in ("a.png", "1920/a.png", "1920/Ünder/b.jpg"):
        write_gray(album / name)
    assert run(album, "-o", out)[0] == 0
    assert tree(out) == tree(album)
    (out / "1920" / "a.png").unlink()
    code, said, _ = run(album, "-o", out)
    assert code == 0
    assert said.count("already exists") == 2
    assert tree(out) == tree(album)
    (out / "a.png").write_bytes(b"not ours")
    code, said, err = run(album, "-o", out)
    assert (code, said.count("already exists"), err.count("\n")) == (1, 2, 2)
    assert f"{out / 'a.png'} already exists" in err
    assert (out / "a.png").read_bytes() == b"not ours"
    assert run(album, "-o", out, "--overwrite")[0] == 0
    Image.open(out / "a.png").load()


def test_options_without_effect_are_errors(run: Run, tmp_path: Path) -> None:
    source = write_gray(tmp_path / "a.png")
    for words in (["--alpha", "0.5"], ["--class", "3=4"], ["--reference-weights", "1,2"]):
        code, _, err = run(source, *words)
        assert (code, err.count("\n"), "require --reference" in err) == (2, 1, True)
    code, _, err = run(source, "--histogram-of", source)
    assert (code, err.count("\n"), "has no color" in err) == (2, 1, True)
    assert tree(tmp_path) == ["a.png"]


def test_failed_images_are_listed_and_can_be_repeated(run: Run, tmp_path: Path) -> None:
    write_gray(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b ö.png").write_bytes(b"broken")
    (tmp_path / "in" / "c.png").write_bytes(b"broken")
    left = tmp_path / "left.txt"
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "out", "--failed", left)
    assert (code, left.read_text()) == (1, f"{tmp_path / 'in' / 'b ö.png'}\n{tmp_path / 'in' / 'c.png'}\n")
    assert err.endswith("colorzoo: 1 colorized, 2 failed\n")
    write_gray(tmp_path / "in" / "b ö.png")
    write_gray(tmp_path / "in" / "c.png", height=33)
    before, again = left.read_bytes(), tmp_path / "again.txt"
    for more in ((), ("--overwrite",)):  # the list is an input
        code, _, err = run("--from", left, "-o", tmp_path / "out", "--failed", left, *more)
        assert (code, "is also an input" in err, left.read_bytes()) == (2, True, before)
    assert run("--from", left, "-o", tmp_path / "out", "--failed", again)[0] == 0
    assert (tree(tmp_path / "out"), again.read_text()) == (["a.png", "b ö.png", "c.png"], "")
    assert "--from" in run("--from", again)[2]
    again.write_text("notes of the user")
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "out", "--failed", again)
    assert (code, "--overwrite" in err, again.read_text()) == (2, True, "notes of the user")
    assert run(tmp_path / "in", "-o", tmp_path / "out", "--failed", again, "--overwrite")[0] == 0
    assert again.read_text() == ""
    code, _, err = run(tmp_path / "in", "--failed", tmp_path / "in" / "a.png")
    assert (code, "--failed must be a .txt file" in err) == (2, True)
    code, _, err = run()
    assert (code, "IMAGE" in err) == (2, True)


def test_full_disk_stops_the_run_and_the_same_command_resumes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_gray(tmp_path / "in" / f"{number}.png", height=30 + number)
    real, written = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(target)
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))  # as on FAT
        code, _, err = run(tmp_path / "in", "-o", tmp_path / "out", "--jobs", "4")
    assert code == 1
    assert len(tree(tmp_path / "out")) == 1  # the result that was written first by a thread
    assert "No space left on device" in err
    assert err.splitlines()[-1] == "colorzoo: 1 colorized, 3 failed"
    assert run(tmp_path / "in", "-o", tmp_path / "out")[0] == 0
    assert tree(tmp_path / "out") == ["0.png", "1.png", "2.png", "3.png"]


def test_unsaved_metadata_of_several_images_is_summarized(run: Run, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("Title", "a street")
    for name in ("a.png", "b.png"):
        Image.fromarray(gray_image(30, 40)).save(tmp_path / name, pnginfo=texts)
    note = "PNG text was not saved, because the JPEG file cannot contain it"
    _, out, err = run(tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out", "--format", "jpg")
    assert note not in out
    assert f"colorzoo: 2 of 2 images: {note}" in err.splitlines()
    _, out, err = run(tmp_path / "a.png", "-o", tmp_path / "single", "--format", "jpg")
    assert note in out
    assert note not in err


def test_unsupported_extensions_create_no_folder(run: Run, tmp_path: Path) -> None:
    source, name = write_gray(tmp_path / "a.png"), "out.heic"
    code, _, err = run(source, "-o", tmp_path / name)
    assert (code, err.count("\n"), f"got .{name[4:]}" in err) == (2, 1, True)
    assert tree(tmp_path) == ["a.png"]
    assert run(source, "-o", tmp_path / "scans.2024")[0] == 0
    assert tree(tmp_path) == ["a.png", "scans.2024/a.png"]


def test_dry_run_writes_nothing_and_json_lists_statuses(run: Run, tmp_path: Path) -> None:
    source = write_gray(tmp_path / "a.png")
    code, out, _ = run(source, tmp_path / "gone.png", "--dry-run", "--json")
    assert code == 1
    assert [row["status"] for row in json.loads(out)] == ["failed", "planned"]
    assert tree(tmp_path) == ["a.png"]
    assert run(source, "--dry-run")[1] == f"{tmp_path / 'a.color.png'}\n"
    code, out, err = run(source, "--json")
    (row,) = json.loads(out)
    assert (row["source"], row["output"], row["status"]) == (str(source), err.strip(), "colored")


def test_options_override_model_and_strength_of_the_recipe(run: Run, tmp_path: Path) -> None:
    source, recipe = write_gray(tmp_path / "a.png"), tmp_path / "r.json"
    recipe.write_text('{"strength": 0, "model": "zhang2017_local_small", "image": {"sha256": "00"}}')
    code, out, _ = run(source, "--recipe", recipe)
    assert code == 0
    assert "the recipe was made for another image file" in out
    result = tmp_path / "a.color.png"
    assert np.ptp(np.asarray(Image.open(result)), axis=2).max() == 0
    run(source, "--recipe", recipe, "--strength", "1", "--overwrite")
    assert np.ptp(np.asarray(Image.open(result)), axis=2).max() > 5


def test_skip_colored_option_skips_color_images(run: Run, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    code, out, _ = run(tmp_path / "a.png", "--skip-colored")
    assert (code, tree(tmp_path)) == (0, ["a.png"])
    assert out == f"{tmp_path / 'a.png'} (already in color; skipped)\n"
    assert "input was already in color" in run(tmp_path / "a.png")[1]


def test_interrupted_runs_leave_only_complete_files(weights: Path, tmp_path: Path) -> None:
    for index in range(60):
        write_gray(tmp_path / "in" / f"{index:02}.png", 300, 300)
    words = ["colorize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    process = subprocess.Popen(
        [sys.executable, "-m", "colorzoo", *words, "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().endswith("00.png")  # printed as soon as the file is written
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    # Python may print a message of a destructor before the last line
    assert err.splitlines()[-1] == "colorzoo: interrupted. Repeat the command to resume."
    results = sorted((tmp_path / "out").iterdir())
    assert 0 < len(results) < 60
    for path in results:
        assert path.suffix == ".png"
        Image.open(path).load()


def test_too_many_frames_are_an_error(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MOST_FRAMES", 3)
    images = [Image.fromarray(gray_image(24, 32 + number)) for number in range(4)]
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:])
    code, _, err = run(tmp_path / "a.tif")
    assert (code, "must have at most 3 pages, got 4" in err) == (2, True)
    assert run(tmp_path / "a.tif", "--frames", "first")[0] == 0


def test_parse_point_reads_position_radius_color_and_reach() -> None:
    for text, point in {
        "3,4=teal": PointHint(3, 4, 3, "#008080"),
        "-.5,4.25,0=#f00": PointHint(-0.5, 4.25, 0, "#ff0000"),
        "3,4,2.5=#C04020@0.5": PointHint(3, 4, 2.5, "#c04020", reach=0.5),
        "3,4=#C0402080": PointHint(3, 4, 3, "#c04020"),  # the opacity of a color is ignored
        "3,4=red@everywhere": PointHint(3, 4, 3, "#ff0000", reach="everywhere"),
    }.items():
        assert parse_point(text) == point
        assert parse_point(text, "2") == (point if "@" in text else replace(point, reach=2.0))

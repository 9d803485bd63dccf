"""``colorzoo predict`` colorizes each image once, even with interruptions and several processes."""

import hashlib
import json
import os
import re
import shutil
import tarfile
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
from lightning.pytorch import Trainer
from PIL import Image, ImageDraw

from colorzoo.apps.cli._predict import FullSizePrediction, PredictCLI
from colorzoo.apps.cli.main import main
from colorzoo.batch import runner
from colorzoo.batch.bucket import ResultBucket
from colorzoo.data import ExemplarPairsDataModule, FolderDataModule
from colorzoo.data.sources import relative_name
from colorzoo.errors import DataError, ImageError, WeightsError
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.inference.edit import Edit
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.result import ColorizedImage
from colorzoo.registry import all_cards, model_card
from colorzoo.testing.processes import in_processes
from colorzoo.training.command import run_command
from colorzoo.weights.catalog import missing_weights_advice, weight_file
from tiny_model import tiny_task

NAME = "zhang2017_local_small"
IMAGES = ["a/x.jpg", "a/x.png", "b/deep.png", "b/tall.webp", "s.tar/t/y.png"]


def gray(seed: int, size: tuple[int, int]) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def album(tmp_path) -> Path:
    root = tmp_path / "album"
    for folder in ("a", "b", "tarred"):
        (root / folder).mkdir(parents=True)
    gray(0, (90, 60)).save(root / "a" / "x.jpg", quality=95)
    gray(1, (40, 56)).save(root / "a" / "x.png")
    Image.fromarray(np.asarray(gray(2, (48, 50)), np.uint16) * 257).save(root / "b" / "deep.png")
    gray(3, (30, 80)).save(root / "b" / "tall.webp", lossless=True)
    gray(4, (50, 40)).save(root / "tarred" / "y.png")
    with tarfile.open(root / "s.tar", "w") as archive:
        archive.add(root / "tarred" / "y.png", "t/y.png")
    (root / "tarred" / "y.png").unlink()
    (root / "tarred").rmdir()
    return root


@pytest.fixture
def colored(tmp_path, monkeypatch):
    """Return a function that counts the images colorized by all processes since the previous call."""
    log = tmp_path / "colored.txt"

    def count() -> int:
        found = len(log.read_text().split()) if log.exists() else 0
        log.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(runner, "colorize_edit", partial(logged_colorize, log))
    return count


def logged_colorize(log: Path, task: Edit) -> ColorizedImage:
    result = colorize_edit(task)
    with log.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    return result


def predict(root: Path, out: Path | str, *more: str) -> int:
    model = [f"--model.{key}={value}" for key, value in model_card(NAME).hparams.items()]
    words = [
        "--model=Zhang2017Local",
        *model,
        f"--init_from={NAME}",
        f"--data.root={root}",
        f"--output={out}",
    ]
    quiet = ["--trainer.logger=false", "--trainer.accelerator=cpu", "--trainer.devices=1"]
    return run_command(["predict", *words, "--data.num_workers=0", *quiet, *more], PredictCLI)


def results(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".done"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def trainer(folder: Path, **more) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(accelerator="cpu", default_root_dir=folder, enable_checkpointing=False, **quiet, **more)


def predicted(root: Path, out: Path, *, workers: int = 0, **more) -> FullSizePrediction:
    data = FolderDataModule(str(root), num_workers=workers)
    task = FullSizePrediction(tiny_task(), data, str(out))
    trainer(out.parent, **more).predict(task, return_predictions=False)
    return task


def decoded(files: dict[str, bytes]) -> dict[str, tuple]:
    """Return pixels and metadata of files, without provenance."""
    found = {}
    for name, data in files.items():
        image = read_image(data)
        metadata = replace(image.metadata, xmp=None)
        found[name] = image.rgb.tobytes(), image.bit_depth, metadata
    return found


def test_predict_results_equal_colorize_results(album, tmp_path):
    assert predict(album, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert sorted(found) == IMAGES
    assert main(["colorize", str(album), "-o", str(tmp_path / "colorize"), "--model", NAME]) == 0
    expected = results(tmp_path / "colorize")
    assert found.pop("s.tar/t/y.png")
    assert decoded(found) == decoded(expected)
    source = hashlib.sha256((album / "a" / "x.jpg").read_bytes()).hexdigest()
    for folder in ("out", "colorize"):
        assert read_provenance(tmp_path / folder / "a" / "x.jpg").source == source


@pytest.mark.parametrize("model", [[], ["--model", NAME]])
def test_predict_and_colorize_resume_the_results_of_each_other(tmp_path, capsys, model):
    """Photos and drawings get equal models, weights and settings from both commands."""
    root, out = tmp_path / "album", tmp_path / "out"
    root.mkdir()
    gray(0, (90, 60)).save(root / "photo.png")
    drawing = Image.new("L", (240, 200), 255)
    ImageDraw.Draw(drawing).rectangle((60, 60, 180, 160), outline=0, width=3)
    drawing.save(root / "drawing.png")
    predict_words = ["predict", *model, "--data.root", str(root), "--output", str(out)]
    predict_words += ["--trainer.logger=false", "--trainer.accelerator=cpu"]
    colorize_words = ["colorize", *model, str(root), "-o", str(out), "--device=cpu"]

    assert main(predict_words) == 0
    records = [read_provenance(out / name) for name in ("photo.png", "drawing.png")]
    expected = [NAME, NAME] if model else ["colorzoo2026", "colorzoo2026_drawing"]
    assert [record.model for record in records] == expected
    assert all(record.weights for record in records)
    capsys.readouterr()

    assert main(colorize_words) == 0
    assert capsys.readouterr().out.count("already exists with the same source and settings") == 2
    shutil.rmtree(out)
    assert main(colorize_words) == 0
    assert main(predict_words) == 0
    assert "0 colorized, 2 skipped, 0 failed" in capsys.readouterr().err


def test_finished_results_are_skipped_until_content_or_settings_change(album, tmp_path, colored):
    out = tmp_path / "out"
    predicted(album, out)
    assert colored() == 5
    first = results(out)
    assert predicted(album, out).summary.counts == {"skipped": 5}
    gray(9, (40, 56)).save(album / "a" / "x.png")
    (out / "b" / "deep.png").write_bytes(b"someone else wrote here")
    (out / "b" / "tall.webp").unlink()
    predicted(album, out)
    assert colored() == 2
    assert (out / "b" / "deep.png").read_bytes() == b"someone else wrote here"
    (out / "b" / "deep.png").unlink()
    (out / "failed.txt").unlink()
    predicted(album, out)
    assert colored() == 1
    second = results(out)
    assert {name for name in first if first[name] != second[name]} == {"a/x.png"}
    task = FullSizePrediction(tiny_task(), FolderDataModule(str(album), num_workers=0), str(out))
    task.model.model.network.unet.block1[0].bias.data += 1
    trainer(tmp_path).predict(task, return_predictions=False)
    assert colored() == 5
    predicted(album, out)  # all results are from the other weights
    assert colored() == 5
    assert results(out) == second


def test_results_with_equal_names_without_case_are_numbered(album, tmp_path):
    for name in ("A.png", "a.png", "b.ppm", "b.ppm.png"):
        gray(3, (24, 32)).save(album / name)
    out = tmp_path / "out"
    predicted(album, out)
    names = [path.relative_to(out).as_posix() for path in out.rglob("*.png")]
    assert len({name.lower() for name in names}) == len(names)
    assert {"A.png", "a-2.png", "b.ppm.png", "b.ppm-2.png"} < set(names)
    assert predicted(album, out).summary.counts == {"skipped": 9}


def test_failures_are_listed_and_do_not_stop_the_run(album, tmp_path, capsys):
    out = tmp_path / "out"
    whole = (album / "a" / "x.jpg").read_bytes()
    (album / "a" / "x.jpg").write_bytes(whole[:300])
    (album / "b" / "empty.png").write_bytes(b"")
    assert predict(album, out) == 1
    assert sorted(results(out)) == sorted([*IMAGES[1:], "failed.txt"])
    (_, *lines), errors = (out / "failed.txt").read_text().splitlines(), capsys.readouterr().err
    assert all(f"colorzoo: error: {line}\n" in errors for line in lines)
    for line, name in zip(sorted(lines), ("a/x.jpg", "b/empty.png"), strict=True):
        assert str(album / name) in line
    (album / "a" / "x.jpg").write_bytes(whole)
    (album / "b" / "empty.png").unlink()
    assert predict(album, out) == 0
    assert sorted(results(out)) == IMAGES


@pytest.mark.parametrize("is_complete", [True, False])
def test_file_of_a_person_with_the_name_of_the_list_is_kept(album, tmp_path, is_complete):
    if not is_complete:
        (album / "a" / "x.jpg").write_bytes(b"no image")
    own = tmp_path / "out" / "failed.txt"
    own.parent.mkdir()
    own.write_text("scan 12 again\n")
    with pytest.raises(DataError, match="failed"):
        predict(album, tmp_path / "out")
    assert results(tmp_path / "out") == {"failed.txt": b"scan 12 again\n"}


def test_failures_of_names_with_line_breaks_take_one_line(album, tmp_path, capsys):
    (album / "x\ny.png").write_bytes(b"no image")
    assert predict(album, tmp_path / "out") == 1
    _, line = (tmp_path / "out" / "failed.txt").read_text().splitlines()
    assert f"colorzoo: error: {line}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gray", "gupta2012"])
def test_predict_runs_models_without_trainable_weights(album, tmp_path, name):
    words = [f"--model={name}", f"--data.root={album}", f"--output={tmp_path / 'out'}"]
    assert main(["predict", *words, "--trainer.logger=false", "--trainer.accelerator=cpu"]) in (0, 1)


def test_advice_for_missing_weights_is_a_command_that_exists(monkeypatch, tmp_path):
    """The command fails only because it cannot reach the server."""
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path))
    commands = 0
    for card in all_cards().values():
        words = re.findall("`colorzoo (.*?)`", missing_weights_advice(card))
        if words and words[0].startswith("weights fetch"):
            name, *option = words[0].split()[2:]
            assert not weight_file(model_card(name), option[-1] if option else "published").path.exists()
            commands += 1
    assert commands > 5


def test_interrupted_predict_resumes(album, tmp_path, colored, monkeypatch):
    out, write, written = tmp_path / "out", runner.write_image, []

    def killed(path, *args, **kwargs):
        written.append(path)
        if len(written) == 3:
            raise SystemExit("the test ends the run here")
        return write(path, *args, **kwargs)

    monkeypatch.setattr(runner, "write_image", killed)
    with pytest.raises(SystemExit):
        predicted(album, out)
    assert colored() == 3
    monkeypatch.setattr(runner, "write_image", write)
    assert predicted(album, out).summary.counts == {"colored": 3, "skipped": 2}
    assert predicted(album, out).summary.counts == {"skipped": 5}
    predicted(album, tmp_path / "at once")
    assert results(out) == results(tmp_path / "at once")


def predict_half(album: Path, folder: Path) -> None:
    """Run the first or second of two prediction processes."""
    runner.colorize_edit = partial(logged_colorize, folder / "colored.txt")
    with (folder / "errors.txt").open("a") as stream, redirect_stderr(stream):
        predicted(album, folder / "both", workers=2, strategy="ddp", devices=2)


@pytest.mark.nightly
@pytest.mark.timeout(120)
def test_two_processes_color_each_image_once_and_list_all_failures(album, tmp_path, colored):
    (album / "a" / "bad0.png").write_bytes(b"no image")
    (album / "a" / "bad1.png").write_bytes(b"no image")
    assert in_processes(predict_half, album, tmp_path, processes=2) == [0, 0]
    pids = (tmp_path / "colored.txt").read_text().split()
    assert sorted(pids.count(pid) for pid in set(pids)) == [2, 3]
    both = results(tmp_path / "both")
    failed = both.pop("failed.txt").decode()
    assert "bad0.png" in failed
    assert "bad1.png" in failed
    assert "5 colorized, 0 skipped, 2 failed" in (tmp_path / "errors.txt").read_text()
    colored()
    predicted(album, tmp_path / "both")  # another number of processes
    assert colored() == 0
    predicted(album, tmp_path / "alone")
    assert {**results(tmp_path / "alone"), "failed.txt": b""} == {**both, "failed.txt": b""}


def test_predict_with_random_weights_raises(album, tmp_path):
    words = ["predict", "--model=Zhang2017Local", "--model.width=0.125", f"--data.root={album}"]
    words += [f"--output={tmp_path / 'out'}", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    with pytest.raises(WeightsError, match="random weights"):
        run_command(words, PredictCLI)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "root", "expected"),
    [
        ("/d/a/x.jpg", "/d", "a/x.jpg"),
        ("/d/s.tar/t/y.png", "/d/", "s.tar/t/y.png"),
        ("/d/s.tar/../../etc/y.png", "/d/a", "etc/y.png"),
        ("/e/x.jpg", "/d", "e/x.jpg"),
        ("/c0/x.jpg", "", "c0/x.jpg"),
    ],
)
def test_relative_name_stays_inside_the_output_folder(name, root, expected):
    assert relative_name(name, root) == expected


def objects(bucket) -> dict[str, bytes]:
    return {each.key.removeprefix("out/"): each.get()["Body"].read() for each in bucket.objects.all()}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_interrupted_predict_resumes_in_a_bucket(album, bucket, tmp_path, colored, monkeypatch, capsys):
    """Finished objects are skipped, changed images are colorized again, and failures are listed."""
    gray(5, (20, 20)).save(album / "z.gif")  # its provenance is in a sidecar file
    upload, uploaded = ResultBucket.upload, []

    def killed(self, path):
        uploaded.append(path)
        if len(uploaded) == 3:
            raise SystemExit("the test ends the run here")
        upload(self, path)

    monkeypatch.setattr(ResultBucket, "upload", killed)
    with pytest.raises(SystemExit):
        predict(album, "s3://bucket/out")
    monkeypatch.setattr(ResultBucket, "upload", upload)
    assert sorted(objects(bucket)) == ["a/x.jpg", "z.gif", "z.gif.colorzoo.xmp"]
    colored()
    assert predict(album, "s3://bucket/out/") == 0
    assert colored() == 4
    assert sorted(objects(bucket)) == [*IMAGES, "z.gif", "z.gif.colorzoo.xmp"]
    assert predict(album, tmp_path / "out") == 0
    assert decoded({name: objects(bucket)[name] for name in IMAGES}) == decoded(
        {name: results(tmp_path / "out")[name] for name in IMAGES}
    )
    colored()
    gray(9, (40, 56)).save(album / "a" / "x.png")
    (album / "b" / "tall.webp").write_bytes(b"no image")
    assert predict(album, "s3://bucket/out") == 1
    assert colored() == 1
    assert b"tall.webp" in objects(bucket)["failed.txt"]
    assert "results are in s3://bucket/out\n" in capsys.readouterr().err
    (album / "b" / "tall.webp").unlink()
    assert predict(album, "s3://bucket/out") == 0
    assert "failed.txt" not in objects(bucket)
    bucket.put_object(Key="out/failed.txt", Body=b"scan 12 again")
    with pytest.raises(DataError, match="failed"):
        predict(album, "s3://bucket/out")
    assert objects(bucket)["failed.txt"] == b"scan 12 again"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_bucket_errors_are_one_line(album, bucket, monkeypatch, capsys):
    for address in ("nowhere://x/y", "s3://missing/out"):
        with pytest.raises(DataError, match="--output") as caught:
            predict(album, address)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(fsspec.filesystem("s3"), "put_file", lambda *_: 1 / 0)
    with pytest.raises(ImageError, match="cannot be written"):
        predict(album, "s3://bucket/out")
    assert "x.jpg: s3://bucket/out/a/x.jpg cannot be written" in capsys.readouterr().err


def test_predict_uses_the_captions_of_the_images(album, tmp_path, capsys, caplog):
    def run(*words: str) -> int:
        quiet = ["--trainer.logger=false", "--trainer.accelerator=cpu", "--data.num_workers=0"]
        words = ("predict", f"--data.root={album}", f"--output={tmp_path / 'out'}", *words, *quiet)
        return run_command(words, PredictCLI)

    (album / "text.csv").write_text("image,text\na/x.jpg,red sky\na/x.jpg,green sky\na/x.png,blue sky\n")
    assert run("--model=weng2022code_small", "--data.hints=[text]") == 0
    assert [each for each in caplog.messages if each.startswith("3 of 5 images")]
    capsys.readouterr()
    for name, text in (("a/x.jpg", "red sky"), ("a/x.png", "blue sky"), ("b/deep.png", None)):
        words = ["colorize", str(album / name), "--model", "weng2022code_small", "--overwrite"]
        words += ["-o", str(tmp_path / "one.png"), "--device", "cpu", *(["--text", text] if text else [])]
        assert main(words) == 0
        expected, found = read_image(tmp_path / "one.png"), read_image(tmp_path / "out" / name)
        difference = np.abs(found.levels.astype(int) - expected.levels.astype(int)).mean()
        assert difference < (2 if name.endswith("jpg") else 0.1)
        record = read_provenance(tmp_path / "out" / name)
        assert json.loads(record.recipe).get("text") == text
    # only images with another caption are colorized again
    (album / "text.csv").write_text("image,text\na/x.jpg,red sky\na/x.png,red sky\n")
    assert run("--model=weng2022code_small", "--data.hints=[text]") == 0
    assert "1 colorized, 4 skipped" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict"])
def test_hints_that_the_model_does_not_accept_are_refused(verb, album, tmp_path, capsys):
    (album / "text.csv").write_text("image,text\na/x.jpg,red sky\n")
    words = [
        verb,
        f"--data.root={album}",
        "--data.hints=[text]",
        f"--model={NAME}",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert main([*words, "--trainer.accelerator=cpu", "--data.num_workers=0"]) == 2
    assert (
        "--data.hints must contain kinds of guidance that Zhang2017Local accepts, got text"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "predictions").exists()


def test_predict_names_annotations_that_it_does_not_use(album, tmp_path, capsys):
    data = ExemplarPairsDataModule(str(album), num_workers=0)
    task = FullSizePrediction(tiny_task(), data, str(tmp_path / "out"))
    task.model.model.accepts = frozenset({"exemplar"})
    trainer(tmp_path).predict(task, return_predictions=False)
    assert "note: predict does not use the references of --data" in capsys.readouterr().err

"""`colorize_files` for distributed jobs, with results equal to ``predict``."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from lightning.pytorch import Trainer
from PIL import Image

import colorzoo
from colorzoo.apps.cli._predict import FullSizePrediction
from colorzoo.batch import runner
from colorzoo.data import FolderDataModule
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.files import digest_of, sha256_of
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.testing.processes import in_processes
from tiny_model import NAME, gray_image, write_tiny_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_tiny_weights(tmp_path / "tiny.safetensors")


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    rng, paths = np.random.default_rng(0), []
    for name in ("a/x.png", "a/y.jpg", "b/x.png", "b/z.ppm"):
        paths.append(tmp_path / "album" / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 20), dtype=np.uint8)).save(paths[-1])
    return paths


def statuses(paths: list[Path], weights: Path, out: Path) -> list[str]:
    root = paths[0].parents[1]
    return [result.status for result in colorzoo.colorize_files(paths, root, out, NAME, weights=weights)]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("[!.]*") if p.is_file()}


def test_colorize_files_in_any_split_equals_predict(album, weights, tmp_path):
    first, rest = tmp_path / "first", tmp_path / "rest.png"  # also folders with an extension
    assert statuses(album, weights, first) == ["colored"] * 4
    assert [*statuses(album[:1], weights, rest), *statuses(album[1:], weights, rest)] == ["colored"] * 4
    assert contents(first) == contents(rest)
    assert sorted(contents(first)) == ["a/x.png", "a/y.jpg", "b/x.png", "b/z.ppm.png"]

    model = colorzoo.create_model(NAME, weights)
    data = FolderDataModule(str(tmp_path / "album"), num_workers=0)
    task = FullSizePrediction(model, data, str(tmp_path / "predicted"))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", devices=1, enable_checkpointing=False, **quiet)
    trainer.predict(task, return_predictions=False)
    assert task.summary.counts == {"colored": 4}
    assert contents(tmp_path / "predicted").keys() == contents(first).keys()
    for name in contents(first):
        one, other = (read_image(folder / name) for folder in (first, tmp_path / "predicted"))
        assert np.array_equal(one.levels, other.levels)
        assert replace(one.metadata, xmp=None, source=None) == replace(other.metadata, xmp=None, source=None)


def test_colorize_files_skips_results_with_matching_provenance(album, weights, tmp_path, monkeypatch):
    out = tmp_path / "out"
    statuses(album, weights, out)
    with monkeypatch.context() as none:
        none.setattr(runner, "read_file", lambda *_: pytest.fail("an image was opened again"))
        assert statuses(album, weights, out) == ["skipped"] * 4


def test_colorize_files_keeps_files_that_are_not_its_results(album, weights, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shared = {"root": tmp_path / "album", "output": out, "model": NAME, "weights": weights}
    colorzoo.colorize_files(album[:1], **shared)
    (out / "a" / "y.jpg").write_bytes(album[1].read_bytes())  # without provenance
    (out / "b").mkdir()
    (out / "b" / "x.png").write_bytes((out / "a" / "x.png").read_bytes())  # the result of another image
    before = contents(out)
    with monkeypatch.context() as none:
        none.setattr(runner, "read_file", lambda *_: pytest.fail("an image was opened"))
        results = colorzoo.colorize_files(album[:3], **shared)
        changed = colorzoo.colorize_files(album[:1], **shared, size=32)
    assert [result.status for result in results] == ["skipped", "failed", "failed"]
    assert "does not record its source" in results[1].error
    assert "from another image" in results[2].error
    assert "with other settings" in changed[0].error
    assert contents(out) == before
    results = colorzoo.colorize_files(album[:3], **shared, overwrite=True)
    assert [result.status for result in results] == ["skipped", "colored", "colored"]
    assert len(set(contents(out).values())) == 3


def test_no_output_replaces_an_input_of_the_same_run(album, weights, tmp_path, run):
    """The result of ``a/x.png`` in the output folder ``album/b`` is ``album/b/a/x.png``."""
    taken = tmp_path / "album" / "b" / "a" / "x.png"
    taken.parent.mkdir()
    taken.write_bytes(album[2].read_bytes())
    before = contents(tmp_path / "album")
    shared = {"root": tmp_path / "album", "output": tmp_path / "album" / "b", "model": NAME}
    with pytest.raises(ColorzooError, match=r"b/a/x\.png is also an input"):
        colorzoo.colorize_files([album[0], taken], **shared, weights=weights, overwrite=True)
    paths = [album[0], album[2], "-o", album[2].parent]  # both results are named x.png
    code, _, message = run(*paths, "--model", NAME, "--overwrite")
    assert (code, "is also an input" in message) == (2, True)
    assert contents(tmp_path / "album") == before


def test_colorize_files_and_the_command_line_write_the_same_record(album, weights, tmp_path, run):
    by_python, by_command = tmp_path / "python", tmp_path / "command"
    assert statuses(album[:2], weights, by_python) == ["colored"] * 2
    assert run(album[0].parent, "-o", by_command, "--model", NAME)[0] == 0
    for name in ("x.png", "y.jpg"):
        record = read_provenance(by_python / "a" / name)
        assert record == read_provenance(by_command / name)
        assert record.weights == digest_of(weights)
        assert json.loads(record.options)["frames"] == "all"
    assert "same source and settings" in run(album[0].parent, "-o", by_python / "a", "--model", NAME)[1]


def color_until_killed(album: list[Path], weights: Path, out: Path) -> None:
    """Colorize an album in a process that is killed after the second output file."""
    write, made = runner.write_image, []

    def write_or_die(*args, **kwargs):
        made.append(write(*args, **kwargs))
        if len(made) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    runner.write_image = write_or_die
    statuses(album, weights, out)


@pytest.mark.nightly  # starts a process
def test_colorize_files_resumes_after_a_kill(album, weights, tmp_path):
    out = tmp_path / "out"
    assert in_processes(color_until_killed, album, weights, out) == [-signal.SIGKILL]
    assert len(contents(out)) == 2
    assert statuses(album, weights, out) == ["skipped", "skipped", "colored", "colored"]


def test_colorize_files_returns_failures_and_continues(album, weights, tmp_path):
    album[0].write_bytes(b"no image")
    paths = [*album[:2], tmp_path / "album" / "none.png", weights]
    results = colorzoo.colorize_files(
        map(str, paths), tmp_path / "album", tmp_path / "out", NAME, weights=weights
    )
    assert [result.status for result in results] == ["failed", "colored", "failed", "failed"]
    for result, path in zip(results, paths, strict=True):
        assert result.source == str(path)
        assert (str(path) in result.error) == (result.status == "failed")
    assert "root" in results[3].error
    assert results[1].output == str(tmp_path / "out" / "a" / "y.jpg")


def test_colorize_files_rejects_files_outside_root_and_follows_links(album, weights, tmp_path):
    root, out = tmp_path / "album", tmp_path / "deep" / "out"
    secret = tmp_path / "secret" / "x.png"
    secret.parent.mkdir()
    secret.write_bytes(album[0].read_bytes())
    (root / "link.png").symlink_to(secret)
    (root / "linked").symlink_to(secret.parent)
    (root / "alias.png").symlink_to(album[1])
    (root / "gone.png").symlink_to(root / "nowhere.png")
    outside = [root / ".." / "secret" / "x.png", root / "linked" / ".." / "secret" / "x.png", secret]
    inside = [root / "a" / ".." / "b" / "x.png", root / "alias.png", tmp_path / "." / "album" / "a" / "x.png"]
    links = [root / "link.png", root / "linked" / "x.png"]
    paths = [*outside, *inside, *links, root / "gone.png"]
    results = colorzoo.colorize_files(paths, root, out, NAME, weights=weights)
    assert [result.status for result in results] == ["failed"] * 3 + ["colored"] * 5 + ["failed"]
    assert all("is not inside root" in result.error for result in results[:3])
    assert sorted(contents(out)) == ["a/x.png", "alias.png", "b/x.png", "link.png", "linked/x.png"]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["out"]


def test_colorize_files_rejects_a_pipe_and_uses_the_default_model(album, tmp_path):
    os.mkfifo(tmp_path / "album" / "pipe.png")
    paths = [tmp_path / "album" / "pipe.png", album[0]]
    pipe, colored = colorzoo.colorize_files(paths, tmp_path / "album", tmp_path / "out")
    assert pipe.status == "failed"
    assert "not a regular file" in pipe.error
    assert colored.status == "colored"


def test_colorize_files_never_overwrites_sources(album, weights, tmp_path):
    before = contents(tmp_path / "album")
    results = colorzoo.colorize_files(
        album[:1], tmp_path / "album", tmp_path / "album", NAME, weights=weights
    )
    assert results[0].output.endswith("x.color.png")
    assert before.items() <= contents(tmp_path / "album").items()


def test_model_digest_covers_size_and_backbone_weights():
    model = colorzoo.create_model("kim2021_small").model
    before = model.digest(256)
    assert before != model.digest(128)
    name, weight = next((n, p) for n, p in model.named_parameters() if n.startswith("backbone."))
    with torch.no_grad():
        weight[(0,) * weight.ndim] += 1
    assert model.digest(256) != before, name
    with torch.no_grad():
        weight[(0,) * weight.ndim] -= 1
    assert create_coloring_model("kim2021_small").digest(256) == before


def test_model_digest_covers_the_encoder_that_weight_files_omit():
    model = create_coloring_model("colorzoo2026")
    before = model.digest(256)
    next(model.network.encoder.buffers()).add_(1)
    assert model.digest(256) != before


@pytest.mark.parametrize("overwrite", [False, True])
def test_colorize_files_gives_all_images_distinct_results(album, weights, tmp_path, overwrite):
    """JPEG 2000 cannot be written, so ``.png`` is appended to the name of its result."""
    root, out = tmp_path / "album", tmp_path / "out"
    for number, name in enumerate(("a.jp2", "a.jp2.png", "A.JP2.png")):
        Image.fromarray(gray_image(30 + number, 40)).save(root / name)
    paths = [root / name for name in ("a.jp2", "a.jp2.png", "A.JP2.png", "./a.jp2")]
    for status in ("colored", "skipped"):
        results = colorzoo.colorize_files(paths, root, out, NAME, weights=weights, overwrite=overwrite)
        assert [result.status for result in results] == [status] * 3 + ["skipped"]
        assert len({result.output.casefold() for result in results}) == 3
        for path, result in zip(paths, results, strict=True):
            assert read_provenance(Path(result.output)).source == sha256_of(path)


def test_notes_name_the_dropped_data_of_crops_and_of_all_pages_once(weights, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(34665).update({37396: (4, 3, 6, 2), 37500: b"Canon"})
    Image.fromarray(gray_image(30, 40)).save(tmp_path / "a.jpg", exif=exif.tobytes())
    recipe = {"crop": {"x": 2, "y": 3, "width": 20, "height": 10}}
    with pytest.warns(UserWarning, match="was not saved") as caught:
        colorzoo.colorize_file(tmp_path / "a.jpg", tmp_path / "b.jpg", NAME, recipe, weights=weights)
    notes = [str(each.message) for each in caught if "was not saved" in str(each.message)]
    assert sorted(notes) == ["maker note was not saved", "positions in the image was not saved"]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number in (50000, 50001, 50001):
            tags = [(number, "s", 0, "x", True)]
            writer.write(gray_image(30, 40), extratags=tags, metadata=None, resolution=(9, 9))
    with pytest.warns(UserWarning, match="was not saved") as caught:
        colorzoo.colorize_file(tmp_path / "a.tif", tmp_path / "b.tif", NAME, weights=weights)
    notes = [str(each.message) for each in caught if "was not saved" in str(each.message)]
    assert notes == ["tag 50000 was not saved", "tag 50001 was not saved"]

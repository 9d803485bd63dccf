"""Output paths: beside the source or in a mirrored tree, distinct, and never the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from colorzoo.batch.runner import FileColorizer
from colorzoo.batch.task import output_path, plan_outputs
from colorzoo.errors import ImageError
from colorzoo.files import digest_of
from colorzoo.image_io.metadata import Metadata
from colorzoo.image_io.provenance import ImageProvenance, read_provenance, update_sidecar
from colorzoo.pixels.find import FoundImage, find_images
from tiny_model import NAME


def create_files(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_output_path_is_beside_the_source_by_default():
    for source, result in [
        ("x.jpg", "x.color.jpg"),
        ("My Photo.JPG", "My Photo.color.JPG"),
        ("a.b.png", "a.b.color.png"),
        ("x.heic", "x.color.heic.png"),
        ("scan", "scan.color.png"),
    ]:
        found = FoundImage(Path("in") / source, Path(source))
        assert output_path(found) == Path("in") / result


def test_output_path_accepts_a_file_or_a_folder(tmp_path):
    found = FoundImage(Path("in/sub/x.jpg"), Path("sub/x.jpg"))
    (tmp_path / "folder.png").mkdir()
    assert output_path(found, "y.png") == Path("y.png")
    assert output_path(found, "out") == Path("out/sub/x.jpg")
    assert output_path(found, "out.png/") == Path("out.png/sub/x.jpg")
    assert output_path(found, tmp_path / "folder.png") == tmp_path / "folder.png/sub/x.jpg"
    with pytest.raises(ImageError, match="--output"):
        output_path(found, "y.png", single=False)
    wanted = {None: "in/sub/x.color.tif", "out": "out/sub/x.tif", "y.png": "y.png", "in": "in/sub/x.tif"}
    assert {out: output_path(found, out, extension=".tif").as_posix() for out in wanted} == wanted


def test_output_path_is_never_the_source(tmp_path):
    create_files(tmp_path, "sub/x.jpg")
    (found,) = find_images([tmp_path]).found
    for extension in (None, ".jpg"):
        assert output_path(found, tmp_path, extension=extension) == tmp_path / "sub/x.color.jpg"
    with pytest.raises(ImageError, match="the source"):
        output_path(found, tmp_path / "sub" / "x.jpg")


def test_plan_outputs_numbers_equal_names(tmp_path):
    create_files(tmp_path, "a/x.jpg", "a/x.png", "a/x.heic", "b/x.jpg", "b/X.JPG")
    found = find_images([tmp_path / "a", tmp_path / "b"]).found
    provenance = FileColorizer(model=NAME, weights=None).provenance
    names = [path.name for path, _ in plan_outputs(found, provenance, str(tmp_path / "out"))]
    assert names == ["x.heic.png", "x.jpg", "x.png", "X-2.JPG", "x-3.jpg"]
    assert len({str(path).lower() for path, _ in plan_outputs(found, provenance)}) == 5


def test_plan_outputs_of_existing_results_never_differ_only_in_case(tmp_path):
    create_files(tmp_path, "in/A.png", "in/a.png", "out/A.png")
    for source in ("in/A.png", "in/a.png"):
        (tmp_path / source).write_text(source)
    other = ImageProvenance(source="another", settings="", model=NAME)
    update_sidecar(tmp_path / "out/A.png", Metadata(), other)
    provenance = FileColorizer(model=NAME, weights=None).provenance
    found = find_images([tmp_path / "in"]).found
    outputs = plan_outputs(found, provenance, str(tmp_path / "out"))
    assert {state for _, state in outputs} == {"missing"}
    assert len({str(path).lower() for path, _ in outputs}) == 2


@pytest.mark.parametrize("order", [("b", "a"), ("c", "a", "b")])
def test_plan_outputs_finds_results_of_equal_names_from_a_run_with_other_images(tmp_path, order):
    files = FileColorizer(model=NAME, weights=None)
    for folder, result in (("a", "x.png"), ("b", "x-2.png"), ("c", None)):
        create_files(tmp_path, f"{folder}/x.png")
        (tmp_path / folder / "x.png").write_text(folder)
        if result is not None:
            create_files(tmp_path, f"out/{result}")
            origin = replace(files.provenance(), source=digest_of(tmp_path / folder / "x.png"))
            update_sidecar(tmp_path / "out" / result, Metadata(), origin)
    found = find_images([tmp_path / folder / "x.png" for folder in order]).found
    outputs = plan_outputs(found, files.provenance, str(tmp_path / "out"))
    names = {folder: path.name for folder, (path, _) in zip(order, outputs, strict=True)}
    states = {folder: state for folder, (_, state) in zip(order, outputs, strict=True)}
    expected = {"a": ("x.png", "done"), "b": ("x-2.png", "done"), "c": ("x-3.png", "missing")}
    assert {folder: (names[folder], states[folder]) for folder in order} == {
        folder: expected[folder] for folder in order
    }


def test_plan_outputs_keeps_the_path_of_another_image_free(tmp_path):
    create_files(tmp_path, "x.png", "x-2.png", "out/x.png")
    files = FileColorizer(model=NAME, weights=None)
    origin = replace(files.provenance(), source="another image")
    update_sidecar(tmp_path / "out" / "x.png", Metadata(), origin)
    found = find_images([tmp_path / "x.png", tmp_path / "x-2.png"]).found
    outputs = plan_outputs(found, files.provenance, str(tmp_path / "out"))
    assert [path.name for path, _ in outputs] == ["x-3.png", "x-2.png"]


def test_output_path_shortens_long_names_to_distinct_names(tmp_path):
    names = ["ż" * 125 + end + ".jpg" for end in "xy"]
    create_files(tmp_path, *names)
    results = [output_path(found) for found in find_images([tmp_path]).found]
    assert {len(path.name.encode()) for path in results} <= {254, 255}
    assert len(set(results)) == 2


@pytest.mark.parametrize("end", ["", "/", ".png"])
def test_too_long_output_names_are_reported_in_one_line(tmp_path, end):
    create_files(tmp_path, "a.png")
    out = str(tmp_path / ("x" * 300)) + end
    provenance = FileColorizer(model=NAME, weights=None).provenance
    planned, _ = plan_outputs(find_images([tmp_path / "a.png"]).found, provenance, out)[0]
    assert planned == (Path(out) if end == ".png" else Path(out, "a.png"))
    assert read_provenance(planned) is None

"""Output files: beside their sources or in a mirrored tree, never the same twice, never the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorzoo.batch.outputs import output_path, plan_outputs
from colorzoo.batch.task import FileTask
from colorzoo.errors import ImageError
from colorzoo.image_io.find import FoundImage, find_existing


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_results_lie_beside_their_source():
    for source, result in [
        ("x.jpg", "x.color.jpg"),
        ("My Photo.JPG", "My Photo.color.JPG"),
        ("a.b.png", "a.b.color.png"),
        ("x.heic", "x.color.heic.png"),
        ("scan", "scan.color.png"),
    ]:
        found = FoundImage(Path("in") / source, Path(source))
        assert output_path(found) == Path("in") / result


def test_out_names_a_file_or_a_folder(tmp_path):
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


def test_a_result_is_never_its_source(tmp_path):
    plant(tmp_path, "sub/x.jpg")
    (found,) = find_existing([tmp_path]).found
    for extension in (None, ".jpg"):
        assert output_path(found, tmp_path, extension=extension) == tmp_path / "sub/x.color.jpg"
    with pytest.raises(ImageError, match="the source"):
        output_path(found, tmp_path / "sub" / "x.jpg")


def test_two_results_never_have_the_same_name(tmp_path):
    plant(tmp_path, "a/x.jpg", "a/x.png", "a/x.heic", "b/x.jpg", "b/X.JPG")
    found = find_existing([tmp_path / "a", tmp_path / "b"]).found
    tasks = [FileTask()] * len(found)
    names = [output.path.name for output in plan_outputs(found, tasks, str(tmp_path / "out"))]
    assert names == ["x.heic.png", "x.jpg", "x.png", "X-2.JPG", "x-3.jpg"]
    assert len({str(output.path).lower() for output in plan_outputs(found, tasks)}) == 5


def test_long_names_are_shortened_and_stay_distinct(tmp_path):
    names = ["ż" * 125 + end + ".jpg" for end in "xy"]
    plant(tmp_path, *names)
    results = [output_path(found) for found in find_existing([tmp_path]).found]
    assert {len(path.name.encode()) for path in results} <= {254, 255}
    assert len(set(results)) == 2

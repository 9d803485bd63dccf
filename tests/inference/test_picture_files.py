"""Which files a user named, and where the results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorzoo.errors import PictureError
from colorzoo.inference.picture_io import FoundPicture, find_pictures, output_path, output_paths


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found_below(root: Path, *inputs: str | Path, **options) -> list[str]:
    return [picture.path.relative_to(root).as_posix() for picture in find_pictures(inputs, **options)]


def test_a_folder_is_searched_below_in_a_fixed_order(tmp_path):
    plant(tmp_path, "b/2.PNG", "b/10.jpg", "a.tif", "żółw 1.webp", "notes.txt", ".hidden/x.jpg", ".x.jpg")
    assert found_below(tmp_path, tmp_path) == ["a.tif", "żółw 1.webp", "b/10.jpg", "b/2.PNG"]
    assert [p.relative.as_posix() for p in find_pictures([tmp_path])][-1] == "b/2.PNG"


def test_files_folders_and_globs_together_name_each_picture_once(tmp_path):
    plant(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.png", "odd.name")
    inputs = [tmp_path / "a" / "2.jpg", tmp_path / "a", str(tmp_path / "*" / "*.*"), tmp_path / "odd.name"]
    assert found_below(tmp_path, *inputs) == ["a/2.jpg", "a/1.jpg", "b/3.png", "odd.name"]


def test_globs_keep_the_path_below_their_fixed_part(tmp_path):
    plant(tmp_path, "a/1.jpg", "a/deep/2.jpg", "a/deep/no.txt")
    found = find_pictures([str(tmp_path / "**" / "*.jpg")])
    assert [p.relative.as_posix() for p in found] == ["a/1.jpg", "a/deep/2.jpg"]
    assert found_below(tmp_path, str(tmp_path / "a*")) == ["a/1.jpg", "a/deep/2.jpg"]


def test_names_with_glob_marks_that_exist_are_taken_literally(tmp_path):
    plant(tmp_path, "photo[1].jpg", "photo1.jpg")
    assert found_below(tmp_path, tmp_path / "photo[1].jpg") == ["photo[1].jpg"]


def test_symbolic_links_are_followed_and_loops_entered_once(tmp_path):
    plant(tmp_path, "a/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a" / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    assert found_below(tmp_path, tmp_path / "a") == ["a/1.jpg", "a/there/2.jpg"]


def test_results_of_earlier_runs_and_the_output_folder_are_left_out(tmp_path):
    plant(tmp_path, "x.jpg", "x.color.jpg", "in.color.png", "out/x.jpg")
    assert found_below(tmp_path, tmp_path, exclude=tmp_path / "out") == ["in.color.png", "x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg", tmp_path / "x.jpg") == ["x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg") == ["x.color.jpg"]


@pytest.mark.parametrize("name", ["none.jpg", "none", "*.jpg", "empty"])
def test_what_is_missing_or_empty_is_named(tmp_path, name):
    plant(tmp_path, "empty/notes.txt")
    with pytest.raises(PictureError, match=r"no such file or folder|holds no picture") as caught:
        find_pictures([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("x.jpg", "x.color.jpg"),
        ("My Photo.JPG", "My Photo.color.JPG"),
        ("a.b.png", "a.b.color.png"),
        ("x.psd", "x.color.psd.png"),
        ("scan", "scan.color.png"),
    ],
)
def test_results_lie_beside_their_source(source, result):
    found = FoundPicture(Path("in") / source, Path(source))
    assert output_path(found) == Path("in") / result


def test_out_names_a_file_or_a_folder(tmp_path):
    found = FoundPicture(Path("in/sub/x.jpg"), Path("sub/x.jpg"))
    (tmp_path / "folder.png").mkdir()
    assert output_path(found, "y.png") == Path("y.png")
    assert output_path(found, "out") == Path("out/sub/x.jpg")
    assert output_path(found, "out.png/") == Path("out.png/sub/x.jpg")
    assert output_path(found, tmp_path / "folder.png") == tmp_path / "folder.png/sub/x.jpg"
    with pytest.raises(PictureError, match="name a folder"):
        output_path(found, "y.png", single=False)


def test_a_result_is_never_its_source(tmp_path):
    plant(tmp_path, "sub/x.jpg")
    (found,) = find_pictures([tmp_path])
    assert output_path(found, tmp_path) == tmp_path / "sub/x.color.jpg"
    with pytest.raises(PictureError, match="source itself"):
        output_path(found, tmp_path / "sub" / "x.jpg")


def test_results_never_meet(tmp_path):
    plant(tmp_path, "a/x.jpg", "a/x.png", "a/x.psd", "b/x.jpg", "b/X.JPG")
    found = find_pictures([tmp_path / "a", tmp_path / "b"])
    names = [path.name for path in output_paths(found, tmp_path / "out")]
    assert names == ["x.jpg", "x.png", "x.psd.png", "X-2.JPG", "x-3.jpg"]
    assert len({str(path).lower() for path in output_paths(found)}) == 5


def test_long_names_are_shortened_to_what_a_file_system_takes_and_stay_apart(tmp_path):
    names = ["ż" * 125 + end + ".jpg" for end in "xy"]
    plant(tmp_path, *names)
    results = [output_path(found) for found in find_pictures([tmp_path])]
    assert {len(path.name.encode()) for path in results} <= {254, 255}
    assert len(set(results)) == 2
    for path in results:
        path.touch()
    assert len(find_pictures([tmp_path])) == 2

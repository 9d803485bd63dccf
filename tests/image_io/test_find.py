"""Search for images in files, folders and globs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from colorzoo.errors import ImageError
from colorzoo.files import digest_or_empty
from colorzoo.image_io.find import FoundImage, find_existing, skipped_files_message


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def find_images(inputs: Sequence[str | Path], **options: Any) -> list[FoundImage]:
    search = find_existing(inputs, **options)
    for _, error in search.errors:
        raise error
    return search.found


def found_below(root: Path, *inputs: str | Path, **options) -> list[str]:
    return [image.path.relative_to(root).as_posix() for image in find_images(inputs, **options)]


def test_a_folder_is_searched_below_in_a_fixed_order(tmp_path):
    plant(tmp_path, "b/2.PNG", "b/10.jpg", "a.tif", "żółw 1.webp", "notes.txt", ".hidden/x.jpg", ".x.jpg")
    assert found_below(tmp_path, tmp_path) == ["a.tif", "żółw 1.webp", "b/2.PNG", "b/10.jpg"]
    assert [p.relative.as_posix() for p in find_images([tmp_path])][-1] == "b/10.jpg"


@pytest.mark.parametrize("pattern", ["", "**/*.jpg"])
def test_hidden_and_system_folders_are_skipped(tmp_path, pattern):
    folders = ["@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "__MACOSX", "lost+found"]
    for folder in [*folders, "System Volume Information", "sub/@eaDir", ".thumbnails"]:
        plant(tmp_path, f"{folder}/IMG.jpg/THUMB_L.jpg", f"{folder}/old.jpg")
    plant(tmp_path, "._IMG.jpg", "IMG.jpg", "sub/#1 @home.jpg", "#2020/a.jpg", "@home/b.jpg")
    search = find_existing([tmp_path / pattern])
    kept = {"IMG.jpg", "sub/#1 @home.jpg", "#2020/a.jpg", "@home/b.jpg"}
    assert {found.relative.as_posix() for found in search.found} == kept
    assert (
        found_below(tmp_path, tmp_path / "@eaDir")[0] == "@eaDir/old.jpg"
    )  # a system folder is searched if it is the input


def test_files_folders_and_globs_together_name_each_image_once(tmp_path):
    plant(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.png", "odd.name")
    inputs = [tmp_path / "a" / "2.jpg", tmp_path / "a", str(tmp_path / "*" / "*.*"), tmp_path / "odd.name"]
    assert found_below(tmp_path, *inputs) == ["a/2.jpg", "a/1.jpg", "b/3.png", "odd.name"]


def test_globs_keep_the_path_below_their_fixed_part(tmp_path):
    plant(tmp_path, "a/1.jpg", "a/deep/2.jpg", "a/deep/no.txt")
    found = find_images([str(tmp_path / "**" / "*.jpg")])
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


def test_a_pipe_raises_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "p.jpg")
    ((_, error),) = find_existing([tmp_path / "p.jpg"]).errors
    assert "p.jpg is not a regular file" in str(error)
    assert digest_or_empty(tmp_path / "p.jpg") == ""


def test_results_of_earlier_runs_and_the_output_folder_are_excluded(tmp_path):
    plant(tmp_path, "x.jpg", "x.color.jpg", "in.color.png", "out/x.jpg")
    assert found_below(tmp_path, tmp_path, exclude=tmp_path / "out") == ["in.color.png", "x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg", tmp_path / "x.jpg") == ["x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg") == ["x.color.jpg"]


@pytest.mark.parametrize("name", ["none.jpg", "*.jpg", "empty"])
def test_missing_and_empty_inputs_are_named(tmp_path, name):
    plant(tmp_path, "empty/notes.txt")
    with pytest.raises(ImageError, match=r"no such file or folder|no image found in") as caught:
        find_images([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_videos_and_results_in_a_folder_are_skipped_and_listed(tmp_path):
    plant(tmp_path, "a.jpg", "notes.txt", "film.mp4", ".old/c.jpg")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    search = find_existing([tmp_path])
    assert [found.relative.as_posix() for found in search.found] == ["a.jpg"]
    assert search.skipped == [(tmp_path / "film.mp4", "a video; use `colorzoo video`")]
    files = [(Path(f"{number}.mp4"), "a video") for number in range(12)]
    cases = ((1, "1 file skipped: 0", "0"), (2, "2 files", "1"), (10, "10 files", "9"), (12, "12 files", "9"))
    for count, start, end in cases:
        more = f" and {count - 10} more" if count > 10 else ""
        assert skipped_files_message(files[:count]).startswith(start)
        assert skipped_files_message(files[:count]).endswith(f"{end}.mp4 (a video){more}")

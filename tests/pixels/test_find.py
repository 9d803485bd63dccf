"""Search for images in files, folders and globs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import colorzoo
from colorzoo._files import digest_or_empty
from colorzoo.errors import ImageError
from colorzoo.pixels.find import FoundImage, find_images, skipped_files_message


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found_images(inputs: Sequence[str | Path], **options: Any) -> list[FoundImage]:
    search = find_images(inputs, **options)
    for _, error in search.errors:
        raise error
    return search.found


def found_below(root: Path, *inputs: str | Path, **options) -> list[str]:
    return [image.path.relative_to(root).as_posix() for image in found_images(inputs, **options)]


def test_find_images_searches_folders_in_natural_order(tmp_path):
    touch(tmp_path, "b/2.PNG", "b/10.jpg", "a.tif", "żółw 1.webp", "notes.txt", ".hidden/x.jpg", ".x.jpg")
    assert found_below(tmp_path, tmp_path) == ["a.tif", "żółw 1.webp", "b/2.PNG", "b/10.jpg"]
    assert [p.relative.as_posix() for p in found_images([tmp_path])][-1] == "b/10.jpg"


@pytest.mark.parametrize("pattern", ["", "**/*.jpg"])
def test_find_images_skips_hidden_and_system_folders(tmp_path, pattern):
    folders = ["@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "__MACOSX", "lost+found"]
    for folder in [*folders, "System Volume Information", "sub/@eaDir", ".thumbnails"]:
        touch(tmp_path, f"{folder}/IMG.jpg/THUMB_L.jpg", f"{folder}/old.jpg")
    touch(tmp_path, "._IMG.jpg", "IMG.jpg", "sub/#1 @home.jpg", "#2020/a.jpg", "@home/b.jpg")
    search = find_images([tmp_path / pattern])
    kept = {"IMG.jpg", "sub/#1 @home.jpg", "#2020/a.jpg", "@home/b.jpg"}
    assert {found.relative.as_posix() for found in search.found} == kept
    assert (
        found_below(tmp_path, tmp_path / "@eaDir")[0] == "@eaDir/old.jpg"
    )  # a system folder is searched if it is the input


def test_find_images_lists_each_image_once_for_overlapping_inputs(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.png", "odd.name")
    inputs = [tmp_path / "a" / "2.jpg", tmp_path / "a", str(tmp_path / "*" / "*.*"), tmp_path / "odd.name"]
    assert found_below(tmp_path, *inputs) == ["a/2.jpg", "a/1.jpg", "b/3.png", "odd.name"]


def test_find_images_keeps_the_relative_path_of_glob_matches(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/deep/2.jpg", "a/deep/no.txt")
    found = found_images([str(tmp_path / "**" / "*.jpg")])
    assert [p.relative.as_posix() for p in found] == ["a/1.jpg", "a/deep/2.jpg"]
    assert found_below(tmp_path, str(tmp_path / "a*")) == ["a/1.jpg", "a/deep/2.jpg"]


def test_find_images_prefers_existing_names_over_glob_patterns(tmp_path):
    touch(tmp_path, "photo[1].jpg", "photo1.jpg")
    assert found_below(tmp_path, tmp_path / "photo[1].jpg") == ["photo[1].jpg"]


def test_find_images_follows_symbolic_links_without_loops(tmp_path):
    touch(tmp_path, "a/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a" / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    assert found_below(tmp_path, tmp_path / "a") == ["a/1.jpg", "a/there/2.jpg"]


def test_find_images_reports_pipes_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "p.jpg")
    ((_, error),) = find_images([tmp_path / "p.jpg"]).errors
    assert "p.jpg is not a regular file" in str(error)
    assert digest_or_empty(tmp_path / "p.jpg") == ""


def test_find_images_excludes_earlier_results_and_the_output_folder(tmp_path):
    touch(tmp_path, "x.jpg", "x.color.jpg", "in.color.png", "out/x.jpg")
    assert found_below(tmp_path, tmp_path, exclude=tmp_path / "out") == ["in.color.png", "x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg", tmp_path / "x.jpg") == ["x.jpg"]
    assert found_below(tmp_path, tmp_path / "x.color.jpg") == ["x.color.jpg"]


def test_find_images_excludes_the_output_folder_from_recursive_globs(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/out/1.jpg", "a/out/deep/2.jpg")
    for pattern in ("a/**", "a/**/*.jpg"):
        assert found_below(tmp_path, tmp_path / pattern, exclude=tmp_path / "a" / "out") == ["a/1.jpg"]
    inner = found_below(tmp_path, tmp_path / "a/out/*.jpg", exclude=tmp_path / "a")
    assert inner == ["a/out/1.jpg"]


def test_globs_find_files_of_the_output_folder_if_they_select_no_others(tmp_path):
    touch(tmp_path, "album/1.png", "album/1915/2.png", "other/notes.txt")
    for pattern, expected in (
        ("al*/*.png", ["album/1.png"]),
        ("**/*.png", ["album/1.png", "album/1915/2.png"]),
        ("*", ["album/1.png", "album/1915/2.png"]),
    ):
        assert found_below(tmp_path, tmp_path / pattern, exclude=tmp_path / "album") == expected
    touch(tmp_path, "other/3.png")
    assert found_below(tmp_path, tmp_path / "*/*.png", exclude=tmp_path / "album") == ["other/3.png"]


@pytest.mark.parametrize(
    "pattern", ["al*/1915/../*.png", "al*/../../{}/album/*.png", "album/./1915/../*.png"]
)
def test_relative_paths_never_leave_the_output_folder(tmp_path, pattern):
    touch(tmp_path, "album/1.png", "album/1915/2.png")
    (image,) = found_images([f"{tmp_path}/{pattern.format(tmp_path.name)}"])
    assert image.path.resolve() == tmp_path / "album" / "1.png"
    assert os.pardir not in image.relative.parts
    for name in ("album/./../album/1.png", "album/.//1.png", f"{tmp_path}/album/./{tmp_path}/album/1.png"):
        images = find_images([tmp_path / "album", f"{tmp_path}/{name}"]).found
        assert not any(found.relative.is_absolute() or os.pardir in found.relative.parts for found in images)


@pytest.mark.parametrize("inputs", [["."], ["x.png", "x.color.png"]])
def test_find_images_reports_files_that_are_only_named_like_results(tmp_path, monkeypatch, inputs):
    monkeypatch.chdir(tmp_path)
    Image.radial_gradient("L").save("x.png")
    Image.radial_gradient("L").save("x.color.png")
    search = find_images(inputs)
    assert [image.path.name for image in search.found] == ["x.png"]
    assert "1 file skipped: x.color.png (named like a result" in skipped_files_message(search.skipped)
    colorzoo.colorize_file("x.png", "x.color.png", "zhang2017_local_small", overwrite=True)
    assert not find_images(inputs).skipped


@pytest.mark.parametrize("name", ["none.jpg", "*.jpg", "empty"])
def test_find_images_reports_missing_and_empty_inputs(tmp_path, name):
    touch(tmp_path, "empty/notes.txt")
    with pytest.raises(ImageError, match=r"no such file or folder|no image found in") as caught:
        found_images([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_find_images_lists_skipped_videos(tmp_path):
    touch(tmp_path, "a.jpg", "notes.txt", "film.mp4", ".old/c.jpg")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    search = find_images([tmp_path])
    assert [found.relative.as_posix() for found in search.found] == ["a.jpg"]
    assert search.skipped == [(tmp_path / "film.mp4", "a video; use `colorzoo video`")]
    files = [(Path(f"{number}.mp4"), "a video") for number in range(12)]
    cases = ((1, "1 file skipped: 0", "0"), (2, "2 files", "1"), (10, "10 files", "9"), (12, "12 files", "9"))
    for count, start, end in cases:
        more = f" and {count - 10} more" if count > 10 else ""
        assert skipped_files_message(files[:count]).startswith(start)
        assert skipped_files_message(files[:count]).endswith(f"{end}.mp4 (a video){more}")

import pickle
import shutil
import tarfile

import pytest
import torch
from miniatures import write_image

from colorzoo.data.check import split_by_content
from colorzoo.data.sources import Sources, StoredImage, find_sources


def test_sources_is_a_picklable_sequence():
    plain = [StoredImage(f"/data/{n}.jpg") for n in range(5)]
    mixed = [*plain, StoredImage("/elsewhere/x.png"), StoredImage("/data/s.tar", "a/0.jpg", 512, 90)]
    packed = Sources.of(iter(mixed), "/data")
    assert list(packed) == mixed
    assert packed[-1].name == "/data/s.tar/a/0.jpg"
    assert list(packed[1:6:2]) == mixed[1:6:2]
    assert list(packed[2:].select(torch.tensor([4, 0]))) == [mixed[6], mixed[2]]
    assert list(pickle.loads(pickle.dumps(packed[3:]))) == mixed[3:]
    assert list(Sources.of([])) == []
    with pytest.raises(IndexError):
        packed[7]


def test_find_sources_returns_files_and_tar_members_in_order(tmp_path):
    first = write_image(tmp_path / "b" / "1.jpg", 0)
    second = write_image(tmp_path / "a.JPG", 1)
    with tarfile.open(tmp_path / "c.tar", "w") as shard:
        shard.add(second, "x/7.jpg")
        shard.add(first, "notes.txt")
        shard.add(first, "x/8.jpg")
    (tmp_path / "readme.txt").write_text("no image")
    found = find_sources(tmp_path)
    assert [source.name for source in found] == [
        str(second), str(first), f"{tmp_path}/c.tar/x/7.jpg", f"{tmp_path}/c.tar/x/8.jpg"
    ]  # fmt: skip
    assert [source.read() for source in found[2:]] == [second.read_bytes(), first.read_bytes()]


def test_find_sources_skips_results_beside_their_sources(tmp_path):
    names = ("a.JPG", "b.color.png", "c/a.color.jpg", "d.heic")
    for name in (*names, "a.color.jpg", "d.color.jpg"):
        write_image(tmp_path / "e.jpg", 0)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.move(tmp_path / "e.jpg", tmp_path / name)
    found = [source.name.removeprefix(f"{tmp_path}/") for source in find_sources(tmp_path)]
    assert found == ["a.JPG", "b.color.png", "c/a.color.jpg"]


def test_find_sources_follows_links_without_loops(tmp_path):
    write_image(tmp_path / "elsewhere" / "1.jpg", 0)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root")
    names = [source.path.removeprefix(f"{tmp_path}/") for source in find_sources(tmp_path / "root")]
    assert names == ["root/linked/1.jpg"]


def test_split_by_content_reads_only_new_and_changed_files(classes_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "home"))
    root = shutil.copytree(classes_folder / "train", tmp_path / "images")
    read_paths: list[str] = []
    read = StoredImage.read

    def record(image: StoredImage) -> bytes:
        read_paths.append(image.path)
        return read(image)

    monkeypatch.setattr(StoredImage, "read", record)

    def split() -> list[list[str]]:
        parts = split_by_content(find_sources(root), 0.3, root)
        return [[each.path for each in part] for part in parts]

    first = split()
    assert len(read_paths) == sum(map(len, first))
    changed = next(root.rglob("*.jpg"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    read_paths.clear()
    split()
    assert read_paths == [str(changed)]

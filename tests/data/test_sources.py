import errno
import pickle
import shutil
import tarfile
from contextlib import nullcontext
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from miniatures import write_picture

from colorzoo.data.check import known_places, split_by_content
from colorzoo.data.layouts import class_folders, class_names
from colorzoo.data.sources import PackedStrings, Sources, StoredPicture, find_sources
from colorzoo.data.verify import verify
from colorzoo.errors import DataError


def test_names_survive_packing_even_if_not_unicode():
    names = ["a.jpg", "", "Ä ö/猫.png", b"\xff.jpg".decode("utf-8", "surrogateescape")]
    packed = PackedStrings.of(iter(names))
    assert list(packed) == names
    assert packed[-1] == names[-1]
    with pytest.raises(IndexError):
        packed[4]
    assert list(PackedStrings.of([])) == []
    many = [f"{number:05}.jpg" for number in range(3000)]
    packed = PackedStrings.of(iter(many))
    copy = ForkingPickler.loads(ForkingPickler.dumps(packed))  # torch moves pickled tensors
    assert list(copy) == list(packed) == many


def test_packed_sources_are_a_sequence():
    plain = [StoredPicture(f"/data/{n}.jpg") for n in range(5)]
    mixed = [*plain, StoredPicture("/elsewhere/x.png"), StoredPicture("/data/s.tar", "a/0.jpg", 512, 90)]
    packed = Sources.of(iter(mixed), "/data")
    assert list(packed) == mixed
    assert packed[-1].name == "/data/s.tar/a/0.jpg"
    assert list(packed[1:6:2]) == mixed[1:6:2]
    assert list(packed[2:].select(torch.tensor([4, 0]))) == [mixed[6], mixed[2]]
    assert list(pickle.loads(pickle.dumps(packed[3:]))) == mixed[3:]
    assert list(Sources.of([])) == []
    with pytest.raises(IndexError):
        packed[7]


def test_files_and_tar_members_are_found_in_order_and_read(tmp_path):
    first = write_picture(tmp_path / "b" / "1.jpg", 0)
    second = write_picture(tmp_path / "a.JPG", 1)
    with tarfile.open(tmp_path / "c.tar", "w") as shard:
        shard.add(second, "x/7.jpg")
        shard.add(first, "notes.txt")
        shard.add(first, "x/8.jpg")
    (tmp_path / "readme.txt").write_text("no picture")
    found = find_sources(tmp_path)
    assert [source.name for source in found] == [
        str(second), str(first), f"{tmp_path}/c.tar/x/7.jpg", f"{tmp_path}/c.tar/x/8.jpg"
    ]  # fmt: skip
    assert [source.read() for source in found[2:]] == [second.read_bytes(), first.read_bytes()]


def test_hidden_and_system_folders_are_skipped_and_named_once(tmp_path, caplog):
    write_picture(tmp_path / "c" / "a.jpg", 0)
    for name in (
        "@eaDir/a.jpg/t.jpg",
        "#recycle/b.jpg",
        "$RECYCLE.BIN/c.jpg",
        "c/.thumbnails/a.jpg",
        "c/._a.jpg",
    ):
        write_picture(tmp_path / name, 1)
    with tarfile.open(tmp_path / "c" / "more.tar", "w") as tar:
        for name in ("./b.jpg", "__MACOSX/b.jpg", "._b.jpg"):
            tar.add(tmp_path / "c" / "a.jpg", name)
    names = [source.name.removeprefix(f"{tmp_path}/") for source in find_sources(tmp_path)]
    assert names == ["c/a.jpg", "c/more.tar/./b.jpg"]
    (line,) = (record.getMessage() for record in caplog.records)
    assert [name in line for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", ".thumbnails")] == [True] * 4
    assert class_folders(tmp_path) == ["c"]
    assert verify(tmp_path, threads=1).pictures == 2


@pytest.mark.parametrize("suffix", ["cls", "jpg"])
def test_a_sparse_member_does_not_allocate_its_size(suffix, tmp_path):
    write_picture(tmp_path / "0.jpg", 0)
    header = bytearray(tarfile.TarInfo(f"1.{suffix}").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"60000000000\0"  # its real size in octal, 6 GiB, without a byte of data
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(tmp_path / "0.jpg", "1.png")
    data = (tmp_path / "a.tar").read_bytes()
    end = 512 + -(-(tmp_path / "0.jpg").stat().st_size // 512) * 512
    (tmp_path / "a.tar").write_bytes(data[:end] + bytes(header) + bytes(1024))
    with pytest.raises(DataError, match=rf"1\.{suffix}"):
        class_names(find_sources(tmp_path), tmp_path)


def test_links_are_followed_without_loops(tmp_path):
    write_picture(tmp_path / "elsewhere" / "1.jpg", 0)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root")
    names = [source.path.removeprefix(f"{tmp_path}/") for source in find_sources(tmp_path / "root")]
    assert names == ["root/linked/1.jpg"]


@pytest.mark.parametrize(
    ("number", "failures", "waited"),
    [(errno.EIO, 9, [0.5, 2.0]), (errno.ESTALE, 2, [0.5, 2.0]), (errno.ENOENT, 9, [])],
)
def test_only_errors_that_pass_are_waited_for(number, failures, waited, monkeypatch):
    slept: list[float] = []
    outcomes = iter([OSError(number, "of the test")] * failures)

    def read(_: StoredPicture) -> bytes:
        for error in outcomes:
            raise error
        return b"read"

    monkeypatch.setattr("colorzoo.data.sources.time.sleep", slept.append)
    monkeypatch.setattr(StoredPicture, "read_once", read)
    with nullcontext() if failures == 2 else pytest.raises(OSError, match="of the test"):
        assert StoredPicture("p").read() == b"read"
    assert slept == waited


def test_a_split_reads_new_and_changed_files_only(classes_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "home"))
    root = shutil.copytree(classes_folder / "train", tmp_path / "pictures")
    asked: list[str] = []
    read = StoredPicture.read

    def note(picture: StoredPicture) -> bytes:
        asked.append(picture.path)
        return read(picture)

    monkeypatch.setattr(StoredPicture, "read", note)

    def split() -> list[list[str]]:
        parts = split_by_content(find_sources(root), 0.3, known_places(str(root)))
        return [[each.path for each in part] for part in parts]

    first = split()
    assert len(asked) == sum(map(len, first))
    assert split() == first == [[e.path for e in p] for p in split_by_content(find_sources(root), 0.3)]
    asked.clear()
    changed = next(root.rglob("*.jpg"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    split()
    assert asked == [str(changed)]

"""Reading goes on: passing errors are waited for, a few bad pictures and shards are skipped and named."""

from __future__ import annotations

import errno
import shutil
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from colorzoo import environment
from colorzoo.data import FolderDataModule, StreamingDataModule
from colorzoo.data.dataset import Sample
from colorzoo.data.sources import StoredPicture, find_sources
from colorzoo.data.splits import known_places, split_by_content
from colorzoo.data.tolerant import TolerantDataset
from colorzoo.errors import DataError

SMALL = {"batch_size": 2, "crop": 32, "resize": 40, "val_size": 32, "num_workers": 0}


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


class Numbers(Dataset[Sample]):
    """Samples of a number; some cannot be read."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        if key[0] in self.bad:
            raise DataError(f"picture {key[0]} is bad")
        return Sample(rgb=torch.tensor(key[0]), seed=torch.tensor(key[1]), name=str(key[0]))


def test_bad_pictures_are_replaced_the_same_way_each_time_and_named_once(capsys):
    keys = [(index, 100 + index) for index in range(10)]
    runs = [[TolerantDataset(Numbers({2, 5}), 2)[key]["name"] for key in keys] for _ in range(2)]
    assert runs[0] == runs[1]
    assert [name for index, name in enumerate(runs[0]) if index not in (2, 5)] == list("01346789")
    assert not {"2", "5"} & set(runs[0])
    capsys.readouterr()
    data = TolerantDataset(Numbers({2, 5}), 2)
    for key in keys * 2:
        data[key]
    assert capsys.readouterr().err.splitlines() == [
        "colorzoo: skipped (1 of at most 2): picture 2 is bad",
        "colorzoo: skipped (2 of at most 2): picture 5 is bad",
    ]
    stricter = TolerantDataset(Numbers({2, 5}), 1)
    with pytest.raises(DataError, match="picture 5 is bad"):
        [stricter[key] for key in keys]
    with pytest.raises(DataError, match=r"^100 pictures in a row"):
        TolerantDataset(Numbers(set(range(10))), 10)[0, 0]


def test_a_picture_that_breaks_after_the_check_is_skipped_in_training_only(classes_folder, tmp_path):
    root = shutil.copytree(classes_folder, tmp_path / "pictures")
    bad = {str(root / "train" / "c0" / "bad.jpg"), str(sorted((root / "train" / "c1").iterdir())[0])}
    for path in bad:
        Path(path).write_bytes(b"no picture")
    data = FolderDataModule(str(root), check=False, skip_bad=2, **SMALL)
    data.setup("fit")
    names = [name for _ in range(2) for batch in data.train_dataloader() for name in batch["name"]]
    assert not bad & set(names)
    assert len(names) == 2 * (len(data.train_data) // 2 * 2)
    strict = FolderDataModule(str(root), check=False, **SMALL)
    strict.setup("fit")
    with pytest.raises(DataError, match="cannot be decoded"):
        list(strict.train_dataloader())


@pytest.mark.parametrize("splits", ["", "train"])
def test_a_cut_tar_gives_training_its_whole_pictures(splits, classes_folder, tmp_path, capsys):
    root = tmp_path / "pictures"
    shutil.copytree(classes_folder / "train" / "c1", root / splits / "plain")
    if splits:
        shutil.copytree(classes_folder / "val", root / "val")
    for name in ("a", "b"):
        with tarfile.open(root / splits / f"{name}.tar", "w") as tar:
            tar.add(classes_folder / "train" / "c2" / "002.jpg", "first.jpg")
            whole = tar.offset
            tar.add(classes_folder / "train" / "c2" / "005.png", "second.png")
        path = root / splits / f"{name}.tar"
        path.write_bytes(path.read_bytes()[: whole + 100])  # in the second header
    data = FolderDataModule(str(root), skip_bad=2, val_share=0.3, check=False, **SMALL)
    found = [source.name for source in data.find_pictures("train").sources]
    assert [name.count("tar/second") for name in found if ".tar/" in name] == [0, 0]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[2].partition(":")[0] for line in lines] == [
        " skipped (1 of at most 2)",
        " skipped (2 of at most 2)",
    ]
    with pytest.raises(DataError, match=r"b\.tar' is not a plain"):
        FolderDataModule(str(root), skip_bad=1, val_share=0.3, **SMALL).find_pictures("train")
    if splits:
        shutil.copy(root / splits / "a.tar", root / "val")
        with pytest.raises(DataError, match=r"val/a\.tar' is not a plain"):
            data.find_pictures("val")


def test_a_shard_that_is_gone_is_skipped_once(shards, tmp_path, capsys):
    root = shutil.copytree(shards, tmp_path / "shards")
    chunk = sorted((root / "train").glob("*.bin"))[0]
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(DataError, match="truncated"):
        StreamingDataModule(str(root), **SMALL).setup("fit")
    data = StreamingDataModule(str(root), skip_bad=1, **SMALL)
    data.setup("fit")
    names = [name for batch in data.train_dataloader() for name in batch["name"]]
    assert len(names) == sum(data.train_data.reader.sizes)
    assert capsys.readouterr().err.count("skipped (1 of at most 1)") == 1


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


@pytest.mark.parametrize(
    ("given", "limit", "expected"), [("2", "max 100000", 2), ("", "150000 100000", 2), ("", "max 100000", 6)]
)
def test_cores_are_those_of_the_job(given, limit, expected, tmp_path: Path, monkeypatch):
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(environment, "CPU_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert environment.core_count() == expected

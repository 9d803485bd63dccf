"""Shards: their content, refused folders, resuming after a kill, reading and downloading."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import colorful

from colorzoo.cli.main import main
from colorzoo.data import StreamingDataModule
from colorzoo.data.decode import decode_rgb
from colorzoo.data.shards import ShardReader, read_manifest
from colorzoo.errors import DataError
from colorzoo.testing.processes import in_processes

pytest.importorskip("litdata")
from colorzoo.data import shard_writer
from colorzoo.data.shard_writer import ShardOptions, ShardReport, shard_folder

OPTIONS = ShardOptions(short_side=32, chunk=6)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_picture_is_stored_once_with_its_class_and_colors(classes_folder, shards) -> None:
    manifest = read_manifest(str(shards))
    reader = ShardReader(str(shards), "train")
    records = [reader[index] for index in range(len(reader))]
    names = sorted(name for _, _, name in records)
    expected = [path for path in (classes_folder / "train").rglob("*.*") if path.stem not in ("bad", "gray")]
    assert names == sorted(str(path.relative_to(classes_folder)) for path in expected)
    assert manifest["pictures"] == {"train": 41, "val": 5}
    assert manifest["gray"] == 1
    assert manifest["broken"] == [["train/c0/bad.jpg", "no picture format that Pillow knows"]]
    for data, label, name in records:
        assert manifest["classes"][label] == Path(name).parts[1]
        stored, original = decode_rgb(data), decode_rgb((classes_folder / name).read_bytes(), 32)
        assert stored.shape == original.shape
        assert (stored.float() - original.float()).abs().mean() < 4  # of 255: JPEG at 92


def test_chunks_are_mixed_and_hashes_agree_with_sha256sum(shards) -> None:
    reader = ShardReader(str(shards), "train")
    assert len(reader.sizes) == 8
    assert {reader[index][1] for index in range(6)} == {0, 1, 2}
    for line in (shards / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((shards / name).read_bytes()).hexdigest() == digest


def test_small_jpegs_are_stored_unchanged_and_nothing_is_enlarged(tmp_path, monkeypatch) -> None:
    bars: dict[str, list[int]] = {}

    def bar(title: str, total: int, **_: int) -> nullcontext:
        bars[title] = [total]
        return nullcontext(bars[title].append)

    monkeypatch.setattr(shard_writer, "progress_bar", bar)
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (tmp_path / "in" / split).mkdir(parents=True)
        colorful(rng, (20, 30)).save(tmp_path / "in" / split / "a.jpg")
        colorful(rng, (20, 30)).save(tmp_path / "in" / split / "b.png")
    shard_folder(tmp_path / "in", tmp_path / "out", OPTIONS, workers=0)
    assert {title: (total, sum(steps)) for title, (total, *steps) in bars.items()} == {
        f"{work} {split}": (2, 2) for work in ("packing", "reading back") for split in ("train", "val")
    }
    reader = ShardReader(str(tmp_path / "out"), "val")
    assert reader[0][0] == (tmp_path / "in/val/a.jpg").read_bytes()
    with Image.open(io.BytesIO(reader[1][0])) as image:
        assert (image.format, image.size) == ("JPEG", (20, 30))


def test_webdataset_tars_keep_their_classes(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (tmp_path / "in" / split).mkdir(parents=True)
        with tarfile.open(tmp_path / "in" / split / "0.tar", "w") as tar:
            for index in range(4):
                stream = io.BytesIO()
                colorful(rng).save(stream, "JPEG")
                members = {"jpg": stream.getvalue(), "cls": f"k{index % 2}\n".encode(), "json": b'{"a": 1}'}
                for suffix, data in members.items():
                    info = tarfile.TarInfo(f"{index:04d}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    report = shard_folder(tmp_path / "in", tmp_path / "out", OPTIONS, workers=0)
    assert (report.classes, report.pictures) == (["k0", "k1"], {"train": 4, "val": 4})
    reader = ShardReader(str(tmp_path / "out"), "val")
    assert [reader[index][1] for index in range(4)] == [0, 1, 0, 1]


def test_what_cannot_be_read_is_left_out_and_listed(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("in").mkdir()
    for name, end in (("cut", 2000), ("text", 0), ("whole", None)):
        with tarfile.open(f"in/{name}.tar", "w") as tar:
            for index in range(2):
                colorful(rng, (20, 20)).save("x.bmp")
                tar.add("x.bmp", f"{index}.bmp")
        data = Path(f"in/{name}.tar").read_bytes()
        Path(f"in/{name}.tar").write_bytes(data[:end] or b"no tar")
    Path("in/gone.jpg").symlink_to("nowhere.jpg")
    for index in range(8):
        colorful(rng, (20, 20)).save(f"in/{index}.png")
    report = shard_folder(Path("in"), Path("out"), ShardOptions(val_share=0.4), workers=0)
    assert sum(report.pictures.values()) == 8 + 2
    broken = dict(report.broken)
    assert sorted(broken) == ["cut.tar", "cut.tar/0.bmp", "gone.jpg", "text.tar"]
    assert broken["cut.tar"].startswith("'in/cut.tar' is not a plain (uncompressed) tar shard, or is cut")
    assert [tuple(each) for each in read_manifest("out")["broken"]] == report.broken


def pack_until_killed(folder: Path, out: Path, picture: int) -> None:
    """Pack in a process that kills itself while it encodes a picture."""
    count, encode = iter(range(picture)), shard_writer.encode

    def encode_or_die(*arguments):
        if next(count, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(*arguments)

    shard_writer.encode = encode_or_die
    shard_folder(folder, out, OPTIONS, workers=0)


def test_a_killed_run_continues_to_the_same_bytes(classes_folder, shards, tmp_path) -> None:
    out = tmp_path / "out"
    third_chunk = 15
    assert in_processes(pack_until_killed, classes_folder, out, third_chunk) == [-signal.SIGKILL]
    early = contents(out)
    assert {name for name in early if name.endswith(".bin")} == {"train/chunk-0-0.bin", "train/chunk-0-1.bin"}
    stamps = {name: (out / name).stat().st_mtime_ns for name in early}
    shard_folder(classes_folder, out, OPTIONS, workers=0)
    assert contents(out) == contents(shards)
    assert all((out / name).stat().st_mtime_ns == stamps[name] for name in early if name.endswith(".bin"))


@pytest.mark.nightly
def test_two_processes_write_the_same_as_one(classes_folder, shards, tmp_path) -> None:
    words = f"data shard {classes_folder} {tmp_path / 'out'} --short-side 32 --chunk 6 --workers 2".split()
    done = subprocess.run(
        [sys.executable, "-m", "colorzoo", *words], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)  # one broken picture, named
    assert "41 train in 8 chunk(s), 5 val in 1 chunk(s)" in done.stdout
    assert contents(tmp_path / "out") == contents(shards)


def test_the_command_line_hands_its_options_on_and_tells_what_was_left_out(monkeypatch, capsys) -> None:
    asked: list[tuple[object, ...]] = []
    broken = [("a.jpg", "is no picture")]
    reports = [
        ShardReport({"train": 41, "val": 5}, {"train": 8, "val": 1}, 1_260_000, 3, broken, ["a", "b"]),
        ShardReport({"train": 1}, {"train": 1}, 0, 0, [], []),
    ]

    def pack(*given: object, workers: int | None) -> ShardReport:
        asked.append((*given, workers))
        return reports[len(asked) - 1]

    monkeypatch.setattr(shard_writer, "shard_folder", pack)
    words = "--short-side 32 --quality 80 --chunk 6 --val-share 0.1 --keep-gray --workers 2"
    assert [main(["data", "shard", "in", "out", *more]) for more in (words.split(), [])] == [1, 0]
    assert asked == [
        (Path("in"), Path("out"), ShardOptions(32, 80, 6, 0.1, drop_gray=False), 2),
        (Path("in"), Path("out"), ShardOptions(), None),
    ]
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "out: 41 train in 8 chunk(s), 5 val in 1 chunk(s); 2 class(es), 1.3 MB; 3 gray and 1 broken left out",
        "out: 1 train in 1 chunk(s); 0 class(es), 0.0 MB; 0 gray and 0 broken left out",
    ]
    assert err == "left out a.jpg: is no picture\n"


def test_a_damaged_chunk_is_found_and_written_again(classes_folder, shards, tmp_path, refused) -> None:
    out = tmp_path / "out"
    shutil.copytree(shards, out)
    chunk = out / "train" / "chunk-0-3.bin"
    data = bytearray(chunk.read_bytes())
    data[-50] ^= 1
    chunk.write_bytes(data)

    with pytest.raises(DataError, match=r"chunk-0-3\.bin.*hash.*delete it"):
        shard_folder(classes_folder, out, OPTIONS, workers=0)
    chunk.unlink()
    shard_folder(classes_folder, out, OPTIONS, workers=0)
    assert contents(out) == contents(shards)
    assert "other pictures or options" in refused("data", "shard", classes_folder, out, "--quality", "80")


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [
        ("nowhere", "out", "'nowhere' does not exist"),
        ("in", "in/out", "is inside 'in'"),
        ("in", "full", "not empty and contains no shards"),
    ],
)
def test_bad_folders_give_one_line(here, refused, source: str, out: str, words: str) -> None:
    colorful(np.random.default_rng(0)).save("x.png")
    for folder in ("in/train", "in/val", "full"):
        Path(folder).mkdir(parents=True)
        shutil.copy("x.png", folder)
    assert words in refused("data", "shard", source, out, "--workers", "1")


def test_a_missing_piece_of_the_shards_gives_one_line(shards, tmp_path) -> None:
    with pytest.raises(DataError, match="colorzoo data shard"):
        StreamingDataModule(str(tmp_path)).setup("fit")
    out = tmp_path / "out"
    shutil.copytree(shards, out)
    (out / "train" / "chunk-0-2.bin").unlink()
    with pytest.raises(DataError, match=r"chunk-0-2\.bin' is missing"):
        StreamingDataModule(str(out)).setup("fit")


def test_a_remote_folder_is_downloaded_by_chunk_within_its_limit(shards, tmp_path) -> None:
    cache = tmp_path / "cache"
    reader = ShardReader(f"local:{shards}", "train", cache=str(cache), cache_gigabytes=1e-9)
    here = ShardReader(str(shards), "train")
    order = torch.randperm(41, generator=torch.Generator().manual_seed(0)).tolist()
    assert all(reader[index] == here[index] for index in order)
    assert len(list(cache.rglob("*.bin"))) == 1  # no room for two
    unlimited = ShardReader(f"local:{shards}", "train", cache=str(tmp_path / "all"))
    assert [unlimited[index][2] for index in (40, 0)] == [here[index][2] for index in (40, 0)]
    assert len(list((tmp_path / "all").rglob("*.bin"))) == 2  # only the requested ones

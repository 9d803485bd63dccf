"""Writing of shards, rejected folders, and reading from disk or through a cache."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import colorful, optimize_in_process

from colorzoo.apps.cli.main import main
from colorzoo.data import FolderDataModule, StreamingDataModule
from colorzoo.data.decode import decode_rgb
from colorzoo.data.shards import ShardOptions, ShardReader, read_manifest, shard_folder
from colorzoo.errors import DataError

pytest.importorskip("litdata")


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def jpeg(rng: np.random.Generator) -> bytes:
    stream = io.BytesIO()
    colorful(rng).save(stream, "JPEG")
    return stream.getvalue()


def test_shard_folder_stores_each_image_once_with_class_and_colors(classes_folder, shards) -> None:
    manifest = read_manifest(str(shards))
    reader = ShardReader(str(shards), "train")
    records = [reader[index] for index in range(len(reader))]
    names = sorted(name for _, _, name, _ in records)
    expected = [path for path in (classes_folder / "train").rglob("*.*") if path.stem not in ("bad", "gray")]
    assert names == sorted(str(path.relative_to(classes_folder)) for path in expected)
    assert (manifest["images"], manifest["chunks"]) == ({"train": 41, "val": 5}, {"train": 7, "val": 1})
    assert manifest["gray"] == 1
    assert [name for name, _ in manifest["broken"]] == ["train/c0/bad.jpg"]
    assert manifest["size"] == sum(path.stat().st_size for path in shards.rglob("*.bin"))
    assert (manifest["short_side"], manifest["chunk"], manifest["digest"]["images"]) == (32, 6, 41)
    for data, label, name, _ in records:
        assert manifest["classes"][label] == Path(name).parts[1]
        stored, original = decode_rgb(data), decode_rgb((classes_folder / name).read_bytes(), 32)
        assert stored.shape == original.shape
        assert (stored.float() - original.float()).abs().mean() < 4  # of 255; JPEG quality 92
    assert reader.sizes == [6] * 6 + [5]
    assert {reader[index][1] for index in range(6)} == {0, 1, 2}  # chunks are mixed


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_data_shard_packs_tar_members_and_files_in_two_processes(tmp_path, capsys) -> None:
    rng = np.random.default_rng(0)
    write_tar(tmp_path / "in" / "a.tar", {f"c/{index}.jpg": jpeg(rng) for index in range(12)})
    for index in range(8):
        colorful(rng).save(tmp_path / "in" / f"{index}.png")
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no image")
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "--val-fraction=0.3", "--chunk=4", "--workers=2"]
    assert main(["data", "shard", *words, "--keep-gray"]) == 1  # one broken image is reported
    assert "bad.jpg" in capsys.readouterr().err
    found = [ShardReader(str(tmp_path / "out"), split) for split in ("train", "val")]
    names = [reader[index][2] for reader in found for index in range(len(reader))]
    assert sorted(names) == sorted([f"a.tar/c/{n}.jpg" for n in range(12)] + [f"{n}.png" for n in range(8)])
    assert json.loads((tmp_path / "out" / "shards.json").read_text())["classes"] == ["c"]


def test_shards_and_folders_number_the_classes_of_tar_files_equally(tmp_path, monkeypatch) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "in"
    for name in ("cat", "dog"):
        write_tar(root / "train" / f"{name}.tar", {f"./{name}{index}.jpg": jpeg(rng) for index in range(2)})
    (root / "train" / "fox").mkdir()
    colorful(rng).save(root / "train" / "fox" / "fox.png")
    write_tar(root / "val" / "all.tar", {"1.jpg": jpeg(rng)})
    monkeypatch.setattr("litdata.optimize", optimize_in_process)
    report = shard_folder(root, tmp_path / "out", ShardOptions(drop_gray=False))
    reader = ShardReader(str(tmp_path / "out"), "train")
    labels = {Path(name).stem[:3]: label for _, label, name, _ in (reader[index] for index in range(5))}
    table = FolderDataModule(str(root), labels=True).find_images("train")
    pairs = zip(table.sources, table.labels.tolist(), strict=True)
    assert labels == {Path(source.name).stem[:3]: label for source, label in pairs}
    assert report.classes == ["cat", "dog", "fox"]
    assert ShardReader(str(tmp_path / "out"), "val")[0][1] == -1  # no training image has its class


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [("nowhere", "out", "'nowhere'"), ("in", "in/out", "'in'"), ("in", "full", "'full'")],
)
def test_data_shard_rejects_invalid_folders(here, refused, source: str, out: str, words: str) -> None:
    colorful(np.random.default_rng(0)).save("x.png")
    for folder in ("in/train", "in/val", "full"):
        Path(folder).mkdir(parents=True)
        shutil.copy("x.png", folder)
    assert words in refused("data", "shard", source, out, "--workers", "1")


def test_streaming_data_module_raises_for_missing_or_truncated_shards(shards, tmp_path) -> None:
    with pytest.raises(DataError, match="colorzoo data shard"):
        StreamingDataModule(str(tmp_path)).setup("fit")
    with pytest.raises(DataError, match="FolderDataModule"):  # prediction requires the original files
        StreamingDataModule(str(shards)).originals()
    out = tmp_path / "out"
    shutil.copytree(shards, out)
    chunk = out / "train" / "chunk-0-2.bin"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"chunk-0-2\.bin' is truncated"):
        StreamingDataModule(str(out)).setup("fit")


def test_shard_reader_downloads_chunks_within_the_cache_limit(shards, tmp_path) -> None:
    cache = tmp_path / "cache"
    reader = ShardReader(f"file://{shards}", "train", cache=str(cache), cache_gigabytes=1e-9)
    here = ShardReader(str(shards), "train")
    order = torch.randperm(41, generator=torch.Generator().manual_seed(0)).tolist()
    assert all(reader[index] == here[index] for index in order)
    assert len(list(cache.rglob("*.bin"))) == 1  # the limit allows one chunk
    unlimited = ShardReader(f"file://{shards}", "train", cache=str(tmp_path / "all"))
    assert [unlimited[index][2] for index in (40, 0)] == [here[index][2] for index in (40, 0)]
    assert len(list((tmp_path / "all").rglob("*.bin"))) == 2  # only requested chunks


def test_shard_reader_downloads_changed_remote_files_again(shards, tmp_path) -> None:
    remote = tmp_path / "remote"
    shutil.copytree(shards, remote)

    def open_reader() -> ShardReader:
        return ShardReader(f"file://{remote}", "val", cache=str(tmp_path / "cache"))

    stored, label, name, _ = open_reader()[0]
    replaced = bytes(len(stored))
    for chunk in (remote / "val").glob("*.bin"):
        chunk.write_bytes(chunk.read_bytes().replace(stored, replaced))  # the size stays the same
    assert open_reader()[0] == (replaced, label, name, {})


def test_errors_of_remote_shards_name_the_address(shards, tmp_path) -> None:
    remote, cache = tmp_path / "remote", str(tmp_path / "cache")
    shutil.copytree(shards, remote)
    chunk = next((remote / "val").glob("*.bin"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"^shard 'file://{remote}/val/{chunk.name}', .* is truncated"):
        ShardReader(f"file://{remote}", "val", cache=cache)[0]
    for name in ("shards.json", "val/index.json"):
        (remote / name).write_text("{")
    with pytest.raises(DataError, match=rf"^'file://{remote}' must be a folder with shards"):
        read_manifest(f"file://{remote}", cache)
    with pytest.raises(DataError, match=rf"^'file://{remote}/val' must be a folder with shards"):
        ShardReader(f"file://{remote}", "val", cache=cache)


def test_shard_reader_raises_one_line_for_a_missing_bucket(tmp_path) -> None:
    with pytest.raises(DataError, match=r"^'index.json' cannot be downloaded from 'memory://nothing/val' "):
        ShardReader("memory://nothing", "val", cache=str(tmp_path))

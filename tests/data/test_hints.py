"""Captions and other kinds of guidance in files beside training images."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from runs import optimize_in_process
from test_shards import write_tar
from torch import Tensor

from colorzoo.apps.cli.main import main
from colorzoo.data import (
    ExemplarPairsDataModule,
    FolderDataModule,
    ImageDataModule,
    SketchDataModule,
    StreamingDataModule,
)
from colorzoo.data.shards import ShardOptions, shard_folder
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GuidanceKind, decode_text, kinds, register_kind
from colorzoo.testing.samples import write_sample_images

SMALL = {"batch_size": 2, "crop": 32, "val_size": 32, "val_batch_size": 4, "num_workers": 0}


class Warmth(GuidanceKind):
    """A kind of another package, whose value is a number."""

    name = "warmth"
    help = "share of warm colors"
    schema: ClassVar[dict[str, Any]] = {"type": "number"}

    def parse(self, value: Any, name: str) -> float:
        return float(value)

    def tensors(self, value: float, lightness: Tensor, image_size: tuple[int, int]) -> Tensor:
        assert lightness.shape == (1, 1, *image_size[::-1])
        return torch.tensor([[value]])

    def sample(self, size: tuple[int, int], batch: int, seed: int) -> Tensor:
        return torch.rand(batch, 1)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    kinds.refresh()
    register_kind(Warmth())
    yield
    kinds.refresh()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Return a folder with ``train/sample{0,2,4}.png`` and ``val/sample{1,3,5}.png``."""
    write_sample_images(tmp_path / "album", count=6)
    return tmp_path / "album"


def write_csv(folder: Path) -> None:
    (folder / "metadata.csv").write_text(
        'file_name,text,warmth\ntrain/sample0.png,"red car, blue sky",0.5\ntrain/sample2.png,,\n'
    )


def write_jsonl(folder: Path) -> None:
    row = {"file_name": "sample0.png", "text": "red car, blue sky", "warmth": 0.5}
    (folder / "train" / "metadata.jsonl").write_text(json.dumps(row) + "\n\n")


def write_named_tables(folder: Path) -> None:
    (folder / "text.csv").write_text('image,text\ntrain/sample0.png,"red car, blue sky"\n')
    (folder / "warmth.csv").write_text("image,warmth\ntrain/sample0.png,0.5\n")


def write_files(folder: Path) -> None:
    (folder / "train" / "sample0.txt").write_text("red car, blue sky\n")
    (folder / "train" / "sample0.warmth").write_text("0.5")


def write_tars(folder: Path) -> None:
    for split, numbers in (("train", (0, 2, 4)), ("val", (1, 3, 5))):
        files = [folder / split / f"sample{number}.png" for number in numbers]
        members = {path.name: path.read_bytes() for path in files}
        if split == "train":
            members |= {"sample0.txt": b"red car, blue sky", "sample0.warmth": b"0.5"}
        for path in files:
            path.unlink()
        write_tar(folder / split / "all.tar", members)


def write_val(folder: Path) -> None:
    """Give a validation image values, because each split must contain some."""
    (folder / "val" / "metadata.csv").write_text("file_name,text,warmth\nsample1.png,green field,1\n")


def samples_of(data: ImageDataModule) -> dict[str, dict[str, Any]]:
    """Return the training samples by the name of the image, without folder and extension."""
    data.setup("fit")
    samples = [data.train_data[index, index] for index in range(3)]  # type: ignore[index]
    return {Path(sample["name"]).stem: sample for sample in samples}


def test_data_hash_depends_on_captions(album: Path) -> None:
    def digest(**options: Any) -> dict[str, Any]:
        data = FolderDataModule(str(album), **SMALL, **options)
        data.setup("fit")
        found = data.digest()
        assert found is not None
        return found

    write_csv(album)
    write_val(album)
    plain, first = digest(), digest(hints=["text"])
    assert "annotations_sha256" not in plain
    assert first == plain | {"annotations_sha256": first["annotations_sha256"]}
    assert digest(hints=["text"]) == first
    table = album / "metadata.csv"
    table.write_text(table.read_text().replace("red car", "green car"))
    assert digest() == plain
    changed = digest(hints=["text"])
    assert changed["annotations_sha256"] != first["annotations_sha256"]
    assert changed["sha256"] == first["sha256"]


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_named_tables, write_files, write_tars])
def test_values_of_each_kind_of_file_are_in_the_samples(write: Callable[[Path], None], album: Path) -> None:
    write(album)
    if write is not write_tars:
        write_val(album)
    else:
        write_tar(album / "val" / "more.tar", {"sample1.txt": b""})
        (album / "val" / "metadata.csv").write_text(
            "file_name,text,warmth\nall.tar/sample1.png,green field,1\n"
        )
    samples = samples_of(FolderDataModule(str(album), hints=["text", "warmth"], **SMALL))
    assert decode_text(samples["sample0"]["text"][None]) == ["red car, blue sky"]
    assert samples["sample0"]["warmth"].tolist() == [0.5]
    for name in ("sample2", "sample4"):  # images without a value
        assert decode_text(samples[name]["text"][None]) == [""]
        assert samples[name]["warmth"].tolist() == [0]


@pytest.mark.parametrize(
    "make",
    [
        FolderDataModule,
        lambda root, **more: ExemplarPairsDataModule(root, pairing="list", **more),
        lambda root, **more: SketchDataModule(root, layout="drawings", **more),
    ],
    ids=["folder", "exemplar", "sketch"],
)
def test_batches_of_data_modules_contain_the_texts(make: Callable[..., ImageDataModule], album: Path) -> None:
    for split, number in (("train", 0), ("val", 1)):
        (album / split / "images").mkdir()
        (album / split / "lines").mkdir()
        image = album / split / f"sample{number}.png"
        (album / split / "lines" / "a.png").write_bytes(image.read_bytes())
        image.rename(album / split / "images" / "a.png")
        (album / split / "images" / "a.txt").write_text(f"red car {number}")
        for other in (album / split).glob("*.png"):
            other.unlink()
    rows = [f"{split}/images/a.png,{split}/lines/a.png,{split}" for split in ("train", "val")]
    (album / "pairs.csv").write_text("\n".join(["target,reference,split", *rows]))
    if make is FolderDataModule:
        for split in ("train", "val"):
            (album / split / "lines" / "a.png").unlink()
    data = make(str(album), hints=["text"], **SMALL)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert decode_text(batch["text"]) == ["red car 0"]
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert decode_text(batch["text"]) == ["red car 1"]


def test_shards_contain_the_values(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("litdata")
    monkeypatch.setattr("litdata.optimize", optimize_in_process)
    write_csv(album)
    write_val(album)
    words = ["data", "shard", str(album), str(tmp_path / "with"), "--hints", "text", "--hints", "warmth"]
    assert main(words) == 0
    data = StreamingDataModule(str(tmp_path / "with"), hints=["text", "warmth"], **SMALL)
    samples = samples_of(data)
    assert decode_text(samples["sample0"]["text"][None]) == ["red car, blue sky"]
    assert samples["sample0"]["warmth"].tolist() == [0.5]
    assert decode_text(samples["sample2"]["text"][None]) == [""]
    assert "text" not in samples_of(StreamingDataModule(str(tmp_path / "with"), **SMALL))["sample0"]
    shard_folder(album, tmp_path / "without", ShardOptions())
    with pytest.raises(ColorzooError, match=r"must contain text .* --hints text"):
        StreamingDataModule(str(tmp_path / "without"), hints=["text"], **SMALL).setup("fit")


def test_invalid_values_and_kinds_are_errors(album: Path) -> None:
    for names, words in ((["moisture"], "moisture"), (["seed"], "got seed"), (["points"], "got points")):
        with pytest.raises(ColorzooError, match=words):
            FolderDataModule(str(album), hints=names, **SMALL)
    data = FolderDataModule(str(album), hints=["text"], **SMALL)
    with pytest.raises(ColorzooError, match=r"no image below .* has a value of text.*metadata\.jsonl"):
        data.setup("fit")
    (album / "train" / "sample0.txt").write_text("a" * 300)
    with pytest.raises(ColorzooError, match=r"text of .*sample0\.png' must be text"):
        data.setup("fit")
    (album / "train" / "sample0.txt").write_text("red car")
    (album / "metadata.jsonl").write_text('{"file_name": "train/sample0.png"}\n["text"]\n')
    with pytest.raises(ColorzooError, match=r"line 2 of .*metadata\.jsonl"):
        data.setup("fit")


def test_weng2022code_trains_with_captions(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorzoo.zoo.weng2022code import task

    write_files(album)
    write_val(album)
    seen: list[str] = []
    monkeypatch.setattr(task, "word_numbers", lambda text: seen.append(text) or [0] * task.LENGTH)
    words = [
        "fit",
        "--config=weng2022code/small_captions.yaml",
        f"--data.root={album}",
        "--data.num_workers=0",
    ]
    words += ["--data.batch_size=3", "--data.crop=32", "--data.val_size=32", "--trainer.max_steps=1"]
    words += ["--model.width=24", "--model.text_width=16", "--trainer.accelerator=cpu"]
    assert main([*words, f"--trainer.default_root_dir={tmp_path / 'runs'}"]) == 0
    assert sorted(seen) == ["", "", "red car, blue sky"]
    assert list((tmp_path / "runs").rglob("*.ckpt"))

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
from colorzoo.evaluation.images import select_images
from colorzoo.evaluation.protocol import load_protocol
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


CAPTIONS = ["red car", "a car\u2019s red door", "blue sky"]


def write_several(folder: Path, kind: str, encoding: str) -> None:
    """Write several captions of ``train/sample0.png`` and ``val/sample1.png`` to files of one kind."""
    for name in ("train/sample0", "val/sample1"):
        if kind == "NAME.txt":
            (folder / f"{name}.txt").write_text("\n".join([*CAPTIONS, ""]), encoding=encoding)
    rows = [(f"{name}.png", text) for text in CAPTIONS for name in ("train/sample0", "val/sample1")]
    if kind == "metadata.jsonl":
        lines = [json.dumps({"file_name": name, "text": text}, ensure_ascii=False) for name, text in rows]
        (folder / kind).write_text("\n".join(lines), encoding=encoding)
    elif kind != "NAME.txt":
        header = "image,text" if kind == "text.csv" else "file_name,text"
        lines = [f'{name},"{text}"' for name, text in rows]
        (folder / kind).write_text("\n".join([header, *lines]), encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["text.csv", "metadata.csv", "metadata.jsonl", "NAME.txt"])
def test_training_and_evaluation_read_the_same_captions(kind: str, encoding: str, album: Path) -> None:
    write_several(album, kind, encoding)
    data = FolderDataModule(str(album), hints=["text"], **SMALL)
    data.setup("fit")
    validation = [data.val_data[0, seed]["text"] for seed in range(5)]  # type: ignore[index]
    assert decode_text(torch.stack(validation)) == CAPTIONS[:1] * 5
    seeds = [*range(40), *range(40)]
    texts = [decode_text(data.train_data[0, seed]["text"][None])[0] for seed in seeds]  # type: ignore[index]
    assert set(texts) == set(CAPTIONS)
    assert texts[:40] == texts[40:]
    protocol = load_protocol("automatic")
    images = {item.name: item for item in select_images(album, protocol, None, None)[0]}
    assert images["train/sample0.png"].hints == {"text": CAPTIONS[0]}
    assert images["train/sample2.png"].hints == {}
    items, deviation = select_images(album, protocol, None, None, captions="all")
    found = [item.hints["text"] for item in items if item.name == "val/sample1.png"]
    assert (found, len(items), deviation) == (CAPTIONS, 10, "all captions of each image")
    limited, _ = select_images(album, protocol, None, 1, captions="all")
    assert {item.group for item in limited} == {"train/sample0.png"}


def test_kinds_of_one_row_are_chosen_together(album: Path) -> None:
    rows = [f"train/sample0.png,{number} cars,{number}" for number in range(1, 6)]
    (album / "metadata.csv").write_text("\n".join(["file_name,text,warmth", *rows]))
    write_val(album)
    data = FolderDataModule(str(album), hints=["text", "warmth"], **SMALL)
    data.setup("fit")
    samples = [data.train_data[0, seed] for seed in range(20)]  # type: ignore[index]
    pairs = {(decode_text(each["text"][None])[0], float(each["warmth"])) for each in samples}
    assert pairs <= {(f"{number} cars", number) for number in range(1, 6)}
    assert len(pairs) > 2


def test_images_without_a_value_are_counted(album: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_several(album, "text.csv", "utf-8")
    FolderDataModule(str(album), hints=["text"], **SMALL).setup("fit")
    assert [each for each in caplog.messages if "2 of 3 images" in each and "no value of text" in each]


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
    (album / "train" / "sample0.txt").write_text("red car")
    write_several(album, "text.csv", "utf-8")
    shard_folder(album, tmp_path / "several", ShardOptions(hints=("text",)))
    data = StreamingDataModule(str(tmp_path / "several"), hints=["text"], **SMALL)
    data.setup("fit")
    chosen = [data.train_data[n, seed] for n in range(3) for seed in range(40)]  # type: ignore[index]
    assert {*decode_text(torch.stack([each["text"] for each in chosen]))} == {"", *CAPTIONS}
    manifest = tmp_path / "several" / "shards.json"
    manifest.write_text(manifest.read_text().replace('"version": 3', '"version": 2'))
    with pytest.raises(ColorzooError, match=r"must contain text .* --hints text"):
        StreamingDataModule(str(tmp_path / "several"), hints=["text"], **SMALL).setup("fit")
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

"""Evaluation images are not training images; benchmarks and records exclude the exceptions."""

import csv
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageOps

from colorzoo.data.sources import StoredImage, find_sources
from colorzoo.evaluation.seen import seen_images
from colorzoo.registry import model_card

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("COLORZOO_DATA", ROOT / "data"))
EVALUATION = ("photos/val", "photos/val_people", "scenes/val", "coco_sample/images")


@pytest.fixture
def held_out(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import _held_out

    return _held_out


def test_near_copies_finds_mirrored_resized_and_gray_copies(held_out, tmp_path) -> None:
    rng = np.random.default_rng(0)
    noise = (Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)) for _ in range(4))
    images = [image.resize((160, 120), Image.Resampling.BICUBIC) for image in noise]
    copies = [ImageOps.mirror(images[0]), images[1].resize((90, 64)), images[2].convert("L")]
    for folder, files in (("train", copies), ("val", images)):
        (tmp_path / folder).mkdir()
        for number, image in enumerate(files):
            image.save(tmp_path / folder / f"{number}.jpg")
    train = find_sources(tmp_path / "train")
    pairs = held_out.near_copies(train, find_sources(tmp_path / "val"))
    names = [tuple(Path(name).name for name in pair) for pair in pairs]
    assert names == [(f"{n}.jpg",) * 2 for n in range(3)]
    assert not held_out.near_copies([StoredImage(str(tmp_path / "val/3.jpg"))], train)


def test_claim_records_contain_no_training_images(held_out) -> None:
    checked = 0
    for record in (ROOT / "docs/claims/data").glob("*.json"):
        content = json.loads(record.read_text(encoding="utf-8"))
        for name, folder in (("photos/val", "photos/val"), ("coco_sample", "coco_sample/images")):
            if content["set"].startswith(name):  # other sets renumber their images
                paths = [f"{folder}/{Path(row['item']).name}.jpg" for row in content["rows"]]
                assert held_out.unseen(paths) == paths, record.name
                checked += len(paths)
    assert checked > 1000


def test_table_of_seen_images_contains_all_listed_images(held_out) -> None:
    """The manifest of the training images is only in the folder of the data."""
    manifest = DATA / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("no manifest here: COLORZOO_DATA names its folder")
    table = seen_images(model_card("colorzoo2026").weights["default"].seen)
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["sha256"] for row in rows if row["path"] in held_out.SEEN} == table.sha256
    training = [Path(row["source"]).stem for row in rows if row["split"] == "train"]
    validation = {name for name in training if name.startswith("ILSVRC2012_val_")}
    assert validation
    assert validation <= table.names


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_training_images_contain_no_evaluation_images(held_out) -> None:
    """``COLORZOO_MORE_PHOTOS`` names the folder of the shards that ``data/more_photos/build.py`` wrote."""
    shards = os.environ.get("COLORZOO_MORE_PHOTOS")
    folders = [folder for folder in (DATA / "photos/train", Path(shards or "none")) if folder.is_dir()]
    if not folders:
        pytest.skip("no training images here: COLORZOO_DATA and COLORZOO_MORE_PHOTOS name their folders")
    evaluation = [source for name in EVALUATION for source in find_sources(DATA / name)]
    training = (source for folder in folders for source in find_sources(folder))
    assert held_out.near_copies(training, evaluation) == []

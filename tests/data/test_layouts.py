import json
import shutil
from functools import partial
from pathlib import Path

import miniatures
import pytest
import torch

from colorzoo.data import (
    CocoStuffDataModule,
    ImageDataModule,
    ImageNetDataModule,
    ImageTable,
    PlacesDataModule,
)
from colorzoo.data.imagenet import subset_rows
from colorzoo.data.sources import Sources, StoredImage
from colorzoo.errors import DataError


def found_images(data_module: type[ImageDataModule], root: Path, split: str, **settings) -> ImageTable:
    return data_module(str(root), **settings).find_images(split)


imagenet_images = partial(found_images, ImageNetDataModule)
places_images = partial(found_images, PlacesDataModule)
coco_stuff_images = partial(found_images, CocoStuffDataModule)


def names(images):
    return [Path(source.member or source.path).name for source in images.sources]


def test_imagenet_images_labels_train_by_synset(tmp_path):
    found = imagenet_images(miniatures.imagenet(tmp_path), "train", labels=True)
    assert names(found)[:3] == ["n01440764_0.JPEG", "n01440764_3.JPEG", "n01443537_1.JPEG"]
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert imagenet_images(tmp_path, "train").labels is None


@pytest.mark.parametrize("by_synset", [True, False])
def test_imagenet_images_sorts_val_by_file_name_in_every_layout(tmp_path, by_synset):
    root = miniatures.imagenet(tmp_path, by_synset=by_synset)
    assert names(imagenet_images(root, "val")) == [f"ILSVRC2012_val_{n:08d}.JPEG" for n in (1, 2, 3, 4)]
    if by_synset:
        assert imagenet_images(root, "val", labels=True).labels.tolist() == [2, 0, 1, 2]
        return
    with pytest.raises(DataError, match="no synset folder"):
        imagenet_images(root, "val", labels=True)


def full_val():
    return Sources.of(StoredImage(f"/val/ILSVRC2012_val_{n:08d}.JPEG") for n in range(1, 50001))


def test_subset_rows_selects_the_published_ctest10k_and_first5k_images():
    val = full_val()
    ctest = subset_rows(val, "ctest10k")
    assert len(ctest) == 10000
    assert val[int(ctest[0])].path == "/val/ILSVRC2012_val_00025275.JPEG"
    assert val[int(ctest[-1])].path == "/val/ILSVRC2012_val_00050000.JPEG"
    first = subset_rows(val, "first5k")
    assert torch.equal(first, torch.arange(5000))


def test_places_images_reads_places205(tmp_path):
    root = miniatures.places205(tmp_path)
    assert places_images(root, "train", edition="205", labels=True).labels.tolist() == [0, 1, 0, 1]
    val = places_images(root, "val", edition="205")
    assert names(val) == ["gsun_5.jpg", "gsun_4.jpg"]  # in list order
    assert val.labels is None


def test_places365_numbers_validation_classes_like_training_classes(tmp_path):
    root = miniatures.places365_easy(tmp_path)
    first, second = miniatures.PLACES[:2]
    shutil.rmtree(root / "places365_standard/val" / first)
    assert places_images(root, "val", labels=True).labels.tolist() == [1]
    (root / "places365_standard/val" / second).rename(root / "places365_standard/val/zoo")
    assert len(places_images(root, "val")) == 1
    with pytest.raises(DataError, match="not in a class folder"):
        places_images(root, "val", labels=True)


@pytest.mark.parametrize("make", [miniatures.places365_easy, miniatures.places365_listed])
def test_places_images_reads_both_places365_layouts(tmp_path, make):
    root = make(tmp_path)
    train = places_images(root, "train", labels=True)
    assert sorted(train.labels.tolist()) == [0, 0, 1, 1]
    assert len(places_images(root, "val")) == 2


def test_coco_stuff_images_returns_relative_boxes_without_crowds(tmp_path):
    notes = miniatures.coco_stuff(tmp_path) / "annotations" / "instances_val2017.json"
    content = json.loads(notes.read_text())
    content["annotations"][1]["bbox"] = [54, 14, 36, 21]  # in an image of 72 x 56 pixels
    notes.write_text(json.dumps(content))
    found = coco_stuff_images(tmp_path, "val", boxes=True, classes=True)
    assert found.boxes.counts().tolist() == [1, 1, 0]
    assert found.boxes[1].tolist() == [[0.75, 0.25, 1, 0.625]]
    assert found.select(torch.tensor([2, 0])).boxes.counts().tolist() == [0, 1]
    assert names(found) == [f"{n:012d}.jpg" for n in (6, 7, 8)]
    boxed = coco_stuff_images(tmp_path, "val", only_with_boxes=True, classes=True)
    assert (names(boxed), len(boxed.classes)) == (names(found)[:2], 2)


@pytest.mark.parametrize(
    ("make", "find", "missing", "what"),
    [
        ("imagenet", imagenet_images, "val", "ImageNet folder 'val' not found.*img_val.tar"),
        ("places365_listed", places_images, "places365_val.txt", "list of Places365.*standard.tar"),
        ("coco_stuff", coco_stuff_images, f"stuffthingmaps/val2017/{7:012}.png", "1 of 3 .*missing.*07.png"),
    ],
)
def test_data_set_readers_raise_one_line_error_for_missing_parts(tmp_path, make, find, missing, what):
    root = getattr(miniatures, make)(tmp_path)
    (root / missing).rename(root / "away")
    options = {"classes": True} if make == "coco_stuff" else {}
    with pytest.raises(DataError, match=what) as caught:
        find(root, "val", **options)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)

"""Tiny data sets in the official layouts, generated from two CC0 images (see NOTICE)."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

IMAGES = sorted((Path(__file__).parent / "images").glob("*.jpg"))
SYNSETS = ("n01440764", "n01443537", "n02123045")
PLACES = ("abbey", "airfield")


def write_image(path: Path, number: int, size: tuple[int, int] = (72, 56)) -> Path:
    """Write a colored image that depends on the number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(IMAGES[number % len(IMAGES)]) as image:
        turned = image.convert("RGB").rotate(13 * (number // len(IMAGES)))
        ImageOps.fit(turned, size).save(path)
    return path


def folder(root: Path, train: int = 6, val: int = 3) -> Path:
    for number in range(train):
        write_image(root / "train" / f"{number}.jpg", number)
    for number in range(val):
        write_image(root / "val" / f"{number}.jpg", train + number)
    return root


def imagenet(root: Path, *, by_synset: bool = True) -> Path:
    """Write six training images of three synsets and four validation images of synsets 2, 0, 1 and 2."""
    for number in range(6):
        synset = SYNSETS[number % 3]
        write_image(root / "train" / synset / f"{synset}_{number}.JPEG", number)
    for number, place in enumerate((2, 0, 1, 2), 1):
        val = root / "val" / SYNSETS[place] if by_synset else root / "val"
        write_image(val / f"ILSVRC2012_val_{number:08d}.JPEG", 5 + number)
    return root


def places205(root: Path) -> Path:
    images = root / "data/vision/torralba/deeplearning/images256"
    lines = []
    for number in range(6):
        name = f"a/{PLACES[number % 2]}/gsun_{number}.jpg"
        write_image(images / name, number)
        lines.append(f"{name} {number % 2}")
    lists = root / "trainvalsplit_places205"
    lists.mkdir()
    (lists / "train_places205.csv").write_text("\n".join(lines[:4]) + "\n")
    (lists / "val_places205.csv").write_text("\n".join(lines[:3:-1]) + "\n")
    return root


def places365_easy(root: Path) -> Path:
    for number in range(6):
        split = "train" if number < 4 else "val"
        path = root / "places365_standard" / split / PLACES[number % 2] / f"{number:08d}.jpg"
        write_image(path, number)
    return root


def places365_listed(root: Path) -> Path:
    """Write the layout of torchvision."""
    train, val = [], []
    for number in range(4):
        name = f"/a/{PLACES[number % 2]}/{number:08d}.jpg"
        write_image(root / "data_256_standard" / name[1:], number)
        train.append(f"{name} {number % 2}")
    for number in range(2):
        name = f"Places365_val_{number + 1:08d}.jpg"
        write_image(root / "val_256" / name, 4 + number)
        val.append(f"{name} {1 - number}")
    (root / "places365_train_standard.txt").write_text("\n".join(train) + "\n")
    (root / "places365_val.txt").write_text("\n".join(val) + "\n")
    return root


def coco_stuff(root: Path) -> Path:
    """Write images with class 3 and a box at the upper left; the last image has no box."""
    for split, numbers in (("train", range(1, 6)), ("val", range(6, 9))):
        year = f"{split}2017"
        for number in numbers:
            write_image(root / year / f"{number:012d}.jpg", number)
            stuff = np.full((56, 72), 255, np.uint8)
            stuff[:42, :36] = 2
            path = root / "stuffthingmaps" / year / f"{number:012d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(stuff).save(path)
        (root / "annotations").mkdir(exist_ok=True)
        content = json.dumps(instances(list(numbers)))
        (root / "annotations" / f"instances_{year}.json").write_text(content)
    return root


def instances(numbers: list[int]) -> dict[str, object]:
    """Return boxes in the COCO format; the last image has only a crowd annotation."""
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": 72, "height": 56} for n in numbers]
    notes = [
        {"iscrowd": int(n == numbers[-1]), "image_id": n, "bbox": [0, 0, 36, 42], "id": 100 + n}
        for n in numbers
    ]
    return {"images": images, "annotations": notes}

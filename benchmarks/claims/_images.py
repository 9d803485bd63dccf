"""Images of the claims: single photos, pairs with a reference, pairs with true classes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import imagenet_classes
from benchmarks._held_out import unseen
from benchmarks.claims._experiment import ENOUGH, MOST, Item, Setup, spread
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.errors import DataError
from colorzoo.factory import create_coloring_model
from colorzoo.metrics.classification import ClassifierAccuracy
from colorzoo.metrics.feature_networks import LITE0
from colorzoo.metrics.fid import FID
from colorzoo.metrics.psnr import psnr_8bit, to_8bit

PAIRS = 24
LEAST_SHARE = 0.05  # of an image, for a class that a pair shares or lacks
FEATURE_SIDE = 64


def images_in(folder: Path) -> list[Path]:
    """Return the unseen JPEGs of a folder, sorted by name; see `benchmarks._held_out`."""
    if not (found := unseen(sorted(folder.resolve().glob("*.jpg")))):
        raise DataError(f"{folder} holds no *.jpg; name the folder of the data with --data.")
    return found


def evenly(folder: str, number: int, first: int = 0, count: int = 0) -> Callable[[Setup], Sequence[Item]]:
    """Return a function that lists evenly spaced images of a folder; see `spread`.

    Args:
        folder: Folder below the data.
        number: As of `spread`.
        first: As of `spread`.
        count: Number of images unless the setup has one; by default ``number``.
    """

    def find(setup: Setup) -> Sequence[Item]:
        chosen = spread(images_in(setup.data / folder), number, first)
        return [Item(path.stem, (path,)) for path in chosen[: setup.count or count or number]]

    return find


def central_square(image: Tensor) -> Tensor:
    """Return the central square of ``(1, C, H, W)``."""
    edge = min(image.shape[-2:])
    top, left = ((length - edge) // 2 for length in image.shape[-2:])
    return image[..., top : top + edge, left : left + edge]


def read_square(path: Path, side: int) -> Tensor:
    """Return the central square of an image: ``(1, 3, side, side)`` in [0, 1]."""
    square = central_square(decode_rgb(path.read_bytes())[None].float() / 255)
    if square.shape[-1] == side:
        return square
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


def join_lab(lightness: Tensor, ab: Tensor) -> Tensor:
    """Return lightness and colors as sRGB ``(1, 3, H, W)`` in [0, 1]."""
    return lab_to_rgb_in_gamut(torch.cat([lightness, ab.float()], dim=1)).clamp(0, 1)


def psnr_of(lightness: Tensor, ab: Tensor, rgb: Tensor) -> float:
    """Return the PSNR over 8-bit RGB of colors with the true lightness."""
    return float(psnr_8bit(join_lab(lightness, ab), rgb))


def find_references(setup: Setup) -> Sequence[Item]:
    """Return evenly spaced triples: target, related reference, and the reference of another category.

    The pairs are those in color of ``exemplar/pairs.csv`` and two photos of one category of ``photos/val``.
    """
    data = setup.data
    with (data / "exemplar" / "pairs.csv").open(newline="", encoding="utf-8") as stream:
        listed = [row for row in csv.DictReader(stream) if row["target_is_gray"] == "0"]
    pairs = [
        (data / row["target"], data / row["reference"], Path(row["target"]).parent.name) for row in listed
    ]
    groups: dict[str, list[Path]] = defaultdict(list)
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream) if row["path"].startswith("photos/val/")}
        for row in (rows[path] for path in unseen(rows)):
            if row["category"] != "bsds":
                groups[row["category"]].append(data / row["path"])
    for category, paths in groups.items():
        pairs += [(one, other, category) for one, other in zip(paths[::2], paths[1::2], strict=False)]
    order = spread(pairs, PAIRS)
    foreign = order[:PAIRS]  # unrelated references come from these, so that another count changes none
    items = []
    for index, (target, reference, category) in enumerate(order[: setup.count or MOST]):
        after = foreign[index % PAIRS + 1 :] + foreign
        other = next(pair[1] for pair in after if pair[2] != category)
        items.append(Item(f"{category}/{target.stem}", (target, reference, other)))
    return items


def find_labeled_pairs(setup: Setup) -> Sequence[Item]:
    """Return images of COCO, each with a random reference that shares a class with it."""
    files = images_in(setup.data / "coco_sample" / "images")
    classes = {path: large_classes(labels_of(path)) for path in files}
    generator = np.random.default_rng(0)
    items = []
    for target in spread(files, PAIRS):
        others = [path for path in files if path != target and classes[path] & classes[target]]
        if others:
            items.append(Item(target.stem, (target, others[int(generator.choice(len(others)))])))
    return items[: setup.count or ENOUGH]


def find_classified(setup: Setup) -> Sequence[Item]:
    """Return the photos of ``photos/val`` with a class of ImageNet, which is their payload."""
    found = imagenet_classes(setup.data / "manifest.csv", "photos/val")
    items = [Item(Path(path).stem, (setup.data / path,), label) for path, label in found.items()]
    return spread(items, MOST)[: setup.count or MOST]


@torch.inference_mode()
def most_alike(paths: Sequence[Path], side: int) -> dict[Path, Path]:
    """Return for each image the other one whose gray EfficientNet-Lite0 finds most alike."""
    encode = FID(LITE0).features
    seen = (rgb_to_lab(read_square(path, side))[:, :1] for path in paths)
    vectors = torch.cat(
        [encode(join_lab(each, torch.zeros_like(each).expand(-1, 2, -1, -1))) for each in seen]
    )
    unit = F.normalize(vectors - vectors.mean(dim=0))
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1).tolist()
    return {path: paths[other] for path, other in zip(paths, nearest, strict=True)}


def make_judge() -> Callable[[str, Tensor, int], dict[str, float]]:
    """Return a function that asks EfficientNet-Lite0 for the class of an image.

    It takes a name, the image ``(1, 3, H, W)`` in [0, 1] and its class, and returns 1 under ``NAME top1``
    and ``NAME top5`` if the class is the first answer or among the first five, else 0.
    """
    accuracy = ClassifierAccuracy(LITE0)

    def judge(name: str, rgb: Tensor, label: int) -> dict[str, float]:
        found = accuracy(to_8bit(rgb) / 255, torch.tensor([label]))
        return {f"{name} {key.partition('_')[0]}": float(value) for key, value in found.items()}

    return judge


def labels_of(image: Path) -> Path:
    """Return the label map of an image."""
    return image.parents[1] / "semantic" / f"{image.stem}.png"


def large_classes(labels: Path) -> set[int]:
    """Return the classes that cover at least `LEAST_SHARE` of a label map."""
    with Image.open(labels) as image:
        numbers, counts = np.unique(np.array(image), return_counts=True)
    least = LEAST_SHARE * counts.sum()
    return {int(n) for n, count in zip(numbers, counts, strict=True) if n and count >= least}


def read_labels(image: Path, side: int) -> Tensor:
    """Return the true classes of the central square: ``(1, 1, side, side)``, -1 for unlabeled."""
    with Image.open(labels_of(image)) as label_map:
        labels = torch.from_numpy(np.array(label_map)).float()[None, None]
    small = F.interpolate(central_square(labels), size=(side, side), mode="nearest").long()
    return torch.where(small == 0, -1, small)


class FeatureDistance:
    """Distance of features that replaces LPIPS, whose network cannot be had here.

    As in LPIPS, maps are normalized along their channels, subtracted and squared; the learned weights of
    channels are missing, and the network is a colorizer. Numbers compare only within the same features, and a
    model must not be measured by its own.

    Args:
        name: ``xu2020_small`` (its encoder) or ``cho2023_small`` (its segmenter, on R, G and B as sketches).
    """

    def __init__(self, name: str) -> None:
        self.model: Any = create_coloring_model(name, offline=True).eval()
        self.maps: list[Tensor] = []
        parts = {
            "xu2020_small": [f"transfer.encoder.{part}" for part in ("conv2_2", "conv3_4", "conv4_1")],
            "cho2023_small": [f"segmenter.down.{number}" for number in range(3)],
        }
        self.sketches = name == "cho2023_small"
        for part in parts[name]:
            hooked = self.model.network.get_submodule(part)
            hooked.register_forward_hook(lambda _module, _inputs, out: self.maps.append(out))

    def features(self, rgb: Tensor) -> list[Tensor]:
        """Return maps of an image ``(1, 3, H, W)``."""
        self.maps.clear()
        small = F.interpolate(rgb, size=(FEATURE_SIDE, FEATURE_SIDE), mode="area")
        with torch.inference_mode():
            if self.sketches:
                self.model.network.divide(small.transpose(0, 1))
            else:
                self.model.features(small)
        return [F.normalize(each.float()) for each in self.maps]

    def __call__(self, rgb: Tensor, truth: Tensor) -> float:
        """Return the distance of two images; 0 for the same."""
        pairs = zip(self.features(rgb), self.features(truth), strict=True)
        return float(sum((one - other).square().sum(1).mean() for one, other in pairs))

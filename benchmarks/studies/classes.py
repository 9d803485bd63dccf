r"""What classes are worth in exemplar colorization: table III of SPColor in small, its loss, its classes.

Pairs are pictures of a folder with label maps (``images/*.jpg``, ``semantic/*.png``, ``annotations.json``
with the categories): each target with a reference that shares a class with it, drawn by a seed. Central
256 x 256::

    python -m benchmarks.studies.classes merging --coco coco_sample --scenes scenes
    python -m benchmarks.studies.classes clusters --coco coco_sample
    python -m benchmarks.studies.classes smp --coco coco_sample --checkpoints SMP.ckpt PLAIN.ckpt NONE.ckpt
    python -m benchmarks.studies.classes video --frames video/tennis

What is measured by the weights that ship alone is a claim: ``python -m benchmarks.claims chen2023``. Every
mean is over pictures, with its 95 % interval."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from benchmarks._command import run_command
from benchmarks._photos import pictures_in
from colorzoo import create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.warp_net import unit_features

SIDE = 256
LEAST = 0.05  # share of a picture that a shared class covers in both
MERGED = (1, 4, 10, 22, 27)


@dataclass(frozen=True)
class Labeled:
    """A picture with its true classes: ``(1, 3, S, S)`` in [0, 1] and ``(1, 1, S, S)``, -1 unlabeled."""

    rgb: Tensor
    labels: Tensor


def read_labeled(folder: Path, limit: int | None) -> list[Labeled]:
    """Return the central squares of a folder's pictures, without those that are too small."""
    found = []
    for path in pictures_in(folder / "images")[:limit]:
        rgb = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        with Image.open(folder / "semantic" / f"{path.stem}.png") as image:
            labels = torch.from_numpy(np.array(image)).long()[None, None]
        if min(rgb.shape[-2:]) < SIDE:
            continue
        top, left = ((side - SIDE) // 2 for side in rgb.shape[-2:])
        window = (..., slice(top, top + SIDE), slice(left, left + SIDE))
        found.append(Labeled(rgb[window], torch.where(labels == 0, -1, labels)[window]))
    return found


def draw_pairs(pictures: list[Labeled], seed: int = 0) -> list[tuple[Labeled, Labeled]]:
    """Give each picture a reference that shares a class with it, where there is one."""
    large = [_large_classes(picture) for picture in pictures]
    generator = np.random.default_rng(seed)
    pairs = []
    for index, target in enumerate(pictures):
        others = [j for j, classes in enumerate(large) if j != index and classes & large[index]]
        if others:
            pairs.append((target, pictures[int(generator.choice(others))]))
    return pairs


def _large_classes(picture: Labeled) -> set[int]:
    names, counts = picture.labels.unique(return_counts=True)
    shares = counts / picture.labels.numel()
    return {int(n) for n, share in zip(names, shares, strict=True) if n >= 0 and share >= LEAST}


def interval(values: list[float]) -> str:
    """Return mean and half the 95 % interval of a list."""
    array = np.array(values)
    half = 1.96 * array.std(ddof=1) / len(array) ** 0.5
    return f"{array.mean():.3f} +- {half:.3f} (n = {len(array)})"


@torch.inference_mode()
def merging(model: Any, pairs: list[tuple[Labeled, Labeled]], scenes: Path | None) -> None:
    """Print Table III in small: error, Frechet distance, top-1 and time by the number of classes."""
    truth = torch.cat([describe(model, target.rgb) for target, _ in pairs])
    judge = None if scenes is None else SceneJudge(model, scenes)
    print("| classes | ab error | Frechet distance | top-1 | ms of matching |\n|---|---|---|---|---|")
    if judge is not None:
        print(f"| true colors | 0 | 0 | {judge.share(lambda *shown: shown[1]):.3f} | |")
        print(f"| gray | | | {judge.share(lambda *shown: as_gray(shown[0])):.3f} | |")
    for count in MERGED:
        model.segmenter.classes = count
        errors, rows, spent = [], [], []
        for target, reference in pairs:
            lab = rgb_to_lab(target.rgb)
            ab = model(lab[:, :1], Guidance(exemplar=Exemplar(reference.rgb))).ab
            errors.append(float((ab - lab[:, 1:]).norm(dim=1).mean()))
            rows.append(describe(model, lab_to_rgb(torch.cat([lab[:, :1], ab], 1))))
            spent.append(matching_time(model, target, reference))
        top = "" if judge is None else f"{judge.share(partial(colored_like, model)):.3f}"
        distance = frechet(truth, torch.cat(rows))
        print(
            f"| {count} | {interval(errors)} | {distance:.2f} | {top} | {1000 * np.median(spent):.0f} |",
            flush=True,
        )


def colored_like(model: Any, luma: Tensor, rgb: Tensor, look: Tensor) -> Tensor:
    """Return a picture colored like another one; its own colors are not looked at."""
    del rgb
    ab = model(luma, Guidance(exemplar=Exemplar(look))).ab
    return lab_to_rgb(torch.cat([luma, ab], dim=1))


def as_gray(luma: Tensor) -> Tensor:
    """Return lightness as RGB."""
    return lab_to_rgb(torch.cat([luma, torch.zeros_like(luma), torch.zeros_like(luma)], dim=1))


def matching_time(model: Any, target: Labeled, reference: Labeled) -> float:
    """Return the seconds that the processor spends on matching alone."""
    luma = rgb_to_lab(target.rgb)[:, :1]
    seen, other = model.features.of_luma(luma), model.features.of_rgb(reference.rgb)
    ours, theirs = (model.correspondence(unit_features(each.taps)) for each in (seen, other))
    classes = [
        model.classify(part, each).labels
        for part, each in ((luma, seen), (rgb_to_lab(reference.rgb)[:, :1], other))
    ]
    ab = F.avg_pool2d(rgb_to_lab(reference.rgb)[:, 1:], 4)
    start = time.process_time()
    model.correspondence.warp(ours, theirs, ab, (classes[0], classes[1]))
    return time.process_time() - start


def describe(model: Any, rgb: Tensor) -> Tensor:
    """Return ``(16, C)`` features of zhang2016_small that see red, green and blue, at 4 x 4 places."""
    deepest = model.features.semantic(rgb)[-1]
    return F.adaptive_avg_pool2d(deepest, 4).flatten(2)[0].T


def frechet(one: Tensor, other: Tensor) -> float:
    """Return the Frechet distance of two sets of features."""
    sets = [part.double().numpy() for part in (one, other)]
    (a, b), (s, t) = [part.mean(axis=0) for part in sets], [np.cov(part.T) for part in sets]
    return float(((a - b) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real))


class SceneJudge:
    """A classifier of scenes that can be had here: nearest mean of a class, on layers of zhang2016_small.

    Learned on the true colors of ``scenes/train``; asked on ``scenes/val``, with references of their class.
    """

    def __init__(self, model: Any, folder: Path) -> None:
        self.model = model
        names = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
        rows, labels, self.asked = [], [], []
        for number, name in enumerate(names):
            looks = list(_squares(folder / "train" / name))
            rows += [self._row(rgb) for rgb in looks]
            labels += [number] * len(looks)
            self.asked += [
                (rgb, looks[i % len(looks)], number) for i, rgb in enumerate(_squares(folder / "val" / name))
            ]
        features, numbers = torch.stack(rows).double(), torch.tensor(labels)
        self.means = torch.stack([features[numbers == n].mean(0) for n in range(len(names))])
        left = features - self.means[numbers]
        spread = left.T @ left / len(left)
        self.inverse = torch.linalg.inv(spread + 0.3 * spread.diagonal().mean() * torch.eye(len(spread)))

    def share(self, color: Callable[[Tensor, Tensor, Tensor], Tensor]) -> float:
        """Return the share of pictures that are recognized as ``color`` (luma, rgb, reference) shows them."""
        right = 0
        for rgb, look, number in self.asked:
            row = self._row(color(rgb_to_lab(rgb)[:, :1], rgb, look)).double()
            away = self.means - row
            right += int(((away @ self.inverse) * away).sum(1).argmin()) == number
        return right / len(self.asked)

    def _row(self, rgb: Tensor) -> Tensor:
        return torch.cat([part.mean(dim=(2, 3))[0] for part in self.model.features.semantic(rgb)[1:]])


def _squares(folder: Path, side: int = 160) -> Iterator[Tensor]:
    for path in pictures_in(folder):
        with Image.open(path) as image:
            rgb = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
        top, left = ((length - side) // 2 for length in rgb.shape[-2:])
        yield rgb[..., top : top + side, left : left + side]


@torch.inference_mode()
def clusters(model: Any, pictures: list[Labeled], folder: Path) -> None:
    """Print how well the classes agree with COCO's 27 groups of categories; every second picture is left out.

    (Those served to choose the features that are clustered.)
    """
    content = json.loads((folder / "annotations.json").read_text())
    groups = sorted({category["supercategory"] for category in content["categories"]})
    table = torch.full((256,), -1)
    for category in content["categories"]:
        table[category["id"]] = groups.index(category["supercategory"])
    counts = torch.zeros(model.class_count, len(groups))
    for picture in pictures[1::2]:
        found = model.segment(rgb_to_lab(picture.rgb)[:, :1])
        true = torch.where(picture.labels >= 0, table[picture.labels.clamp(min=0)], -1)
        keep = true >= 0
        counts.view(-1).index_add_(0, found[keep] * len(groups) + true[keep], torch.ones(int(keep.sum())))
    union = counts.sum(1, keepdim=True) + counts.sum(0, keepdim=True) - counts
    iou = (counts / union.clamp(min=1)).numpy()
    chosen = linear_sum_assignment(-iou)
    joint = counts / counts.sum()
    own, true = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    mutual = float((joint * (joint / (own * true).clamp(min=1e-20)).clamp(min=1e-20).log()).sum())
    entropy = [-float((p * p.clamp(min=1e-20).log()).sum()) for p in (own, true)]
    print(f"classes {model.class_count}, groups {len(groups)}, pictures {len(pictures[1::2])}")
    print(f"purity {float(counts.amax(1).sum() / counts.sum()):.3f} (largest group: {float(true.max()):.3f})")
    print(f"matched mIoU {iou[chosen].mean():.3f}, mutual information {2 * mutual / sum(entropy):.3f} of 1")


@torch.inference_mode()
def video(folder: Path, count: int) -> None:
    """Print error and flicker of zhang2019_small over frames; the first one in color is the reference."""
    model: Any = create_model("zhang2019_small")
    frames = torch.cat([*_squares(folder, 224)][:count])
    lab, exemplar = rgb_to_lab(frames), Exemplar(frames[:1])
    after = model.color_frames(lab[1:, :1], exemplar)
    alone = torch.cat([model(luma, Guidance(exemplar=exemplar)).ab for luma in torch.split(lab[1:, :1], 1)])
    for name, ab in (("with the previous frame", after), ("each alone", alone), ("true colors", lab[1:, 1:])):
        error = [float(each) for each in (ab - lab[1:, 1:]).norm(dim=1).mean(dim=(1, 2))]
        flicker = [float(each) for each in (ab[1:] - ab[:-1]).norm(dim=1).mean(dim=(1, 2))]
        print(f"{name}: ab error {interval(error)}, change of ab between frames {interval(flicker)}")


@torch.inference_mode()
def smp(checkpoints: list[Path], pairs: list[tuple[Labeled, Labeled]]) -> None:
    """Print what the semantic perceptual loss changes: error and Frechet distance of checkpoints."""
    print("| checkpoint | ab error | Frechet distance |\n|---|---|---|")
    for path in checkpoints:
        model: Any = create_model("chen2023_small", path)
        errors, truth, rows = [], [], []
        for target, reference in pairs:
            lab = rgb_to_lab(target.rgb)
            rgb = colored_like(model, lab[:, :1], target.rgb, reference.rgb)
            errors.append(float((rgb_to_lab(rgb)[:, 1:] - lab[:, 1:]).norm(dim=1).mean()))
            rows.append(describe(model, rgb))
            truth.append(describe(model, target.rgb))
        print(
            f"| {path} | {interval(errors)} | {frechet(torch.cat(truth), torch.cat(rows)):.2f} |", flush=True
        )


def main() -> None:
    """Measure one claim and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("merging", "clusters", "smp", "video"))
    parser.add_argument("--coco", type=Path)
    parser.add_argument("--frames", type=Path, help="folder of the frames of a video")
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    needed = "frames" if args.what == "video" else "coco"
    if getattr(args, needed) is None:
        parser.error(f"{args.what} needs --{needed} FOLDER")
    torch.set_num_threads(1)
    if args.what == "video":
        video(args.frames, args.limit or 20)
        return
    pictures = read_labeled(args.coco, args.limit)
    pairs = draw_pairs(pictures)
    if args.what == "smp":
        smp(args.checkpoints, pairs)
        return
    model = create_model("chen2023_small", args.weights)
    if args.what == "merging":
        merging(model, pairs, args.scenes)
    else:
        clusters(model, pictures, args.coco)


if __name__ == "__main__":
    run_command(main)

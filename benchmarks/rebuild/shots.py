"""Train the detector of shot boundaries: ``python -m benchmarks.rebuild.shots DATA OUT``.

DATA contains ``video/NAME/*.jpg``, of which `CLIPS` are used, and photos in ``photos/train``. The films and
their transitions are made by `benchmarks.transitions`. Shaking cameras, objects that cross the picture, zooms
and lamps are added, because they look like transitions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.transitions import HEIGHT, WIDTH, Frames, Transition, make_films
from colorzoo.apps.video.shots import SMALL_SIZE, BoundaryNetwork, frame_measures
from colorzoo.data.decode import decode_rgb
from colorzoo.data.sources import find_sources
from colorzoo.weights.load import save_weights

CLIPS = ("blackswan", "camel", "libby", "tennis")
"""Clips of the training; the others measure the recall."""
KINDS = {"cut": 36, "dissolve": 30, "fade": 12}
PHOTOS, SEEDS, STEPS = 2700, 60, 6000
_WINDOW, _WINDOWS = 512, 4  # frames of a training sample, and samples of a step
_NOISE, _NOISY = 0.15, 0.7  # standard deviation of the noise, and share of the samples with noise
_CUT_WEIGHT = 4.0


def gray(data: bytes) -> NDArray[np.float32]:
    """Return the gray levels ``(H, W)`` of an image file."""
    return decode_rgb(data).float().mean(0).numpy()


def disturb(rng: np.random.Generator, objects: Sequence[Frames], shot: Frames) -> Frames:
    """Return a shot ``(T, H, W)`` with changes that are no transition."""
    shot, times = shot.copy(), np.arange(len(shot))
    maps = np.tile(np.eye(2, 3, dtype=np.float32), (len(shot), 1, 1))
    if rng.random() < 0.3:  # a shaking camera
        offsets = np.cumsum(rng.normal(0, rng.integers(2, 12) / 3, (len(shot), 2)), 0)
        maps[:, :, 2] = offsets % (40, 24) - (20, 12)
    if rng.random() < 0.3:  # a zoom
        factors = np.exp(rng.uniform(-0.02, 0.02) * (times - len(shot) / 2))
        maps[:, :, 2] += np.outer(1 - factors, (WIDTH / 2, HEIGHT / 2))
        maps[:, [0, 1], [0, 1]] = factors[:, None]
    for number, each in enumerate(maps):
        shot[number] = cv2.warpAffine(shot[number], each, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.4:  # a large object crosses the picture
        image = cv2.resize(objects[int(rng.integers(len(objects)))][0], (WIDTH, HEIGHT))
        width, height = rng.integers(30, 110), rng.integers(25, 72)
        start, speed = rng.integers(len(shot)), rng.uniform(1, 14) * rng.choice([-1, 1])
        y = int(rng.integers(-20, 60))
        for number in range(len(shot)):
            x = int(speed * (number - start) + 20)
            part = shot[number, max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
            part[:] = image[: part.shape[0], : part.shape[1]]
    if rng.random() < 0.15:  # lamps that are switched
        shot[rng.integers(len(shot)) :] *= rng.uniform(0.5, 1.6)
    return shot


def labels_of(count: int, truth: Sequence[Transition]) -> NDArray[np.float32]:
    """Return whether a shot starts at each frame, and whether the frame shows two shots, ``(T, 2)``."""
    labels = np.zeros((count, 2), np.float32)
    for kind, first, end in truth:
        middle, radius = (first + end) / 2, max(1, (end - first) / 8)
        if kind == "cut":
            labels[first, 0] = 1
        else:
            labels[max(0, int(np.ceil(middle - radius))) : int(middle + radius) + 1, 0] = 1
            labels[first:end, 1] = 1
    return labels


def training_set(
    clips: Sequence[Frames], photos: Sequence[Frames], seeds: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield the measures and the labels of films."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        sources = [photos[number] for number in rng.integers(0, len(photos), 20)] + [*clips] * 3
        films = make_films(
            sources,
            seed,
            KINDS,
            films=4,
            disturb=partial(disturb, rng, photos),
        )
        for frames, truth in films:
            small = np.stack([cv2.resize(each, SMALL_SIZE, interpolation=cv2.INTER_AREA) for each in frames])
            yield frame_measures(small), labels_of(len(frames), truth)


def train(measures: torch.Tensor, labels: torch.Tensor, steps: int) -> BoundaryNetwork:
    """Train the network on the measures ``(T, C)`` and labels ``(T, 2)`` of all films."""
    torch.manual_seed(0)
    network, rng = BoundaryNetwork(), np.random.default_rng(0)
    network.mean.data, network.scale.data = measures.mean(0), measures.std(0) + 1e-3
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, steps)
    weights = torch.tensor([_CUT_WEIGHT, 1.0])
    window = min(_WINDOW, len(measures) - 1)
    for _ in range(steps):
        loss = torch.zeros(())
        for start in rng.integers(len(measures) - window, size=_WINDOWS):
            sample = measures[start : start + window]
            noise = _NOISE * network.scale * torch.randn_like(sample) * (rng.random() < _NOISY)
            losses = F.binary_cross_entropy_with_logits(
                network(sample + noise), labels[start : start + window], pos_weight=weights, reduction="none"
            )
            loss = loss + losses.mean(0) @ weights / _WINDOWS
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network


def main(words: Sequence[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args(words)
    clips = [
        np.stack([gray(path.read_bytes()) for path in sorted((given.data / "video" / name).iterdir())])
        for name in CLIPS
    ]
    found = find_sources(given.data / "photos" / "train")
    photos = [gray(found[number].read())[None] for number in range(min(PHOTOS, len(found)))]
    parts = list(training_set(clips, photos, given.seeds))
    measures, labels = (torch.from_numpy(np.concatenate(each)) for each in zip(*parts, strict=True))
    network = train(measures, labels, given.steps)
    save_weights(given.out, network.state_dict(), {"model": "shot_boundaries"})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

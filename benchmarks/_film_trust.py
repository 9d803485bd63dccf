"""Fit the trust of `colorzoo.apps.video.memory` on composed scenes.

``python -m benchmarks._film_trust DATA`` composes pairs of frames from photographs and from objects of
``DATA/coco_sample``: the key shows a photograph with an object; the other frame shows another part of the
photograph, in which the object is moved, scaled or mirrored, or is missing, and in which another object can
appear. In one pair of seven, the photographs differ. The script prints the constants of the module, and the
gain over automatic colors on pairs that the fit did not use. The clips of ``DATA/video`` are not used.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from colorzoo.apps.video.memory import Cells, match_predictors
from colorzoo.color import rgb_to_lab
from colorzoo.inference.colorizer import Colorizer

PAIRS, TEST_PAIRS = 192, 48
WIDTH, HEIGHT = 448, 256
HARM = 3.0  # weight of an error above the automatic error; with 1, keys make more frames of a film worse
FLOOR = 9.0  # CIE units squared, added to squared errors before the logarithm


@torch.inference_mode()
def compose_pairs(data: Path) -> tuple[Tensor, ...]:
    """Return predictors ``(P, N, 5)``, matched, automatic and true ab ``(P, N, 2)`` of pairs of frames."""
    chance = random.Random(5)
    colorizer = Colorizer("colorzoo2026", device="cpu")
    backgrounds, objects = read_photos(data, range(6), 39), read_objects(data, "train")
    rows: list[tuple[Tensor, ...]] = []
    while len(rows) < PAIRS + TEST_PAIRS:
        photo, other = (chance.choice(backgrounds) for _ in "ab")
        if not is_colorful(photo):
            continue
        scale = 320 / min(photo.size)
        photo = photo.resize((int(photo.width * scale), int(photo.height * scale)))
        first, second = (cut_object(data, *chance.choice(objects)) for _ in "ab")
        # the key frame
        left, top, zoom = chance.random(), chance.random(), chance.uniform(1, 1.3)
        x, y, size = chance.uniform(0.15, 0.85), chance.uniform(0.3, 0.8), chance.uniform(0.6, 1.2)
        key = frame_of(photo, left, top, zoom)
        paste(key, first, x, y, size)
        # the other frame
        seen = other.resize((560, 320)) if chance.random() < 0.15 else photo
        left, top = (min(1.0, max(0.0, at + chance.uniform(-0.6, 0.6))) for at in (left, top))
        frame = frame_of(seen, left, top, zoom * chance.uniform(0.85, 1.2))
        if chance.random() < 0.8:
            moved = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.3 else first
            x = min(0.9, max(0.1, x + chance.uniform(-0.5, 0.5)))
            y = min(0.9, max(0.1, y + chance.uniform(-0.2, 0.2)))
            paste(frame, moved, x, y, size * chance.uniform(0.7, 1.4))
        if chance.random() < 0.5:
            paste(frame, second, chance.uniform(0.15, 0.85), chance.uniform(0.3, 0.8), 0.9)
        frame = frame.filter(ImageFilter.BoxBlur(chance.choice([0, 0, 0, 1, 1.5])))
        gain = chance.uniform(0.9, 1.1)
        frame = Image.fromarray((np.array(frame) * gain).clip(0, 255).astype(np.uint8))
        # predictors and colors of the cells
        labs = [
            rgb_to_lab(torch.from_numpy(np.array(each)).permute(2, 0, 1)[None] / 255) for each in (key, frame)
        ]
        key_cells, cells = (Cells.of(colorizer, lab[:, :1]) for lab in labs)
        key_ab, true = (F.interpolate(lab[:, 1:], cells.grid, mode="area")[0].flatten(1).T for lab in labs)
        automatic = F.interpolate(colorizer.model(labs[1][:, :1]).ab, cells.grid, mode="area")[0].flatten(1).T
        predictors, matched, _ = match_predictors(cells, key_cells, key_ab)
        rows.append((predictors, matched, automatic, true))
    return tuple(torch.stack(each) for each in zip(*rows, strict=True))


def read_photos(data: Path, shards: range, most: int) -> list[Image.Image]:
    """Return at most ``most`` photographs of each of some shards."""
    found = []
    for shard in sorted((data / "photos/train").glob("*.tar"))[shards.start : shards.stop]:
        with tarfile.open(shard) as tar:
            images = [each for each in tar if each.name.lower().endswith((".jpg", ".webp", ".png"))]
            for each in images[:most]:
                content = tar.extractfile(each).read()  # type: ignore[union-attr]
                found.append(Image.open(io.BytesIO(content)).convert("RGB"))
    return found


def is_colorful(photo: Image.Image) -> bool:
    """Return whether a photograph is not nearly gray."""
    return bool(np.asarray(photo.convert("HSV"))[..., 1].mean() >= 25)


def read_objects(data: Path, split: str) -> list[tuple[dict[str, str], dict[str, int]]]:
    """Return image and segment of the objects of medium size in a split of COCO."""
    annotations = json.loads((data / "coco_sample/annotations.json").read_text())
    things = {each["id"] for each in annotations["categories"] if each["isthing"]}
    return [
        (image, segment)
        for image in annotations["images"]
        for segment in image["segments"]
        if image["split"] == split and segment["category_id"] in things and 2500 < segment["area"] < 22000
    ]


def cut_object(data: Path, image: dict[str, str], segment: dict[str, int]) -> Image.Image:
    """Return an object of COCO as an RGBA image."""
    folder = data / "coco_sample"
    rgb = np.array(Image.open(folder / "images" / image["file"]).convert("RGB"))
    panoptic = Image.open(folder / "panoptic" / image["file"].replace(".jpg", ".png")).convert("RGB")
    mask = np.array(panoptic).astype(int) @ (1, 256, 65536) == segment["id"]
    found = Image.fromarray(np.dstack([rgb, mask.astype(np.uint8) * 255]), "RGBA")
    return found.crop(found.getchannel("A").getbbox())


def frame_of(photo: Image.Image, left: float, top: float, zoom: float) -> Image.Image:
    """Return a part of a photograph at the size of a frame; ``left`` and ``top`` are in [0, 1]."""
    width = min(photo.width, WIDTH / zoom, photo.height * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    x, y = (photo.width - width) * left, (photo.height - height) * top
    return photo.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, (x, y, x + width, y + height))


def paste(frame: Image.Image, found: Image.Image, x: float, y: float, scale: float) -> None:
    """Paste an object onto a frame; its center ``x`` and ``y`` is in [0, 1]."""
    size = max(8, int(found.width * scale)), max(8, int(found.height * scale))
    corner = int(x * WIDTH - size[0] / 2), int(y * HEIGHT - size[1] / 2)
    resized = found.resize(size, Image.Resampling.LANCZOS)
    frame.paste(resized, corner, resized)


def main(data: Path) -> None:
    """Fit and print the constants."""
    predictors, matched, automatic, true = compose_pairs(data)
    fitted, tested = slice(PAIRS), slice(PAIRS, None)
    centers = predictors[fitted].flatten(0, 1).mean(0)
    spread = predictors[fitted].flatten(0, 1).std(0)
    inputs = (predictors - centers) / spread
    weights = torch.zeros(inputs.shape[-1] + 1, requires_grad=True)

    def log_errors(part: slice) -> tuple[Tensor, Tensor]:
        trust = torch.sigmoid(inputs[part] @ weights[:-1] + weights[-1])[..., None]
        colored = automatic[part] + trust * (matched[part] - automatic[part])
        errors = ((each - true[part]).square().sum(-1) for each in (colored, automatic[part]))
        found, before = ((each + FLOOR).log() for each in errors)
        return found, before

    optimizer = torch.optim.LBFGS([weights], max_iter=80, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        found, before = log_errors(fitted)
        loss = found.mean() + HARM * (found - before).clamp(min=0).mean() + 1e-3 * weights.square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found, before = log_errors(tested)
        rows = {"_CENTERS": centers, "_FACTORS": weights[:-1] / spread, "_BIAS": weights[-1:]}
        for name, values in rows.items():
            print(name, "=", tuple(round(float(value), 3) for value in values))
        worse = float((found.mean(1) > before.mean(1)).float().mean())
        print(
            f"{TEST_PAIRS} test pairs: mean log error {float(found.mean()):.2f}, "
            f"automatic {float(before.mean()):.2f}; {worse:.0%} of the pairs get worse"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

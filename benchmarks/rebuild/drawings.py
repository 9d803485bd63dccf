"""Write training drawings and characters: ``python -m benchmarks.rebuild.drawings SOURCE OUT``.

SOURCE contains the tar files of the drawings (``train-*.tar``, ``manifest.csv.gz``), of the characters
(``characters.tar``, ``characters.csv``) and the folder ``val``. OUT receives the layout ``drawings`` of
`SketchDataModule`: ``{train,val}/{images,lines}``, with one folder for each source below ``train``.

Held-out groups of characters are excluded; see `benchmarks._held_out`. For each character with a known skin
tone, two copies with other colors of hair and clothes are written.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import random
import re
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor

from benchmarks._held_out import is_held_out_group
from colorzoo.color import lab_to_rgb, rgb_to_lab

EXCLUDED = {"fungus"}
"""Sources of characters with a doubtful license."""
COPIES = 2
_CLUSTERS, _ITERATIONS = 6, 6  # of k-means
_SAME_PART = 22  # distance of the centers of clusters below which the clusters are one part
_KEPT = 0.25  # probability that a part keeps its color


def write_drawings(source: Path, out: Path) -> None:
    """Unpack the drawings, and the characters that are not held out, and copy the validation images."""
    with gzip.open(source / "manifest.csv.gz", "rt", encoding="utf-8", newline="") as file:
        folders = {row["key"]: row["source"] for row in csv.DictReader(file)}
    for path in sorted(source.glob("train-*.tar")):
        for name, data in read_members(path).items():
            key, kind = _key_and_kind(name)
            _write(out / "train" / kind / folders[key] / f"{key}.webp", data)

    images = read_members(source / "characters.tar")
    with (source / "characters.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if f"{row['key']}.webp" in images]
    rng = random.Random(0)
    for row in rows:
        if row["source"] in EXCLUDED or is_held_out_group(row["group"]):
            continue
        key, folder = row["key"], f"c_{row['source']}"
        image, lines = images[f"{key}.webp"], images.get(f"{key}.lines.webp")
        copies = {f"{folder}/{key}.webp": image}
        if tone := re.search(r"skin=(#[0-9a-fA-F]{6})", row["tags"]):
            rgb = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
            for number in range(COPIES):
                stream = io.BytesIO()
                recolored = recolor(rgb, np.array(ImageColor.getrgb(tone[1]), np.uint8), rng)
                Image.fromarray(recolored).save(stream, "WEBP", quality=80)
                copies[f"{folder}_recolored/{key}_{number}.webp"] = stream.getvalue()
        for name, data in copies.items():
            _write(out / "train" / "images" / name, data)
            if lines is not None:
                _write(out / "train" / "lines" / name, lines)

    for kind in ("images", "lines"):
        shutil.copytree(source / "val" / kind, out / "val" / kind, dirs_exist_ok=True)


def recolor(rgb: NDArray[np.uint8], skin: NDArray[np.uint8], rng: random.Random) -> NDArray[np.uint8]:
    """Rotate the hue of the parts of a character that are neither skin, paper nor ink.

    The parts are clusters of similar colors (k-means in Lab). The chroma and lightness of a part change, too.

    Args:
        rgb: ``(H, W, 3)``, character.
        skin: ``(3,)``, skin tone.
        rng: Source of the random numbers.
    """
    lab, (skin_lightness, skin_a, skin_b) = _to_lab(rgb), _to_lab(skin[None, None])[0, 0]
    lightness, a, b = np.moveaxis(lab, -1, 0)
    chroma = np.hypot(a, b)
    hue_difference = np.degrees(np.arctan2(b, a)) - np.degrees(np.arctan2(skin_b, skin_a))
    is_skin = (
        (np.abs((hue_difference + 180) % 360 - 180) < 22)
        & (np.abs(chroma - np.hypot(skin_a, skin_b)) < 18)
        & (lightness > skin_lightness - 42)  # shaded skin
        & (lightness < skin_lightness + 14)
    )
    is_free = ~is_skin & (lightness > 12) & ~((lightness > 96) & (chroma < 4))
    points = np.stack([lightness / 2, a, b], -1)[is_free]
    if len(points) < 50:
        return rgb

    # parts: clusters whose centers are near count as one part
    generator = np.random.default_rng(rng.randrange(1 << 30))
    centers = points[generator.choice(len(points), _CLUSTERS)]
    for _ in range(_ITERATIONS):
        nearest = ((points[:, None] - centers) ** 2).sum(-1).argmin(1)
        centers = np.stack(
            [points[nearest == k].mean(0) if (nearest == k).any() else centers[k] for k in range(_CLUSTERS)]
        )
    distances = np.sqrt(((centers[:, None] - centers) ** 2).sum(-1))
    part_of = np.arange(_CLUSTERS)
    for k in range(_CLUSTERS):
        for earlier in range(k):
            if distances[k, earlier] < _SAME_PART:
                part_of[part_of == part_of[k]] = part_of[earlier]
    parts = part_of[nearest]

    # each part gets another hue, chroma and lightness
    changed = lab[is_free].copy()
    for part in range(_CLUSTERS):
        member = parts == part
        if not member.any() or rng.random() < _KEPT:
            continue
        color = changed[member]
        part_chroma = np.hypot(color[:, 1], color[:, 2])
        hue = np.arctan2(color[:, 2], color[:, 1]) + np.radians(rng.uniform(0, 360))
        if np.median(part_chroma) > 8:
            new_chroma = part_chroma * rng.uniform(0.6, 1.3)
        else:  # gray, whose hue is noise
            new_chroma = part_chroma + rng.choice((0, 0, 25, 40))
            hue = np.full_like(hue, np.arctan2(np.sin(hue).mean(), np.cos(hue).mean()))
        new_lightness = np.clip(color[:, 0] + rng.uniform(-18, 18), 3, 98)
        changed[member] = np.stack([new_lightness, new_chroma * np.cos(hue), new_chroma * np.sin(hue)], -1)
    lab[is_free] = changed
    result = lab_to_rgb(torch.from_numpy(lab).permute(2, 0, 1)[None].float()).clamp(0, 1)
    return (result[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)


def read_members(path: Path) -> dict[str, bytes]:
    """Return the content of the files of a tar by their names without folders."""
    with tarfile.open(path) as tar:
        streams = ((Path(member.name).name, tar.extractfile(member)) for member in tar if member.isfile())
        return {name: stream.read() for name, stream in streams if stream is not None}


def _key_and_kind(name: str) -> tuple[str, str]:
    key = name.removesuffix(".webp")
    return key.removesuffix(".lines"), "lines" if key.endswith(".lines") else "images"


def _to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert ``(H, W, 3)`` to Lab."""
    batch = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255
    return rgb_to_lab(batch)[0].permute(1, 2, 0).numpy().astype(np.float64)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the drawings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rebuild.drawings", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args(arguments)
    write_drawings(args.source, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

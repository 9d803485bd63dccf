"""Decoding in a DataLoader worker against the authors' loader."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2lab

from benchmarks._common import Options, Row, time_in_turn, times_faster, where
from colorzoo.data.dataset import PictureDataset
from colorzoo.data.loader import collate
from colorzoo.data.sources import StoredPicture, find_sources

SIZE = 256
JPEGS = (((500, 375), 16, 3.0), ((4000, 3000), 4, 4.5))  # size, number of files, goal


def run(options: Options) -> list[Row]:
    """Measure small and large JPEGs."""
    del options
    return [decoding_row(*each) for each in JPEGS]


def decoding_row(size: tuple[int, int], count: int, goal: float) -> Row:
    """Time batches of JPEGs decoded to 256 x 256, in our worker and in the authors'."""
    with tempfile.TemporaryDirectory() as folder:
        kilobytes = write_photos(Path(folder), size, count) / 1000
        sources = find_sources(Path(folder))
        dataset = PictureDataset(sources, resize=SIZE, crop=SIZE, random_crop=True)
        random = np.random.default_rng(0)
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda: collate([dataset[index, index] for index in range(len(dataset))]),
            "authors": lambda: torch.utils.data.default_collate(
                [authors_sample(source, random) for source in sources]
            ),
        }
        seconds = time_in_turn(calls, runs=5)
    claim = f"JPEG of {size[0]} x {size[1]} ({kilobytes:.0f} kB) to {SIZE} x {SIZE} in a worker, seconds"
    return times_faster(claim, seconds["ours"] / count, seconds["authors"] / count, goal, where())


def write_photos(folder: Path, size: tuple[int, int], count: int) -> float:
    """Write JPEGs with the spectrum of photos (1/f) and sensor noise; return their mean size in bytes."""
    random = np.random.default_rng(0)
    for number in range(count):
        photo = random.normal(0, 2, (size[1], size[0], 1)).astype(np.float32) + 128
        for octave in range(1, 8):
            coarse = random.normal(0, 128 / octave**1.5, (3 * 2**octave, 4 * 2**octave, 3)).astype(np.float32)
            for channel in range(3):
                layer = Image.fromarray(coarse[..., channel]).resize(size, Image.Resampling.BICUBIC)
                photo = photo + np.asarray(layer)[..., None] * np.eye(3, dtype=np.float32)[channel] / 2
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)
    return float(np.mean([path.stat().st_size for path in folder.iterdir()]))


def authors_sample(source: StoredPicture, random: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """Prepare a picture as the published loaders do: resizing, Lab and hints in the worker."""
    with Image.open(io.BytesIO(source.read())) as image:
        rgb = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    lab = rgb2lab(rgb).astype(np.float32).transpose(2, 0, 1)
    hints, mask = np.zeros_like(lab[1:]), np.zeros_like(lab[:1])
    while random.random() < 1 - 1 / 8:
        side = int(random.integers(1, 10))
        top, left = random.integers(0, SIZE - side, 2)
        place = (slice(None), slice(top, top + side), slice(left, left + side))
        hints[place] = lab[1:][place].mean((1, 2), keepdims=True)
        mask[place] = 1
    return {"lightness": lab[:1], "ab": lab[1:], "hints": hints, "mask": mask}

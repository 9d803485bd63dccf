"""What our workers deliver against what the authors' workers did, and what a large index costs in memory."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2lab

from benchmarks._harness import Row, share_of, time_in_turn, times_faster, where
from colorzoo.data.dataset import PictureDataset
from colorzoo.data.loader import collate
from colorzoo.data.sources import Source, Sources, find_sources

SIZE, BATCH = 256, 16
FILES = 1_300_000
GOAL_ORDINARY, GOAL_LARGE = 3.0, 6.0
GOAL_MEGABYTES, GOAL_WORKER = 300.0, 0.1


def decoding_rows() -> list[Row]:
    """Time decoded batches of ordinary and of 12-megapixel JPEGs, ours and the authors' way in turn."""
    rows = []
    for (width, height), count, goal in (((500, 375), BATCH, GOAL_ORDINARY), ((4000, 3000), 4, GOAL_LARGE)):
        with tempfile.TemporaryDirectory() as folder:
            kilobytes = write_photos(Path(folder), (width, height), count) / 1000
            calls = _calls(Path(folder))
            seconds = time_in_turn(calls, runs=7 if count == BATCH else 5)
        what = f"JPEG of {width} x {height} ({kilobytes:.0f} kB) to {SIZE} x {SIZE}, seconds a picture"
        each = {name: spent / count for name, spent in seconds.items()}
        rows.append(times_faster(f"{what} in a worker", each["ours"], each["authors"], goal, where()))
    return rows


def index_rows() -> list[Row]:
    """Measure an index of 1.3 million names, in this process and in a worker that has read all of them."""
    before = _private_megabytes()
    sources = Sources.of(map(_synthetic, range(FILES)), "/datasets/imagenet/train")
    index = _private_megabytes() - before
    worker = _in_a_worker(partial(_read_all, sources))
    idle = _in_a_worker(lambda: None)
    title = f"index of {FILES:,} file names, MB"
    return [
        share_of(f"{title}, against what is allowed", index, GOAL_MEGABYTES, 1.0, where()),
        share_of(
            f"{title}, added by a worker that reads all", max(0.0, worker - idle), index, GOAL_WORKER, where()
        ),
    ]


def write_photos(folder: Path, size: tuple[int, int], count: int) -> float:
    """Write JPEGs with the spectrum of photos (1/f) and a little sensor noise; return their mean bytes."""
    random = np.random.default_rng(0)
    for number in range(count):
        photo = random.normal(0, 2, (size[1], size[0], 1)).astype(np.float32) + 128
        for octave in range(1, 8):
            coarse = random.normal(0, 128 / octave**1.5, (3 * 2**octave, 4 * 2**octave, 3)).astype(np.float32)
            for channel in range(3):
                layer = Image.fromarray(coarse[..., channel]).resize(size, Image.Resampling.BICUBIC)
                photo = photo + np.asarray(layer)[..., None] * np.eye(3, dtype=np.float32)[channel] / 2
        pixels = photo.clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=90)
    return float(np.mean([path.stat().st_size for path in folder.iterdir()]))


def _calls(folder: Path) -> dict[str, Callable[[], object]]:
    sources = find_sources(folder)
    dataset = PictureDataset(sources, resize=SIZE, crop=SIZE, random_crop=True)

    def ours() -> Any:
        return collate([dataset[index, index] for index in range(len(dataset))])

    def authors() -> object:
        random = np.random.default_rng(0)
        return torch.utils.data.default_collate([_authors_sample(source, random) for source in sources])

    return {"ours": ours, "authors": authors}


def _authors_sample(source: Source, random: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """Prepare a picture as the published loaders do: everything in the worker, one picture at a time."""
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
    return {"luma": lab[:1], "ab": lab[1:], "hints": hints, "mask": mask}


def _synthetic(number: int) -> Source:
    synset = f"n{number // 1300:08d}"
    return Source(f"/datasets/imagenet/train/{synset}/{synset}_{number}.JPEG")


def _read_all(sources: Sources) -> None:
    for source in sources:
        len(source.path)


def _private_megabytes() -> float:
    """Return the memory that belongs to this process alone (Linux)."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _in_a_worker(work: Callable[[], None]) -> float:
    """Run work in a forked process, as a loader's worker is, and return its private megabytes afterwards."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        work()
        os.write(writer, str(_private_megabytes()).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, encoding="ascii") as answer:  # noqa: PTH123 - a pipe has no path
        return float(answer.read())

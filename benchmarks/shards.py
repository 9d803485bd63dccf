"""Reading and decoding a shuffled epoch from shards, compared with a folder of the same images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks._common import Options, Row, SkippedError, time_in_turn, where
from colorzoo.data.decode import decode_rgb
from colorzoo.data.shards import ShardOptions, ShardReader, load_litdata, shard_folder
from colorzoo.data.sources import find_sources
from colorzoo.data.streaming import ShardSampler
from colorzoo.errors import DataError

IMAGES, SIZE, SIDE = 192, (500, 375), 256
GOAL = 1.3


def run(options: Options) -> list[Row]:
    """Measure images per second with a warm page cache."""
    del options
    try:
        load_litdata()
    except DataError as error:
        raise SkippedError(str(error)) from error
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "folder", Path(name) / "shards"
        for split, count in (("train", IMAGES), ("val", 2)):
            (folder / split).mkdir(parents=True)
            write_photos(folder / split, SIZE, count)
        shard_folder(folder, out, ShardOptions(short_side=SIDE, chunk=64, drop_gray=False), workers=1)
        return [shards_against_folder(folder / "train", out)]


def shards_against_folder(folder: Path, out: Path) -> Row:
    """Return images per second of shards relative to a folder."""
    sources = find_sources(folder)
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(0)).tolist()
    shard_order = [index for index, _ in ShardSampler(ShardReader(str(out), "train").sizes)]

    def from_folder() -> None:
        for index in order:
            decode_rgb(sources[index].read(), SIDE)

    def from_shards() -> None:
        reader = ShardReader(str(out), "train")
        for index in shard_order:
            decode_rgb(reader[index][0], SIDE)

    seconds = time_in_turn({"ours": from_shards, "folder": from_folder})
    ours, reference = (len(order) / seconds[name] for name in ("ours", "folder"))
    claim = f"shards against folder: images a second decoded to {SIDE}"
    return Row(claim, ours, reference, ours / reference, GOAL, "higher", where())


def write_photos(folder: Path, size: tuple[int, int], count: int) -> None:
    """Write JPEGs with the spectrum of photos (1/f) and sensor noise."""
    random = np.random.default_rng(0)
    for number in range(count):
        photo = random.normal(0, 2, (size[1], size[0], 1)).astype(np.float32) + 128
        for octave in range(1, 8):
            coarse = random.normal(0, 128 / octave**1.5, (3 * 2**octave, 4 * 2**octave, 3)).astype(np.float32)
            for channel in range(3):
                layer = Image.fromarray(coarse[..., channel]).resize(size, Image.Resampling.BICUBIC)
                photo = photo + np.asarray(layer)[..., None] * np.eye(3, dtype=np.float32)[channel] / 2
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)

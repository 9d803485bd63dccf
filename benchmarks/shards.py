"""Shards against a folder of the same pictures, and how many processor cores feed one GPU."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from benchmarks._harness import Options, Row, SkippedError, where
from colorzoo.data.decode import decode_rgb
from colorzoo.data.litdata_files import load_litdata
from colorzoo.data.shard import ShardOptions, shard_folder
from colorzoo.data.shard_reader import ShardReader
from colorzoo.data.shard_sampler import ShardSampler
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError

PICTURES, SIZE, SIDE, RUNS = 192, (500, 375), 256, 5
TRAINING_SIDE = 176
GPU_TFLOPS = 100.0
"""Assumed sustained bfloat16 speed of a data-center GPU (an A100 is rated at 312, an H100 at 989)."""

CORES_A_GPU = 16
"""What a node with eight GPUs and two 64-core processors has for each."""


def run(options: Options) -> list[Row]:
    """Measure reading and decoding, and work out the cores that one GPU needs."""
    del options  # the pictures are generated
    try:
        load_litdata()
    except DataError as error:
        raise SkippedError(str(error)) from error
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "folder", Path(name) / "shards"
        make_pictures(folder)
        shard_folder(folder, out, ShardOptions(short_side=SIDE, chunk=64, drop_gray=False), workers=0)
        speeds = [shards_against_folder(folder / "train", out, cold=cold) for cold in (True, False)]
        return [*speeds, cores_for_one_gpu(out)]


def make_pictures(folder: Path) -> None:
    """Write ordinary JPEGs: 500x375, quality 90, with detail that costs bits as that of photos does."""
    rng = np.random.default_rng(0)
    for split, count in (("train", PICTURES), ("val", 2)):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            layers = [
                np.asarray(
                    Image.fromarray(rng.integers(0, 256, (n * 3, n * 4, 3), np.uint8)).resize(SIZE, 3), float
                )
                for n in (2, 8, 32, 125)
            ]
            picture = sum(
                weight * layer for weight, layer in zip((0.5, 0.25, 0.15, 0.1), layers, strict=True)
            )
            path = folder / split / f"{index:04d}.jpg"
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path, quality=90)


def shards_against_folder(folder: Path, out: Path, *, cold: bool) -> Row:
    """Read and decode a shuffled epoch at 256 pixels from both."""
    sources = find_sources(folder)
    sizes = ShardReader(str(out), "train").sizes
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(0)).tolist()
    near = [index for index, _ in ShardSampler(sizes, batch_size=16)]

    def from_folder() -> None:
        for index in order:
            decode_rgb(sources[index].read(), SIDE)

    def from_shards() -> None:
        reader = ShardReader(str(out), "train")  # anew: what an open reader maps cannot be dropped
        for index in near:
            decode_rgb(reader[index][0], SIDE)

    files = [Path(source.path) for source in sources], sorted((out / "train").glob("*.bin"))
    dropped = cold and all(drop_from_cache(path) for group in files for path in group)
    seconds = wall_in_turn(from_shards, from_folder, files=files[::-1] if cold else ((), ()))
    state = (
        ("cold page cache" if dropped else "page cache could not be dropped") if cold else "warm page cache"
    )
    ours, reference = (len(order) / second for second in seconds)
    claim = f"shards against folder, {state}: pictures/s decoded to {SIDE}"
    return Row(claim, ours, reference, ours / reference, 1.3, "higher", where())


def cores_for_one_gpu(out: Path) -> Row:
    """Divide the pictures a second that a GPU trains by those that one core decodes from shards."""
    reader = ShardReader(str(out), "train")

    def decode() -> None:
        for index in range(len(reader)):
            decode_rgb(reader[index][0], SIDE)

    (second,) = wall_in_turn(decode, files=((),))
    one_core = len(reader) / second
    gflop = training_gflop()
    trained = GPU_TFLOPS * 1e3 / gflop
    claim = (
        f"cores that feed one GPU: zhang2017_local at {TRAINING_SIDE}: 3 x {gflop / 3:.1f} GFLOP a picture; "
        f"{GPU_TFLOPS:.0f} TFLOP/s (assumed) / {gflop:.1f} GFLOP = {trained:.0f} pictures/s, "
        f"one core gives {one_core:.0f}"
    )
    cores = trained / one_core
    return Row(claim, cores, CORES_A_GPU, cores / CORES_A_GPU, 1.0, "lower", where())


def training_gflop() -> float:
    """Count the work of training on one picture: forward, and twice as much backward."""
    from torch.utils.flop_counter import FlopCounterMode

    from colorzoo import Guidance, create_model

    model = create_model("zhang2017_local", weights=None).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.full((1, 1, TRAINING_SIDE, TRAINING_SIDE), 50.0), Guidance())
    return 3 * counter.get_total_flops() / 1e9


def wall_in_turn(*calls: Callable[[], object], files: Sequence[Sequence[Path]]) -> list[float]:
    """Return the median wall seconds of each call; in every round each drops its files and runs once."""
    spent: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS + 1):
        for seconds, call, paths in zip(spent, calls, files, strict=True):
            for path in paths:
                drop_from_cache(path)
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return [median(seconds[1:]) for seconds in spent]


def drop_from_cache(path: Path) -> bool:
    """Ask the system to forget the content of a file; say whether it can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True

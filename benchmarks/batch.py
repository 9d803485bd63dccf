"""A folder of photos: ``colorzoo colorize`` against a plain loop, and against two processes."""

from __future__ import annotations

import contextlib
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks._common import Options, Row, SkippedError, share_of, times_faster, where
from benchmarks.colorize import color_plainly
from colorzoo.cli.main import main
from colorzoo.inference.colorizer import Colorizer

MODEL = "zhang2017_local_small"
PICTURES, MEGAPIXELS, JOBS, ROUNDS = 40, (2, 12), 2, 4
COMMAND_ROUNDS = 3
GOAL, GOAL_SHARED = 2.0, 1.0


def run(options: Options) -> list[Row]:
    """Enlarge photos of ``--data`` to 2 to 12 megapixels and color them both ways."""
    if options.data is None:
        raise SkippedError("give a folder of photos with --data")
    count = options.pictures or PICTURES
    torch.set_num_threads(JOBS)
    spent = {"plain": [0.0, 0.0], "ours": [0.0, 0.0]}  # wall and processor seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = list(enlarged_photos(options.data, folder / "in", count))
        colorizer = Colorizer(MODEL, device="cpu")
        for number in range(ROUNDS):
            part = sources[number::ROUNDS]
            with timed(spent["plain"]):
                for source in part:
                    color_plainly(colorizer, source, folder / f"plain{number}.jpg")
            with timed(spent["ours"]):
                color_folder(part, folder / f"ours{number}")
        together, apart, differing = against_processes(sources, folder, options.repeats or COMMAND_ROUNDS)
    torch.set_num_threads(1)
    title = f"{count} photos of {MEGAPIXELS[0]} to {MEGAPIXELS[1]} megapixels"
    shared = f"{title}, seconds of one command with --jobs {JOBS}, against {JOBS} processes that share them"
    return [
        times_faster(shared, together, apart, GOAL_SHARED, where()),
        share_of(f"{title}, results of the two that differ", differing, count, 0.0, where()),
    ] + [
        times_faster(
            f"{title}, {kind} seconds a picture, against the plain loop",
            spent["ours"][index] / count,
            spent["plain"][index] / count,
            GOAL,
            where(),
        )
        for index, kind in enumerate(("wall", "CPU"))
    ]


def enlarged_photos(data: Path, folder: Path, count: int) -> Iterator[Path]:
    """Write gray photos of sizes drawn from a fixed seed."""
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise SkippedError(f"no photo below {data}; name another folder with --data")
    folder.mkdir()
    generator = random.Random(0)
    for number in range(count):
        with Image.open(found[number % len(found)]) as image:
            gray = image.convert("L")
        scale = (generator.uniform(*MEGAPIXELS) * 1e6 / (gray.width * gray.height)) ** 0.5
        path = folder / f"{number:03}.jpg"
        size = (int(gray.width * scale), int(gray.height * scale))
        gray.resize(size, Image.Resampling.BICUBIC).save(path, quality=92)
        yield path


def color_folder(sources: list[Path], output: Path) -> None:
    """Run ``colorzoo colorize``."""
    words = ["colorize", *map(str, sources), "-o", str(output), "--model", MODEL]
    messages = io.StringIO()
    with contextlib.redirect_stdout(messages), contextlib.redirect_stderr(messages):
        code = main([*words, "--device", "cpu", "--jobs", str(JOBS)])
    if code:
        raise SkippedError(f"coloring failed: {messages.getvalue()}")


def against_processes(sources: Sequence[Path], folder: Path, rounds: int) -> tuple[float, float, int]:
    """Color all photos by one command with jobs, and by as many commands that share them.

    Returns:
        Median seconds from start to end of the one command and of the others, and how many results differ.
    """
    together, apart = [], []
    for number in range(rounds):
        one, several = folder / f"together{number}", folder / f"apart{number}"
        together.append(seconds_of([(sources, one, JOBS)]))
        apart.append(seconds_of([(sources[part::JOBS], several, 1) for part in range(JOBS)]))
    differing = sum(not same_pixels(one / source.name, several / source.name) for source in sources)
    return statistics.median(together), statistics.median(apart), differing


def seconds_of(runs: Sequence[tuple[Sequence[Path], Path, int]]) -> float:
    """Start a command for each (photos, folder of the results, jobs) at once, and wait for all."""
    start = time.perf_counter()
    processes = []
    for sources, output, jobs in runs:
        words = [sys.executable, "-m", "colorzoo", "colorize", *map(str, sources), "-o", str(output)]
        words += ["--model", MODEL, "--device", "cpu", "--jobs", str(jobs)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(jobs)}
        processes.append(
            subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SkippedError(f"coloring failed with exit codes {codes}")
    return time.perf_counter() - start


def same_pixels(one: Path, other: Path) -> bool:
    """Return whether two pictures have equal pixels up to a level.

    Sums of torch depend in their last bits on the number of threads, which moves single roundings.
    """
    with Image.open(one) as first, Image.open(other) as second:
        levels = [np.asarray(image, dtype=np.int16) for image in (first, second)]
    return levels[0].shape == levels[1].shape and int(np.abs(levels[0] - levels[1]).max()) <= 1


@contextlib.contextmanager
def timed(total: list[float]) -> Iterator[None]:
    """Add wall and processor seconds of the block."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    total[0] += time.perf_counter() - wall
    total[1] += time.process_time() - processor

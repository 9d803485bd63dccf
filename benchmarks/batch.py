"""A folder of photos: ``colorzoo colorize`` against the plain loop, and the share of each stage."""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from benchmarks import _plain
from benchmarks._harness import Options, Row, SkippedError, times_faster, where
from colorzoo.cli.main import main
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import FullLuma, join_levels
from colorzoo.inference.picture_io import read_picture, write_picture

GOAL = 2.0
PICTURES = 40
MILLIONS = (2, 12)
MODEL = "zhang2017_local_small"
JOBS = 2
_TURNS = 4


def run(options: Options) -> list[Row]:
    """Make gray photos of 2 to 12 million pixels of those below ``--data`` and color them both ways."""
    if options.data is None:
        raise SkippedError("give a folder of photos with --data")
    count = options.pictures or PICTURES
    torch.set_num_threads(JOBS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = list(_photos(options.data, folder / "in", count))
        colorizer = Colorizer(MODEL, device="cpu")
        plain, ours = _in_turn(colorizer, sources, folder)
        shares = _shares(colorizer, sources[: max(1, count // 5)], folder)
    size = f"{MILLIONS[0]} to {MILLIONS[1]} million pixels"
    claim = f"{count} photos of {size}, {{}} seconds a picture, against the plain loop ({shares})"
    return [
        times_faster(claim.format("wall"), ours.wall, plain.wall, GOAL, where()),
        times_faster(claim.format("CPU"), ours.processor, plain.processor, GOAL, where()),
    ]


def _photos(data: Path, folder: Path, count: int) -> Iterator[Path]:
    """Enlarge photos to sizes drawn from a fixed seed."""
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise SkippedError(f"there is no photo below {data}")
    folder.mkdir()
    generator = random.Random(0)
    for number in range(count):
        with Image.open(found[number % len(found)]) as image:
            gray = image.convert("L")
        scale = (generator.uniform(*MILLIONS) * 1e6 / (gray.width * gray.height)) ** 0.5
        path = folder / f"{number:03}.jpg"
        size = (int(gray.width * scale), int(gray.height * scale))
        gray.resize(size, Image.Resampling.BICUBIC).save(path, quality=92)
        yield path


def _in_turn(colorizer: Colorizer, sources: list[Path], folder: Path) -> tuple[Spent, Spent]:
    """Return what a picture takes by the plain loop and by the command, a quarter of them at a time."""
    plain, ours = Spent(), Spent()
    for number in range(_TURNS):
        part = sources[number::_TURNS]
        with plain.measured(len(part)):
            for source in part:
                _plain.color_file(colorizer, source, folder / f"plain{number}.jpg")
        words = ["colorize", *map(str, part), "-o", str(folder / f"ours{number}"), "--model", MODEL]
        told = io.StringIO()
        with ours.measured(len(part)), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            code = main([*words, "--device", "cpu", "--jobs", str(JOBS)])
        if code:
            raise SkippedError(f"coloring failed: {told.getvalue()}")
    return plain, ours


class Spent:
    """Seconds of the wall and of the processor."""

    def __init__(self) -> None:
        self._wall = self._processor = 0.0
        self._pictures = 0

    @contextlib.contextmanager
    def measured(self, pictures: int) -> Iterator[None]:
        """Add what passes inside, for so many pictures."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self._wall += time.perf_counter() - wall
        self._processor += time.process_time() - processor
        self._pictures += pictures

    @property
    def wall(self) -> float:
        """Seconds a picture on the clock."""
        return self._wall / self._pictures

    @property
    def processor(self) -> float:
        """Seconds a picture of all cores."""
        return self._processor / self._pictures


def _shares(colorizer: Colorizer, sources: list[Path], folder: Path) -> str:
    """Return which share of the processor's time each stage takes, one after the other on one thread."""
    torch.set_num_threads(1)
    spent = dict.fromkeys(("read", "luma", "network", "join", "write"), 0.0)
    for source in sources:
        marks = [time.process_time()]
        picture = read_picture(source)
        marks.append(time.process_time())
        seen = colorizer.see(picture)
        marks.append(time.process_time())
        ab = colorizer.predict_ab(seen, Guidance())[0]
        marks.append(time.process_time())
        levels = join_levels(FullLuma(picture.levels), ab)
        marks.append(time.process_time())
        write_picture(folder / "one.jpg", levels, picture, overwrite=True)
        marks.append(time.process_time())
        for name, first, last in zip(spent, marks, marks[1:], strict=False):
            spent[name] += last - first
    total = sum(spent.values())
    return ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in spent.items())

"""A whole picture from file to file, stage by stage, and all but the network against the plain way."""

from __future__ import annotations

import multiprocessing
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks import _plain
from benchmarks._harness import Options, Row, share_of, single_thread, time_in_turn, where
from benchmarks._models import random_model
from colorzoo import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.encode import quantized
from colorzoo.inference.full_size import FullLuma, join_levels
from colorzoo.inference.picture_io import chroma_note, read_picture, write_picture
from colorzoo.inference.resample import shrink_luma, working_size

SMALL, LARGE, HUGE = (512, 512), (3000, 4000), (6700, 9000)
LIMITS = {SMALL: 0.3, LARGE: 6.0}  # seconds on one core
GOAL_TIME, GOAL_PLAIN, GOAL_PEAK = 1.0, 0.35, 0.6
_STATUS = Path("/proc/self/status")  # Linux only; elsewhere memory is not measured


def run(options: Options) -> list[Row]:
    """Time both sizes end to end, then all but the network and the peak of memory against the plain way."""
    del options
    torch.manual_seed(0)
    colorizer = _colorizer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [_end_to_end(colorizer, size, folder) for size in LIMITS]
        rows += _against_the_plain_way(colorizer, folder)
        return [*rows, _memory(HUGE, folder)] if _STATUS.exists() else rows


def _end_to_end(colorizer: Colorizer, size: tuple[int, int], folder: Path) -> Row:
    """Return one row whose claim names the seconds of each stage."""
    source = _file(size, folder)
    stages = _stages(colorizer, source)
    seconds = time_in_turn(stages, runs=7 if size == SMALL else 2)
    split = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())
    claim = f"{size[1]}x{size[0]} JPEG to JPEG with the small model, seconds, against the limit ({split})"
    return share_of(claim, sum(seconds.values()), LIMITS[size], GOAL_TIME, where())


def _stages(colorizer: Colorizer, source: Path) -> dict[str, Callable[[], object]]:
    picture = read_picture(source)
    small = colorizer.see(picture)
    ab = colorizer.predict_ab(small, Guidance())[0]
    levels = join_levels(FullLuma(picture.levels), ab)
    target = source.with_suffix(".out.jpg")
    return {
        "read": partial(read_picture, source),
        "luma": partial(colorizer.see, picture),
        "network": partial(colorizer.predict_ab, small, Guidance()),
        "join": partial(join_levels, FullLuma(picture.levels), ab),
        "write": partial(write_picture, target, levels, picture, overwrite=True),
    }


def _against_the_plain_way(colorizer: Colorizer, folder: Path) -> list[Row]:
    """Time all but the network, file to file, and compare the pixels of both ways."""
    source = _file(LARGE, folder)
    picture = read_picture(source)
    ab = colorizer.predict_ab(colorizer.see(picture), Guidance())[0]
    calls = {"ours": lambda: _ours(colorizer, source, ab), "plain": lambda: _plainly(colorizer, source, ab)}
    times = time_in_turn(calls, runs=2)
    ours, plain = (call().astype(int) for call in calls.values())
    apart = np.abs(ours - plain)
    share = float(np.mean(apart > 0))
    told = f"largest difference {apart.max()} of 255, {100 * share:.3f} % of the values differ"
    claim = f"all but the network of a 12 million pixel JPEG, CPU seconds, against the plain way ({told})"
    return [share_of(claim, times["ours"], times["plain"], GOAL_PLAIN, where())]


def _ours(colorizer: Colorizer, source: Path, ab: Tensor) -> NDArray[np.uint8]:
    picture = read_picture(source)
    chroma_note(picture)
    colorizer.see(picture)
    levels = join_levels(FullLuma(picture.levels), ab)
    write_picture(source.with_suffix(".ours.jpg"), levels, picture, overwrite=True)
    return levels


def _plainly(colorizer: Colorizer, source: Path, ab: Tensor) -> NDArray[np.uint8]:
    picture = read_picture(source)
    rgb = picture.rgb
    chroma_note(replace(picture, levels=rgb))
    luma = _plain.full_luma(rgb)
    shrink_luma(luma, working_size(*rgb.shape[:2], colorizer.size))
    joined = _plain.join(luma[0, 0], ab)
    write_picture(source.with_suffix(".plain.jpg"), joined, picture, overwrite=True)
    return quantized(joined, None, 8)


def _memory(size: tuple[int, int], folder: Path) -> Row:
    """Compare the peaks of fresh processes, file to file, network and libraries included."""
    source = str(_file(size, folder))
    ours, plain = (_peak_in_child(call, source) for call in (_color_file, _color_file_plainly))
    claim = f"peak memory in MB of coloring a gray JPEG of {size[0] * size[1] / 1e6:.0f} million pixels"
    return share_of(f"{claim}, against the plain way", ours, plain, GOAL_PEAK, where())


def _color_file(source: str) -> None:
    colorizer = _colorizer()
    picture = read_picture(Path(source))
    chroma_note(picture)
    levels = colorizer.colorize(picture).levels()
    write_picture(Path(source).with_suffix(".ours.jpg"), levels, picture, overwrite=True)


def _color_file_plainly(source: str) -> None:
    _plain.color_file(_colorizer(), Path(source), Path(source).with_suffix(".plain.jpg"))


def _colorizer() -> Colorizer:
    return Colorizer(random_model("zhang2017_local_small"), device="cpu", allow_untrained=True)


def _file(size: tuple[int, int], folder: Path) -> Path:
    source = folder / f"{size[0]}.jpg"
    if not source.exists():
        gray = _photo(size)
        Image.fromarray((gray * 255).astype(np.uint8)).save(source, quality=92)
    return source


def _peak_in_child(call: Callable[[str], None], source: str) -> float:
    """Return the megabytes that a fresh process has at its peak."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, call, source).result()


def _peak(call: Callable[[str], None], source: str) -> float:
    single_thread()
    call(source)
    return _peak_megabytes()


def _peak_megabytes() -> float:
    # getrusage would answer the peak of the parent, which a child inherits
    found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    assert found is not None, "every Linux tells the peak of a process"
    return int(found[1]) / 1e3


def _photo(size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a gray picture ``(H, W)`` in [0, 1]: blobs under a little grain."""
    generator = torch.Generator().manual_seed(0)
    blobs = F.interpolate(torch.rand(1, 1, 12, 16, generator=generator), size=size, mode="bicubic")[0, 0]
    gray = (0.9 * blobs + 0.1 * torch.rand(size, generator=generator)).clamp(0, 1)
    photo: NDArray[np.float32] = gray.numpy()
    return photo

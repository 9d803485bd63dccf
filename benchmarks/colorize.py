"""A whole picture from file to file, stage by stage, and tiles against conversion in one piece."""

from __future__ import annotations

import multiprocessing
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._harness import Options, Row, share_of, single_thread, time_in_turn, times_faster, where
from benchmarks._models import CHROMA, random_model
from colorzoo import Guidance
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import full_luma, join
from colorzoo.inference.picture_io import read_picture, write_picture
from colorzoo.inference.resample import shrink_luma, working_size

SMALL, LARGE = (512, 512), (3000, 4000)
LIMITS = {SMALL: 0.3, LARGE: 6.0}  # seconds on one core
GOAL_TIME, GOAL_MEMORY = 1.0, 0.5
_STATUS = Path("/proc/self/status")  # Linux only; elsewhere memory is not measured


def run(options: Options) -> list[Row]:
    """Time both sizes end to end, then tiles against one piece in time and memory."""
    del options
    torch.manual_seed(0)
    colorizer = Colorizer(random_model("zhang2017_local_small"), device="cpu", allow_untrained=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = [_end_to_end(colorizer, size, Path(folder)) for size in LIMITS]
    return [*rows, *_tiles_against_one_piece(LARGE)]


def _end_to_end(colorizer: Colorizer, size: tuple[int, int], folder: Path) -> Row:
    """Return one row whose claim names the seconds of each stage."""
    source, target = folder / f"{size[0]}.jpg", folder / f"{size[0]}.out.jpg"
    Image.fromarray((_photo(size) * 255).astype(np.uint8)).save(source, quality=92)
    picture = read_picture(source)
    luma = full_luma(picture.rgb)
    seen = working_size(*size, colorizer.size)
    small = shrink_luma(luma, seen)
    ab = colorizer.predict_ab(small, Guidance())
    rgb = join(luma[0, 0], ab[0])
    stages: dict[str, Callable[[], object]] = {
        "read": partial(read_picture, source),
        "luma": lambda: shrink_luma(full_luma(picture.rgb), seen),
        "network": partial(colorizer.predict_ab, small, Guidance()),
        "join": partial(join, luma[0, 0], ab[0]),
        "write": partial(write_picture, target, rgb, picture, overwrite=True),
    }
    seconds = time_in_turn(stages, runs=7 if size == SMALL else 2)
    split = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())
    claim = f"{size[1]}x{size[0]} JPEG to JPEG with the small model, seconds, against the limit ({split})"
    return share_of(claim, sum(seconds.values()), LIMITS[size], GOAL_TIME, where())


def _tiles_against_one_piece(size: tuple[int, int]) -> list[Row]:
    gray, ab = torch.from_numpy(_photo(size)), _ab()
    photo: NDArray[np.float32] = gray.numpy()
    times = time_in_turn({"tiles": lambda: _in_tiles(photo, ab), "whole": lambda: _whole(photo, ab)}, runs=2)
    megapixels = size[0] * size[1] / 1e6
    title = f"luma and colors of {megapixels:g} million pixels in tiles, {{}}, against one piece"
    rows = [times_faster(title.format("seconds"), times["tiles"], times["whole"], GOAL_TIME, where())]
    if _STATUS.exists():
        peaks = [_peak_in_child(call, size) for call in (_in_tiles, _whole)]
        rows.append(share_of(title.format("MB of memory"), peaks[0], peaks[1], GOAL_MEMORY, where()))
    return rows


def _in_tiles(rgb: NDArray[np.float32], ab: Tensor) -> NDArray[np.float32]:
    return join(full_luma(rgb)[0, 0], ab)


def _whole(rgb: NDArray[np.float32], ab: Tensor) -> NDArray[np.float32]:
    lab = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1))
    large = F.interpolate(ab[None], size=tuple(rgb.shape[:2]), mode="bicubic")[0]
    colored: NDArray[np.float32] = (
        lab_to_rgb_in_gamut(torch.cat([lab[:1], large])).permute(1, 2, 0).contiguous().numpy()
    )
    return colored


def _peak_in_child(
    call: Callable[[NDArray[np.float32], Tensor], NDArray[np.float32]], size: tuple[int, int]
) -> float:
    """Return the megabytes by which one call raises the peak of a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, call, size).result()


def _peak(call: Callable[[NDArray[np.float32], Tensor], NDArray[np.float32]], size: tuple[int, int]) -> float:
    single_thread()
    call(_photo(SMALL), _ab())  # what is loaded on first use belongs to neither way
    photo, ab = _photo(size), _ab()
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use now
    before = _peak_megabytes()
    call(photo, ab)
    return _peak_megabytes() - before


def _peak_megabytes() -> float:
    # getrusage would answer the peak of the parent, which a child inherits
    found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    assert found is not None, "every Linux tells the peak of a process"
    return int(found[1]) / 1e3


def _photo(size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a gray picture ``(H, W, 3)`` in [0, 1]: blobs under a little grain."""
    generator = torch.Generator().manual_seed(0)
    blobs = F.interpolate(torch.rand(1, 1, 12, 16, generator=generator), size=size, mode="bicubic")[0, 0]
    gray = (0.9 * blobs + 0.1 * torch.rand(size, generator=generator)).clamp(0, 1)
    photo: NDArray[np.float32] = gray[..., None].expand(-1, -1, 3).contiguous().numpy()
    return photo


def _ab() -> Tensor:
    """Return ``(2, 192, 256)`` soft colors of a photo's chroma."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.randn(1, 2, 12, 16, generator=generator) * CHROMA
    return F.interpolate(cells, size=(192, 256), mode="bicubic")[0]

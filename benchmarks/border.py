"""Detection of scan borders: effect of a border on the colors inside, and false detections.

Every photo is put into a simulated film rebate (dark) or print margin (light) of 3 to 12 % of its sides, with
noise, lettering and uneven edges. ``ours`` detects the border; the reference colorizes the whole scan.
"""

from __future__ import annotations

import statistics
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks._common import PHOTOS, Options, Row, evenly_spaced, where
from colorzoo.color import rgb_to_lab
from colorzoo.guidance.border import BorderSetting
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.inference.border import select_part
from colorzoo.inference.colorizer import Colorizer
from colorzoo.metrics import psnr_8bit

_BORDERED = {  # photos with a border of their own, by eye
    "val": (41, 57, 66, 74, 77, 88, 96, 107, 149, 155, 170, 174, 185, 229),
    "val_people": (40, 47, 94, 177, 256, 298),
}
_ROUGH = 2  # pixels that the border may cover of a photo
Levels = NDArray[np.uint8]
Tone = Literal["dark", "light"]


def run(options: Options) -> list[Row]:
    """Compare photos with and without borders."""
    folder = options.data or PHOTOS
    sources = evenly_spaced(folder)
    bordered = {f"{number:05}" for number in _BORDERED.get(folder.name, ())}
    colorizer = Colorizer(options.model or "colorzoo2026")
    moved: dict[str, list[float]] = {"automatic": [], "none": []}
    lost: dict[str, list[float]] = {"automatic": [], "none": []}
    false_loss, false_count, count = [], 0, 0
    for number, source in enumerate(islice(sources, options.images)):
        photo = read_image(source.read()).levels
        if photo.ndim != 3:
            continue
        if Path(source.name).stem in bordered:
            continue
        count += 1
        generator = np.random.default_rng(number)
        truth = _color(colorizer, photo, "none")
        if select_part(RasterImage(photo), "automatic") is not None:
            false_count += 1
            false_loss.append(_psnr(truth, photo) - _psnr(_color(colorizer, photo, "automatic"), photo))
            continue  # a border around a border says nothing
        tone: Tone = "dark" if number % 2 else "light"
        scan, (top, left) = add_border(photo, tone, generator)
        rows, columns = slice(top, top + photo.shape[0]), slice(left, left + photo.shape[1])
        kept = slice(_ROUGH, -_ROUGH)  # without the rough edge, where the photo is covered
        photo, truth = photo[kept, kept], truth[kept, kept]
        for setting in ("automatic", "none"):
            colored = _color(colorizer, scan, setting)[rows, columns][kept, kept]
            moved[setting].append(_distance(colored, truth))
            lost[setting].append(_psnr(truth, photo) - _psnr(colored, photo))
    place = f"{count} photos of {folder.name}, {where()}"
    ours, none = (statistics.fmean(moved[name]) for name in ("automatic", "none"))
    our_loss, loss = (statistics.fmean(lost[name]) for name in ("automatic", "none"))
    total = sum(false_loss)
    return [
        Row("color change inside in CIE units because of a border", ours, none, ours, 1.5, "lower", place),
        Row("PSNR in dB lost inside because of a border", our_loss, loss, our_loss, 0.05, "lower", place),
        Row("photos with a false detection of a border", false_count, count, false_count, 3, "lower", place),
        Row("PSNR in dB lost by these photos", total, 0.0, total, 0.01, "lower", place),
    ]


def add_border(photo: Levels, tone: Tone, generator: np.random.Generator) -> tuple[Levels, tuple[int, int]]:
    """Add a border to a photo ``(H, W, 3)``; return the scan and the top left corner of the photo."""
    height, width = photo.shape[:2]
    top, bottom = (int(height * share) for share in generator.uniform(0.03, 0.12, 2))
    left, right = (int(width * share) for share in generator.uniform(0.03, 0.12, 2))
    low, high = (4, 30) if tone == "dark" else (205, 250)
    gray = generator.uniform(low, high)
    canvas = Image.new("L", (left + width + right, top + height + bottom), int(gray))
    ink = 225 if tone == "dark" else 60
    draw = ImageDraw.Draw(canvas)
    draw.text((left + 4, 1), "SAFETY FILM 21", fill=ink)
    draw.text((left + width // 2, top + height + 1), "5063", fill=ink)
    levels = np.asarray(canvas).astype(np.float32)
    levels += generator.normal(0, generator.uniform(0, 6), levels.shape)
    whole = np.repeat(levels.clip(0, 255)[..., None], 3, axis=-1).astype(np.uint8)
    shown = whole.copy()
    shown[top : top + height, left : left + width] = photo
    for edge in range(4):  # a rough edge: the border reaches up to 2 pixels into the photo
        side, cover = np.rot90(shown, edge), np.rot90(whole, edge)
        depth = (top, right, bottom, left)[edge]
        reach = np.repeat(generator.integers(0, _ROUGH + 1, -(-side.shape[1] // 5)), 5)[: side.shape[1]]
        for step in range(_ROUGH):
            columns = reach > step
            tile = np.roll(cover[max(0, depth - 3)], step, axis=0)
            side[depth + step, columns] = tile[columns]
    return shown, (top, left)


def _color(colorizer: Colorizer, levels: Levels, border: BorderSetting) -> Levels:
    found: Levels = colorizer.colorize(RasterImage(levels), border=border).levels()
    return found


def _distance(one: Levels, other: Levels) -> float:
    return float((rgb_to_lab(_tensor(one)) - rgb_to_lab(_tensor(other)))[:, 1:].norm(dim=1).mean())


def _psnr(one: Levels, other: Levels) -> float:
    return float(psnr_8bit(_tensor(one), _tensor(other)))


def _tensor(levels: Levels) -> Tensor:
    return torch.from_numpy(levels.astype(np.float32) / 255).permute(2, 0, 1)[None]

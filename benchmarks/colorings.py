"""Likely colorings of a whole photo: best PSNR of four, beside warm, cool, vivid and muted versions.

Each photo is its central 256 x 256, colored as a whole at the network's size. The versions beside ours shift
the automatic colors by 6 CIE units of b and 2.4 of a to either side, or make them 1.4 and 0.6 times as vivid.
``--data`` names a folder; without it all three are taken.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, photos, where
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import PointHint, Recipe
from colorzoo.inference.colorings import COLORINGS, find_telling_place
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.palette import suggest_colors
from colorzoo.metrics import psnr_8bit
from colorzoo.pictures.picture import Picture

FOLDERS = (Path("data/photos/val"), Path("data/photos/val_people"), Path("data/coco_sample/images"))
PICTURES = 60
_TINT = (2.4, 6.0)  # ab in CIE units
_VIVID, _MUTED = 1.4, 0.6


def run(options: Options) -> list[Row]:
    """Return a row for each folder."""
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    folders = [options.data] if options.data else [folder for folder in FOLDERS if folder.is_dir()]
    if not folders:
        raise SkippedError(f"none of {', '.join(map(str, FOLDERS))} is here; give --data")
    return [_row(colorizer, folder, options.pictures or PICTURES) for folder in folders]


def _row(colorizer: Colorizer, folder: Path, most: int) -> Row:
    alone, ours, tinted = [], [], []
    for rgb in islice(photos(folder), most):
        levels = (rgb.permute(1, 2, 0) * 255).round().byte().numpy()
        lightness = rgb_to_lab(rgb[None])[:, :1]
        job = colorizer.job(Picture(levels), Recipe(), frame="none")
        automatic = colorizer.run(job)
        place = find_telling_place(colorizer, job, automatic)
        if place is None:
            raise SkippedError(f"{colorizer.name} compares no places or predicts no distribution")
        light = float(lightness[0, 0, int(place.y), int(place.x)])
        colors = suggest_colors(place.probabilities, place.centers, light, count=COLORINGS.count)
        points = [PointHint(place.x, place.y, ab=color.ab, reach="everywhere") for color in colors]
        begun = [colorizer.run(replace(job, recipe=Recipe(points=(point,)))).ab for point in points]
        score = partial(_psnr, rgb, lightness)
        alone.append(score(automatic.ab))
        ours.append(max(map(score, begun)))
        tinted.append(max(map(score, _tinted(automatic.ab))))
    best, other = statistics.fmean(ours), statistics.fmean(tinted)
    claim = (
        f"best of {COLORINGS.count} colorings of {folder.name} in dB, {statistics.fmean(alone):.2f} automatic"
    )
    return Row(claim, best, other, best - other, 0.0, "higher", f"{len(ours)} photos, {where()}")


def _tinted(ab: Tensor) -> list[Tensor]:
    tint = torch.tensor(_TINT)[:, None, None]
    return [ab + tint, ab - tint, ab * _VIVID, ab * _MUTED]


def _psnr(rgb: Tensor, lightness: Tensor, ab: Tensor) -> float:
    large = F.interpolate(ab[None], lightness.shape[2:], mode="bicubic")
    return float(psnr_8bit(lab_to_rgb(torch.cat([lightness, large], dim=1)), rgb[None]))

"""Does an edge-aware way to enlarge predicted ab beat bicubic? Bicubic stays the default unless it does.

The network sees a photo at a half and at a quarter of its size, with ten true points; its ab is enlarged to
full size and joined with the true lightness. Both edge-aware ways take that lightness as guide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._harness import Options, Row, SkippedError, where
from colorzoo import Guidance
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import uniform_points
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.picture_io import find_pictures, read_picture
from colorzoo.inference.resample import shrink_luma
from colorzoo.metrics.psnr import psnr_8bit

PICTURES, POINTS, FACTORS, LONGEST = 60, 10, (2, 4), 1024
GOAL = 1.02  # of squared error: a gain below 0.1 dB cannot be seen and changes no default
DEMO = Path("docs/images/sources")

Upsample = Callable[[Tensor, Tensor, Tensor], Tensor]


def run(options: Options) -> list[Row]:
    """Compare mean PSNR of the ways to enlarge ab; one row for each rival and factor."""
    photos = _photos(options.data or DEMO)
    weights = "default" if options.weights is None else options.weights
    try:
        model = create_model("zhang2017_local_small", weights, offline=True)
        colorizer = Colorizer(model, device="cpu")
    except ColorzooError as error:
        raise SkippedError(f"trained weights are needed; give --weights ({error})") from error
    rows = []
    for factor in FACTORS:
        scores = _mean_psnr(colorizer, photos, factor)
        for rival in ("guided filter", "joint bilateral"):
            claim = f"ab enlarged x{factor} by bicubic, against {rival}, mean PSNR in dB"
            ours, reference = scores["bicubic"], scores[rival]
            ratio = 10 ** ((reference - ours) / 10)  # squared error of ours over that of the rival
            rows.append(Row(claim, ours, reference, ratio, GOAL, "lower", where()))
    return rows


def _photos(folder: Path) -> list[Path]:
    paths = [found.path for found in find_pictures([folder])] if folder.is_dir() else []
    if not paths:
        raise SkippedError(f"no color photos in {folder}; give a folder with --data")
    step = max(1, len(paths) // PICTURES)
    return paths[::step][:PICTURES]


def _mean_psnr(colorizer: Colorizer, photos: list[Path], factor: int) -> dict[str, float]:
    ways: dict[str, Upsample] = {
        "bicubic": bicubic,
        "guided filter": guided_filter,
        "joint bilateral": joint_bilateral,
    }
    total = dict.fromkeys(ways, 0.0)
    for rgb in _read(photos):
        lab = rgb_to_lab(rgb)
        size = (rgb.shape[-2] // factor, rgb.shape[-1] // factor)
        small = F.interpolate(lab, size=size, mode="area")
        luma = shrink_luma(lab[:, :1], size)
        points = uniform_points(small[:, 1:], POINTS, torch.Generator().manual_seed(0))
        ab = colorizer.predict_ab(luma, Guidance(points=points))
        for name, way in ways.items():
            colored = lab_to_rgb_in_gamut(torch.cat([lab[:, :1], way(ab, luma, lab[:, :1])], dim=1))
            total[name] += float(psnr_8bit(colored, rgb)) / len(photos)
    return total


def _read(photos: list[Path]) -> Iterator[Tensor]:
    """Yield each photo as ``(1, 3, H, W)``, at most 1024 pixels long."""
    for path in photos:
        rgb = torch.from_numpy(read_picture(path).rgb).permute(2, 0, 1)[None]
        scale = min(1.0, LONGEST / max(rgb.shape[-2:]))
        if scale < 1:
            rgb = F.interpolate(rgb, scale_factor=scale, mode="area")
        yield rgb


def bicubic(ab: Tensor, luma: Tensor, guide: Tensor) -> Tensor:
    """Enlarge ``(1, 2, h, w)`` ab to the size of the guide ``(1, 1, H, W)``; the small luma plays no part."""
    del luma
    return F.interpolate(ab, size=guide.shape[-2:], mode="bicubic")


def guided_filter(
    ab: Tensor, luma: Tensor, guide: Tensor, *, radius: int = 2, smoothness: float = 3.0
) -> Tensor:
    """Fit ab = slope * luma + offset around each small pixel and apply it to the guide (He & Sun 2015)."""

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 2 * radius + 1, 1, radius, count_include_pad=False)

    center_luma, center_ab = mean(luma), mean(ab)
    variance = mean(luma * luma) - center_luma.square()
    slope = (mean(luma * ab) - center_luma * center_ab) / (variance + smoothness**2)
    offset = center_ab - slope * center_luma
    size = guide.shape[-2:]
    # what the fit leaves over is enlarged bicubically, so that detail of ab which luma lacks is kept
    rest = ab - (mean(slope) * luma + mean(offset))
    slope, offset, rest = (
        F.interpolate(part, size=size, mode="bicubic") for part in (mean(slope), mean(offset), rest)
    )
    return slope * guide + offset + rest


def joint_bilateral(
    ab: Tensor, luma: Tensor, guide: Tensor, *, radius: int = 2, spread: float = 0.8, contrast: float = 12.0
) -> Tensor:
    """Average the small pixels around each large one by distance and likeness of luma (Kopf et al. 2007)."""
    height, width = guide.shape[-2:]
    rows, columns = (
        (torch.arange(full) + 0.5) * part / full - 0.5
        for full, part in ((height, ab.shape[-2]), (width, ab.shape[-1]))
    )
    near_row, near_column = rows.round().long(), columns.round().long()
    total, weights = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            row, column = near_row + down, near_column + right
            place = (rows - row).square()[:, None] + (columns - column).square()[None]
            row, column = row.clamp(0, ab.shape[-2] - 1), column.clamp(0, ab.shape[-1] - 1)
            look = guide - luma[:, :, row][..., column]
            exponent = place / spread**2 + look.square() / contrast**2
            weight = torch.exp(-0.5 * exponent)
            total += weight * ab[:, :, row][..., column]
            weights += weight
    return total / weights.clamp(min=math.ulp(1.0))

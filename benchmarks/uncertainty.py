"""Uncertainty: rank correlation of the predicted uncertainty of a photo with its color error.

Each photo is read at 256 pixels and colorized as a whole. The error is the mean ab distance from the true
colors at the network's size. The figure is Spearman's rank correlation over all color photos that are not
classified as a page. ``--data`` names a folder; without it all three folders are used.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, evenly_spaced, where
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from colorzoo.pixels.raster import Levels

FOLDERS = (Path("data/photos/val"), Path("data/photos/val_people"), Path("data/coco_sample/images"))
IMAGES, SIDE = 400, 256
_LEAST_CHROMA = 2.0  # mean of a photo in color
GOAL = 0.5


def run(options: Options) -> list[Row]:
    """Return a row for each folder."""
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    return [_row(colorizer, folder, options.images or IMAGES) for folder in _folders(options)]


def _folders(options: Options) -> list[Path]:
    found = [options.data] if options.data else [folder for folder in FOLDERS if folder.is_dir()]
    if not found:
        raise SkippedError(f"none of {', '.join(map(str, FOLDERS))} is here; give --data")
    return found


def _row(colorizer: Colorizer, folder: Path, most: int) -> Row:
    sources = evenly_spaced(folder)
    uncertainties, errors = [], []
    for source in islice(sources, 0, None, max(1, len(sources) // most)):
        levels = _small(read_image(source.read()).levels)
        true = rgb_to_lab(torch.from_numpy(levels).permute(2, 0, 1)[None] / 255)[:, 1:]
        if float(true.norm(dim=1).mean()) < _LEAST_CHROMA:
            continue
        answer = colorizer.colorize(RasterImage(levels), Recipe(), border="none")
        if NOTHING_TO_COLOR in answer.notes:
            continue
        uncertainty = answer.uncertainty
        if uncertainty is None:
            raise SkippedError(f"{colorizer.name} predicts no distribution")
        uncertainties.append(uncertainty)
        seen = F.interpolate(true, answer.ab.shape[1:], mode="bilinear", antialias=True)
        errors.append(float((answer.ab - seen[0]).norm(dim=0).mean()))
    correlation = float(spearmanr(uncertainties, errors).statistic)
    claim = "rank correlation of uncertainty and color error"
    return Row(claim, correlation, 0.0, correlation, GOAL, "higher", f"{len(errors)} of {folder}, {where()}")


def _small(levels: Levels) -> Levels:
    image = Image.fromarray(levels).convert("RGB")
    scale = SIDE / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.array(image.resize(size, Image.Resampling.BICUBIC))

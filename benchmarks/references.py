"""Influence of the reference on the colors: the change when the hues of the reference are inverted.

Each target is colorized with its reference, and with the same reference with opposite hues. The measure is
the mean ab distance of both results relative to the distance of both references. ``--data`` is a folder with
a list of pairs, ``exemplar/pairs.csv``; ``--models`` names models that support references.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, lab_of, where
from colorzoo.color import lab_to_rgb
from colorzoo.color.lab import reduce_chroma
from colorzoo.data.exemplar_pairs import read_pairs
from colorzoo.errors import DataError
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import ReadReference
from colorzoo.metrics.appearance import chroma

PAIRS, COUNT = "exemplar/pairs.csv", 25
MODELS = ("colorzoo2026", "zhang2019_small", "chen2023_small", "xu2020_small", "feature_match", "welsh2002")
LEAST_CHROMA = 8.0  # mean of a reference in CIE units; a paler one asks for nothing
GOAL = 0.25


def run(options: Options) -> list[Row]:
    """Measure each model."""
    folder = options.data or Path("data")
    try:
        found = read_pairs(folder, PAIRS)
    except (DataError, OSError) as error:
        raise SkippedError(str(error)) from error
    images = ((read_image(each.target.read()), read_image(each.reference.read())) for each in found)
    colored = ((a, b) for a, b in images if float(chroma(lab_of(b.rgb)[None, 1:]).mean()) > LEAST_CHROMA)
    pairs = list(islice(colored, options.images or COUNT))
    if not pairs:
        raise SkippedError(f"no reference of {PAIRS} has color")
    rows = []
    for name in options.models or MODELS:
        answer, asked = measure(Colorizer(name, device="cpu", precision="float32"), pairs)
        claim = f"ab by which {name} answers to the opposite hues; reference: by which the reference changes"
        rows.append(
            Row(claim, answer, asked, answer / asked, GOAL, "higher", f"{len(pairs)} pairs, {where()}")
        )
    return rows


def measure(colorizer: Colorizer, pairs: list[tuple[RasterImage, RasterImage]]) -> tuple[float, float]:
    """Return the mean change in ab of the results and of the references."""
    changes: list[list[float]] = [[], []]
    for target, reference in pairs:
        turned = RasterImage(opposite(lab_of(reference.rgb)[None]))
        given = [colorizer.exemplar([ReadReference(each)]) for each in (reference, turned)]
        first, second = (colorizer.colorize(target, reference=each).ab for each in given)
        changes[0].append(float((first - second).norm(dim=0).mean()))
        before, after = (lab_of(each.rgb)[1:] for each in (reference, turned))
        changes[1].append(float((before - after).norm(dim=0).mean()))
    answer, asked = (sum(each) / len(each) for each in changes)
    return answer, asked


def opposite(lab: Tensor) -> NDArray[np.float32]:
    """Return RGB ``(H, W, 3)`` of Lab ``(1, 3, H, W)`` with the opposite hues, within sRGB."""
    turned = reduce_chroma(torch.cat([lab[:, :1], -lab[:, 1:]], dim=1))
    return lab_to_rgb(turned)[0].permute(1, 2, 0).contiguous().numpy()

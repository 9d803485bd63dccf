"""Drawings: PSNR on drawn lines against filling without a network, lines, leaks, and time at full size.

The pairs of drawn lines and color images come from ``val`` of the drawings data set, at 256 pixels. A colored
region gets the mean of its true colors. The baseline fills the largest regions of a white drawing.

A reference is a mirrored and warped copy of the color image. If ``characters.tar`` is in the folder of the
data set, the colors of held-out characters are measured, too.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, trained_model, where
from benchmarks._faces import face_rows, read_characters
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import format_hex
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import map_size
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.steps.drawing import FlatColors, region_votes
from colorzoo.metrics import colorfulness
from colorzoo.metrics.psnr import psnr
from colorzoo.networks.splines import TRIES, diagonal_moves, spline, warp

FOLDER = Path("data/drawings/val")
SIDE = 256  # longer side of the pairs
HINTS = (0, 3, 10, 30)
POINTS = (1, 3, 10, 30)
GOALS = {"proposed": (15.5, 20.5, 23.5, 23.5), "points": (16.0, 18.5, 22.0, 25.0)}
COLORFUL = 0.7
PREVIEW = 1600  # longer side of the preview of the drawing pad
SECONDS = {"first colors": 4.0, "a click": 0.4}

SAME, SAME_GOAL = 15.0, 0.6  # largest CIE76 difference of equal colors; fraction of regions with equal colors
PAPER = 92.0  # CIE lightness above which a region of the color image is paper
SMALLEST = 0.002  # area of the smallest region that is compared, as a fraction of the image

Rgb = NDArray[np.float32]


def run(options: Options) -> list[Row]:
    """Return PSNR on pairs, colors of characters, the precision of lines and fills, and times."""
    folder = options.data or FOLDER
    model = trained_model(options.model or "colorzoo2026_drawing", options)
    colorizer = Colorizer(model, device="cpu", precision="float32")
    pairs = list(read_pairs(folder))[: options.images]
    found = [measure_pair(colorizer, truth, lines, seed) for seed, (truth, lines) in enumerate(pairs)]
    place = f"{len(pairs)} pairs, {where()}"
    rows = [
        _row(f"{kind}, {count} colors: PSNR, dB", found, f"{kind} {count}", f"filled {count}", goal, place)
        for kind, counts in (("proposed", HINTS), ("points", POINTS))
        for count, goal in zip(counts, GOALS[kind], strict=True)
    ]
    ours, true = (statistics.fmean(each[name] for each in found) for name in ("colorfulness", "true"))
    claim = "automatic colorfulness against the true colorfulness"
    rows.append(Row(claim, ours, true, ours / true, COLORFUL, "higher", place))
    rows.extend(reference_rows(colorizer, pairs))
    if (folder.parent / "characters.tar").is_file():
        characters = read_characters(folder.parent)[: options.images]
        rows.extend(face_rows(characters, lambda lines: colorizer.colorize(lines).rgb))
    return [*rows, *_precision_rows(colorizer), *_time_rows(colorizer)]


def _row(
    claim: str, found: list[dict[str, float]], ours: str, reference: str, goal: float, place: str
) -> Row:
    one, other = (statistics.fmean(each[name] for each in found) for name in (ours, reference))
    return Row(claim, one, other, one, goal, "higher", place)


def read_pairs(folder: Path) -> Iterator[tuple[Rgb, NDArray[np.uint8]]]:
    """Yield color images ``(H, W, 3)`` in [0, 1] and their drawn lines ``(H, W)``."""
    if not (folder / "manifest.csv").is_file():
        raise SkippedError(f"{folder} holds no manifest.csv; name its folder with --data")
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["lines"] == "1"]
    for name in names:
        image = Image.open(folder / "images" / name).convert("RGB")
        scale = SIDE / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        lines = Image.open(folder / "lines" / name).convert("L").resize(size, Image.Resampling.LANCZOS)
        levels: Rgb = np.asarray(image.resize(size, Image.Resampling.LANCZOS), np.float32)
        yield levels / np.float32(255), np.asarray(lines, np.uint8)


def measure_pair(colorizer: Colorizer, truth: Rgb, lines: NDArray[np.uint8], seed: int) -> dict[str, float]:
    """Return PSNR by number of colored regions and points, for the model and for filling alone."""
    automatic = colorizer.colorize(lines)
    flats = automatic.flats
    means, places = region_truths(flats, truth)
    order = proposed_order(colorizer, automatic)
    found = {"colorfulness": float(colorfulness(batch_of(automatic.rgb)))}
    found["true"] = float(colorfulness(batch_of(truth)))
    rows, columns = lines.shape
    random = np.random.default_rng(seed)
    drawn = [(int(random.integers(rows)), int(random.integers(columns))) for _ in range(max(POINTS))]
    chosen = {
        **{f"proposed {count}": order[:count] for count in HINTS},
        **{
            f"points {count}": [int(flats.drawing.regions[place]) for place in drawn[:count]]
            for count in POINTS
        },
    }
    for name, regions in chosen.items():
        hints = tuple(
            PointHint(*places[region], color=hex_of(means[region])) for region in dict.fromkeys(regions)
        )
        rgb = colorizer.colorize(lines, Recipe(points=hints)).rgb
        found[name] = float(psnr(batch_of(rgb), batch_of(truth)))
    for count in {*HINTS, *POINTS}:
        white = np.ones_like(flats.colors)
        white[:count] = means[:count]
        rgb = FlatColors(flats.drawing, white).compose(None)
        found[f"filled {count}"] = float(psnr(batch_of(rgb), batch_of(truth)))
    return found


def region_truths(flats: FlatColors, truth: Rgb) -> tuple[Rgb, list[tuple[float, float]]]:
    """Return the mean true color of each region, and x and y of a pixel far from its boundary."""
    regions = flats.drawing.regions
    paper = (flats.drawing.art.darkness < 64) + 0.02
    total = np.bincount(regions.ravel(), paper.ravel())
    sums = [np.bincount(regions.ravel(), (truth[..., c] * paper).ravel()) for c in range(3)]
    places = []
    for region in range(len(total)):
        inside = cv2.copyMakeBorder((regions == region).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        places.append((float(column) + 0.5, float(row) + 0.5))
    return (np.stack(sums, 1) / total[:, None]).astype(np.float32), places


def proposed_order(colorizer: Colorizer, automatic: ColorizedImage) -> list[int]:
    """Return the regions in the order in which the model proposes them."""
    flats = automatic.flats
    sketch = flats.drawing.sketch(map_size(automatic.edit.lightness))
    model: Any = colorizer.model  # a model of drawings
    with torch.inference_mode():
        prediction = model(sketch)
        votes = region_votes(prediction, flats.drawing, sketch)
        areas = torch.from_numpy(flats.drawing.areas)
        return model.rank_regions(prediction, votes, areas)


def reference_rows(colorizer: Colorizer, pairs: Sequence[tuple[Rgb, NDArray[np.uint8]]]) -> list[Row]:
    """Return the fractions of regions and of their area with the color of the same part of a reference."""
    copies = [warped_copy(truth, seed) for seed, (truth, _) in enumerate(pairs)]
    equal = [equal_regions(colorizer, *pair, copy) for pair, copy in zip(pairs, copies, strict=True)]
    alone = [equal_regions(colorizer, *pair) for pair in pairs]
    rows = []
    for index, unit in enumerate(("regions", "area")):
        ours, without = (statistics.fmean(each[index] for each in found if each) for found in (equal, alone))
        claim = f"{unit} within {SAME:g} CIE units of the same part of a reference, against no reference"
        rows.append(Row(claim, ours, without, ours, SAME_GOAL, "higher", f"{len(pairs)} pairs, {where()}"))
    return rows


def equal_regions(
    colorizer: Colorizer, truth: Rgb, lines: NDArray[np.uint8], reference: NDArray[np.uint8] | None = None
) -> tuple[float, float] | None:
    """Return the fractions of regions and of their area with the true color.

    Paper and small regions are not compared. If all regions are paper or small, the result is None.
    """
    flats = colorizer.colorize(lines, reference=reference).flats
    means, _ = region_truths(flats, truth)
    true, found = (lab_of(colors) for colors in (means, flats.colors))
    areas = flats.drawing.areas
    compared = (true[:, 0] < PAPER) & (areas >= SMALLEST)
    if not compared.any():
        return None
    is_equal = np.linalg.norm(true - found, axis=1)[compared] < SAME
    return float(is_equal.mean()), float(np.average(is_equal, weights=areas[compared]))


def warped_copy(image: Rgb, seed: int) -> NDArray[np.uint8]:
    """Mirror an image ``(H, W, 3)`` in [0, 1] and warp it with a random thin plate spline."""
    draws = torch.rand(1, TRIES, 4, generator=torch.Generator().manual_seed(seed))
    moves = diagonal_moves(draws)
    mirrored = torch.from_numpy(image[:, ::-1].copy()).permute(2, 0, 1)[None]
    warped = 1 - warp(1 - mirrored, spline(moves), moves)[0].clamp(0, 1)  # white outside the image
    return np.round(255 * warped.permute(1, 2, 0).numpy()).astype(np.uint8)


def lab_of(colors: Rgb) -> Rgb:
    """Convert colors ``(N, 3)`` in [0, 1] to CIE Lab."""
    return cv2.cvtColor(colors[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


def batch_of(rgb: Rgb) -> Tensor:
    """Return an image ``(H, W, 3)`` as a batch ``(1, 3, H, W)``."""
    return torch.from_numpy(rgb).permute(2, 0, 1)[None]


def hex_of(color: Rgb) -> str:
    return format_hex(round(float(value) * 255) for value in color.clip(0, 1))


def _precision_rows(colorizer: Colorizer) -> list[Row]:
    """Return errors on line pixels, fills beyond a closed outline and through gaps, and white pixels."""
    line_error = leaks = gaps = white = 0.0
    for seed in range(20):
        image, outside = made_drawing(seed, gap=0)
        hints = (PointHint(500, 500, color="#2060c0"), PointHint(5, 5, color="#f0d060"))
        rgb = colorizer.colorize(image, Recipe(points=hints)).levels().astype(float)
        fill, around = np.array((0x20, 0x60, 0xC0)), np.array((0xF0, 0xD0, 0x60))
        ink = (image / 255.0)[..., None]
        error = np.minimum(np.abs(rgb - fill * ink), np.abs(rgb - around * ink)).max(2)
        line_error = max(line_error, float(error[image < 250].max()))
        leaks = max(leaks, float((np.abs(rgb - fill).max(2) < 2)[outside].mean()))
        white = max(white, float((rgb.min(2) > 250).sum()))
        image, outside = made_drawing(seed, gap=4)
        rgb = colorizer.colorize(image, Recipe(points=hints)).levels().astype(float)
        gaps = max(gaps, float((np.abs(rgb - fill).max(2) < 2)[outside].mean()))
    place = f"20 made drawings of 1,000 pixels, {where()}"
    rows = (
        ("largest error on line pixels, levels of 255", line_error, 2.0),
        ("fill beyond a closed outline, fraction of pixels", leaks, 0.0),
        ("fill through gaps of 4 pixels, fraction of pixels", gaps, 0.01),
        ("white pixels between a line and its color", white, 0.0),
    )
    return [Row(claim, value, goal, value, goal, "lower", place) for claim, value, goal in rows]


def made_drawing(seed: int, gap: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a closed curve on paper ``(1000, 1000)``, and the pixels outside of the curve."""
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    radius = 300 + sum(
        40 * random.normal() / k * np.cos(k * angles + random.uniform(0, 6)) for k in range(2, 6)
    )
    curve = np.stack([500 + radius * np.cos(angles), 500 + radius * np.sin(angles)], 1)
    image, width = np.full((1000, 1000), 255, np.uint8), int(random.integers(3, 9))
    cv2.polylines(image, [np.round(curve).astype(np.int32)], True, 0, width, cv2.LINE_AA)
    solid = np.zeros((1000, 1000), np.uint8)
    cv2.fillPoly(solid, [np.round(curve).astype(np.int32)], 1)
    for index in random.choice(400, 5, replace=False) if gap else ():
        x, y = np.round(curve[index]).astype(int)
        cv2.circle(image, (int(x), int(y)), gap // 2, 255, -1)
    margin = np.ones((2 * width + 3, 2 * width + 3), np.uint8)
    return image, cv2.dilate(solid, margin) == 0


def _time_rows(colorizer: Colorizer) -> list[Row]:
    """Return the seconds until the first colors and after a click, for 3,000 x 4,000 pixels.

    A click colors the preview of the drawing pad, because the regions do not change.
    """
    small, _ = made_drawing(0, gap=0)
    image = RasterImage(cv2.resize(small, (3000, 4000), interpolation=cv2.INTER_CUBIC))
    colorizer.colorize(small)  # loads libraries
    seconds = {"first colors": _seconds(lambda: colorizer.colorize(image).levels())}
    edit = colorizer.resolve(image, Recipe())
    drawing = edit.drawing
    assert drawing is not None
    preview = drawing.resized((PREVIEW, PREVIEW * 3 // 4))
    hint = Recipe(points=(PointHint(1500, 2000, color="#2060c0"),), width=3000, height=4000)

    def click() -> None:
        changed = colorizer.resolve_lightness(edit.lightness, edit.image_size, hint, drawing=preview)
        result = colorize_edit(changed)
        flats = result.flats
        flats.compose(8)

    seconds["a click"] = _seconds(click)
    return [
        Row(f"{name}, 3,000 x 4,000 pixels, s", value, SECONDS[name], value, SECONDS[name], "lower", where())
        for name, value in seconds.items()
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

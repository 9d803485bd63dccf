"""Drawn film: regions and pixels with the right color in made sequences of two figures.

The figures come from ``val`` of the drawings data set, with the artist's colors. Figures are used if their
colors end at their lines. They are moved, scaled, turned and mirrored, one figure covers a part of the other,
and their lines are redrawn with another width. A region has the right color if it differs from the mean
true color by less than 15 CIE units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Options, Row, where
from benchmarks.drawings import FOLDER, PAPER, SAME, Rgb, lab_of, read_pairs, region_truths
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.layers.sheets import Sheets
from colorzoo.inference.region_memory import RegionMemory, with_region_colors
from colorzoo.inference.steps.drawing import FlatColors, read_drawing

HEIGHT, WIDTH = 320, 448
GOALS = {"next frame": (0.90, 0.98), "one sheet": (0.70, 0.95)}
SMALLEST = 2e-4  # area of the smallest region that is compared, as a fraction of the image
OVERSAMPLING = 2
EVEN, FEWEST = 0.85, 3  # smallest fraction of pixels with the color of their region, and number of regions

Frame = tuple[Rgb, NDArray[np.uint8]]


@dataclass(frozen=True)
class Pose:
    """Position of a figure in a frame.

    Attributes:
        x: Horizontal center as a fraction of the width.
        y: Vertical center as a fraction of the height.
        height: Height of the figure as a fraction of the height of the frame.
        angle: Rotation in degrees.
        mirrored: Whether the figure is mirrored.
        pen: Change of the line width in pixels.
    """

    x: float
    y: float
    height: float
    angle: float = 0.0
    mirrored: bool = False
    pen: float = 0.0


def run(options: Options) -> list[Row]:
    """Return the fractions of regions and pixels with the right color for each task."""
    colorizer = Colorizer("colorzoo2026_drawing", device="cpu", precision="float32")
    pairs = [(colors, close_edge(colors, lines)) for colors, lines in read_pairs(options.data or FOLDER)]
    figures = [pair for pair in pairs if has_regions(*pair)][: options.images]
    found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in GOALS}
    for seed in range(len(figures)):
        pair = [figures[seed], figures[(seed + len(figures) // 2) % len(figures)]]
        for name in GOALS:
            found[name].append(measure(colorizer, pair, name, seed))
    rows = []
    place = f"{len(figures)} frames of two figures, {where()}"
    for name, goals in GOALS.items():
        values = np.array(found[name])
        regions, pixels, figure_pixels, automatic = values.mean(0)
        errors = values.std(0, ddof=1) / len(values) ** 0.5
        claim = f"{name}: regions of figures with the right color (standard error {errors[0]:.3f}), automatic"
        rows.append(Row(claim, regions, automatic, regions, goals[0], "higher", place))
        claim = f"{name}: pixels with the right color (standard error {errors[1]:.3f}), and pixels of figures"
        rows.append(Row(claim, pixels, figure_pixels, pixels, goals[1], "higher", place))
    return rows


def measure(
    colorizer: Colorizer, figures: Sequence[Frame], name: str, seed: int
) -> tuple[float, float, float, float]:
    """Color a frame from the frame before, or from one sheet of each figure.

    Returns:
        Fractions with the right color: regions of figures, pixels of the frame, pixels of figures, and
        regions of figures with automatic colors.
    """
    random = np.random.default_rng(seed)
    poses = [
        Pose(x, random.uniform(0.45, 0.55), random.uniform(0.6, 0.9), random.uniform(-8, 8))
        for x in random.uniform((0.3, 0.5), (0.4, 0.65))
    ]
    truth, lines = compose(figures, poses)
    memory, previous = RegionMemory(colorizer), None
    if name == "next frame":
        previous = colorizer.colorize(RasterImage(lines))
        colors, _ = region_truths(previous.flats, truth)
        previous = with_region_colors(previous, colors)
        moved = [
            Pose(
                pose.x + random.uniform(-0.05, 0.05),
                pose.y + random.uniform(-0.03, 0.03),
                pose.height * random.uniform(0.95, 1.05),
                pose.angle + random.uniform(-4, 4),
                pen=random.uniform(-0.5, 0.5),
            )
            for pose in poses
        ]
        truth, lines = compose(figures, moved)
    else:
        for figure in figures:
            mirrored = bool(random.integers(2))
            sheet = Pose(0.5, 0.5, 0.9, random.uniform(-8, 8), mirrored, random.uniform(-0.5, 0.5))
            colored, _ = compose([figure], [sheet])
            memory.add_sheet(RasterImage(np.round(colored * 255).astype(np.uint8)))
    automatic = colorizer.colorize(RasterImage(lines))
    recalled = colorizer.colorize(RasterImage(lines), sheets=Sheets(memory, previous))
    before, flats = automatic.flats, recalled.flats
    true = lab_of(region_truths(flats, truth)[0])
    is_right, was_right = (
        np.linalg.norm(true - lab_of(each.colors), axis=1) < SAME for each in (flats, before)
    )
    regions, areas = flats.drawing.regions, flats.drawing.areas
    at_edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    is_figure = (areas >= SMALLEST) & ~np.isin(np.arange(len(areas)), at_edge)
    return (
        float(is_right[is_figure].mean()),
        float(np.average(is_right, weights=areas)),
        float(np.average(is_right[is_figure], weights=areas[is_figure])),
        float(was_right[is_figure].mean()),
    )


def compose(figures: Sequence[Frame], poses: Sequence[Pose]) -> Frame:
    """Draw figures on paper, the last figure in front; return RGB ``(H, W, 3)`` and lines ``(H, W)``."""
    size = WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING
    rgb = np.ones((size[1], size[0], 3), np.float32)
    lines = np.full(size[::-1], 255, np.uint8)
    for (colors, drawn), pose in zip(figures, poses, strict=True):
        height, width = drawn.shape
        scale = pose.height * size[1] / max(height, 0.8 * width)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), pose.angle, scale)
        if pose.mirrored:
            matrix = matrix @ np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]])
        matrix[:, 2] += np.array([pose.x * size[0], pose.y * size[1]]) - (width / 2, height / 2)
        opaque, warped, ink = (
            cv2.warpAffine(each, matrix, size, flags=cv2.INTER_CUBIC, borderValue=border)
            for each, border in ((inside_of(drawn, colors), 0), (colors, (1, 1, 1)), (drawn, 255))
        )
        side = 1 + 2 * round(abs(pose.pen) * OVERSAMPLING)
        change = cv2.erode if pose.pen > 0 else cv2.dilate  # lines are dark
        ink = change(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
        mask = (opaque > 127) | (ink < 128)
        rgb[mask], lines[mask] = warped[mask], ink[mask]
    return (
        cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).clip(0, 1),
        cv2.resize(lines, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA),
    )


def inside_of(lines: NDArray[np.uint8], colors: Rgb) -> NDArray[np.uint8]:
    """Return the pixels of a figure, 255 inside, without a background in color.

    A pixel is inside if it is not connected to the edge of the image, or not white on a white background.
    """
    free = np.pad((lines > 160).astype(np.uint8), 1, constant_values=1)
    _, parts = cv2.connectedComponents(free, connectivity=4)
    inside = (parts != parts[0, 0])[1:-1, 1:-1]
    is_colored = colors.min(2) < 0.9
    if not is_colored[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        inside |= is_colored
    return inside.astype(np.uint8) * 255


def close_edge(colors: Rgb, lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw a line where the edge of the image cuts a figure on a white background."""
    edge = np.ones(lines.shape, bool)
    edge[3:-3, 3:-3] = False
    is_colored = colors.min(2) < 0.9
    if is_colored[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return lines
    return np.where(edge & is_colored, np.uint8(0), lines)


def has_regions(colors: Rgb, lines: NDArray[np.uint8]) -> bool:
    """Return whether the colors of a figure end at its lines, and at least three regions have a color."""
    drawing = read_drawing(lines)
    means, _ = region_truths(FlatColors(drawing, np.empty((0, 3), np.float32)), colors)
    difference = np.linalg.norm(
        lab_of(colors.reshape(-1, 3)) - lab_of(means[drawing.regions].reshape(-1, 3)), axis=1
    )
    inside = (inside_of(lines, colors) > 0) & (lines > 200)
    if not inside.any():
        return False
    is_even = (difference.reshape(lines.shape) < SAME)[inside]
    is_colored = (lab_of(means)[:, 0] < PAPER) & (drawing.areas > SMALLEST)
    return bool(is_even.mean() > EVEN and is_colored.sum() >= FEWEST)

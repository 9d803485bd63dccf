"""Pages without colorizable content: blank paper, text, line charts, color targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE = (420, 560)  # width and height
Levels = NDArray[np.uint8]


def blank(paper: int) -> Image.Image:
    return Image.new("L", SIZE, paper)


def text(paper: int, ink: int, size: int, lines: int) -> Image.Image:
    page, font = blank(paper), ImageFont.load_default(size)
    draw, random = ImageDraw.Draw(page), np.random.default_rng(size)
    for line in range(lines):
        words = " ".join("etaoinshr"[: random.integers(2, 9)] for _ in range(int(520 / size)))
        draw.text((30, 30 + line * int(1.5 * size)), words, ink, font)
    return page


def line_chart(paper: int, ink: int) -> Image.Image:
    page = blank(paper)
    draw, x = ImageDraw.Draw(page), np.arange(60, 380)
    draw.line([(60, 60), (60, 480), (390, 480)], ink, 2)
    for phase in range(3):
        y = 260 + 120 * np.sin(x / 40 + phase) + 10 * phase
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), ink, 2)
    for tick in range(60, 390, 40):
        draw.text((tick, 490), str(tick), ink)
    return page


def checker(paper: int, columns: int, rows: int) -> Image.Image:
    """Return a gray color target: uniform patches with a margin."""
    page, random = blank(paper), np.random.default_rng(rows)
    draw, across, down = ImageDraw.Draw(page), 380 // columns, 520 // rows
    for number in range(columns * rows):
        x, y = 20 + number % columns * across, 20 + number // columns * down
        draw.rectangle((x + 3, y + 3, x + across - 4, y + down - 4), int(random.integers(15, 245)))
    return page


def steps(count: int) -> Image.Image:
    """Return a gray wedge of even steps."""
    tones = np.linspace(10, 245, count).round().astype(np.uint8)
    return Image.fromarray(np.repeat(np.repeat(tones[None], 160, axis=0), 480 // count, axis=1))


def scanned(page: Image.Image, grain: float = 0.0, shade: float = 0.0, angle: float = 0.0) -> Levels:
    """Return a page with scan defects: grain, shading towards one corner, and tilt."""
    paper = int(np.median(page))
    levels = np.asarray(page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)).astype(float)
    height, width = levels.shape
    y, x = np.mgrid[0:height, 0:width]
    levels += np.random.default_rng(0).normal(0, grain, levels.shape) - shade * (x / width + y / height)
    return np.clip(levels.round(), 0, 255).astype(np.uint8)


PAGES: dict[str, Callable[[], Levels]] = {
    "white": lambda: scanned(blank(255)),
    "black": lambda: scanned(blank(0)),
    "letters": lambda: scanned(text(240, 30, 14, 24)),
    "few lines": lambda: scanned(text(230, 20, 14, 4), 3),
    "tilted letters": lambda: scanned(text(240, 30, 14, 20), 2, 0, 3),
    "white on black": lambda: scanned(text(25, 235, 14, 22), 2),
    "chart": lambda: scanned(line_chart(245, 20)),
    "24 patches": lambda: scanned(checker(120, 4, 6)),
    "wedge": lambda: scanned(steps(12), 2),
}

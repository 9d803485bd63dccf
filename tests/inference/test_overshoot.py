"""Crossing strokes of different colors create no third color."""

import math

import torch
from skimage import data
from torch import Tensor

from colorzoo import Colorizer
from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io.read import read_image


def distance(colors: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return the distance ``(N,)`` of colors ``(N, 2)`` from segments between two colors."""
    along = end - start
    share = ((colors - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-9)
    return (colors - start - share.clamp(0, 1)[..., None] * along).norm(dim=-1)


def stroke(x: float, y: float, angle: float, ab: tuple[float, float]) -> list[PointHint]:
    step = (7 * math.cos(angle), 7 * math.sin(angle))
    places = [(x + k * step[0], y + k * step[1]) for k in range(-5, 6)]
    return [PointHint(*place, 2.0, ab=ab) for place in places]


def test_crossing_strokes_predict_only_mixtures_of_chosen_and_automatic_colors() -> None:
    for seed in range(3):
        random = torch.Generator().manual_seed(seed)
        hue, x, y, first, second = torch.rand(5, generator=random).tolist()
        chosen = [
            (30 * math.cos(6.3 * hue), 30 * math.sin(6.3 * hue)),
            (-55 * math.cos(6.3 * hue + 0.8), -55 * math.sin(6.3 * hue + 0.8)),
        ]
        place = (120 + 160 * x, 100 + 100 * y)
        points = [*stroke(*place, 3 * first, chosen[0]), *stroke(*place, 3 * second + 1, chosen[1])]
        colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32", size=128)
        image = read_image(data.chelsea())
        automatic, colored = (
            colorizer.colorize(image, recipe).ab.flatten(1).T
            for recipe in (Recipe(), Recipe(points=tuple(points)))
        )
        ends = torch.tensor(chosen)
        nearest = torch.stack(
            [distance(colored, automatic, end) for end in ends] + [distance(colored, ends[0], ends[1])]
        ).amin(0)
        assert (nearest > 15).float().mean() < 0.005
        assert (colored - automatic).norm(dim=-1).max() > 20

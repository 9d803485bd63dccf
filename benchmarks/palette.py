"""What the suggested colors are worth: how often one of nine lies near the true color of a random pixel.

Central 256 x 256 of every photo, ``PIXELS`` random pixels each. Against nine fixed colors, the k-means of the
published prior. With 10 true points elsewhere in the picture the share must rise. Time of one suggestion too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, where
from benchmarks._photos import photos
from colorzoo import Guidance, create_model
from colorzoo.color import hull_centers, prior_probabilities, rgb_to_lab
from colorzoo.guidance import uniform_points
from colorzoo.inference.palette import Distribution, suggest_colors, weighted_clusters
from colorzoo.tasks import ColorizationModule

PIXELS = 12
RADII = (5, 10, 15)
POINTS = (0, 10)
GOAL_AT_10 = 0.86
GOAL_MILLISECONDS = 10.0


def run(options: Options) -> list[Row]:
    """Return the shares at 5, 10 and 15 units with 0 and 10 points, and the time of a suggestion."""
    model = create_model("zhang2017_local_small", options.weights or "default", offline=True)
    fixed = fixed_colors()
    distances: dict[int | str, list[Tensor]] = {"fixed": [], **{count: [] for count in POINTS}}
    seconds: list[float] = []
    for index, rgb in enumerate(photos(options.data)):
        lab = rgb_to_lab(rgb[None])
        places = torch.randint(256, (PIXELS, 2), generator=torch.Generator().manual_seed(index)).tolist()
        truth = torch.stack([lab[0, 1:, y, x] for y, x in places])
        distances["fixed"].append(nearest_suggestion(truth, fixed.expand(PIXELS, -1, -1)))
        for count in POINTS:
            suggested = torch.stack(list(suggest(model, lab, places, count, index, seconds)))
            distances[count].append(nearest_suggestion(truth, suggested))
    return _rows({name: torch.cat(values) for name, values in distances.items()}, seconds, index + 1)


def suggest(
    model: ColorizationModule,
    lab: Tensor,
    places: list[list[int]],
    count: int,
    seed: int,
    seconds: list[float],
) -> Iterator[Tensor]:
    """Yield the nine suggested ab of each place, after ``count`` true points elsewhere."""
    points = uniform_points(lab[:, 1:], count, torch.Generator().manual_seed(seed + 1))
    with torch.inference_mode():
        distribution = Distribution.of(model(lab[:, :1], Guidance(points=points)))
    if distribution is None:
        raise SkippedError("the model answers no distribution; give trained --weights")
    for y, x in places:
        start = time.perf_counter()
        found = suggest_colors(distribution.at(x, y), distribution.centers, float(lab[0, 0, y, x]))
        seconds.append(time.perf_counter() - start)
        ab = torch.tensor([each.ab for each in found])
        yield torch.cat([ab, ab[:1].expand(9 - len(ab), 2)])


def fixed_colors() -> Tensor:
    shares = prior_probabilities().double().numpy()
    means, _ = weighted_clusters(hull_centers().double().numpy(), shares / shares.sum(), 9)
    return torch.from_numpy(means).float()


def nearest_suggestion(truth: Tensor, suggested: Tensor) -> Tensor:
    """Return the distance from each true ab ``(N, 2)`` to the nearest of ``(N, 9, 2)``."""
    return torch.linalg.vector_norm(suggested - truth[:, None], dim=2).amin(dim=1)


def _rows(distances: dict[int | str, Tensor], seconds: list[float], pictures: int) -> list[Row]:
    place = f"{pictures} photos, {PIXELS} pixels each, {where()}"
    rows = []
    for radius in RADII:
        share = {name: float((values <= radius).float().mean()) for name, values in distances.items()}
        goal = GOAL_AT_10 if radius == 10 else share["fixed"]
        claim = (
            f"share of pixels with a suggestion within {radius} ab, no points; reference: nine fixed colors"
        )
        rows.append(Row(claim, share[0], share["fixed"], share[0], goal, "higher", place))
        claim = f"the same with 10 true points elsewhere, within {radius}; reference: no points"
        rows.append(Row(claim, share[10], share[0], share[10] - share[0], 0.0, "higher", place))
    milliseconds = 1000 * statistics.median(seconds)
    claim = "median milliseconds of nine suggestions for a pixel"
    return [
        *rows,
        Row(claim, milliseconds, GOAL_MILLISECONDS, milliseconds, GOAL_MILLISECONDS, "lower", place),
    ]

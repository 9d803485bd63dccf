"""Likely colorings of a whole image (ours): one place gets each of its likely colors, and the rest follows.

That place is the one whose color tells most about the image. If the place ``i`` is known, the variance
``v_j`` of the colors of a place ``j`` shrinks by ``r_ij^2 v_j``, where ``r_ij`` is the correlation that the
model gives the two, so ``i`` has the greatest sum of them. Its likely colors are the clusters of the mean
distribution of all places, weighted by powers of ``r_ij``. A point of such a color makes a coloring, and what
correlates with the place changes along.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import ComparesPlaces
from colorzoo.guidance import PointHint
from colorzoo.inference.answer import NetworkAnswer
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.job import Job
from colorzoo.inference.palette import Distribution, distribution_of
from colorzoo.inference.pipeline import likeness_to
from colorzoo.inference.steps.reach import Places


@dataclass(frozen=True)
class ColoringsConstants:
    """Constants of likely colorings.

    Attributes:
        count: Colorings to choose from.
        places: Places that are tried along the shorter side.
        togetherness: Power of the correlation by which places have a say in the likely colors.
    """

    count: int = 4
    places: int = 8
    togetherness: int = 4


COLORINGS = ColoringsConstants()


@dataclass(frozen=True)
class TellingPlace:
    """The place whose color tells most about an image.

    Attributes:
        x: In pixels of the part of the image that the model sees.
        y: The same.
        probabilities: ``(Q,)`` of its colors.
        centers: ``(Q, 2)`` the colors in CIE units.
    """

    x: float
    y: float
    probabilities: Tensor
    centers: Tensor


def find_telling_place(colorizer: Colorizer, job: Job, result: NetworkAnswer) -> TellingPlace | None:
    """Find the place whose color tells most about an image.

    Args:
        colorizer: The model.
        job: The image, with the hints given so far.
        result: Its answer to the job.

    Returns:
        The place; None if the model compares no places or predicts no distribution, or an untrained one.
    """
    if not isinstance(colorizer.model, ComparesPlaces) or (distribution := distribution_of(result)) is None:
        return None
    places, stages = _places_to_try(job.part.size), colorizer.stages()
    found = [likeness_to(stages, job, Places.of([place], job.part.size)) for place in places]
    alike = [likeness for likeness in found if likeness is not None]
    grid = distribution.probabilities.shape[1:]
    correlation = torch.cat([F.interpolate(likeness, grid, mode="area") for likeness in alike])[:, 0]
    number = most_telling(correlation, distribution)
    return TellingPlace(
        places[number].x,
        places[number].y,
        shared_distribution(correlation[number], distribution),
        distribution.centers,
    )


def most_telling(correlation: Tensor, distribution: Distribution) -> int:
    """Return the number of the place that explains most of the variance of the colors.

    Args:
        correlation: ``(n, h, w)`` of the colors of each place with those of all cells.
        distribution: Distribution of the cells.
    """
    colors, shares = distribution.centers, distribution.probabilities
    mean_square = torch.einsum("qhw,q->hw", shares, colors.square().sum(dim=1))
    variance = mean_square - torch.einsum("qhw,qc->chw", shares, colors).square().sum(dim=0)
    return int((correlation.square() * variance).sum(dim=(1, 2)).argmax())


def shared_distribution(correlation: Tensor, distribution: Distribution) -> Tensor:
    """Return the mean distribution ``(Q,)`` of the cells that belong together with a place.

    Args:
        correlation: ``(h, w)`` of the color of the place with those of the cells.
        distribution: Distribution of the cells.
    """
    weights = correlation**COLORINGS.togetherness
    found: Tensor = (distribution.probabilities * (weights / weights.sum())).sum(dim=(1, 2))
    return found


def _places_to_try(size: tuple[int, int]) -> list[PointHint]:
    """Return evenly spaced places of an image of some width and height, each a single pixel."""
    width, height = size
    step = min(size) / COLORINGS.places
    columns, rows = round(width / step), round(height / step)
    return [
        PointHint((column + 0.5) * width / columns, (row + 0.5) * height / rows, 0.0)
        for row in range(rows)
        for column in range(columns)
    ]

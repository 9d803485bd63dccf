"""Suggested colors, uncertainty, and the proposed next point."""

import math
from itertools import product
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from colorzoo import create_model
from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.color.lab import in_gamut
from colorzoo.inference.canvas import PhotoCanvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.palette import (
    next_point,
    suggest_colors,
    weighted_clusters,
)
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from colorzoo.prediction import AbPrediction, Distribution
from colorzoo.testing import sample_image


def prediction(logits: torch.Tensor) -> AbPrediction:
    return AbPrediction(
        ab=torch.zeros(1, 2, 4 * logits.shape[2], 4 * logits.shape[3]), extras={"logits": logits}
    )


def test_suggest_colors_returns_the_peaks_by_descending_probability() -> None:
    colors = ((50.0, 30.0), (-40.0, 40.0), (0.0, -50.0))
    shares = torch.zeros(313)
    for (a, b), share in zip(colors, (0.5, 0.3, 0.2), strict=True):
        shares[(hull_centers() == torch.tensor([a, b])).all(dim=1)] = share
    found = suggest_colors(shares, hull_centers(), 60.0, count=3)
    assert [round(each.share, 3) for each in found] == [0.5, 0.3, 0.2]
    for each, (a, b) in zip(found, colors, strict=True):
        assert math.atan2(each.ab[1], each.ab[0]) == pytest.approx(math.atan2(b, a), abs=0.02)


def test_suggest_colors_are_in_the_gamut_at_the_pixel_lightness() -> None:
    for lightness in [3.0, 50.0, 97.0]:
        found = suggest_colors(torch.full((313,), 1 / 313), hull_centers(), lightness)
        assert len(found) == 9
        lab = torch.tensor([[lightness, *each.ab] for each in found]).T[None, :, :, None]
        assert in_gamut(lab).all()
        assert sum(each.share for each in found) == pytest.approx(1)


def test_distribution_is_none_without_a_trained_class_head() -> None:
    untrained = create_model("zhang2017_local_small", None)
    lightness = rgb_to_lab(sample_image((64, 64)))[:, :1]
    with torch.inference_mode():
        assert untrained(lightness).distribution() is None
        assert create_model("zhang2017_local_small")(lightness).distribution() is not None
    assert AbPrediction(ab=torch.zeros(1, 2, 8, 8)).distribution() is None


def test_next_point_maximizes_the_surrounding_uncertainty() -> None:
    """The score is the mean entropy within two cells, times the sum within an eighth of the shorter side."""
    for size in [(24, 40), (11, 9), (41, 17)]:
        shares = torch.rand(3, *size, generator=torch.Generator().manual_seed(0)) ** 4
        input_size = (4 * size[0], 4 * size[1])
        distribution = Distribution(shares / shares.sum(dim=0), hull_centers()[:3], input_size)
        entropy = torch.special.entr(distribution.probabilities).sum(dim=0)
        half, taken = max(2, min(size) // 8), [(4.0 * size[1] - 1, 1.0)]
        for _ in range(4):
            found: dict[tuple[float, float], float] = {}
            for row, column in product(*map(range, size)):
                if all(max(abs(row - int(y / 4)), abs(column - int(x / 4))) > 3 for x, y in taken):
                    near, wide = (
                        entropy[max(0, row - way) : row + way + 1, max(0, column - way) : column + way + 1]
                        for way in (2, half)
                    )
                    found[4 * (column + 0.5), 4 * (row + 0.5)] = float(near.mean() * wide.sum())
            taken.append(next_point(distribution, taken))
            assert taken[-1] == max(found, key=found.__getitem__)


@pytest.mark.parametrize(
    ("size", "output_size", "pixel", "position"),
    [
        ((64, 96), (16, 24), (63, 32), (15, 8)),  # a stride of 4 pixels
        ((61, 90), (16, 23), (59, 31), (14, 7)),  # a stride of 4 pixels after padding to 64 x 92
        ((240, 80), (64, 16), (239, 79), (63, 15)),  # a stride of 4 pixels after resizing to 256 x 64
        ((48, 240), (32, 32), (36, 120), (24, 16)),  # resized to a square
        ((3, 5), (8, 8), (2, 4), (5, 6)),  # enlarged
    ],
)
def test_distribution_at_a_pixel_is_the_distribution_at_its_position(
    size: tuple[int, int], output_size: tuple[int, int], pixel: tuple[int, int], position: tuple[int, int]
) -> None:
    logits = torch.zeros(1, 313, *output_size)
    logits[:, 0] = 100
    logits[:, :, position[0], position[1]] = 100 * torch.nn.functional.one_hot(torch.tensor(1), 313)
    distribution = AbPrediction(ab=torch.zeros(1, 2, *size), extras={"logits": logits}).distribution()
    assert distribution is not None
    row, column = pixel
    assert distribution.at(column, row).argmax() == 1


def test_next_point_is_inside_the_image() -> None:
    """The network pads 29 x 29 pixels to 32 x 32; the center of the last position lies in the padding."""
    probabilities = torch.zeros(2, 8, 8)
    probabilities[0] = 1
    probabilities[:, 7, 7] = 0.5  # the only uncertain position
    assert next_point(Distribution(probabilities, hull_centers()[:2], (29, 29))) == (28, 28)


def test_next_point_is_far_from_the_points_if_they_exclude_all_pixels() -> None:
    distribution = Distribution(torch.full((2, 4, 4), 0.5), hull_centers()[:2], (16, 16))
    assert next_point(distribution, [(2, 2)]) == (14, 6)
    every_position = [(4 * column, 4 * row) for row in range(4) for column in range(4)]
    assert next_point(distribution, every_position) == next_point(distribution)


def test_weighted_clusters_lie_at_the_mean_of_their_points() -> None:
    for spread, seed in [(0.3, 0), (1.0, 3), (1.0, 14), (10.0, 1), (10.0, 3)]:
        points = hull_centers().double().numpy()
        weights = np.random.default_rng(seed).gamma(spread, size=len(points))
        means, masses = weighted_clusters(points, weights / weights.sum(), 9)
        nearest = np.square(points[:, None] - means).sum(-1).argmin(1)
        for number in range(9):
            inside = np.where(nearest == number, weights / weights.sum(), 0)
            assert inside.sum() == pytest.approx(masses[number])
            np.testing.assert_allclose(inside @ points / inside.sum(), means[number], atol=0.05)


def uncertainty(ab: tuple[float, float], *notes: str, **extras: torch.Tensor) -> float | None:
    shown = torch.tensor(ab)[None, :, None, None].expand(1, 2, 16, 24)
    predicted = AbPrediction(ab=shown, extras=extras)
    canvas = PhotoCanvas(Mock(spec=Edit), changed=shown)
    return ColorizedImage(canvas, notes=notes, prediction=predicted).uncertainty


def test_mean_uncertainty_is_the_expected_distance_from_the_shown_colors() -> None:
    logits = torch.full((1, 313, 4, 6), -30.0)
    first, second = ((hull_centers() == torch.tensor(color)).all(dim=1) for color in ([50, 30], [50, -30]))
    logits[:, first] = 0
    assert uncertainty((50.0, 30.0), logits=logits) == pytest.approx(0, abs=1e-3)
    assert uncertainty((50.0, 0.0), logits=logits) == pytest.approx(30, abs=1e-3)
    logits[:, second] = 0
    assert uncertainty((50.0, 30.0), logits=logits) == pytest.approx(30, abs=1e-3)
    logits[:, second, :2] = -30
    assert uncertainty((50.0, 30.0), logits=logits) == pytest.approx(15, abs=1e-3)


def test_mean_uncertainty_is_none_for_pages_and_without_a_distribution() -> None:
    logits = torch.full((1, 313, 4, 6), -30.0)
    logits[:, 0] = 0
    assert uncertainty((0.0, 0.0), logits=logits)
    assert uncertainty((0.0, 0.0), NOTHING_TO_COLOR, logits=logits) is None
    assert uncertainty((0.0, 0.0)) is None
    assert uncertainty((0.0, 0.0), logits=torch.zeros(1, 313, 4, 6)) is None

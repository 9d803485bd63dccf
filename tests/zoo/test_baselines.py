"""Methods without training: availability without weights, and the algorithms of the papers."""

import math
import warnings

import pytest
import torch
from torch import Tensor

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.guidance.propagate import affinities
from colorzoo.registry import list_models, model_card
from colorzoo.simulation.points import uniform_points
from colorzoo.testing import sample_image
from colorzoo.zoo.welsh2002.model import window_deviation

BASELINES = [name for name in list_models() if not model_card(name).trainable]


def two_halves(height: int = 24, width: int = 32) -> Tensor:
    """Return lightness ``(1, 1, height, width)``, dark on the left and light on the right."""
    lightness = torch.full((1, 1, height, width), 30.0)
    lightness[..., width // 2 :] = 70.0
    return lightness


def test_untrainable_models_need_no_weights_and_are_gray_without_guidance() -> None:
    for name in BASELINES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = colorzoo.create_model(name)
        assert model.trained
        assert not model(100 * torch.rand(2, 1, 9, 12)).ab.any()
        with pytest.raises(WeightsError, match=f"weights.*{name}"):
            colorzoo.create_model(name, "published")


def test_levin2004_is_exact_at_points_and_solves_its_linear_system() -> None:
    lab = rgb_to_lab(sample_image((48, 40), seed=3))
    lightness = lab[:, :1]
    points = uniform_points(lab[:, 1:], 12, torch.Generator().manual_seed(0))
    answer = colorzoo.create_model("levin2004")(lightness, Guidance(points=points)).ab
    given = points.mask.bool().expand_as(answer)
    torch.testing.assert_close(answer[given], points.ab[given], atol=1e-4, rtol=0)
    weights = affinities(lightness[0, 0].double().numpy(), 0.3)
    mean = weights @ answer.double().numpy().reshape(2, -1).T
    free = (points.mask == 0).flatten().numpy()
    difference = (mean - answer.double().numpy().reshape(2, -1).T)[free]
    assert abs(difference).max() < 1e-4, "each free pixel is the weighted mean of its neighbors"


def test_affinities_sum_to_one_and_favor_similar_neighbors() -> None:
    lightness = two_halves(6, 8)[0, 0].double().numpy()
    weights = affinities(lightness, 0.3)
    assert weights.sum(axis=1) == pytest.approx(1)
    inside, across = weights[[3 * 8 + 3], [3 * 8 + 2]], weights[[3 * 8 + 3], [3 * 8 + 4]]
    variance = 20**2 * (1 - (1 / 3) ** 2)  # of a window with six pixels of 30 and three of 70
    assert across / inside == pytest.approx(math.exp(-(40**2) / (2 * 0.3 * variance)))


def test_welsh2002_transfers_colors_by_remapped_lightness() -> None:
    """The exemplar is darker than the image; remapping aligns the lightness of both halves."""
    exemplar = torch.zeros(1, 3, 40, 40)
    exemplar[:, :, :, :20] = torch.tensor([0.3, 0.1, 0.1]).view(1, 3, 1, 1)
    exemplar[:, :, :, 20:] = torch.tensor([0.3, 0.4, 0.7]).view(1, 3, 1, 1)
    dark, light = rgb_to_lab(exemplar)[0, 1:, 0, [0, -1]].T
    answer = colorzoo.create_model("welsh2002")(two_halves(), Guidance(exemplar=Exemplar(exemplar))).ab[0]
    torch.testing.assert_close(answer[:, :, :12], dark.view(2, 1, 1).expand(2, 24, 12))
    torch.testing.assert_close(answer[:, :, -12:], light.view(2, 1, 1).expand(2, 24, 12))


def test_welsh2002_distinguishes_textured_and_flat_areas() -> None:
    def half_textured(height: int, width: int) -> Tensor:
        lightness = torch.full((1, 1, height, width), 0.5)
        checks = (torch.arange(height)[:, None] + torch.arange(width // 2)) % 2
        lightness[..., : width // 2] = 0.4 + 0.2 * checks
        return lightness

    tint = torch.where(torch.arange(40) < 20, 0.08, -0.08)
    rgb = half_textured(40, 40) + torch.stack([tint, 0 * tint, -tint]).view(1, 3, 1, 40)
    lightness = rgb_to_lab(half_textured(30, 40).expand(-1, 3, -1, -1))[:, :1]
    answer = colorzoo.create_model("welsh2002")(lightness, Guidance(exemplar=Exemplar(rgb))).ab[0]
    assert answer[1, 3:-3, 3:17].mean() > 10, "the textured half is yellowish"
    assert answer[1, 3:-3, 23:-3].mean() < -10, "the flat half bluish"


def test_window_deviation_is_the_standard_deviation_of_25_pixels() -> None:
    lightness = 100 * torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    expected = lightness[0, 0, 2:7, 3:8].std(correction=0)
    torch.testing.assert_close(window_deviation(lightness)[0, 0, 4, 5], expected)
    assert window_deviation(torch.full((1, 1, 6, 6), 99.9)).max() < 1e-4

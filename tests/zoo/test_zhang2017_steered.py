"""Global hints on the layers of a trunk model: matching of statistics, and initialization."""

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import create_model
from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import GlobalStatistics, Guidance, statistics_of
from colorzoo.testing import sample_image
from colorzoo.zoo.zhang2017.model import LocalHints
from colorzoo.zoo.zhang2017.network import (
    SteeredNetwork,
    match_histogram,
    match_saturation,
    mean_colors,
    saturation_at,
    saturation_table,
)

TRUNK = "zhang2017_local_small"
NAME = "zhang2017_global_small"


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def shares_of(places: int = 200, batch: int = 2) -> Tensor:
    """Return distributions that are likelier near gray and differ between places."""
    near = -hull_centers().norm(dim=1) / 20
    return (near[None, :, None] + 2 * drawn(batch, 313, places)).softmax(dim=1)


def reweighed(shares: Tensor, weights: Tensor) -> Tensor:
    found = shares * weights[:, :, None]
    return found / found.sum(dim=1, keepdim=True)


def test_match_histogram_equals_two_steps_of_proportional_fitting() -> None:
    """A color outside the histogram keeps a weight of 1e-4."""
    shares = shares_of()
    histogram = (3 * drawn(2, 313)).softmax(dim=1)
    histogram[:, 40:] = 0
    histogram = histogram / histogram.sum(dim=1, keepdim=True)
    wanted = torch.ones(2, 313)
    for _ in range(2):
        wanted = wanted * (histogram + 1e-4) / (reweighed(shares, wanted).mean(dim=2) + 1e-4)
    weights = match_histogram(shares, histogram)
    torch.testing.assert_close(weights, wanted, rtol=1e-4, atol=0)
    after = (reweighed(shares, weights).mean(dim=2) - histogram).abs().sum(dim=1)
    assert (after < 0.25).all()


def test_match_saturation_reaches_the_saturation_up_to_its_limit() -> None:
    for wanted in [0.15, 0.4]:
        shares = shares_of()
        lightness = 20 + 60 * torch.rand(2, 200, generator=torch.Generator().manual_seed(1))
        saturations = saturation_at(lightness, saturation_table())
        weights = match_saturation(shares, saturations, torch.full((2, 1), wanted))
        found = (reweighed(shares, weights) * saturations).sum(dim=1).mean(dim=1)
        torch.testing.assert_close(found, torch.full((2,), wanted), rtol=0, atol=0.01)
        most = match_saturation(
            shares, saturations, torch.ones(2, 1)
        )  # above the maximum: the steepest weights
        steepest = 16 * hull_centers().norm(dim=1) / 40
        torch.testing.assert_close(most.log(), steepest.expand(2, -1), rtol=1e-3, atol=0)


def test_mean_colors_equal_the_means_of_reweighed_distributions() -> None:
    shares, weights = shares_of(), drawn(2, 313).exp()
    wanted = torch.einsum("bqn,qc->bcn", reweighed(shares, weights), hull_centers())
    torch.testing.assert_close(mean_colors(shares, weights), wanted, rtol=1e-4, atol=1e-3)


@pytest.fixture(scope="module")
def model() -> Any:
    return create_model(NAME)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return sample_image((60, 76))


@torch.inference_mode()
def test_zhang2017_global_small_equals_its_trunk_without_statistics(model: Any, image: Tensor) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    wanted = create_model(TRUNK)(lightness).ab
    torch.testing.assert_close(model(lightness).ab, wanted, rtol=0, atol=1e-3)
    told = statistics_of(image)
    some = GlobalStatistics(torch.zeros(3, 313), -torch.ones(3, 1))  # a histogram, nothing, a saturation
    some.histogram[0], some.saturation[2] = told.histogram[0], 0.8
    found = model(lightness.expand(3, -1, -1, -1), Guidance(statistics=some)).ab
    alone = [GlobalStatistics(told.histogram), None, GlobalStatistics(None, torch.tensor([[0.8]]))]
    for one, given in zip(found, alone, strict=True):
        torch.testing.assert_close(one, model(lightness, Guidance(statistics=given)).ab[0], rtol=0, atol=1e-3)
    assert min(float((one - other).abs().max()) for one, other in combinations(found, 2)) > 1


@torch.inference_mode()
def test_zhang2017_global_small_colors_follow_the_histogram(model: Any, image: Tensor) -> None:
    colors = torch.tensor([[40.0, 0], [-40, 0], [0, 40], [0, -40]])
    histogram = torch.zeros(4, 313)
    histogram[range(4), torch.cdist(colors, hull_centers()).argmin(dim=1)] = 1
    lightness = rgb_to_lab(image)[:, :1].expand(4, -1, -1, -1)
    found = model(lightness, Guidance(statistics=GlobalStatistics(histogram))).ab.mean(dim=(2, 3))
    torch.testing.assert_close(found, colors, rtol=0, atol=5)


def test_steered_network_begin_initializes_the_branch_near_zero() -> None:
    for hint_attention in [False, True]:
        trunk = build_model(LocalHints, {"width": 0.125, "hint_attention": hint_attention})
        network = SteeredNetwork(trunk)
        network.begin(0.02)
        assert network.branch.last_norm.weight.unique().tolist() == pytest.approx([0.1])
        assert float(network.branch.histogram.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
        if hint_attention:
            assert torch.equal(network.bring.weight, network.unet.inject.weight)
        else:
            assert not network.bring.weight.any()

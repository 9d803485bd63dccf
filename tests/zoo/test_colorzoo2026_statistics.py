"""colorzoo2026: conditioning on global statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Guidance
from colorzoo.color import hull_centers, lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import GlobalStatistics, Points, mean_saturation, statistics_of
from colorzoo.testing import sample_image
from colorzoo.zoo.colorzoo2026.statistics import condition, match_histogram, match_saturation

CELLS = 200


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def distributions(batch: int = 2) -> Tensor:
    """Return logits that are larger near gray and differ between cells."""
    return -hull_centers().norm(dim=1) / 20 + 2 * drawn(batch, CELLS, 313)


def test_match_histogram_makes_the_mean_distribution_equal_the_histogram() -> None:
    histogram = (3 * drawn(2, 1, 313)).softmax(dim=2)
    histogram[..., 40:] = 0
    histogram = histogram / histogram.sum(dim=2, keepdim=True)
    logits = distributions()
    before, after = (
        each.softmax(2).mean(1, keepdim=True) for each in (logits, match_histogram(logits, histogram))
    )
    assert ((before - histogram).abs().sum(2) > 1).all()
    assert ((after - histogram).abs().sum(2) < 0.08).all()


def test_match_saturation_scales_colors_to_the_saturation() -> None:
    for wanted in [0.0, 0.02, 0.1, 0.25]:
        light = 30 + 40 * torch.rand(2, 1, 10, 20, generator=torch.Generator().manual_seed(1))
        found = match_saturation(0.2 * drawn(2, CELLS, 2), light, torch.full((2, 1, 1), wanted))
        lab = torch.cat([light, 50 * found.mT.reshape(2, 2, 10, 20)], dim=1)
        torch.testing.assert_close(
            mean_saturation(lab_to_rgb(lab)), torch.full((2, 1), wanted), rtol=0, atol=0.01
        )


def test_condition_changes_only_images_with_statistics() -> None:
    mean, logits, light = 0.2 * drawn(3, CELLS, 2), distributions(3), torch.full((3, 1, 10, 20), 50.0)
    histogram, saturation = torch.zeros(3, 313), -torch.ones(3, 1)
    histogram[1, 150], saturation[2] = 1.0, 0.5
    statistics = GlobalStatistics(histogram, saturation)
    found, distribution = condition(mean, logits, light, hull_centers() / 50, statistics)
    assert torch.equal(found[0], mean[0])
    assert torch.equal(distribution[[0, 2]], logits[[0, 2]])
    assert (found[1] - hull_centers()[150] / 50).abs().median() < 0.1
    assert found[2].norm() > 1.2 * mean[2].norm()
    assert torch.allclose(found[2, 0] / found[2, 0].norm(), mean[2, 0] / mean[2, 0].norm())


@pytest.fixture(scope="module")
def model() -> Any:
    return create_coloring_model("colorzoo2026")


@pytest.fixture(scope="module")
def image() -> Tensor:
    return sample_image((64, 96))


@torch.inference_mode()
def test_saturation_is_reached_up_to_its_limit_with_and_without_histogram(model: Any, image: Tensor) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    for histogram in (None, statistics_of(image).histogram):
        plain = model(lightness, Guidance(statistics=GlobalStatistics(histogram))).ab
        told = [GlobalStatistics(histogram, torch.tensor([[share]])) for share in (0.0, 0.1, 1.0)]
        gray, met, most = (model(lightness, Guidance(statistics=each)).ab for each in told)
        assert gray.norm(dim=1).mean() < 0.01
        shown = mean_saturation(lab_to_rgb(torch.cat([lightness, met], dim=1)))
        assert float(shown) == pytest.approx(0.1 * (0.85 if histogram is None else 0.95), rel=0.1)
        torch.testing.assert_close(most, 2.5 * plain, rtol=0.02, atol=0.5)  # the limit


@torch.inference_mode()
def test_points_override_statistics_and_edits_run_no_network(
    model: Any, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    statistics = statistics_of(image.flip(1))
    told = model(lightness, Guidance(statistics=statistics)).ab
    mask = torch.zeros(1, 1, *image.shape[2:])
    mask[..., 20:24, 40:44] = 1
    same, other = Points(told * mask, mask), Points(torch.full_like(told, 30.0) * mask, mask)
    assert (model(lightness, Guidance(points=same, statistics=statistics)).ab - told).abs().max() < 1e-3
    memory: dict[str, Any] = {}
    both = Guidance(points=other, statistics=statistics)
    first = model.edit(lightness, Guidance(points=other), memory).ab
    want = model(lightness, both)
    assert (want.ab - first).abs().max() > 5
    monkeypatch.setattr(model.network, "forward", lambda _: pytest.fail("the network ran again"))
    found = model.edit(lightness, both, memory)
    assert torch.equal(found.ab, want.ab)
    torch.testing.assert_close(found.color_logits, want.color_logits)
    assert torch.equal(model.edit(lightness, Guidance(points=other), memory).ab, first)

"""Cho et al. 2023: smoothness, region proposals, guidance, validation, and the points model."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.networks.unet import UNet
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.testing import sample_batch, sample_input
from colorzoo.zoo.cho2023.extensions import cut_segments
from colorzoo.zoo.cho2023.task import Cho2023, smoothness

NARROW = {"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}
SIZE = (40, 48)


@pytest.fixture(scope="module")
def model() -> Cho2023:
    torch.manual_seed(0)
    found = build_model(Cho2023, NARROW)
    found.model.network.segmenter.head.weight.data.mul_(50)  # so that there are several regions
    return found.eval()


@pytest.fixture
def sketch() -> Tensor:
    return sample_input("sketch", SIZE, batch=2)


def test_smoothness_passes_gradcheck() -> None:
    for form in ["four_l1", "eight_l1", "eight_l2"]:
        logits = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda value, form=form: smoothness(value, form), logits)


def test_cho2023_temperature_decreases_geometrically() -> None:
    model = build_model(Cho2023, {**NARROW, "initial_temperature": 0.8, "final_temperature": 0.2})
    found = [model.temperature_at(progress) for progress in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([0.8, 0.4, 0.2])


def test_propose_is_deterministic(model: Cho2023, sketch: Tensor) -> None:
    with torch.no_grad():
        first, again = model.model.propose(sketch), model.model.propose(sketch)
        low = torch.autocast("cpu", torch.bfloat16)
        with low:
            mixed = model.model.propose(sketch)
    assert len(first.index.unique()) > 2
    assert not first.given.any()
    assert torch.equal(first.index, again.index)
    assert torch.equal(first.index, mixed.index)  # rounding moves no pixel between regions


def test_cho2023_ignores_colors_of_regions_that_are_not_given(model: Cho2023, sketch: Tensor) -> None:
    with torch.no_grad():
        proposal = model.model.propose(sketch)
        other = Regions(proposal.index, torch.rand_like(proposal.rgb), proposal.given)
        assert torch.equal(model(sketch, Guidance(regions=other)).rgb, model(sketch).rgb)


def test_cut_segments_splits_at_lines_and_orders_by_size_and_needs() -> None:
    sketch = torch.ones(1, 1, 40, 60)
    sketch[..., 20] = 0  # a line divides the background
    sketch[..., 10:30, 30] = sketch[..., 10:30, 50] = sketch[..., 10, 30:51] = sketch[..., 29, 30:51] = 0
    segments = torch.zeros(1, 1, 40, 60, dtype=torch.long)
    segments[..., 10:30, 30:51] = 1  # the segment of the box
    segments[..., 0, 0] = 2  # a speck that is too small for an index
    index = cut_segments(segments, sketch, 30)
    right, left, box, ink = index[0, 0, 5, 59], index[0, 0, 5, 5], index[0, 0, 20, 40], index[0, 0, 5, 20]
    assert [int(right), int(left), int(box), int(ink)] == [0, 1, 2, 3]
    assert index.unique().tolist() == [0, 1, 2, 3]
    assert index[0, 0, 0, 0] == left
    needs = [0.1, 1.0, *[0.1] * 28, 0.0]  # the box, a fifth of the background, has the largest need
    assert int(cut_segments(segments, sketch, 30, needs)[0, 0, 20, 40]) == 0
    assert cut_segments(segments, sketch, 2).unique().tolist() == [0, 1]
    for most in (2, 3, 30):  # ink has the last index, even with the largest need
        asked = cut_segments(segments, sketch, most, (*needs[:-1], 1e6))
        assert int(asked[0, 0, 5, 20]) == int(asked.max()), most
    blank = cut_segments(torch.zeros_like(segments), torch.ones_like(sketch), 30)
    assert blank.unique().tolist() == [0]
    black = cut_segments(torch.zeros_like(segments), torch.zeros_like(sketch), 30)
    assert black.unique().tolist() == [0]


def test_segmenter_side_downsamples_sketches_with_max_pooling_of_ink(model: Cho2023) -> None:
    network, sketch = model.model.network, sample_input("sketch", (32, 44), batch=2)
    limited = build_model(Cho2023, {**NARROW, "segmenter_side": 16}).eval().model.network
    limited.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.divide(sketch), network.segmenter(2 * sketch - 1))
        small = 1 - F.max_pool2d(1 - sketch, 2)
        wanted = F.interpolate(network.segmenter(2 * small - 1), (32, 44), mode="bilinear")
        torch.testing.assert_close(limited.divide(sketch), wanted)
        inside = sketch[..., :16, :20]  # no larger than the limit
        torch.testing.assert_close(limited.divide(inside), network.divide(inside))


def test_cho2023_validation_gives_true_colors_of_the_first_regions(model: Cho2023, sketch: Tensor) -> None:
    batch: Batch = {**sample_batch(SIZE, batch=2), "sketch": sketch}
    with torch.no_grad():
        found = dict(model.validation_guidances(batch, sketch))
    assert tuple(found) == model.validation_settings() == ("0", "1", "3", "10", "30")
    for count, guidance in found.items():
        regions = guidance.regions
        colors, _ = region_means(regions.index, batch["rgb"], 30)
        assert torch.equal(regions.rgb, colors)
        assert torch.equal(regions.given, (torch.arange(30) < int(count)).float().expand(2, -1))


def test_cho2023_points_draws_color_points_and_trains_with_l1_loss() -> None:
    for residual in [False, True]:
        torch.manual_seed(0)
        task: Any = create_model("cho2023_points_small", weights=None, hint_residual=residual).eval()
        task.log_dict = lambda *_, **__: None
        batch = {**sample_batch(SIZE, batch=2), "sketch": sample_input("sketch", SIZE, batch=2)}
        rgb, sketch = batch["rgb"], batch["sketch"]
        simulation = PointSimulation(1 / 8)
        points = simulate_points(rgb_to_lab(rgb), image_generators(batch["seed"], "points"), simulation)
        with torch.no_grad():
            for given in (
                points,
                Points.none(sketch),
                replace(points, lightness=torch.full_like(sketch, 30.0)),
            ):
                light = torch.full_like(sketch, 60.0) if given.lightness is None else given.lightness
                color = (2 * lab_to_rgb(torch.cat([light, given.ab], dim=1)) - 1) * given.mask
                x = torch.cat([2 * sketch - 1, color, given.mask], dim=1)
                generated = UNet.forward(task.model.network, x)
                generated = generated + torch.atanh(0.95 * color) if residual else generated
                wanted = (generated.tanh() + 1) / 2
                torch.testing.assert_close(task(sketch, Guidance(points=given)).rgb, wanted)
            assert torch.equal(task(sketch).rgb, task(sketch, Guidance(points=Points.none(sketch))).rgb)
            loss = task.training_step(batch, 0)
            distance = (task(sketch, Guidance(points=points)).rgb - rgb).abs().mean()
        torch.testing.assert_close(loss, 60 * distance)

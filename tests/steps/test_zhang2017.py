"""Zhang et al. 2017: training step of each network compared with eq. 3 and 4 and the authors' loss."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def smooth_l1(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    """Return eq. 4 per pixel, summed over a and b."""
    off = (found - truth).abs()
    each = torch.where(off < delta, 0.5 * off.square() / delta, off - 0.5 * delta)
    return each.sum(dim=1)


def hard_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the cross-entropy with the bin of every fourth pixel on the 23 x 23 grid of step 10."""
    cell = ((ab[:, :, ::4, ::4] + 110) / 10).round().clamp(0, 22).long()
    index = 23 * cell[:, 0] + cell[:, 1]
    return -logits.log_softmax(dim=1).gather(1, index[:, None]).mean()


def drawn(batch: Any, ab: Tensor, **simulation: float) -> Points:
    return simulate_points(ab, image_generators(batch["seed"], "points"), PointSimulation(**simulation))


@pytest.mark.parametrize("hints", [0.0, 1.0])
@pytest.mark.parametrize("stage", ["classification", "regression", "joint"])
def test_zhang2017_local_training_step_equals_the_formula(stage: str, hints: float) -> None:
    model = small("zhang2017_local", stage=stage, hints=hints, init_std=None, delta=3.0)
    batch, lightness, ab = training_batch()
    points = drawn(batch, ab, stop_probability=1 / 8, reveal_all=0.01, none=1 - hints)
    assert bool(points.mask.any()) == bool(hints)
    found = model.training_step(batch, 0)
    out = model.model.network(lightness, points)
    colors, classes = smooth_l1(out.ab, ab, 3.0).mean(), hard_cross_entropy(out.logits, ab)
    torch.testing.assert_close(found, 10 / 110 * colors + classes, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    by_color, by_class = gradients(10 / 110 * colors, model), gradients(classes, model)
    own = {"model.network.unet.class_head.weight", "model.network.unet.class_head.bias"}
    behind = (
        "model.network.unet.up9",
        "model.network.unet.skip",
        "model.network.unet.block9",
        "model.network.unet.up10",
    )
    decoder = (*behind, "model.network.unet.block10", "model.network.unet.ab_head")
    for name, gradient in ours.items():
        deep = name == "model.network.unet.skip3.weight" or name == "model.network.unet.skip3.bias"
        in_decoder = name.startswith(decoder) and not deep
        if stage == "joint":
            wanted = by_color[name] + by_class[name]
        elif name in own:
            wanted = by_class[name]  # a head is trained by its own loss only
        elif in_decoder:
            wanted = by_color[name]
        else:
            wanted = (by_class if stage == "classification" else by_color)[name]  # the trunk
        same({name: gradient}, {name: wanted}, rtol=1e-3)


@pytest.mark.parametrize("given", [0.0, 1.0])
def test_zhang2017_global_training_step_equals_the_formula(given: float) -> None:
    shares = {"histogram_share": given, "saturation_share": given}
    model = small("zhang2017_global", init_std=None, delta=2.0, **shares)
    batch, lightness, ab = training_batch()
    histogram, saturation = given * ab_histogram(ab), mean_saturation(batch["rgb"])
    statistics = GlobalStatistics(histogram, saturation if given else torch.full_like(saturation, -1.0))
    found = model.training_step(batch, 0)
    wanted = smooth_l1(model.model.network(lightness, statistics), ab, 2.0).mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_zhang2017_local_colorfulness_weights_colorful_pixels() -> None:
    batch, lightness, ab = training_batch()
    model = small("zhang2017_local", stage="joint", init_std=None, hints=0.0, colorfulness=0.5)
    out = model.model.network(lightness, Points.none(lightness))
    weight = 1 + 0.5 * ab.square().sum(dim=1).sqrt() / 20
    colors = ((smooth_l1(out.ab, ab, 1.0) * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))).mean()
    wanted = 10 / 110 * colors + hard_cross_entropy(out.logits, ab)
    torch.testing.assert_close(model.training_step(batch, 0), wanted, rtol=1e-5, atol=0)

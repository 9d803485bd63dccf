"""Xu et al. 2020: training step of each subnetwork compared with the losses of the paper."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.guidance import Points
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.zoo.xu2020.transfer import keep
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def huber(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= delta, 0.5 * off.square(), delta * (off - 0.5 * delta)).mean()


def paper_points(batch: Any, ab: Tensor) -> Points:
    """Draw geometric numbers of patches; no image reveals all colors, as in the authors' code."""
    simulation = PointSimulation(0.25, reveal_all=0.0)
    return simulate_points(ab, image_generators(batch["seed"], "points"), simulation)


def test_xu2020_color_stage_step_equals_the_formula() -> None:
    """L_c: prediction and truth are both multiplied by 1 + 10 M."""
    model = small("xu2020", stage="color", stop_probability=0.25, delta=0.4)
    batch, lightness, ab = training_batch()
    points = paper_points(batch, ab)
    assert points.mask.any()
    found = model.training_step(batch, 0)
    predicted, _ = model.model.network.color(lightness, points)
    weight = 1 + 10 * points.mask
    wanted = huber(weight * predicted / 110, weight * ab / 110, 0.4)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    assert not any("class_head" in name for name in ours)
    same(ours, gradients(wanted, model), rtol=1e-3)


@pytest.mark.parametrize("weights", [(0.8, 0.2), (0.5, 0.9)])
def test_xu2020_decoder_stage_step_equals_the_formula(weights: tuple[float, float]) -> None:
    """Squared errors of the image and of relu4_1, without moment matching."""
    model = small("xu2020", stage="decoder", image_weight=weights[0], perceptual_weight=weights[1])
    batch, _, _ = training_batch()
    rgb = batch["rgb"]
    found = model.training_step(batch, 0)
    encoder, decoder = model.model.network.transfer.encoder, model.model.network.transfer.decoder
    made = decoder(encoder(rgb, keep), keep)
    bottoms = encoder(made, keep).bottom, encoder(rgb, keep).bottom.detach()
    image, features = ((a - b).square().mean() for a, b in ((made, rgb), bottoms))
    wanted = weights[0] * image + weights[1] * features
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    assert {name.split(".")[3] for name in ours} == {"decoder"}
    same(ours, gradients(wanted, model), rtol=1e-3)


def test_xu2020_encoder_stage_step_equals_the_formula() -> None:
    """Our addition: the transfer restores the truth from automatic or wrong colors."""
    model = small("xu2020", stage="encoder")
    batch, lightness, ab = training_batch(count=6)
    batch["reference"] = batch["rgb"].flip(3)  # type: ignore[typeddict-unknown-key]
    found = model.training_step(batch, 0)
    network = model.model.network
    draws = uniform(batch, "content", 4)[..., None, None]
    is_wrong = draws[:, 3:] < 0.3
    assert 0 < is_wrong.sum() < 6
    with torch.no_grad():
        automatic, _ = network.color(lightness, Points.none(lightness))
        wrong = 1.5 * draws[:, :1] * ab + 30 * (2 * draws[:, 1:3] - 1)  # paler or stronger, and shifted
        content = lab_to_rgb(torch.cat([lightness, torch.where(is_wrong, wrong, automatic)], dim=1))
    made = network.transfer(content, network.adapt(network.transfer.encode_reference(batch["reference"])))
    wanted = (made - batch["rgb"]).square().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def uniform(batch: Any, name: str, columns: int) -> Tensor:
    """Return ``(B, columns)`` random numbers of the image generators."""
    return torch.stack([torch.rand(columns, generator=g) for g in image_generators(batch["seed"], name)])

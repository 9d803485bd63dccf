"""Xu et al. 2020: training step of each subnetwork compared with the losses of the paper."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.guidance import Points
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.zoo.xu2020.transfer import keep
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def huber(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= delta, 0.5 * off.square(), delta * (off - 0.5 * delta)).mean()


def paper_points(batch: Any, ab: Tensor, none: float = 0.0) -> Points:
    """Draw geometric numbers of patches; no image reveals all colors, as in the authors' code."""
    simulation = PointSimulation(0.25, reveal_all=0.0, none=none)
    return simulate_points(ab, image_generators(batch["seed"], "points"), simulation)


@pytest.mark.parametrize("guided", [False, True])
def test_xu2020_color_stage_step_equals_the_formula(guided: bool) -> None:
    """L_c: prediction and truth are both multiplied by 1 + 10 M."""
    none = 0.0 if guided else 1.0
    model = small("xu2020", stage="color", stop_probability=0.25, none_share=none, delta=0.4)
    batch, lightness, ab = training_batch()
    points = paper_points(batch, ab, none)
    assert bool(points.mask.any()) == guided
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


def transferred_colors(network: Any, batch: Any, lightness: Tensor) -> tuple[Tensor, Tensor]:
    """Return ab ``(B, 2, H, W)`` after the transfer, and the weight ``(B, 1)`` of the reference crop.

    Half of the images mix the moments of a crop and of a recolored crop: hues turned by 60 to 300 degrees,
    shifted by up to 30 units. The other images use one of the two crops.
    """
    own = crop_flip_reference(batch["rgb"], image_generators(batch["seed"], "reference"), scale=(0.3, 1.0))
    lab, draws = rgb_to_lab(own), uniform(batch, "foreign", 3)[..., None, None]
    color = torch.complex(lab[:, 1], lab[:, 2]) * torch.exp(1j * torch.pi * (60 + 240 * draws[:, 0]) / 180)
    turned = torch.stack([color.real, color.imag], dim=1) + 30 * (2 * draws[:, 1:] - 1)
    foreign = lab_to_rgb(torch.cat([lab[:, :1], turned], dim=1))
    mixes, share = uniform(batch, "mixture", 2).split(1, dim=1)
    share = torch.where(mixes < 0.5, share, (share < 0.5).float())
    look = share[..., None] * network.transfer.encode_reference(own) + (1 - share)[
        ..., None
    ] * network.transfer.encode_reference(foreign)
    automatic, _ = network.color(lightness, Points.none(lightness))
    content = lab_to_rgb(torch.cat([lightness, automatic], dim=1))
    return rgb_to_lab(network.transfer(content, network.adapt(look)).clamp(0, 1))[:, 1:], share


def test_xu2020_exposure_stage_uses_grid_hints_of_true_or_transferred_colors() -> None:
    """Our addition: training with inference hints, one pixel in the center of each 8 x 8 cell."""
    batch, lightness, ab = training_batch(64, 24)
    shares = {"grid_share": 0.4, "transferred_share": 0.4}
    model: Any = small("xu2020", stage="exposure", **shares)
    network = model.model.network
    found = model.training_hints(torch.cat([lightness, ab], dim=1), batch)
    with torch.no_grad():
        transferred, own = transferred_colors(network, batch, lightness)
        automatic, _ = network.color(lightness, Points.none(lightness))
    drawn = simulate_points(ab, image_generators(batch["seed"], "points"), PointSimulation(reveal_all=0.0))
    middles = torch.zeros_like(drawn.mask)
    middles[:, :, 3::8, 3::8] = 1
    kind = uniform(batch, "hints", 1)[:, 0]
    is_moved, is_grid = kind < 0.4, kind < 0.8
    assert min(int(each.sum()) for each in (is_moved, is_grid & ~is_moved, ~is_grid)) >= 3
    assert own[is_moved].min() == 0 < own[is_moved].median() < own[is_moved].max() == 1
    mask = torch.where(is_grid.view(-1, 1, 1, 1), middles, drawn.mask)
    colors = torch.where(is_moved.view(-1, 1, 1, 1), transferred, ab)
    given = torch.where(is_grid.view(-1, 1, 1, 1), colors * middles, drawn.ab)
    assert torch.equal(found.mask, mask)
    torch.testing.assert_close(found.ab, given, rtol=0, atol=1e-2)
    for other in (automatic, ab):  # neither the colors before the transfer nor the truth
        assert ((transferred - other)[is_moved] * middles[is_moved]).norm(dim=1).flatten(1).amax(1).min() > 1
    predicted, _ = network.color(lightness, found)
    weight = 1 + 10 * mask
    wanted = huber(weight * predicted / 110, weight * ab / 110, 1.0)
    torch.testing.assert_close(model.training_step(batch, 0), wanted, rtol=1e-5, atol=0)

"""Larsson et al. 2016: decoding of histograms, and the training step."""

import colorsys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import DataError
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.larsson2016.model import (
    SCALES,
    HypercolumnColorization,
    bins_of,
    hue_and_chroma,
    keep_gray,
    to_rgb,
)
from colorzoo.zoo.larsson2016.task import Larsson2016
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture
def model() -> HypercolumnColorization:
    found = contract_test_model(model_card("larsson2016")).model
    assert isinstance(found, HypercolumnColorization)
    return found


def test_to_rgb_inverts_hue_and_chroma_histograms() -> None:
    rgb = sample_image((16, 24))
    hue, chroma = hue_and_chroma(rgb)
    gray = rgb.mean(1, keepdim=True)
    shares = [F.one_hot(bins_of(each), 32).permute(0, 3, 1, 2).float() for each in (hue, chroma)]
    found = keep_gray(to_rgb(gray, *shares, hue="mode"), gray)
    assert (found - rgb).abs().mean() < 1 / 32
    torch.testing.assert_close(found.mean(1, keepdim=True), gray, rtol=0, atol=0.02)  # except for clipping
    black = to_rgb(torch.zeros(1, 1, 1, 1), torch.full((1, 32, 1, 1), 1 / 32), torch.zeros(1, 32, 1, 1))
    assert bool(black.isfinite().all())


def test_larsson2016_network_input_is_mean_free_gray_with_zero_padding(
    model: HypercolumnColorization,
) -> None:
    seen: list[Tensor] = []
    model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.network.mean = 0.25
    lightness = 100 * sample_input(model_card("larsson2016"), (52, 53))
    model(lightness)
    assert seen[0].shape == (1, 1, 64, 96)  # six pixels on each side, then to a multiple of 32
    around = (21, 22, 6, 6)
    torch.testing.assert_close(seen[0], F.pad(lightness_to_rgb(lightness)[:, :1] - 0.25, around))


def counted(rgb: Tensor, row: int, column: int, window: int) -> tuple[Tensor, Tensor]:
    """Return histograms of 32 hues and 32 chromas in a window of ``(3, H, W)``."""
    hues, chromas, reach = torch.zeros(32), torch.zeros(32), window // 2
    for y in range(max(0, row - reach), min(rgb.shape[1], row + reach + 1)):
        for x in range(max(0, column - reach), min(rgb.shape[2], column + reach + 1)):
            red, green, blue = rgb[:, y, x].tolist()
            hues[min(31, int(32 * colorsys.rgb_to_hsv(red, green, blue)[0]))] += 1
            chromas[min(31, int(32 * (max(red, green, blue) - min(red, green, blue))))] += 1
    return hues / hues.sum(), chromas / chromas.sum()


def column_at(maps: list[Tensor], image: int, row: int, column: int) -> Tensor:
    """Return the values of all layers at a pixel, from maps enlarged by half-pixel bilinear interpolation."""
    found = []
    for each, scale in zip(maps, SCALES, strict=True):
        large = each[image : image + 1]
        if scale > 1:
            large = F.interpolate(large, scale_factor=scale, mode="bilinear", align_corners=False)
        found.append(large[0, :, row, column])
    return torch.cat(found)


@pytest.mark.parametrize("normalization", [False, True])
def test_larsson2016_training_step_equals_the_histogram_divergence(normalization: bool) -> None:
    settings = {"normalization": normalization, "dropout": 0.0, "mean": 0.25, "places": 5, "window": 5}
    task = small("larsson2016", **settings, hue_weight=3.0)
    assert isinstance(task, Larsson2016)
    torch.nn.init.normal_(task.model.network.hidden.weight, std=0.1)
    batch, *_ = training_batch(64, 3)
    rgb, places = batch["rgb"], task.places_of(batch).long()
    found = task.training_step(batch, 0)
    network = task.model.network
    maps = network.features(0.33333 * (rgb - 0.25).sum(1, keepdim=True))
    total = torch.zeros(())
    for image in range(3):
        for row, column in places[image].tolist():
            hidden = F.linear(
                column_at(maps, image, row, column), network.hidden.weight[:, :, 0, 0], network.hidden.bias
            ).relu()[:, None, None]
            pixel = rgb[image, :, row, column]
            gray = float(0.33333 * pixel.sum())
            weights = 3 * float(pixel.max() - pixel.min()), 3 * min(gray, 1 / 3, 1 - gray)
            heads = (network.hue, network.chroma)
            for share, weight, head in zip(counted(rgb[image], row, column, 5), weights, heads, strict=True):
                some = share > 0
                log = head(hidden[None])[0, :, 0, 0].log_softmax(0)
                total = total + weight * (share[some] * (share[some].log() - log[some])).sum()
    wanted = total / places[..., 0].numel()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, task), gradients(wanted, task), rtol=1e-3, rounding=0.1)  # biases before norms


def test_larsson2016_rejects_crops_without_sampling_places() -> None:
    for side, margin, least in ((64, 96, 193), (32, 4, 64), (72, 4, 64)):
        batch, *_ = training_batch(side, 2)
        with pytest.raises(DataError, match=f"data.crop .*at least {least} "):
            small("larsson2016", margin=margin).training_step(batch, 0)


def test_larsson2016_biases_have_twice_the_rate_and_no_decay() -> None:
    task = small("larsson2016", optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1, weight_decay=0.01))
    assert isinstance(task, Larsson2016)
    weights, biases = task.make_optimizer(task.optimized_parameters()).param_groups
    assert (weights["lr"], weights["weight_decay"]) == (0.1, 0.01)
    assert (biases["lr"], biases["weight_decay"]) == (0.2, 0.0)
    assert all(each.ndim == 1 for each in biases["params"])

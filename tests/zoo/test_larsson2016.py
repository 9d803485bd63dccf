"""Larsson et al. 2016: colors from histograms, and network input."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.larsson2016.model import (
    HypercolumnColorization,
    bins_of,
    hue_and_chroma,
    keep_gray,
    to_rgb,
)


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

"""Larsson et al. 2016: colors from histograms, global histograms, references, and network input."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Exemplar, Guidance
from colorzoo.color import lightness_to_rgb
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.larsson2016.extensions import ReferenceColorization, histograms_of, transfer
from colorzoo.zoo.larsson2016.network import (
    bins_of,
    hue_and_chroma,
    keep_gray,
    to_rgb,
)


@pytest.fixture
def model() -> ReferenceColorization:
    found = contract_test_model(model_card("larsson2016")).model
    assert isinstance(found, ReferenceColorization)
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


def test_transfer_matches_the_global_histogram_with_one_bias_per_bin() -> None:
    shares = torch.rand(2, 32, 12, 12).square()
    shares = shares / shares.sum(1, keepdim=True)
    weight = torch.rand(2, 1, 12, 12)
    target = torch.rand(2, 32).pow(3)
    target = target / target.sum(1, keepdim=True)
    found = transfer(shares, target, weight)
    torch.testing.assert_close(found.sum(1), torch.ones(2, 12, 12))
    before, mean = ((each * weight).sum((2, 3)) / weight.sum((2, 3)) for each in (shares, found))
    torch.testing.assert_close(mean, (target + 0.01 * before) / 1.01, rtol=0, atol=1e-4)  # no bin is empty
    ratio = (found / shares)[:, 3] / (found / shares)[:, 9]  # one bias for each bin
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-3, atol=0)
    torch.testing.assert_close(transfer(shares, target, weight, alpha=0.0), shares)
    torch.testing.assert_close(transfer(shares, torch.zeros(2, 32), weight), shares)


def test_larsson2016_uses_reference_hues_and_accepts_embeddings(model: ReferenceColorization) -> None:
    assert model.supports("encode_reference")
    lightness = sample_input("gray", (40, 48))
    red = torch.tensor([0.7, 0.2, 0.2]).view(1, 3, 1, 1).expand(1, 3, 20, 30)

    @torch.inference_mode()
    def colors(exemplar: Exemplar | None) -> Tensor:
        return model(lightness, Guidance(exemplar=exemplar)).ab

    found = colors(Exemplar(red))
    assert float(found[:, 0].mean()) > 10 + float(colors(None)[:, 0].mean())
    torch.testing.assert_close(colors(Exemplar.of_embedding(model.encode_reference(red))), found)
    torch.testing.assert_close(colors(Exemplar(red, alpha=0.0)), colors(None), rtol=0, atol=1e-3)
    gray = colors(Exemplar(lightness_to_rgb(lightness)))
    assert float(gray.abs().mean()) < float(colors(None).abs().mean())
    faint = lightness_to_rgb(lightness) * 0.9 + torch.tensor([0.0, 0.004, 0.002]).view(3, 1, 1)
    assert float(histograms_of(faint)[:, 0].sum()) == pytest.approx(
        0.4, rel=1e-3
    )  # 1 for a chroma of at least 0.01


def test_larsson2016_network_input_is_mean_free_gray_with_zero_padding(
    model: ReferenceColorization,
) -> None:
    seen: list[Tensor] = []
    model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.network.mean = 0.25
    lightness = 100 * sample_input(model_card("larsson2016"), (52, 53))
    model(lightness)
    assert seen[0].shape == (1, 1, 64, 96)  # six pixels on each side, then to a multiple of 32
    around = (21, 22, 6, 6)
    torch.testing.assert_close(seen[0], F.pad(lightness_to_rgb(lightness)[:, :1] - 0.25, around))

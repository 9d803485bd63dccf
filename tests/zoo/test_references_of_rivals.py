"""Blanch 2021, Lu 2020 and Bai 2022 alike: gradients of one picture, and coloring without a reference."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import soft_histogram
from colorzoo.registry import model_card
from colorzoo.testing.models import smoke_model
from colorzoo.testing.samples import sample_image
from colorzoo.zoo.lu2020.network import Reference


def blanch2021(network: Any, lightness: Tensor, lab: Tensor) -> Sequence[Tensor]:
    return network(lightness, lab)


def lu2020(network: Any, lightness: Tensor, lab: Tensor) -> Sequence[Tensor]:
    histogram = soft_histogram(lab[:, 1:]).flatten(1)
    return network(lightness, Reference(lab[:, :1], lab[:, 1:], histogram)).ab


def bai2022(network: Any, lightness: Tensor, lab: Tensor) -> Sequence[Tensor]:
    return network(lightness, network.read(lab), torch.arange(0, 1024, 20)[None])[:3]


@pytest.mark.parametrize(
    ("color", "weight"),
    [
        (blanch2021, "reference_projections.1.weight"),
        (lu2020, "body.1.0.weight"),
        (bai2022, "encoder.first.weight"),
    ],
)
def test_the_gradient_of_a_single_picture_is_right(color: Any, weight: str) -> None:
    """Normalization has had a wrong one on CPUs, where its result is matched; see `InstanceNorm`."""
    torch.manual_seed(0)
    model = smoke_model(model_card(color.__name__)).model
    network = model.network.double().train()
    size = (model.working_size,) * 2 if color is not lu2020 else (32, 32)
    lightness, lab = torch.rand(1, 1, *size).double(), torch.rand(1, 3, *size).double()
    parameter = network.get_parameter(weight)

    def loss() -> Tensor:
        return torch.stack([each.sin().mean() for each in color(network, lightness, lab)]).sum()

    (gradient,) = torch.autograd.grad(loss(), parameter)
    step = 1e-9 * gradient / gradient.norm()  # small, as the networks have kinks
    with torch.no_grad():
        parameter += step
        above = loss()
        parameter -= 2 * step
        slope = (above - loss()) / 2
    torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", ["blanch2021", "bai2022"])
def test_without_a_reference_the_gray_picture_is_its_own(name: str) -> None:
    model = smoke_model(model_card(name)).model
    lightness = torch.rand(1, 1, 40, 56) * 100
    references = (lightness_to_rgb(lightness), sample_image((30, 20)))
    with torch.inference_mode():
        alone = model(lightness, Guidance()).ab
        own, other = (model(lightness, Guidance(exemplar=Exemplar(each))).ab for each in references)
    assert torch.equal(alone, own)
    assert not torch.allclose(alone, other)

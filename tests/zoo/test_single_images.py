"""Gradients of single images in networks with normalization and matching.

Instance normalization of a single image had a wrong gradient on CPUs (140 % error) if the incoming gradient
was permuted in memory, as by matching; see `colorzoo.networks.blocks.instance_norm`. Networks
with spectral norm are excluded, because two of its vectors are constant only in the gradient.
"""

import pytest
import torch
from torch import Tensor
from torch.autograd import grad

from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model

pytestmark = pytest.mark.nightly

NAMES = (
    *("zhang2019_small", "chen2023_small", "he2018", "zhao2021", "blanch2021"),
    *("lu2020", "yin2021", "bai2022", "lee2020"),
)
STEP = 1e-9  # a small step, because the networks are not smooth


@pytest.mark.parametrize("name", NAMES)
def test_gradient_of_one_image_equals_a_finite_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)  # matches are made in float32
    torch.manual_seed(0)
    card = model_card(name)
    model = contract_test_model(card).model.double().train()
    seen = torch.rand(1, 1, card.contract_test.size, card.contract_test.size).double() * 100
    look = Guidance(exemplar=Exemplar(sample_image((card.contract_test.size,) * 2).double()))

    def loss() -> Tensor:
        torch.manual_seed(0)  # dropout
        lightness = seen / 100 if model.input_kind == "sketch" else seen
        return (model.forward(lightness, look).colors / 50).sin().mean()  # models refuse float64

    trained = [each for each in model.parameters() if each.requires_grad]
    found = grad(loss(), trained, allow_unused=True)
    pairs = [(each, along) for each, along in zip(trained, found, strict=True) if along is not None]
    length = torch.stack([along.norm() for _, along in pairs]).norm()
    ends = []
    for step in (STEP, -2 * STEP):
        with torch.no_grad():
            for each, along in pairs:
                each += step * along / length
            ends.append(loss())
    torch.testing.assert_close((ends[0] - ends[1]) / (2 * STEP), length, rtol=1e-3, atol=0)

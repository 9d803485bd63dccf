"""Lu et al. 2020: the gate between reference colors and reference histogram."""

import torch

from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model


def test_lu2020_with_gate_0_depends_only_on_the_reference_histogram() -> None:
    model = contract_test_model(model_card("lu2020")).model
    lightness = torch.rand(1, 1, 40, 48) * 100
    look = sample_image((48, 40))
    looks = [Guidance(exemplar=Exemplar(each)) for each in (look, look.flip(3))]  # with equal histograms
    with torch.inference_mode():
        moved = [model(lightness, each).ab for each in looks]
        model.network.gate[2].weight.zero_()
        model.network.gate[2].bias.fill_(-200.0)
        still = [model(lightness, each).ab for each in looks]
    off = [float((one - other).abs().max()) for one, other in (moved, still)]
    assert off[1] < 0.05 * off[0]  # resizing changes the rounding of the mirrored image

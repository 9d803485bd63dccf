"""Lu et al. 2020: the gate, its normalization, the stage without references, and the discriminator."""

import pytest
import torch

from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.blocks import InstanceNorm
from colorzoo.registry import model_card
from colorzoo.testing.models import smoke_model
from colorzoo.testing.samples import sample_batch, sample_image
from steps.step import small


def test_a_gate_of_0_leaves_the_histogram_alone() -> None:
    model = smoke_model(model_card("lu2020")).model
    lightness = torch.rand(1, 1, 40, 48) * 100
    look = sample_image((48, 40))
    looks = [Guidance(exemplar=Exemplar(each)) for each in (look, look.flip(3))]  # of the same histogram
    with torch.inference_mode():
        moved = [model(lightness, each).ab for each in looks]
        model.network.gate[2].weight.zero_()
        model.network.gate[2].bias.fill_(-200.0)
        still = [model(lightness, each).ab for each in looks]
    off = [float((one - other).abs().max()) for one, other in (moved, still)]
    assert off[1] < 0.05 * off[0]  # resized, the mirrored picture is another one by a rounding


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_is_its_formula(layout: torch.memory_format) -> None:
    x = torch.randn(1, 6, 5, 7).contiguous(memory_format=layout).requires_grad_()
    along = torch.randn(1, 6, 5, 7).contiguous(memory_format=torch.channels_last)
    found = InstanceNorm()(x)
    centered = x - x.mean(dim=(2, 3), keepdim=True)
    wanted = centered / (centered.square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(found, wanted)
    ours, theirs = (torch.autograd.grad(each, x, along)[0] for each in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_first_stage_has_no_references() -> None:
    task = small("lu2020", stage="body")
    painted = task.paint(sample_batch((32, 32), batch=2))
    assert painted.found.gate is None
    assert "histogram" not in task.losses(painted, None)
    parts = {name.split(".")[2] for name, p in task.model.named_parameters(prefix="model") if p.requires_grad}
    assert parts == {"body", "levels", "heads"}

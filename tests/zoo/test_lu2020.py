"""Lu et al. 2020: chunks, sizes, references, the step of training and the authors' file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import least_squares_critic_loss, soft_histogram, total_variation
from colorzoo.networks.blocks import InstanceNorm
from colorzoo.networks.scaling import scaled_lab
from colorzoo.registry import model_card
from colorzoo.testing.models import smoke_model
from colorzoo.testing.samples import sample_batch, sample_image
from colorzoo.zoo.lu2020 import network as networks
from colorzoo.zoo.lu2020.task import discriminator
from parity.cases import read
from steps.step import small

GOLDEN = Path(__file__).parent.parent / "golden"


def test_the_authors_file_loads() -> None:
    shapes = read(GOLDEN / "gray2colornet_net.npz").meta["shapes"]
    assert len(shapes) == 122
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
        create_coloring_model("lu2020", None).load_published_state_dict(state)


def test_a_reference_side_that_is_no_multiple_of_8_is_refused() -> None:
    with pytest.raises(ColorzooError, match=r"multiple of 8.*got 60"):
        create_coloring_model("lu2020", None, reference_side=60)


def test_places_that_are_matched_in_parts_are_matched_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    model = smoke_model(model_card("lu2020")).model
    ours, theirs = torch.randn(2, 24, 300), torch.randn(2, 24, 256)
    with torch.inference_mode():
        values = torch.rand(2, 5, 16, 16)
        whole = model.network.match(ours, theirs, values)
        monkeypatch.setattr(networks, "PLACES_AT_ONCE", 70)
        parts = model.network.match(ours, theirs, values)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)


def test_a_flat_picture_gives_numbers() -> None:
    model = smoke_model(model_card("lu2020")).model
    flat = Guidance(exemplar=Exemplar(torch.zeros(1, 3, 9, 5)))
    with torch.inference_mode():
        assert model(torch.zeros(1, 1, 3, 40), flat).ab.isfinite().all()


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


def chi_square(p: Tensor, q: Tensor) -> Tensor:
    filled = (p > 0) | (q > 0)
    return 2 * ((p - q).square() / (p + q).where(filled, 1.0)).sum(dim=1).mean()


@pytest.mark.parametrize("stage", [None, "body"])
def test_the_step_is_the_losses_written_out(stage: str | None) -> None:
    weights = {
        "pixel_weight": 30.0,
        "histogram_weight": 2.0,
        "variation_weight": 3.0,
        "adversarial_weight": 0.7,
    }
    task: Any = small("lu2020", class_weight=0.5, classes=5, stage=stage, **weights)
    task.log_losses = lambda *_: None
    batch = sample_batch((32, 32), batch=2)
    batch["reference"], batch["label"] = batch["rgb"].flip(0), torch.tensor([1, 4])
    painted = task.paint(batch)
    loss = task.generator_loss(batch, painted)
    truth, look = scaled_lab(batch["rgb"]), scaled_lab(batch["reference"])
    histogram = soft_histogram(look[:, 1:]).flatten(1)
    given = None if stage else networks.Reference(look[:, :1], look[:, 1:], histogram)
    found = task.model.network(truth[:, :1], given)
    ab = found.ab[2]
    wanted = 3.0 * total_variation(ab) + 0.5 * F.cross_entropy(found.logits, batch["label"])
    for index, size in enumerate((4, 2, 1)):
        wanted = wanted + 30.0 * F.smooth_l1_loss(found.ab[index], F.avg_pool2d(truth[:, 1:], size))
    if stage is None:
        wanted = wanted + 2.0 * chi_square(soft_histogram(ab).flatten(1), histogram)
    fake = torch.cat([truth[:, :1], ab], dim=1)
    wanted = wanted + 0.7 * (task.discriminator(fake) - 1).square().mean()
    torch.testing.assert_close(loss, wanted, rtol=1e-3, atol=0)
    critic = least_squares_critic_loss(task.discriminator(fake.detach()), task.discriminator(truth))
    torch.testing.assert_close(task.discriminator_loss(batch, painted), critic, rtol=1e-3, atol=0)
    trained = {
        name.split(".")[2] for name, p in task.named_parameters() if p.requires_grad and "network" in name
    }
    mixed = {"histogram", "colors", "gate"}
    assert trained & mixed == (set() if stage else mixed)


def test_the_discriminator_begins_with_single_pixels() -> None:
    layers = discriminator()
    assert layers[0].kernel_size == (1, 1)
    assert layers(torch.rand(1, 3, 64, 64)).shape == (1, 1, 6, 6)

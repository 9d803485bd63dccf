"""Lu 2020 and Yin 2021: matching in parts, and the losses of a training step."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import least_squares_discriminator_loss, total_variation
from colorzoo.losses.statistics import soft_histogram
from colorzoo.networks import gated_transfer
from colorzoo.networks.scaling import AB_SCALE, scaled_lab
from colorzoo.registry import model_card
from colorzoo.testing import sample_batch, sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.training.gated_transfer import GatedPrediction
from steps.step import small

BOTH = pytest.mark.parametrize("name", ["lu2020", "yin2021"])


@BOTH
def test_gated_transfer_in_parts_equals_matching_all_places(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = contract_test_model(model_card(name)).model
    lightness, embedding = (
        torch.rand(2, 1, 48, 80) * 100,
        Guidance(exemplar=Exemplar(torch.rand(2, 3, 40, 30))),
    )
    with torch.inference_mode():
        whole = model.generate(lightness, model.read(embedding.exemplar.rgb))
        monkeypatch.setattr(gated_transfer, "POSITIONS_PER_CHUNK", 70)
        parts = model.generate(lightness, model.read(embedding.exemplar.rgb))
    torch.testing.assert_close(whole.ab[2], parts.ab[2])
    torch.testing.assert_close(whole.gate, parts.gate)
    assert whole.gate.std() > 0


def chi_square(p: Tensor, q: Tensor) -> Tensor:
    filled = (p > 0) | (q > 0)
    return 2 * ((p - q).square() / (p + q).where(filled, 1.0)).sum(dim=1).mean()


def test_gated_transfer_losses_equal_the_formulas() -> None:
    for name, stage in [("lu2020", None), ("lu2020", "body"), ("yin2021", None)]:
        weights = {
            "pixel_weight": 30.0,
            "histogram_weight": 2.0,
            "variation_weight": 3.0,
            "adversarial_weight": 0.7,
        }
        settings = {"stage": stage} if stage else {}
        task: Any = small(name, class_weight=0.5, classes=5, **weights, **settings)
        task.eval().log_losses = lambda *_: None  # without dropout
        batch = sample_batch((32, 32), batch=2)
        batch["reference"], batch["label"] = sample_image((32, 32), batch=2).flip(0), torch.tensor([1, 4])
        generated = task.generate(batch)
        loss = task.generator_loss(batch, generated)
        truth = scaled_lab(batch["rgb"])
        found = task.model.network(truth[:, :1], None if stage else task.model.read(batch["reference"]))
        ab = found.ab[2]
        wanted = 3.0 * total_variation(ab) + 0.5 * F.cross_entropy(found.logits, batch["label"])
        for index, size in enumerate((4, 2, 1)):
            wanted = wanted + 30.0 * F.smooth_l1_loss(found.ab[index], F.avg_pool2d(truth[:, 1:], size))
        if stage is None:
            embedding = soft_histogram(scaled_lab(batch["reference"])[:, 1:])
            wanted = wanted + 2.0 * chi_square(soft_histogram(ab).flatten(1), embedding.flatten(1))
        fake = torch.cat([truth[:, :1], ab], dim=1)
        wanted = wanted + 0.7 * (task.discriminator(fake) - 1).square().mean()
        torch.testing.assert_close(loss, wanted, rtol=1e-3, atol=0)
        discriminator = least_squares_discriminator_loss(
            task.discriminator(fake.detach()), task.discriminator(truth)
        )
        torch.testing.assert_close(
            task.discriminator_loss(batch, generated), discriminator, rtol=1e-3, atol=0
        )


@BOTH
def test_perfect_colors_of_a_crop_that_the_network_pads_have_no_pixel_loss(name: str) -> None:
    """The crop consists of 9 x 13 blocks of 4 x 4 pixels; the network appends copies of the last blocks."""
    task: Any = small(name, class_weight=0, adversarial_weight=0)
    block_ab = torch.rand(2, 2, 9, 13) - 0.5
    true_ab = block_ab.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    padded_height, padded_width = task.model.pad(true_ab).shape[-2:]
    added_blocks = (0, padded_width // 4 - 13, 0, padded_height // 4 - 9)
    quarter_ab = F.pad(block_ab, added_blocks, mode="replicate")
    half_ab = quarter_ab.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    full_ab = half_ab.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    generated = GatedPrediction(
        ab=AB_SCALE * true_ab,
        output=gated_transfer.Colored([quarter_ab, half_ab, full_ab], torch.zeros(2, 0), None),
        truth=torch.cat([torch.zeros(2, 1, 36, 52), true_ab], dim=1),
        histogram=None,
    )
    assert added_blocks[1] > 0
    assert added_blocks[3] > 0
    assert task.generator_terms({}, generated)["pixel"] < 1e-12

"""Training step of Zhang et al. 2019, compared with an independent implementation of its formulas."""

from pathlib import Path
from typing import Any

import pytest
import torch
from exemplar_formulas import compare_step, expected_losses, noisy, paired_batch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.factory import build_model
from colorzoo.losses.exemplar import relativistic_loss
from colorzoo.networks.exemplar import ReferenceImage, enlarge
from colorzoo.randomness import image_generators
from colorzoo.registry import load_task_class, model_card
from colorzoo.zoo.zhang2019.extensions import previous_frames

CARD = model_card("zhang2019")
ALL_TERMS = {"truth_weight": 0.7, "warp_weight": 0.6, "perceptual_weight": 20.0}


def small() -> Any:
    torch.manual_seed(0)
    model: Any = build_model(load_task_class(CARD), {**CARD.contract_test.hparams, "tau": 0.1, **ALL_TERMS})
    with torch.no_grad():
        model.discriminator.attention.gamma.fill_(0.3)
    return model


def expected_step(model: Any, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Return the generator's terms and the discriminator's loss."""
    lab = rgb_to_lab(batch["rgb"])
    look = batch.get("reference")
    made = batch.get("self_made", torch.ones(3, dtype=torch.bool))
    if look is None:
        look = crop_flip_reference(batch["rgb"], image_generators(batch["seed"], "reference"))
    lightness = noisy(batch, 2.0)
    reference = ReferenceImage(look, rgb_to_lab(look)[:, 1:])
    warped = model.model.warp(model.model.features.of_lightness(lightness), reference, 1.0)
    before = previous_frames(lab, batch["seed"], 0.5)
    seen = torch.cat([before[:, :1] - 50, before[:, 1:]], dim=1)
    parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50, seen]
    ab = model.model.network(torch.cat(parts, dim=1))
    terms = expected_losses(model, lab, ab, warped, made, look)
    shown = [torch.cat([lab[:, :1], each, before], 1) for each in (ab, lab[:, 1:])]
    fake, real = (model.discriminator(each) for each in shown)
    terms["adversarial"] = 0.2 * relativistic_loss(fake, real)
    fake, real = (model.discriminator(each.detach()) for each in shown)
    return terms, relativistic_loss(real, fake)


@pytest.mark.parametrize(
    "guided",
    [pytest.param(True, marks=pytest.mark.nightly), False],
    ids=["references", "self references"],
)
def test_zhang2019_training_step_equals_the_formulas(guided: bool, tmp_path: Path) -> None:
    batch = paired_batch()
    if not guided:
        del batch["reference"], batch["self_made"]
    model = small()
    compare_step(model, batch, expected_step, tmp_path)

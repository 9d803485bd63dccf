"""Color2Embed learns one gray picture in two colorings by heart: only the reference can tell which is wanted."""

from functools import cache
from typing import Any

import pytest
import torch
from overfit import overfit

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import load_class, model_card
from colorzoo.testing.samples import sample_image
from colorzoo.zoo.zhao2021.references import made_reference

# encoder: its settings, and the share of the loss that forty steps may leave
ENCODERS = {"vgg19": ({}, 0.6), "borrowed": ({"features": "zhang2016_small"}, 0.6)}


def two_colorings() -> Batch:
    """Return a picture and the same in the opposite colors."""
    lab = rgb_to_lab(0.3 + 0.4 * sample_image((48, 48)))
    other = torch.cat([lab[:, :1], -lab[:, 1:]], dim=1)
    rgb = lab_to_rgb(torch.cat([lab, other]))
    return Batch(rgb=rgb, seed=torch.arange(2), name=["one", "other"])


@cache
def trained(encoder: str) -> tuple[Any, Batch, float]:
    """Return a model, its batch, and the share of the loss that forty steps left."""
    torch.manual_seed(0)
    card = model_card("zhao2021")
    settings = {**card.smoke.hparams, "reference_side": 48, **ENCODERS[encoder][0]}
    model = build_model(load_class(card), settings)
    batch = two_colorings()
    first, last = overfit(model, batch, lr=4e-3)
    return model, batch, last / first


@pytest.mark.parametrize("encoder", ENCODERS)
def test_forty_steps_bring_the_loss_down(encoder: str) -> None:
    assert trained(encoder)[2] < ENCODERS[encoder][1]


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.inference_mode()
def test_references_are_obeyed(encoder: str) -> None:
    model, batch, _ = trained(encoder)
    model.train()  # forty steps are too few for running statistics
    lab = rgb_to_lab(batch["rgb"])
    made = made_reference(batch["rgb"], torch.tensor([70, 71]))  # as training has never seen them
    right, wrong = (model(lab[:, :1], Guidance(exemplar=Exemplar(each))).ab for each in (made, made.flip(0)))
    truth = lab[:, 1:]
    assert float((right - truth).abs().mean()) < 0.8 * float((wrong - truth).abs().mean())

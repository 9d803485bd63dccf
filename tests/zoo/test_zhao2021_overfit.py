"""Color2Embed learns two pictures, and a gray one in two colorings, of which only the reference can tell."""

from functools import cache
from typing import Any

import torch
from overfit import overfit

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch, sample_image
from colorzoo.zoo.zhao2021.task import made_reference


def built(**settings: Any) -> Any:
    torch.manual_seed(0)
    card = model_card("zhao2021")
    return build_model(load_task_class(card), {**card.smoke.hparams, **settings})


def two_colorings() -> Batch:
    """Return a picture and the same in the opposite colors."""
    lab = rgb_to_lab(0.2 + 0.6 * sample_image((96, 96)))
    other = torch.cat([lab[:, :1], -lab[:, 1:]], dim=1)
    rgb = lab_to_rgb(torch.cat([lab, other]))
    return Batch(rgb=rgb, seed=torch.arange(2), name=["one", "other"])


@cache
def trained() -> tuple[Any, Batch, float]:
    """Return a model over borrowed layers, its batch, and the share of the loss that forty steps left."""
    model, batch = built(features="zhang2016_small"), two_colorings()
    first, last = overfit(model, batch, lr=5e-4)
    return model, batch, last / first


def test_forty_steps_bring_the_loss_down() -> None:
    assert trained()[2] < 0.75
    first, last = overfit(built(), sample_batch((48, 48)), lr=2e-3)  # with a VGG-19 that learns along
    assert last < 0.6 * first


@torch.inference_mode()
def test_references_are_obeyed() -> None:
    model, batch, _ = trained()
    model.train()  # forty steps are too few for running statistics
    lab = rgb_to_lab(batch["rgb"])
    made = made_reference(batch["rgb"], torch.tensor([70, 71]))  # as training has never seen them
    right, wrong = (model(lab[:, :1], Guidance(exemplar=Exemplar(each))).ab for each in (made, made.flip(0)))
    truth = lab[:, 1:]
    assert float((right - truth).abs().mean()) < 0.75 * float((wrong - truth).abs().mean())

"""He et al. 2018: training step of both branches compared with the losses of the paper."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.he2018.matching import round_trip, warp
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def task_of(**settings: Any) -> Any:
    """Return a task whose loss uses an untrained VGG-19."""
    model = small("he2018", **settings)
    model.allow_untrained = True
    model.setup("fit")
    return model


def smooth_l1(found: Tensor, truth: Tensor) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off < 1, 0.5 * off.square(), off - 0.5).mean()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_he2018_training_step_equals_the_loss_of_each_branch(share: float) -> None:
    model = task_of(perceptual_share=share, perceptual_weight=0.3)
    batch, lightness, ab = training_batch()
    batch["reference"] = batch["rgb"].roll(1, 0).flip(2)
    found = model.training_step(batch, 0)
    aligned = model.model.align(lightness, batch["reference"])
    if share:
        given = warp(batch["reference"], aligned.there)
    else:
        given = warp(batch["rgb"], round_trip(aligned.there, aligned.back))
    inputs = torch.cat([lightness - 50, rgb_to_lab(given)[:, 1:], (aligned.errors - 127) / 2], dim=1)
    generated = model.model.network(inputs)
    if share:
        made, truth = (
            model.vgg(each)[0] for each in (lab_to_rgb(torch.cat([lightness, generated], 1)), batch["rgb"])
        )
        wanted = 0.3 * (made - truth).square().mean()
    else:
        wanted = smooth_l1(generated, ab)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_he2018_fit_with_random_features_raises() -> None:
    small("he2018").prepare_fit()  # narrow networks have no published weights
    model = small("he2018", width=1.0)
    with pytest.raises(WeightsError, match=r"gray VGG-19.*convert he2018"):
        model.prepare_fit()
    model.trained = True
    model.prepare_fit()


def test_he2018_features_stay_in_eval_mode_in_training() -> None:
    model = contract_test_model(model_card("he2018")).train()
    assert model.model.network.training
    assert not any(layer.training for layer in model.model.features.modules())

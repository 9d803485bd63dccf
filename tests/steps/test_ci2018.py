"""Ci et al. 2018, our baseline: one step against the squared error of pixels."""

import pytest
import torch

from colorzoo.data.dataset import sketches_of
from colorzoo.zoo.ci2018.task import random_cells
from steps.step import gradients, same, small, training_batch


@pytest.mark.parametrize("hints", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_the_step(hints: float) -> None:
    model = small("ci2018_small", hints=hints)
    batch, _, _ = training_batch(64, 2)
    mask = random_cells(batch["seed"], batch["rgb"], hints)
    painted = model.model.network(sketches_of(batch), 2 * batch["rgb"] - 1, mask)
    wanted = ((painted - (2 * batch["rgb"] - 1)) ** 2).mean()
    found = model.training_step(batch, 0)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)

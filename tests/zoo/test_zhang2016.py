"""Zhang et al. 2016: training step compared with the rebalanced cross-entropy."""

import pytest
import torch
from torch import Tensor

from colorzoo.color import hull_centers, prior_probabilities
from steps.step import gradients, same, small, training_batch


def plain_loss(logits: Tensor, ab: Tensor, *, uniform: float, neighbors: int) -> Tensor:
    centers, prior = hull_centers().double(), prior_probabilities().double()
    rarity = 1 / ((1 - uniform) * prior + uniform / len(prior))  # eq. 4
    rarity = rarity / (prior * rarity).sum()
    log_share = logits.double().log_softmax(dim=1)
    total = torch.zeros((), dtype=torch.float64)
    for image in range(len(ab)):
        seen = ab[image, :, ::4, ::4].double()
        if not (seen.abs() > 5).any():
            continue  # the loss of gray images is 0
        for row in range(seen.shape[1]):
            for column in range(seen.shape[2]):
                distance = (centers - seen[:, row, column]).square().sum(dim=1)
                nearest = distance.argsort()[:neighbors]
                soft = torch.exp(-distance[nearest] / (2 * 5.0**2))
                soft = soft / soft.sum()
                here = -(soft * log_share[image, nearest, row, column]).sum()  # eq. 2
                total = total + rarity[nearest[0]] * here  # eq. 3
    return total / logits[:, 0].numel()


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_zhang2016_training_step_equals_the_rebalanced_cross_entropy() -> None:
    for uniform, neighbors in [(0.5, 5), (0.5, 10), (1.0, 10)]:
        model = small("zhang2016", uniform=uniform, neighbors=neighbors)
        batch, lightness, ab = training_batch(24, 2)
        batch["rgb"][1] = batch["rgb"][1].mean(dim=0)  # a gray image
        ab = ab.clone()
        ab[1] = 0
        lightness[1] = model_lightness(batch["rgb"][1:])[0]
        found = model.training_step(batch, 0)
        wanted = plain_loss(model.model.network.logits(lightness), ab, uniform=uniform, neighbors=neighbors)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=0)
        same(gradients(found, model), gradients(wanted, model))


def model_lightness(rgb: Tensor) -> Tensor:
    from colorzoo.color import rgb_to_lab

    return rgb_to_lab(rgb)[:, :1]

"""Zhang et al. 2016: training step compared with the rebalanced cross-entropy."""

import pytest
import torch
from torch import Tensor

from colorzoo.color import annealed_mean, hull_centers, prior_probabilities
from knobs.knob import Knobs
from parity.cases import Golden, case
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe
from zoo.test_zhang2017 import published_model


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
        wanted = plain_loss(model.model.network(lightness).logits, ab, uniform=uniform, neighbors=neighbors)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=0)
        same(gradients(found, model), gradients(wanted, model))


def model_lightness(rgb: Tensor) -> Tensor:
    from colorzoo.color import rgb_to_lab

    return rgb_to_lab(rgb)[:, :1]


# Golden files: Network of Zhang et al. 2016 against the authors' code, through the names of their
# checkpoint.


@case("zhang2016")
@torch.inference_mode()
def zhang2016(golden: Golden) -> None:
    model = published_model(golden, "zhang2016")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    prediction = model(golden.tensor("in_L"))
    golden.close("out_ab", prediction.ab)
    temperature, centers = model.network.temperature, model.network.centers
    logits = prediction.extras["logits"]
    golden.close("out_logits", logits / temperature)  # the authors' logits include the temperature
    golden.close("out_prob", torch.softmax(logits / temperature, dim=1))
    quarter = annealed_mean(logits, centers, temperature)
    golden.close("out_ab_quarter", quarter)


# Training settings that the paper or the authors' code states

_COMMON = {"width": 1.0, "temperature": 0.38, "uniform": 0.5}
_DECAY = 5.1653e-7  # 1e-3 in Caffe, which sums the loss over 44 x 44 positions
_ADAM = {"betas": (0.9, 0.99), "weight_decay": _DECAY, "batch": 40, "fixed": ("model.network.centers",)}

RECIPES = (
    Recipe(
        config="zhang2016/paper.yaml",
        source="paper, sections 2.1, 2.2 and 3.1",
        rates={0: 3e-5, 199_999: 3e-5, 200_000: 1e-5, 374_999: 1e-5, 375_000: 3e-6, 449_999: 3e-6},
        steps=450_000,
        settings={**_COMMON, "neighbors": 5},
        **_ADAM,
    ),
    Recipe(
        config="zhang2016/released.yaml",
        source="solver.prototxt and the train_val graph of the authors' Caffe branch",
        rates={0: 3e-5, 224_999: 3e-5, 225_000: 3e-6, 450_000: 3e-7, 499_999: 3e-7},
        steps=500_000,
        settings={**_COMMON, "neighbors": 10},
        **_ADAM,
    ),
)


KNOBS = {
    "zhang2016": Knobs(
        base={"width": 0.125},
        values={"width": 0.25},
    ),
}  # fmt: skip

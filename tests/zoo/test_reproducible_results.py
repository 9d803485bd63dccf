"""Outputs and losses of all models stay equal between versions, because weight files outlive versions.

``results.json`` contains means of the output over 3 x 3 cells, and losses. After an intended change or for
a new model, rewrite the file: ``PYTHONPATH=src:tests python tests/zoo/test_reproducible_results.py``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.registry import list_models, model_card
from colorzoo.testing.models import contract_test_model, sample_call
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import quiet_trainer, silent_lightning
from colorzoo.training.gan import GANColorizationModule
from pseudo_weights import pseudo_tensor

FILE = Path(__file__).with_name("results.json")
RESULTS: dict[str, dict[str, list[float]]] = json.loads(FILE.read_text())
FAST = {model_card(name).task: name for name in reversed(RESULTS["colors"])}.values()  # one model per class
MODELS = [
    pytest.param(name, stored, id=name, marks=() if name in FAST else pytest.mark.nightly)
    for name, stored in RESULTS["colors"].items()
]


def fixed_task(name: str) -> Any:
    """Return the small variant of a model with parameters that depend only on their names."""
    card = model_card(name)
    task: Any = contract_test_model(card)
    with torch.no_grad():
        for key, each in task.named_parameters():
            values = pseudo_tensor(key, tuple(each.shape), scale=card.contract_test.scales.get(key, 1.0))
            each.copy_(torch.from_numpy(np.asarray(values)))
        for layer in task.modules():
            if isinstance(layer, StoredSpectralConv):
                layer.settle()
    return task


@torch.inference_mode()
def colors(name: str) -> list[float]:
    """Return means of the output without guidance, and with guidance if the model accepts guidance."""
    task, (lightness, guidance) = fixed_task(name), sample_call(model_card(name), (37, 53))
    every = (None, guidance)[: 1 + bool(model_card(name).guidance)]
    found = [F.adaptive_avg_pool2d(task(lightness, given).colors.float(), 3) for given in every]
    return torch.stack(found).flatten().tolist()


def losses(name: str) -> list[float]:
    """Return the loss of a training step, or the losses of generator and discriminator."""
    task = fixed_task(name).train()
    with silent_lightning():
        task.allow_untrained, task.trainer = True, quiet_trainer(".", max_steps=1)
    task.log_losses = lambda *_: None
    task.setup("fit")
    batch = sample_batch((model_card(name).contract_test.size,) * 2)
    torch.manual_seed(0)  # dropout
    if not isinstance(task, GANColorizationModule):
        return [float(task.training_step(batch, 0))]
    generated = task.generate(batch)
    loss = float(task.generator_loss(batch, generated))
    return [loss, float(task.discriminator_loss(batch, task.regenerate(batch, generated)))]


@pytest.mark.parametrize(("name", "stored"), MODELS)
def test_colors_stay_the_same(name: str, stored: list[float]) -> None:
    assert colors(name) == pytest.approx(stored, abs=5e-3 * max(map(abs, stored)))


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "stored"), RESULTS["losses"].items(), ids=RESULTS["losses"].keys())
def test_losses_stay_the_same(name: str, stored: list[float]) -> None:
    assert losses(name) == pytest.approx(stored, rel=5e-3)


if __name__ == "__main__":
    cards = [model_card(name) for name in list_models()]
    settings = {str((card.task, card.hparams | card.contract_test.hparams)): card for card in cards}
    made = {
        "colors": {card.name: colors(card.name) for card in settings.values()},
        "losses": {card.name: losses(card.name) for card in settings.values() if card.trainable},
    }
    rows = {
        kind: {name: [float(f"{value:.5g}") for value in values] for name, values in found.items()}
        for kind, found in made.items()
    }
    FILE.write_text(json.dumps(rows).replace("], ", "],\n") + "\n")

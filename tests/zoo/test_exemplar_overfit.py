"""Forty steps on two pictures bring the losses of SPColor and Zhang 2019 down; references are obeyed."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning

STEPS = 40
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.999))
SETTINGS = {"optimizer": ADAM, "matching_lr": 1e-3, "lightness_noise": 0.0, "smooth_weight": 0.0, "tau": 0.1}
OWN = {"chen2023": {}, "zhang2019": {"training_tau": 0.1, "previous": 0.0, "contextual_weight": 0.0}}


def mirrored(batch: Batch) -> torch.Tensor:
    return batch["rgb"].flip(-1)


def error(model: Any, batch: Batch, reference: torch.Tensor) -> float:
    """Return the mean distance from the truth with a reference."""
    lab = rgb_to_lab(batch["rgb"])
    with torch.inference_mode():
        ab = model.eval()(lab[:, :1], Guidance(exemplar=Exemplar(reference))).ab
    return float((ab - lab[:, 1:]).abs().mean())


@pytest.mark.parametrize("name", ["chen2023", "zhang2019"])
def test_two_pictures_are_learned(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    card = model_card(name)
    model: Any = build_model(load_task_class(card), {**card.smoke.hparams, **SETTINGS, **OWN[name]})
    batch = sample_batch((32, 32), batch=2)
    batch = Batch(**batch, reference=mirrored(batch), self_made=torch.ones(2, dtype=torch.bool))
    before = error(model, batch, mirrored(batch))
    with silent_lightning():
        trainer = quiet_trainer(tmp_path, max_epochs=1)
        trainer.fit(model, batch_loader([batch] * STEPS))
    after = error(model, batch, mirrored(batch))
    assert after < before / 2
    # the other picture's mirror image has other colors, and the answer follows it
    assert error(model, batch, mirrored(batch).flip(0)) > 1.3 * after

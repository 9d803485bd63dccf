"""DDColor learns two pictures in forty steps, against its discriminator, and the small model without one."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from overfit import STEPS

from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning


class PixelLosses(Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.seen.append(float(trainer.callback_metrics["train/pixel"]))


@pytest.mark.parametrize(("name", "judged"), [("kang2023", 1.0), ("kang2023_small", 0.0)])
def test_forty_steps_bring_the_colors_nearer(name: str, judged: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    card, losses = model_card(name), PixelLosses()
    settings = {
        "pixel_weight": 1.0,
        "colorfulness_weight": 0.1,
        "adversarial_weight": judged,
        "optimizer": partial(torch.optim.AdamW, lr=2e-3, betas=(0.9, 0.99)),
        "discriminator_optimizer": partial(torch.optim.Adam, lr=1e-4),
    }
    model: Any = build_model(load_task_class(card), {**card.hparams, **card.smoke.hparams, **settings})
    batch = sample_batch((64, 64), batch=2)
    with silent_lightning():
        trainer = quiet_trainer(str(tmp_path), max_epochs=1, callbacks=[losses])
        trainer.fit(model, batch_loader([batch] * STEPS))
    assert sum(losses.seen[-4:]) < 0.7 * sum(losses.seen[:4])
    with torch.inference_mode():
        ab = model.train()(
            rgb_to_lab(batch["rgb"])[:, :1]
        ).ab  # forty steps are too few for running statistics
    assert (ab - rgb_to_lab(batch["rgb"])[:, 1:]).abs().mean() < 0.8 * rgb_to_lab(batch["rgb"])[
        :, 1:
    ].abs().mean()

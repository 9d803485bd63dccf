"""Xu et al. 2020 learns two pictures by heart, and points count.

That references count is tested on the embedded weights: who knows two pictures by heart needs none.
"""

from functools import cache
from typing import Any

import pytest
import torch
from overfit import colored_square, moved_towards, overfit

from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch

SHARES = {"grid_share": 0.5, "transferred_share": 0.2}  # hints as inference places them, beside the paper's


@cache
def trained(stage: str) -> tuple[Any, Any, float]:
    """Return a model, its batch, and the share of the loss that forty steps left."""
    torch.manual_seed(0)
    card = model_card("xu2020")
    model = build_model(load_task_class(card), {**card.smoke.hparams, "stage": stage, **SHARES})
    batch = sample_batch((48, 48), batch=2)
    first, last = overfit(model, batch, lr=4e-3)
    return model, batch, last / first


@pytest.mark.parametrize(
    ("stage", "share"), [("color", 0.6), ("decoder", 0.1), ("encoder", 0.1), ("exposure", 0.8)]
)
def test_forty_steps_bring_the_loss_down(stage: str, share: float) -> None:
    assert trained(stage)[2] < share


def test_points_are_obeyed() -> None:
    model, batch, _ = trained("color")
    lightness = rgb_to_lab(batch["rgb"])[:, :1]
    wanted = (40.0, -40.0)
    points, where = colored_square(lightness, wanted)
    with torch.inference_mode():
        given, plain = (model(lightness, Guidance(points=each)).ab for each in (points, None))
    assert moved_towards(given - plain, wanted, where) > 5

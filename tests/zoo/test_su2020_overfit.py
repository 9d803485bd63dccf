"""Su et al. 2020 learns two pictures by heart, and what it is given counts."""

from functools import cache
from typing import Any

import pytest
import torch
from overfit import colored_square, moved_towards, overfit

from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import Boxes, Guidance
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch

CORNERS = torch.tensor([[0.1, 0.1, 0.6, 0.7], [0.4, 0.3, 0.95, 0.9]])


@cache
def trained(stage: str) -> tuple[Any, Any, float]:
    """Return a model, its batch, and the share of the loss that forty steps left."""
    torch.manual_seed(0)
    card = model_card("su2020")
    model = build_model(load_task_class(card), {**card.smoke.hparams, "stage": stage, "hints": 1.0})
    batch: Any = sample_batch((48, 48), batch=2)
    batch["boxes"] = [48 * CORNERS] * 2
    first, last = overfit(model, batch, lr=4e-3)
    return model, batch, last / first


@pytest.mark.parametrize(("stage", "share"), [("full", 0.5), ("instance", 0.65), ("fusion", 0.85)])
def test_forty_steps_bring_the_loss_down(stage: str, share: float) -> None:
    assert trained(stage)[2] < share


def test_points_are_obeyed() -> None:
    model, batch, _ = trained("full")
    lightness = rgb_to_lab(batch["rgb"])[:, :1]
    wanted = (40.0, -40.0)
    points, where = colored_square(lightness, wanted)
    with torch.inference_mode():
        given, plain = (model(lightness, Guidance(points=each)).ab for each in (points, None))
    assert moved_towards(given - plain, wanted, where) > 5


def test_boxes_are_obeyed() -> None:
    """The fusion network colors what lies in boxes; without boxes the full-image network answers."""
    model, batch, _ = trained("fusion")
    lab = rgb_to_lab(batch["rgb"])
    boxes = Boxes.of([CORNERS] * 2)
    with torch.inference_mode():
        fused, plain = (model(lab[:, :1], Guidance(boxes=each)).ab for each in (boxes, None))
    wrong, before = ((each - lab[:, 1:]).abs().mean() for each in (fused, plain))
    assert wrong < 0.7 * before

"""Models of points and boxes learn two pictures by heart, stage after stage, and what they are given counts.

That references count is tested on embedded weights: who knows two pictures by heart needs none.
"""

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
SETTINGS: dict[str, dict[str, Any]] = {
    "su2020": {"hints": 1.0},
    "xu2020": {"grid_share": 0.5, "transferred_share": 0.2},  # hints as inference places them as well
    "yun2023": {"width": 48, "heads": 3, "depth": 2, "side": 32, "most_hints": 32},
}
# model, its stage, share of the loss that forty steps may leave
CASES = [
    ("su2020", "full", 0.5),
    ("su2020", "instance", 0.65),
    ("su2020", "fusion", 0.85),
    ("xu2020", "color", 0.6),
    ("xu2020", "decoder", 0.1),
    ("xu2020", "encoder", 0.1),
    ("xu2020", "exposure", 0.8),
    ("yun2023", None, 0.6),
]


@cache
def trained(name: str, stage: str | None) -> tuple[Any, Any, float]:
    """Return a model, its batch, and the share of the loss that forty steps left."""
    torch.manual_seed(0)
    card, staged = model_card(name), {} if stage is None else {"stage": stage}
    model = build_model(load_task_class(card), {**card.smoke.hparams, **SETTINGS[name], **staged})
    batch: Any = sample_batch((48, 48), batch=2)
    batch["boxes"] = [48 * CORNERS] * 2
    first, last = overfit(model, batch, lr=4e-3)
    return model, batch, last / first


@pytest.mark.parametrize(("name", "stage", "share"), CASES)
def test_forty_steps_bring_the_loss_down(name: str, stage: str | None, share: float) -> None:
    assert trained(name, stage)[2] < share


@pytest.mark.parametrize(
    ("name", "stage", "least"), [("su2020", "full", 5), ("xu2020", "color", 5), ("yun2023", None, 1)]
)
@torch.inference_mode()
def test_points_are_obeyed(name: str, stage: str | None, least: float) -> None:
    with torch.inference_mode(False):
        model, batch, _ = trained(name, stage)
    lightness, answers = rgb_to_lab(batch["rgb"])[:, :1], []
    for wanted in ((40.0, -40.0), (-40.0, 40.0)):
        points, where = colored_square(lightness, wanted)
        given, plain = (model(lightness, Guidance(points=each)).ab for each in (points, None))
        answers.append(moved_towards(given - plain, wanted, where))
    assert sum(answers) > 2 * least  # CIE units between asking for one color and for the opposite one


def test_boxes_are_obeyed() -> None:
    """The fusion network colors what lies in boxes; without boxes the full-image network answers."""
    model, batch, _ = trained("su2020", "fusion")
    lab = rgb_to_lab(batch["rgb"])
    boxes = Boxes.of([CORNERS] * 2)
    with torch.inference_mode():
        fused, plain = (model(lab[:, :1], Guidance(boxes=each)).ab for each in (boxes, None))
    wrong, before = ((each - lab[:, 1:]).abs().mean() for each in (fused, plain))
    assert wrong < 0.7 * before

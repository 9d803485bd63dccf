"""Zhang 2016 and 2017, Kim 2021 and the control of Cho 2023 learn two images; guidance counts."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch

pytestmark = pytest.mark.nightly

LOCAL = {"stage": "joint", "init_std": None}
# model, settings, rate, share of the loss that forty steps may leave
CASES = [
    ("zhang2016", {}, 3e-3, 0.5),
    ("zhang2017_local", LOCAL, 1e-3, 0.7),
    ("zhang2017_global", {"init_std": None, "histogram_share": 1.0}, 3e-3, 0.6),
    ("kim2021", {"hidden": (24,), "empty": 0.0, "con_weight": 0.1, "reg_weight": 0.01}, 2e-3, 0.85),
    ("cho2023_points", {}, 3e-3, 0.7),
]


def overfit(model: Any, batch: Any, *, lr: float) -> None:
    """Take forty steps on one batch; hints are drawn anew in each, as in training."""
    model.log = model.log_dict = lambda *_, **__: None
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    for step in range(40):
        loss = model.training_step({**batch, "seed": batch["seed"] + 1000 * step}, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def colored_square(like: Tensor, ab: tuple[float, float]) -> tuple[Points, Tensor]:
    """Return points of one color in the middle of each image ``(B, 1, H, W)``, and where they are."""
    mask = torch.zeros_like(like)
    height, width = like.shape[-2:]
    mask[..., height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 1
    return Points(mask * torch.tensor(ab).view(1, 2, 1, 1), mask), mask > 0


def moved_towards(ab: Tensor, wanted: tuple[float, float], where: Tensor) -> float:
    """Return how far colors lie along a wanted one, in CIE units, on the mean of some pixels."""
    direction = torch.tensor(wanted) / torch.tensor(wanted).norm()
    return float((ab * direction.view(1, 2, 1, 1)).sum(dim=1, keepdim=True)[where].mean())


@cache
@torch.enable_grad()  # some tests that begin with it have none
def trained(name: str) -> tuple[Any, Any, float]:
    """Return a model, its batch, and the share of the loss that forty steps left."""
    ((settings, rate),) = [(each[1], each[2]) for each in CASES if each[0] == name]
    torch.manual_seed(0)
    card = model_card(name)
    model = build_model(load_task_class(card), {**card.hparams, **card.contract_test.hparams, **settings})
    batch = sample_batch((48, 48), batch=2)
    first = mean_loss(model, batch)
    overfit(model, batch, lr=rate)
    return model, batch, mean_loss(model, batch) / first


@torch.no_grad()
def mean_loss(model: Any, batch: Any) -> float:
    """Return the training loss over four draws of hints or strokes, always the same."""
    model.log = model.log_dict = lambda *_, **__: None
    model.train()
    seeds = batch["seed"]
    found = [float(model.training_step({**batch, "seed": seeds + 77 * draw}, draw)) for draw in range(4)]
    return sum(found) / len(found)


def test_forty_steps_bring_the_loss_down() -> None:
    for name, share in [(case[0], case[3]) for case in CASES]:
        assert trained(name)[2] < share


@torch.no_grad()
def test_points_are_obeyed() -> None:
    model, batch, _ = trained("zhang2017_local")
    lightness = rgb_to_lab(batch["rgb"])[:, :1]
    answers = []
    for wanted in ((60.0, 0.0), (-60.0, 0.0)):
        points, where = colored_square(lightness, wanted)
        ab = model(lightness, Guidance(points=points)).ab - model(lightness, Guidance()).ab
        answers.append(moved_towards(ab, wanted, where))
    # CIE units between asking for red and for green; each alone hangs on the rounding of forty steps
    assert sum(answers) > 20

"""Learning rate schedules, planned steps, and parameter groups."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ConstantLR

from colorzoo.errors import ColorzooError
from colorzoo.training.optimization import parameter_groups, planned_steps, schedule
from colorzoo.training.schedules import Cosine, HoldThenLinear, Linear, PiecewiseConstant


def rates(make, steps: int, lr: float = 1.0) -> list[float]:
    """Return the learning rate of each step and after the last step."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    found = make(optimizer)
    seen = []
    for _ in range(steps + 1):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        found.step()
    return seen


def trainer(**known) -> SimpleNamespace:
    """Return the attributes that `planned_steps` reads, with ten batches per epoch."""
    epochs, limit = known.get("max_epochs", -1), known.get("max_steps", -1)
    automatic = min([10 * epochs] * (epochs != -1) + [limit] * (limit != -1), default=-1)
    return SimpleNamespace(
        max_epochs=epochs, max_steps=limit, num_training_batches=10, estimated_stepping_batches=automatic
    )


def test_linear_reaches_zero_after_the_last_step() -> None:
    assert rates(lambda o: Linear(o, total_steps=4), 4, lr=2.0) == pytest.approx([2, 1.5, 1, 0.5, 0])


def test_cosine_decays_along_half_a_cosine_period() -> None:
    expected = [0.5 * (1 + math.cos(math.pi * step / 6)) for step in range(7)]
    assert rates(lambda o: Cosine(o, total_steps=6), 6) == pytest.approx(expected)


def test_hold_then_linear_reaches_zero_one_step_late_as_in_pix2pix() -> None:
    expected = [1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    assert rates(lambda o: HoldThenLinear(o, total_steps=8), 8) == pytest.approx(expected)


def test_warmup_is_linear_and_shortens_the_schedule() -> None:
    for kind in [Linear, Cosine, HoldThenLinear]:
        warm = rates(partial(kind, warmup_steps=4, total_steps=12), 12)
        assert warm[:4] == pytest.approx([0.25, 0.5, 0.75, 1])
        assert warm[4:] == pytest.approx(rates(partial(kind, total_steps=8), 8))


def test_piecewise_constant_applies_factors_at_milestones() -> None:
    found = rates(lambda o: PiecewiseConstant(o, [2, 4], [0.3, 0.1]), 5, lr=10.0)
    assert found == pytest.approx([10, 10, 3, 3, 1, 1])
    for milestones, factors in (([1, 2], [0.5]), ([2, 1], [0.5, 0.1])):
        with pytest.raises(ColorzooError, match="milestones"):
            rates(lambda o, m=milestones, f=factors: PiecewiseConstant(o, m, f), 1)


def test_planned_steps_follow_epoch_and_step_limits() -> None:
    for limits, steps in [
        ({"max_epochs": 3}, 30),
        ({"max_steps": 24}, 24),
        ({"max_epochs": 3, "max_steps": 24}, 24),
    ]:
        assert planned_steps(trainer(**limits)) == steps


def test_schedule_that_depends_on_the_run_length_rejects_endless_runs() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    without_length = {"num_training_batches": math.inf, "estimated_stepping_batches": -1}  # as in Lightning
    for endless in (
        trainer(),
        SimpleNamespace(max_epochs=None, max_steps=-1),
        SimpleNamespace(max_epochs=3, max_steps=-1, **without_length),
    ):
        with pytest.raises(ColorzooError, match="lr_scheduler"):
            schedule(Cosine, optimizer, endless)
    limited = SimpleNamespace(max_epochs=3, max_steps=5, **without_length)
    assert planned_steps(limited) == 5
    assert schedule(None, optimizer, trainer()) is None
    assert isinstance(schedule(ConstantLR, optimizer, trainer()), ConstantLR)


def test_schedule_spans_the_run_unless_total_steps_is_set() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert schedule(Linear, optimizer, trainer(max_epochs=3)).total_steps == 30
    assert schedule(lambda o: Linear(o, total_steps=7), optimizer, trainer(max_epochs=3)).total_steps == 7


def test_parameter_groups_exclude_frozen_parameters_and_bias_decay() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    module[2].requires_grad_(False)
    weights, others = Adam(parameter_groups(module), weight_decay=0.1).param_groups
    assert [p is module[0].weight for p in weights["params"]] == [True]
    assert {id(p) for p in others["params"]} == {
        id(p) for p in (module[0].bias, module[1].weight, module[1].bias)
    }
    assert (weights["weight_decay"], others["weight_decay"]) == (0.1, 0.0)

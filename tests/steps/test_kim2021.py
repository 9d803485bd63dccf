"""Kim et al. 2021: one step against the losses of the slides, written out."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.networks.taps import unchanged
from colorzoo.randomness import picture_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.simulation.scribbles import ScribbleSimulation, simulate_scribbles
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def sobel(ab: Tensor) -> Tensor:
    """Return the derivatives of a / 110 and b / 110 along x and y by 3 x 3 Sobel filters over 8."""
    padded = torch.nn.functional.pad(ab / 110, (1, 1, 1, 1), mode="replicate")
    height, width = ab.shape[-2:]

    def at(row: int, column: int) -> Tensor:
        return padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    x = sum(weight * (at(row, 1) - at(row, -1)) for row, weight in ((-1, 1), (0, 2), (1, 1))) / 8
    y = sum(weight * (at(1, column) - at(-1, column)) for column, weight in ((-1, 1), (0, 2), (1, 1))) / 8
    return torch.cat([x, y], dim=1)


def masked_mean(squared: Tensor, mask: Tensor) -> Tensor:
    """Return E over the pixels of a mask, mean over pictures."""
    each = [(s * m).sum() / m.sum().clamp(min=1) for s, m in zip(squared.sum(dim=1), mask[:, 0], strict=True)]
    return torch.stack(each).mean()


def refined(model: Any, state: Any, lightness: Tensor, drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
    changes = []
    names = [tap.name for tap in model.model.backbone.model.taps]

    def visit(name: str, activation: Tensor) -> Tensor:
        if name not in names:
            return activation
        index = names.index(name)
        changes.append(
            model.model.network(index, activation, drawn, lightness, model.model.network.near(drawn))
        )
        return activation + model.model.backbone.model.taps[index].scale * changes[-1]

    return model.model.backbone.model.after_taps(state, visit), changes


@pytest.mark.parametrize(
    ("name", "hints", "empty"),
    [
        ("kim2021", 0.0, 0.0),
        ("kim2021", 1.0, 0.0),
        ("kim2021", 1.0, 1.0),
        ("kim2021_zhang2016_small", 0.0, 0.0),  # whose last tap is ab: of another scale
    ],
)
def test_the_step_is_the_sum_of_three_losses(name: str, hints: float, empty: float) -> None:
    model: Any = small(name, hints=hints, empty=empty, con_weight=0.7, reg_weight=0.3)
    with torch.no_grad():
        for branch in model.model.network.branches:
            branch.leave.weight.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    batch, lightness, ab = training_batch(48, 4)  # in some of four colors bleed
    simulation = PointSimulation(none=1 - hints)
    points = simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)
    with torch.no_grad():
        state = model.model.backbone.model.before_taps(lightness, Guidance(points=points))
        first = model.model.backbone.model.after_taps(state, unchanged)
        strokes = ScribbleSimulation(lost=0.3, most=5, jitter=2.0, none=empty)
        mask = simulate_scribbles(first, ab, picture_generators(batch["seed"], "strokes"), strokes).mask
    assert bool(mask.any()) != bool(empty)
    picture, changes = refined(model, state, lightness, mask)
    edge = masked_mean((sobel(picture) - sobel(ab)).square(), mask)
    con = masked_mean((sobel(picture) - sobel(first)).square(), 1 - mask)
    reg = torch.stack([change.square().mean() for change in changes]).mean()
    wanted = edge + 0.7 * con + 0.3 * reg
    found = model.training_step(batch, 0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-9)
    if not empty:
        assert min(edge, con, reg) > 0
        same(gradients(found, model), gradients(wanted, model), rtol=1e-3)

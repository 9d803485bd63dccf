"""Yun et al. 2023: training step compared with the authors' Huber loss, and hint sampling."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import Points
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.zoo.yun2023.task import simulate_cells
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def huber(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    """Return the loss on ab / 110: per pixel summed over a and b, then the mean over all pixels."""
    off = (found / 110 - truth / 110).abs()
    each = torch.where(off < delta, off.square() / (2 * delta), off - delta / 2)
    return each.sum(dim=1).mean()


def plain_hints(batch: Any, ab: Tensor, most: int) -> Points:
    """Draw the same hints cell by cell."""
    shown, mask = torch.zeros_like(ab), torch.zeros_like(ab[:, :1])
    columns = ab.shape[3] // 2
    cells = columns * (ab.shape[2] // 2)
    draws = draw_uniform(image_generators(batch["seed"], "points"), len(ab), 1 + cells, ab.device)
    for image, row in enumerate(draws):
        for cell in row[1:].argsort().tolist()[: int(float(row[0]) * (most + 1))]:
            top, left = 2 * (cell // columns), 2 * (cell % columns)
            place = (image, slice(None), slice(top, top + 2), slice(left, left + 2))
            shown[place], mask[place] = ab[place].mean(dim=(1, 2), keepdim=True), 1
    return Points(shown, mask)


@pytest.mark.parametrize("most", [0, 128])
def test_yun2023_training_step_equals_the_huber_loss(most: int) -> None:
    model = small("yun2023", delta=0.05, most_hints=most)
    batch, lightness, ab = training_batch()
    points = plain_hints(batch, ab, most)
    assert bool(points.mask.any()) == bool(most)
    found = model.training_step(batch, 0)
    wanted = huber(model.model.network(lightness, points), ab, 0.05)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    same(ours, gradients(wanted, model), rtol=1e-3)
    hint_planes = ours["model.network.trunk.patch_embed.proj.weight"][:, 1:]
    assert bool(hint_planes.any()) == bool(most)


def test_simulate_cells_equals_sampling_cell_by_cell() -> None:
    batch, _, ab = training_batch(20, 30)
    ab = ab[:, :, :, :13]  # the odd column belongs to no cell
    ours = simulate_cells(ab, image_generators(batch["seed"], "points"), 40)
    plain = plain_hints(batch, ab, 40)
    assert torch.equal(ours.mask, plain.mask)
    torch.testing.assert_close(ours.ab, plain.ab)

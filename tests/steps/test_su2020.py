"""Su et al. 2020: training step of each stage compared with the authors' Huber loss on ab / 110."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Boxes, Points
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

SIDE = 32
BOXES = (  # in whole pixels
    [[0.0, 0.0, 16.0, 24.0], [8.0, 4.0, 32.0, 32.0]],
    [[4.0, 4.0, 20.0, 12.0]],
    [[16.0, 16.0, 32.0, 32.0], [0.0, 8.0, 32.0, 16.0], [2.0, 2.0, 30.0, 30.0]],
)


def batch_with_boxes() -> tuple[Any, Tensor]:
    """Return a batch, whose second image is nearly gray, and its Lab."""
    batch, lightness, ab = training_batch(SIDE, 3)
    ab[1] *= 4.9 / float((ab[1].amax((1, 2)) - ab[1].amin((1, 2))).sum())
    batch["boxes"] = [torch.tensor(each) for each in BOXES]
    return batch, torch.cat([lightness, ab], dim=1)


def huber(found: Tensor, ab: Tensor) -> Tensor:
    """Return the loss of train_model.py: 10 times the mean over pixels, and 0 for nearly gray images."""
    delta = 1 / 110
    off = (found / 110 - ab / 110).abs()
    each = torch.where(off < delta, off.square() / (2 * delta), off - delta / 2).sum(dim=1)
    ranges = ab.amax((2, 3)) - ab.amin((2, 3))
    colored = ranges.sum(dim=1) >= 10
    return 10 * (each.mean((1, 2)) * colored).sum() / len(ab)


def crops(lab: Tensor, seeds: Tensor) -> Tensor:
    """Return one box crop of each image, drawn by the image seed."""
    found = []
    for row, generator in enumerate(image_generators(seeds, "instance")):
        chosen = int(torch.randint(len(BOXES[row]), (1,), generator=generator))
        left, top, right, bottom = (int(each) for each in BOXES[row][chosen])
        crop = lab[row : row + 1, :, top:bottom, left:right]
        found.append(F.interpolate(crop, (SIDE, SIDE), mode="bilinear", align_corners=False))
    return torch.cat(found)


def points_of(batch: Any, ab: Tensor, hints: float) -> Points:
    simulation = PointSimulation(none=1 - hints)
    return simulate_points(ab, image_generators(batch["seed"], "points"), simulation)


@pytest.mark.parametrize("hints", [0.0, 1.0])
@pytest.mark.parametrize("stage", ["full", "instance", "fusion"])
def test_su2020_step_equals_the_huber_loss(stage: str, hints: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("su2020", stage=stage, hints=hints)
    batch, lab = batch_with_boxes()
    monkeypatch.setattr("colorzoo.zoo.su2020.task.rgb_to_lab", lambda _: lab)
    seen = crops(lab, batch["seed"]) if stage == "instance" else lab
    points = points_of(batch, seen[:, 1:], hints)
    assert bool(points.mask.any()) == bool(hints)
    found = model.training_step(batch, 0)
    if stage == "fusion":
        corners: Sequence[Tensor] = [torch.tensor(each) / SIDE for each in BOXES]
        predicted = model.model.network(seen[:, :1], points, Boxes.of(corners)).ab
    else:
        predicted = model.model.network.color(stage, seen[:, :1], points)
    wanted = huber(predicted, seen[:, 1:])
    assert wanted > 0
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_su2020_colorfulness_weights_colorful_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("su2020", colorfulness=0.5, delta=2.0)
    batch, lab = batch_with_boxes()
    monkeypatch.setattr("colorzoo.zoo.su2020.task.rgb_to_lab", lambda _: lab)
    ab = lab[:, 1:]
    off = (model.model.network.color("full", lab[:, :1], Points.none(ab)) - ab).abs()
    each = torch.where(off < 2, off.square() / 4, off - 1).sum(dim=1)
    weight = 1 + 0.5 * ab.square().sum(dim=1).sqrt() / 20
    means = (each * weight).sum((1, 2)) / weight.sum((1, 2))
    wanted = 10 / 110 * (means[0] + means[2]) / 3
    torch.testing.assert_close(model.training_step(batch, 0), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("stage", ["full", "instance", "fusion"])
def test_su2020_loss_does_not_depend_on_the_batch_split(stage: str) -> None:
    """Regression test: the loss was divided by the number of color images of the process."""
    model = small("su2020", stage=stage, hints=0.5, colorfulness=0.5).eval()
    batch, _ = batch_with_boxes()
    batch["rgb"][1] = batch["rgb"][1].mean(dim=0)  # gray
    whole = model.training_step(batch, 0)
    parts = [{key: value[rows] for key, value in batch.items()} for rows in (slice(0, 1), slice(1, 3))]
    first, second = (model.training_step(part, 0) for part in parts)
    torch.testing.assert_close((first + 2 * second) / 3, whole, rtol=1e-4, atol=0)

"""Iizuka et al. 2016: training step compared with the joint loss of colors and classes."""

import pytest
import torch
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.zoo.iizuka2016.model import torch7_lab
from colorzoo.zoo.iizuka2016.task import Iizuka2016
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.mark.parametrize("normalization", [False, True])
def test_iizuka2016_training_step_equals_the_joint_loss(normalization: bool) -> None:
    task = small("iizuka2016", classes=5, class_weight=0.25, normalization=normalization)
    assert isinstance(task, Iizuka2016)
    assert task.classifier is not None
    batch, lightness, _ = training_batch(32, 3)
    batch["label"] = torch.tensor([4, 0, 2])
    found = task.training_step(batch, 0)
    network = task.model.network
    gray = lightness_to_rgb(lightness)[:, :1] - network.mean
    low = network.low(gray)
    scene = network.scene(low)
    vector = network.style(scene)[:, :, None, None].expand(-1, -1, 4, 4)
    maps = network.color(torch.cat([network.mid(low), vector], dim=1))
    ab = torch7_lab(batch["rgb"].double())[:, 1:]
    target = F.avg_pool2d((ab / 100 + 1) / 2, 2)
    share = task.classifier(scene).double().softmax(dim=1)[torch.arange(3), batch["label"]]
    wanted = (maps - target).square().mean() - 0.25 * share.log().mean()
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    same(gradients(found, task), gradients(wanted, task), rounding=0.05)


def test_iizuka2016_without_classes_has_no_classifier() -> None:
    batch, *_ = training_batch(32, 2)
    without = small("iizuka2016", classes=0)
    assert not any("classifier" in name for name, _ in without.named_parameters())
    assert without.training_step(batch, 0).isfinite()

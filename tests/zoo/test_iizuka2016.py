"""Iizuka et al. 2016: scene vectors of the image and of references, and the joint loss."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Exemplar, Guidance
from colorzoo.color import lightness_to_rgb
from colorzoo.errors import GuidanceError
from colorzoo.image_io import read_image
from colorzoo.inference.references import ReadReference, make_exemplar
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.iizuka2016.model import LetThereBeColor, torch7_lab
from colorzoo.zoo.iizuka2016.task import Iizuka2016
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture
def model() -> LetThereBeColor:
    found = contract_test_model(model_card("iizuka2016")).model
    assert isinstance(found, LetThereBeColor)
    return found


def colors(model: LetThereBeColor, lightness: Tensor, *references: Exemplar) -> Tensor:
    with torch.inference_mode():
        return model(lightness, Guidance(exemplar=references[0] if references else None)).ab


def test_iizuka2016_accepts_a_gray_reference() -> None:
    """Models that use the colors of the reference reject it."""
    gray = ReadReference(read_image(np.full((40, 48, 3), 90, np.uint8)), name="fog.jpg")
    for name, taken in (("iizuka2016", True), ("zhao2021", False)):
        model = contract_test_model(model_card(name)).model
        with nullcontext() if taken else pytest.raises(GuidanceError, match=r"fog.jpg has no color"):
            assert make_exemplar(model, [gray], 48).embedding is not None


def test_exemplar_alpha_interpolates_between_image_and_reference_vectors(model: LetThereBeColor) -> None:
    lightness, rgb = sample_input("gray", (40, 48)), sample_image((56, 32), seed=3)
    torch.testing.assert_close(colors(model, lightness, Exemplar(rgb, alpha=0.0)), colors(model, lightness))
    gray = lightness_to_rgb(lightness)[:, :1]
    with torch.inference_mode():
        styles = model.network.style_of(gray), model.encode_reference(rgb)[:, 0]
        wanted = model.network(gray, 0.7 * styles[0] + 0.3 * styles[1])
    torch.testing.assert_close(colors(model, lightness, Exemplar(rgb, alpha=0.3)), wanted, atol=1e-4, rtol=0)
    own = Exemplar(lightness_to_rgb(lightness))
    torch.testing.assert_close(colors(model, lightness, own), colors(model, lightness), atol=1e-3, rtol=0)


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

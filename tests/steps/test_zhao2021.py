"""Zhao et al. 2021: validation references and perceptual loss; tests/parity has the training step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.zoo.zhao2021.task import made_reference
from steps.step import gradients, small, training_batch
from vgg_file import write_vgg19

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def smooth_l1(found: Tensor, truth: Tensor) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= 1, 0.5 * off.square(), off - 0.5).mean()


def predicted(model: Any, lightness: Tensor, reference: Tensor) -> Tensor:
    encoder = model.model.network.encoder
    vector = encoder.to_vector(encoder.features(reference)[-1])[:, :, 0, 0]
    return model.model.network.unet((lightness - 50) / 50, vector)


def test_zhao2021_validation_uses_no_reference_or_a_self_reference() -> None:
    model = small("zhao2021")
    batch, lightness, ab = training_batch(48)
    lab = torch.cat([lightness, ab], dim=1)
    guidances = dict(model.validation_guidances(batch, lab))
    assert guidances["automatic"].exemplar is None
    exemplar = guidances["reference"].exemplar
    assert torch.equal(exemplar.rgb, made_reference(lab_to_rgb(lab), batch["seed"]))


def test_zhao2021_perceptual_loss_uses_a_fixed_vgg19(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vgg19 = write_vgg19(tmp_path / "vgg19.pth")
    monkeypatch.setattr("colorzoo.training.perceptual.published_weights", lambda _: vgg19)
    model = small("zhao2021", perceptual_weight=0.5)
    model.allow_untrained = False
    model.setup("fit")
    with torch.no_grad():
        model.model.network.encoder.features.layers[0].weight.mul_(1.5)  # simulates a trained encoder
    batch, lightness, ab = training_batch(48)
    found = model.training_step(batch, 0)
    fake = predicted(model, lightness, made_reference(batch["rgb"], batch["seed"]))
    vgg: Any = model.vgg.network
    colored, true = (
        vgg(rgb) for rgb in (lab_to_rgb(torch.cat([lightness, 110 * fake], dim=1)), batch["rgb"])
    )
    terms = [(a - b).abs().mean() for a, b in zip(colored, true, strict=True)]
    distance = sum(term / by for term, by in zip(terms, (32, 16, 8, 4, 1), strict=True))
    torch.testing.assert_close(found, smooth_l1(fake, ab / 110) + 0.5 * distance, rtol=1e-5, atol=0)
    reached = {name for name, value in gradients(found, model).items() if value.any()}
    assert "model.network.encoder.features.layers.0.weight" in reached  # the encoder's own VGG-19 is trained
    assert not any(name.startswith("vgg.") for name in reached)

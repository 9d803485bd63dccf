"""Zhao et al. 2021: one step against the authors' loss, written out, with a weight for each picture."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.zoo.zhao2021.network import ModulatedConvolution
from colorzoo.zoo.zhao2021.task import made_reference
from steps.step import gradients, same, small, training_batch
from vgg_file import write_vgg19

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")
BORROWED = {"features": "zhang2016_small", "perceptual_weight": 0.3}


def smooth_l1(found: Tensor, truth: Tensor) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= 1, 0.5 * off.square(), off - 0.5).mean()


def per_picture(module: ModulatedConvolution, x: Tensor, vector: Tensor) -> Tensor:
    """Return StyleGAN2's modulated convolution as it is defined: a normalized weight for each picture."""
    found = []
    channels, kernel = x.shape[1], module.weight.shape[-1]
    for picture, style in zip(x, module.modulation(vector), strict=True):
        weight = module.weight / (channels * kernel**2) ** 0.5 * style[None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        found.append(F.conv2d(picture[None], weight, padding=kernel // 2))
    return torch.cat(found)


@pytest.fixture
def plain_convolutions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return how to put the definition in the place of the shared convolution."""
    return lambda: monkeypatch.setattr(ModulatedConvolution, "forward", per_picture)


def predicted(model: Any, lightness: Tensor, reference: Tensor) -> Tensor:
    encoder = model.model.network.encoder
    vector = encoder.to_vector(encoder.features(reference)[-1])[:, :, 0, 0]
    return model.model.network.unet((lightness - 50) / 50, vector)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("borrowed", [False, True])
def test_the_step(given: bool, borrowed: bool, plain_convolutions: Any) -> None:
    """With the data's references, and with those made of the pictures; with and without a perceptual loss."""
    model = small("zhao2021", **(BORROWED if borrowed else {}))
    batch, lightness, ab = training_batch(48)
    reference = batch["rgb"].flip(0)
    if given:
        batch["reference"] = reference  # type: ignore[typeddict-unknown-key]
    else:
        reference = made_reference(batch["rgb"], batch["seed"])
    found = model.training_step(batch, 0)
    ours = gradients(found, model)
    plain_convolutions()
    fake = predicted(model, lightness, reference)
    wanted = smooth_l1(fake, ab / 110)
    if borrowed:
        features = model.model.network.encoder.features
        colored = features(lab_to_rgb(torch.cat([lightness, 110 * fake], dim=1)))
        terms = [(a - b).abs().mean() for a, b in zip(colored, features(batch["rgb"]), strict=True)]
        wanted = wanted + 0.3 * (terms[0] / 8 + terms[1] / 4 + terms[2])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(ours, gradients(wanted, model), rtol=1e-3)


def test_the_perceptual_loss_of_a_vgg19_that_stays_as_it_is(tmp_path: Path) -> None:
    write_vgg19(tmp_path / "vgg19.pth")
    model = small("zhao2021", perceptual_weight=0.5, vgg_weights=str(tmp_path / "vgg19.pth"))
    model.setup("fit")
    with torch.no_grad():
        model.model.network.encoder.features.layers[0].weight.mul_(1.5)  # as if it had been trained already
    batch, lightness, ab = training_batch(48)
    found = model.training_step(batch, 0)
    fake = predicted(model, lightness, made_reference(batch["rgb"], batch["seed"]))
    vgg: Any = model.perceptual.model
    colored, true = (
        vgg(rgb) for rgb in (lab_to_rgb(torch.cat([lightness, 110 * fake], dim=1)), batch["rgb"])
    )
    terms = [(a - b).abs().mean() for a, b in zip(colored, true, strict=True)]
    distance = sum(term / by for term, by in zip(terms, (32, 16, 8, 4, 1), strict=True))
    torch.testing.assert_close(found, smooth_l1(fake, ab / 110) + 0.5 * distance, rtol=1e-5, atol=0)
    reached = {name for name, value in gradients(found, model).items() if value.any()}
    assert "model.network.encoder.features.layers.0.weight" in reached  # the encoder's own VGG-19 is trained
    assert not any(name.startswith("perceptual.") for name in reached)

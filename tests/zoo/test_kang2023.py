"""DDColor: pretrained weights of the encoder, and losses compared with section 3.5 and the published code."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.perceptual import frozen_vgg16
from colorzoo.zoo.kang2023.model import ConvNextEncoder
from colorzoo.zoo.kang2023.task import VGG_LAYERS, Kang2023, colorfulness_loss
from steps.step import gradients, same, small, training_batch

NARROW = {"width": 0.125, "queries": 8, "layers": 4}


def test_convnext_encoder_loads_pretrained_classifier_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    torch.manual_seed(0)
    shape = {"depths": (1, 1, 3, 1), "dims": (8, 24, 48, 96)}
    source = timm.create_model("convnext_tiny", pretrained=False, num_classes=0, **shape)
    monkeypatch.setattr("colorzoo.metrics.feature_networks.download_timm_model", lambda *_: source)
    encoder = ConvNextEncoder("tiny", 0.125, 0.3)
    assert encoder.channels == (16, 24, 48, 96)
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.load_pretrained("convnext_tiny")
    source = timm.create_model("convnext_tiny", num_classes=0, **(shape | {"dims": encoder.channels}))
    encoder.load_pretrained("convnext_tiny")
    found = encoder.stages.state_dict()["stages_2.blocks.1.mlp.fc1.weight"]
    assert torch.equal(found, source.state_dict()["stages.2.blocks.1.mlp.fc1.weight"])


def test_kang2023_fit_without_pretrained_weights_raises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    settings = {**model_card("kang2023").contract_test.hparams, "perceptual_weight": 5.0}
    model = build_model(Kang2023, settings)
    with pytest.raises(WeightsError, match="vgg16_bn"):
        model.setup("fit")
    encoder = build_model(
        Kang2023, {**settings, "perceptual_weight": 0.0, "pretrained": "convnext_tiny.fb_in22k"}
    )
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.prepare_fit()
    encoder.trained = True
    encoder.prepare_fit()


SIDE = 64


@pytest.fixture(scope="module")
def vgg() -> Any:
    torch.manual_seed(1)
    return frozen_vgg16(VGG_LAYERS, untrained=True)


def prepared(vgg: Any, **settings: Any) -> Any:
    model: Any = small("kang2023", perceptual_weight=5.0, **settings)
    torch.nn.init.constant_(model.discriminator.layers[2][2].gamma, 0.5)
    model.vgg = vgg
    model.log_dict = lambda *_, **__: None
    return model


def enhanced(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.unbind(1)
    gray = (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]
    return (gray + 1.2 * (rgb - gray)).clamp(0, 1)


def plain_features(vgg: VGGOutputs, rgb: Tensor) -> list[Tensor]:
    """Return the outputs of convolutions before BatchNorm, recorded by hooks."""
    kept: list[Tensor] = []
    hooks = [
        vgg.features[index].register_forward_hook(lambda *call: kept.append(call[-1]))
        for index in (0, 7, 14, 24, 34)
    ]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    vgg.features((rgb - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    for hook in hooks:
        hook.remove()
    return kept


def plain_loss(model: Any, lightness: Tensor, ab: Tensor, rgb: Tensor) -> tuple[Tensor, Tensor]:
    generated = model.model.network(lightness)
    colored = lab_to_rgb(torch.cat([lightness, generated], dim=1))
    loss = 0.1 * (generated - ab).abs().mean()
    pairs = zip(*(plain_features(model.vgg.network, each) for each in (colored, enhanced(rgb))), strict=True)
    for weight, (x, y) in zip((1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), pairs, strict=True):
        loss = loss + 5.0 * weight * (x - y).abs().mean()
    loss = loss + F.softplus(-model.discriminator(colored)).mean()
    for red, green, blue in colored:
        rg, yb = (red - green).abs(), ((red + green) / 2 - blue).abs()
        cf = (rg.var() + yb.var()).sqrt() + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2).sqrt()
        loss = loss + 2.0 * (1 - cf) / len(colored)
    return loss, colored.detach()


def test_kang2023_generator_and_discriminator_losses_equal_the_formulas(vgg: Any) -> None:
    model = prepared(vgg)
    plain = copy.deepcopy(model)  # every forward pass runs a power iteration
    batch, lightness, ab = training_batch(SIDE, 2)
    generated = model.generate(batch)
    found = model.generator_loss(batch, generated)
    wanted, colored = plain_loss(plain, lightness, ab, batch["rgb"])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.model.network), gradients(wanted, plain.model.network), rtol=5e-3)

    discriminator = model.discriminator_loss(batch, generated.detach())
    real, fake = plain.discriminator(enhanced(batch["rgb"])), plain.discriminator(colored)
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    torch.testing.assert_close(discriminator, expected, rtol=1e-4, atol=0)
    same(gradients(discriminator, model.discriminator), gradients(expected, plain.discriminator), rtol=1e-3)


def test_kang2023_step_runs_the_discriminator_three_times(vgg: Any, tmp_path: Path) -> None:
    model = small("kang2023", perceptual_weight=0.0)
    calls = {"network": 0, "discriminator": 0}
    for name, module in (("network", model.model.network), ("discriminator", model.discriminator)):
        module.register_forward_hook(lambda *_, name=name: calls.update({name: calls[name] + 1}))
    before = model.discriminator.layers[4][0].weight_u.clone()
    with silent_lightning():
        quiet_trainer(str(tmp_path), max_epochs=1).fit(model, batch_loader([training_batch(SIDE, 2)[0]]))
    assert calls == {"network": 1, "discriminator": 3}
    assert not torch.equal(before, model.discriminator.layers[4][0].weight_u)


def test_colorfulness_loss_of_a_gray_image_has_a_finite_gradient() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    colorfulness_loss(gray).backward()
    assert gray.grad is not None
    assert gray.grad.isfinite().all()


def test_kang2023_chroma_weights_colorful_pixels() -> None:
    only_pixels = {"perceptual_weight": 0.0, "adversarial_weight": 0.0, "colorfulness_weight": 0.0}
    model = small("kang2023", chroma=2.0, **only_pixels)
    true = torch.tensor([0.0, 20.0]).view(1, 1, 1, 2).repeat(1, 2, 1, 1) / 2**0.5
    ab = true + torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    lab = torch.cat([torch.full_like(true[:, :1], 50), true], dim=1)
    loss = model.generator_terms({"rgb": lab_to_rgb(lab)}, AbPrediction(ab=ab))["pixel"]
    assert loss.item() == pytest.approx((1 * 1 + 3 * 3) / (1 + 3), rel=1e-4)

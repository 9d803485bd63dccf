"""DeOldify: render_factor, lightness, torchvision weights, optimizer groups, losses and stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.networks.imagenet import VGGOutputs, normalized
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.weights import save_weights
from colorzoo.zoo.antic2019.model import ResNetEncoder, ab_of, keep_lightness
from colorzoo.zoo.antic2019.task import VGG_LAYERS, Antic2019
from steps.step import gradients, same, small, training_batch

NARROW = {"encoder": "resnet18", "width": 0.125}


def narrow(**settings: Any) -> Antic2019:
    torch.manual_seed(0)
    return build_model(Antic2019, {**NARROW, **settings}).eval()


def trained(**settings: Any) -> Antic2019:
    model = narrow(**settings)
    model.model.load_state_dict(contract_test_model(model_card("antic2019")).model.state_dict())
    model.trained = True
    return model


def test_render_factor_sets_the_working_size(tmp_path: Path) -> None:
    assert model_card("deoldify").name == "antic2019"
    gray = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    assert Colorizer(trained(), device="cpu").size == 560
    path = tmp_path / "narrow.safetensors"
    save_weights(
        path,
        trained().model.state_dict(),
        {"model": "antic2019", "hparams": '{"encoder": "resnet18", "width": 0.125}'},
    )
    seen = []
    for factor in (4, 6):
        colorizer = Colorizer(
            "deoldify", weights=path, render_factor=factor, device="cpu", precision="float32"
        )
        colored = colorizer.colorize(read_image(gray))
        seen.append(colored.ab)
        assert colored.rgb.shape == (200, 300, 3)
    assert [tuple(ab.shape) for ab in seen] == [(2, 64, 96), (2, 96, 144)]
    assert narrow(render_factor=64).model.working_size == 1024
    for wrong in (0, 65):
        with pytest.raises(ColorzooError, match=f"must be at least 1 and at most 64, got {wrong}"):
            narrow(render_factor=wrong)


def test_keep_lightness_replaces_luma_and_keeps_chroma() -> None:
    rgb, gray = 0.3 + 0.3 * torch.rand(1, 3, 8, 8), 0.45 + 0.1 * torch.rand(1, 1, 8, 8)
    joined = keep_lightness(rgb, gray)
    torch.testing.assert_close(rgb_to_gray(joined), gray)
    for channel in (0, 2):  # U and V
        own, other = (each[:, channel] - rgb_to_gray(each)[:, 0] for each in (joined, rgb))
        torch.testing.assert_close(own, other)
    beyond = 2 * torch.rand(1, 3, 8, 8) - 0.5
    cut = keep_lightness(beyond.clamp(0, 1), gray)
    assert cut.aminmax() == (0, 1)
    torch.testing.assert_close(ab_of(normalized(beyond), gray), rgb_to_lab(cut)[:, 1:], atol=1e-3, rtol=0)


def torchvision_file(module: torch.nn.Module, path: Path) -> str:
    """Write a file like old torchvision files: without batch counters, and with an unused head."""
    kept = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({**kept, "fc.weight": torch.zeros(3, 3)}, path)
    return str(path)


def fit(model: Any, folder: Path) -> None:
    with silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1)
        trainer.fit(model, batch_loader([sample_batch((64, 64), batch=2)]))


def test_antic2019_starts_from_torchvision_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    encoder, vgg = ResNetEncoder("resnet18", 0.125), VGGOutputs(16, VGG_LAYERS, batch_norm=True)
    monkeypatch.setattr("colorzoo.training.perceptual.published_weights", lambda _: vgg.state_dict())
    model = narrow(stage="frozen", encoder_weights=torchvision_file(encoder, tmp_path / "resnet.pth"))
    fit(model, tmp_path)
    assert torch.equal(model.model.network.encoder.layer2[0].conv1.weight, encoder.layer2[0].conv1.weight)
    assert not torch.equal(model.model.network.encoder.bn1.running_mean, encoder.bn1.running_mean)
    assert not torch.equal(model.model.network.encoder.bn1.weight, encoder.bn1.weight)
    held: Any = model.vgg
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(held(image)[2], vgg.eval()(image)[2])
    assert not any("vgg" in key for key in model.state_dict())


def test_antic2019_generator_groups_are_encoder_deep_encoder_and_decoder() -> None:
    model = narrow(stage="unfrozen")
    names = {id(p): name for name, p in model.model.network.named_parameters()}
    groups = [[names[id(p)] for p in group["params"]] for group in model.generator_groups()]
    assert {name.split(".")[1] for name in groups[0]} == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.split(".")[1] for name in groups[1]} == {"layer3", "layer4"}
    assert sum(map(len, groups)) == len(names)
    assert not any(name.startswith("encoder.") for name in groups[2])


MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
GRAY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def plain_content(generated: Tensor, truth: Tensor, vgg: Any, weights: tuple[float, ...]) -> Tensor:
    """FeatureLoss: pixels, then VGG's layers 22, 32 and 42, all mean absolute differences."""
    total = (generated - truth).abs().mean()
    for last, weight in zip((22, 32, 42), weights, strict=True):
        found, wanted = (vgg.features[: last + 1](each) for each in (generated, truth))
        total = total + weight * (found - wanted).abs().mean()
    return total


@pytest.mark.parametrize("stage", ["unfrozen", "gan"])
def test_antic2019_generator_loss_equals_the_notebook(stage: str) -> None:
    weights = (3.0, 2.0, 5.0)
    how = {"content_weight": 1.5, "adversarial_weight": 0.7, "layer_weights": weights}
    model: Any = small("antic2019", stage=stage, **how).eval()  # no dropout, and fixed spectral norms
    batch, _, _ = training_batch(64, 2)
    torch.manual_seed(1)
    model.vgg = VGGOutputs(16, VGG_LAYERS, batch_norm=True).eval().requires_grad_(False)
    found = model.generator_loss(batch, model.generate(batch))
    truth = (batch["rgb"] - MEAN) / DEVIATION
    gray = (batch["rgb"] * GRAY).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    generated = model.model.network((gray - MEAN) / DEVIATION)
    wanted = plain_content(generated, truth, model.vgg, weights)
    if stage == "gan":
        scores = model.discriminator(generated)
        wanted = 1.5 * wanted + 0.7 * F.softplus(-scores).mean()  # cross-entropy with 1
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.model.network), gradients(wanted, model.model.network), rtol=2e-3)


def test_antic2019_discriminator_loss_equals_the_notebook() -> None:
    model: Any = small("antic2019", stage="gan").eval()
    batch, _, _ = training_batch(64, 2)
    generated = model.generate(batch).detach()
    found = model.discriminator_loss(batch, generated)
    fake, real = (model.discriminator((rgb - MEAN) / DEVIATION) for rgb in (generated.rgb, batch["rgb"]))
    wanted = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.discriminator), gradients(wanted, model.discriminator), rtol=1e-3)


class RecordsUpdates(Callback):
    """Records which network each batch updates."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self._before: dict[str, Tensor] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._before = {name: p.detach().clone() for name, p in pl_module.named_parameters()}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        assert torch.isfinite(outputs["loss"])
        moved = {
            n.split(".")[0] for n, p in pl_module.named_parameters() if not torch.equal(p, self._before[n])
        }
        self.seen.append(moved)


def test_antic2019_stages_update_the_expected_network(tmp_path: Path) -> None:
    for stage, threshold, wanted in [
        ("frozen", 0.65, ["model"] * 4),
        ("critic", 9.0, ["discriminator"] * 4),
        ("gan", 9.0, ["discriminator", "model"] * 2),
        ("gan", 0.0, ["discriminator"] * 4),
    ]:
        model: Any = small("antic2019", stage=stage, discriminator_threshold=threshold)
        model.allow_untrained, updates = True, RecordsUpdates()
        batches = [sample_batch((64, 64), batch=2, seed=seed) for seed in range(4)]
        with silent_lightning():
            quiet_trainer(tmp_path, max_epochs=1, callbacks=[updates]).fit(model, batch_loader(batches))
        assert updates.seen == [{name} for name in wanted]
        assert model.provenance.steps == 0 or model.trained

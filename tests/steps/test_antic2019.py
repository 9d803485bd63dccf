"""DeOldify: losses compared with the notebooks, and the network that each batch updates."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.antic2019.task import VGG_LAYERS
from steps.step import gradients, same, small, training_batch

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

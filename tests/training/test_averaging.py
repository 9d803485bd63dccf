"""Weight averaging with a constant and with a growing decay."""

from copy import deepcopy
from importlib import import_module

import pytest
import torch
import yaml
from harness import small_data, small_model, small_trainer
from lightning.pytorch import Callback, callbacks
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.training.callbacks import GrowingWeightAveraging, WeightEMA
from colorzoo.training.callbacks.guards import StepSeed
from colorzoo.training.configs import config_folders


def state_of(model: nn.Module) -> torch.Tensor:
    """Return a weight and the buffer ``step``, as one vector."""
    return torch.cat([next(model.parameters()).detach().flatten(), model.get_buffer("step")[None]])


class Weights(Callback):
    """Records a weight and the step buffer after every step; optionally stops at a step."""

    def __init__(self, stop: int | None = None) -> None:
        self.seen: list[torch.Tensor] = []
        self.stop = stop

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pl_module.step.fill_(trainer.global_step)
        self.seen.append(state_of(pl_module))

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.stop:
            raise InterruptedError


def test_growing_weight_averaging_equals_its_formula_and_is_resumable(images, tmp_path) -> None:
    def train(weights: Weights, resume: str | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        save = ModelCheckpoint(tmp_path, enable_version_counter=False, every_n_train_steps=1, filename="last")
        averaging = GrowingWeightAveraging(0.4)
        trainer = small_trainer(tmp_path, weights, averaging, save, limit_val_batches=0, max_epochs=3)
        model = small_model(lr=1e-2)
        model.register_buffer("step", torch.zeros(()))
        trainer.fit(model, small_data(images), ckpt_path=resume)
        return state_of(model)

    found = train(weights := Weights())
    mean = weights.seen[0]  # decays 2/11, 3/12, 4/13, 5/14 and then 0.4
    for number, weight in enumerate(weights.seen[1:], 1):
        mean = torch.lerp(weight, mean, min(0.4, (1 + number) / (10 + number)))
    assert len(weights.seen) > 6
    torch.testing.assert_close(found, mean)
    with pytest.raises(InterruptedError):
        train(Weights(stop=4))
    torch.testing.assert_close(train(Weights(), str(tmp_path / "last.ckpt")), found, rtol=0, atol=0)


USED = {  # averaging callbacks of all configurations
    callback["class_path"]
    for path in config_folders()[0].rglob("*.yaml")
    for callback in (yaml.safe_load(path.read_text()).get("trainer") or {}).get("callbacks", [])
    if "WeightAveraging" in callback["class_path"]
}


@pytest.mark.parametrize("path", sorted(USED))
def test_averaging_of_all_configurations_copies_indices_and_masks(path: str, images, tmp_path) -> None:
    module, _, name = path.rpartition(".")
    averaging = getattr(import_module(module), name)(decay=0.9995)
    trainer = small_trainer(tmp_path, averaging, limit_val_batches=0, max_epochs=2)
    model = small_model()
    model.register_buffer("index", torch.arange(600))
    model.register_buffer("mask", torch.arange(600) % 2 == 0)
    trainer.fit(model, small_data(images))
    assert torch.equal(model.index, torch.arange(600))
    assert torch.equal(model.mask, torch.arange(600) % 2 == 0)


def test_average_with_a_constant_decay_equals_that_of_lightning(images, tmp_path) -> None:
    found = []
    for kind in (WeightEMA, callbacks.EMAWeightAveraging):
        torch.manual_seed(0)
        model = small_model(lr=1e-2)
        trainer = small_trainer(tmp_path, kind(decay=0.7), StepSeed(), limit_val_batches=0, max_epochs=2)
        trainer.fit(model, small_data(images))
        found.append(torch.cat([each.detach().flatten() for each in model.parameters()]))
    assert torch.equal(*found)


def spectral_norms(model: nn.Module) -> torch.Tensor:
    """Return the largest singular value of each spectrally normalized weight in eval mode."""
    layers = [layer for layer in model.eval().modules() if isinstance(layer, StoredSpectralConv)]
    return torch.stack([torch.linalg.matrix_norm(each.divided_weight().flatten(1), 2) for each in layers])


def test_averaged_weights_keep_the_spectral_norm() -> None:
    """Averaged singular vectors are shorter than 1, so they would not normalize the averaged weight."""
    torch.manual_seed(0)
    model = nn.Sequential(StoredSpectralConv(3, 16, (3, 3)), StoredSpectralConv(16, 8, (3, 3)))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        (model(torch.randn(2, 3, 8, 8)) - torch.randn(2, 8, 4, 4)).square().mean().backward()
        with torch.no_grad():
            for layer in model:
                layer.weight_orig.add_(
                    0.3 * torch.randn_like(layer.weight_orig)
                )  # turns the singular vectors
        optimizer.step()
        averaged.update_parameters(model)
    assert averaged.module[0].weight_u.norm() < 0.95
    torch.testing.assert_close(spectral_norms(averaged.module), torch.ones(2), atol=0.15, rtol=0)
    loaded = deepcopy(model)
    loaded.load_state_dict(averaged.module.state_dict())
    torch.testing.assert_close(spectral_norms(loaded), torch.ones(2), atol=0.02, rtol=0)

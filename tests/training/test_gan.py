"""GANColorizationModule with a toy model."""

import csv
import importlib
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import rates, small_data, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from colorzoo.apps.cli.main import main
from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
from colorzoo.testing.training import write_overlay
from colorzoo.training.gan import DiscriminatorFirst, GANColorizationModule
from colorzoo.training.schedules import Linear


class ToyModel(ColoringModel):
    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))
        )

    def forward(self, lightness, guidance=None):
        return AbPrediction(ab=self.network(lightness / 100) * 110)


class ToyGAN(GANColorizationModule[AbPrediction]):
    def __init__(
        self, lr: float = 1e-2, schedule: Any = Linear, accumulate: int = 1, clip: float = 1.0
    ) -> None:
        super().__init__(
            ToyModel(),
            optimizer=partial(Adam, lr=lr, betas=(0.5, 0.9)),
            discriminator_optimizer=partial(Adam, lr=lr / 10, betas=(0.5, 0.9)),
            lr_scheduler=schedule,
        )
        self.accumulate, self.clip = accumulate, clip
        self.discriminator = nn.Conv2d(3, 1, 3)

    def generate(self, batch):
        return self(rgb_to_lab(batch["rgb"])[:, :1])

    def generator_loss(self, batch, generated):
        lab = rgb_to_lab(batch["rgb"])
        fake = self.discriminator(torch.cat([lab[:, :1], generated.ab], 1) / 100)
        return F.l1_loss(generated.ab, lab[:, 1:]) / 10 + 0.01 * F.softplus(-fake).mean()

    def discriminator_loss(self, batch, generated):
        lab = rgb_to_lab(batch["rgb"])
        assert not generated.ab.requires_grad
        real, fake = (
            self.discriminator(lab / 100),
            self.discriminator(torch.cat([lab[:, :1], generated.ab], 1) / 100),
        )
        return F.softplus(-real).mean() + F.softplus(fake).mean()


class DiscriminatorFirstToyGAN(ToyGAN, DiscriminatorFirst[AbPrediction]):
    pass


class GlobalSteps(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(trainer.global_step)


class Losses(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(float(outputs["loss"]))


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def train(images, folder, *, epochs=2, resume=None, precision="32-true", save=False, **hparams):
    torch.manual_seed(0)
    model, losses = ToyGAN(**hparams), Losses()
    saver = [ModelCheckpoint(folder, save_last=True, save_top_k=0, every_n_train_steps=2)] if save else []
    trainer = small_trainer(
        folder, losses, *saver, max_epochs=epochs, precision=precision, enable_checkpointing=save
    )
    trainer.fit(model, small_data(images), ckpt_path=resume)
    return model, losses.seen, trainer


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gan_training_updates_both_networks_and_reduces_the_loss(precision, images, tmp_path):
    torch.manual_seed(0)
    start = ToyGAN()
    model, losses, trainer = train(images, tmp_path, epochs=12, precision=precision)
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])
    assert not torch.equal(weights(model.model.network), weights(start.model.network))
    assert not torch.equal(weights(model.discriminator), weights(start.discriminator))
    assert trainer.global_step == len(losses)
    assert all(p.requires_grad for p in model.parameters())


def test_gan_schedules_decay_both_learning_rates_over_max_steps(images, tmp_path):
    # regression test: the rates were 0, -0.01, -0.02 ..., and the loss increased
    found = rates(images, tmp_path, ToyGAN(), max_steps=6, max_epochs=-1)
    for index, rate in enumerate((1e-2, 1e-3)):
        assert [each[index] for each in found] == pytest.approx([rate * (1 - step / 6) for step in range(6)])


def test_gan_schedule_advances_once_per_accumulated_batch(images, tmp_path):
    found = rates(images, tmp_path, ToyGAN(accumulate=2), max_epochs=2)  # three batches are two steps
    assert [g for g, _ in found] == pytest.approx([1e-2, 1e-2, 0.75e-2, 0.5e-2, 0.5e-2, 0.25e-2])


def test_gan_schedule_requires_a_known_run_length(images, tmp_path):
    options = {"max_epochs": -1, "max_time": "00:00:10:00"}
    with pytest.raises(ColorzooError, match=r"--trainer\.max_steps") as caught:
        rates(images, tmp_path, ToyGAN(), **options)
    assert "\n" not in str(caught.value)
    schedule = partial(Linear, total_steps=10)  # a known length
    model = ToyGAN(schedule=schedule)
    assert len(rates(images, tmp_path, model, max_steps=2, max_epochs=-1)) == 2


def test_gan_discriminator_rate_is_constant_without_adversarial_steps(images, tmp_path):
    class NotAdversarial(ToyGAN):
        def is_adversarial(self):
            return False

    found = rates(images, tmp_path, NotAdversarial(), max_epochs=2)
    assert [discriminator for _, discriminator in found] == pytest.approx([1e-3] * 6)
    assert [g for g, _ in found] == pytest.approx([1e-2 * (1 - step / 6) for step in range(6)])


@pytest.mark.parametrize("base", [ToyGAN, DiscriminatorFirstToyGAN])
def test_staged_gan_counts_each_batch_once(base, images, tmp_path):
    class Staged(base):
        def is_adversarial(self):
            return self.trainer.global_step >= 3

    steps = GlobalSteps()
    model = Staged()
    trainer = small_trainer(tmp_path, steps, max_steps=6, max_epochs=-1, enable_checkpointing=False)
    trainer.fit(model, small_data(images))
    assert steps.seen == [1, 2, 3, 4, 5, 6]
    generator, discriminator = model.optimizers()
    assert [int(next(iter(each.state.values()))["step"]) for each in (generator, discriminator)] == [6, 3]
    assert [each.last_epoch for each in model.lr_schedulers()] == [6, 3]


@pytest.mark.nightly
def test_gan_accumulation_steps_once_per_group_and_at_the_epoch_end(images, tmp_path):
    class Progress(ToyGAN):
        def on_train_end(self):
            super().on_train_end()
            self.final = self.progress()

    steps, model = GlobalSteps(), Progress(accumulate=2)
    trainer = small_trainer(tmp_path, steps, max_epochs=1, enable_checkpointing=False)
    trainer.fit(model, small_data(images))
    assert steps.seen == [0, 1, 2]
    assert model.final == 1


def test_gan_accumulated_gradients_are_averaged(images, tmp_path):
    class KeepsGradients(ToyGAN):
        def on_before_optimizer_step(self, optimizer):
            if all(p.grad is not None for p in self.model.network.parameters()):  # the generator's turn
                self.kept.append(torch.cat([p.grad.flatten() for p in self.model.network.parameters()]))

    def first_gradient(**options):
        torch.manual_seed(0)
        model = KeepsGradients(clip=0.0, lr=0.0, **options)
        model.kept = []
        trainer = small_trainer(tmp_path, max_epochs=1, enable_checkpointing=False, limit_train_batches=2)
        trainer.fit(model, small_data(images))
        return model.kept

    alone = first_gradient()
    assert len(alone) == 2
    torch.testing.assert_close(first_gradient(accumulate=2)[0], (alone[0] + alone[1]) / 2)


def test_resumed_gan_equals_the_uninterrupted_run(images, tmp_path):
    # not linear, because a linear schedule depends on the number of epochs
    same = {"schedule": partial(MultiStepLR, milestones=[5], gamma=0.1)}
    whole, losses, _ = train(images, tmp_path / "c", epochs=3, **same)
    train(images, tmp_path / "d", epochs=2, save=True, **same)
    resumed, tail, _ = train(
        images, tmp_path / "e", epochs=3, resume=str(tmp_path / "d" / "last.ckpt"), **same
    )
    assert len(tail) == 3
    assert tail == losses[-3:]
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)


@pytest.fixture
def pix2pix(tmp_path, monkeypatch):
    """Write the example of the page to the current folder, and return its module."""
    page = (Path(__file__).parents[2] / "docs" / "gan.md").read_text(encoding="utf-8")
    for name, text in re.findall(r'```\w+ title="(pix2pix\.\w+)"\n(.*?)```', page, re.DOTALL):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pix2pix", raising=False)
    return importlib.import_module("pix2pix")


class Mean(nn.Module):
    """Discriminator whose score is twice the mean of its input."""

    def forward(self, maps):
        return 2 * maps.mean(dim=(1, 2, 3), keepdim=True)


def test_losses_of_the_gan_on_the_page(pix2pix, tmp_path):
    task = pix2pix.Pix2Pix(base=8, discriminator_width=0.125, penalty_interval=3)
    task.discriminator = Mean()
    task.trainer = small_trainer(tmp_path, max_steps=1)
    task.log_losses = lambda *_: None
    gray = {"rgb": torch.full((2, 3, 16, 16), 0.5)}  # Lab (53.39, 0, 0)
    generated = AbPrediction(ab=torch.full((2, 2, 16, 16), 22.0))
    real = 2 / 3 * (53.39 / 50 - 1)
    fake = real + 2 * 2 / 3 * 0.2
    assert float(task.generator_loss(gray, generated)) == pytest.approx(100 * 0.2 - fake, rel=1e-3)
    penalty = (2 / (3 * 16 * 16)) ** 2 * 3 * 16 * 16 / 2
    expected = 1 - real + 1 + fake + 3 * 10 * penalty
    assert float(task.discriminator_loss(gray, generated)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.nightly
def test_gan_on_the_page_trains_with_lazy_penalty_and_resumes(pix2pix, images, tmp_path):
    words = ["fit", "--config=pix2pix.yaml", f"--data.root={images}", "--data.batch_size=2", "--data.crop=32"]
    words += ["--data.val_size=32", "--data.num_workers=0", "--trainer.accelerator=cpu", "--model.base=8"]
    words += ["--model.discriminator_width=0.125", "--model.penalty_interval=2"]
    words += ["--trainer.log_every_n_steps=1"]

    def last(folder, steps, *more):
        assert (
            main([*words, f"--trainer.default_root_dir={folder}", f"--trainer.max_steps={steps}", *more]) == 0
        )
        (path,) = Path(folder).rglob("last.ckpt")
        return torch.load(path, weights_only=True)["state_dict"]

    whole = last("whole", 3)
    last("parts", 2)
    resumed = last("parts", 3, "--ckpt_path=parts")
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    rows = [row for log in Path("whole").rglob("metrics.csv") for row in csv.DictReader(log.open())]
    first, second, third = (float(row["train/penalty"]) for row in rows if row["train/penalty"])
    assert first == second != third
    (path,) = Path("whole").rglob("last.ckpt")
    averaged = torch.load(path, weights_only=True)
    current = averaged["current_model_state"]
    assert any(not torch.equal(value, current[key]) for key, value in averaged["state_dict"].items())


def test_fit_passes_accumulation_and_clipping_to_the_task(images, tmp_path, monkeypatch):
    card = model_card("cho2023_small")
    small = write_overlay(card, tmp_path, images)
    seen = []
    step = GANColorizationModule.training_step

    def recorded(self, batch, batch_idx):
        seen.append((self.accumulate, self.clip, self.trainer.accumulate_grad_batches))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GANColorizationModule, "training_step", recorded)
    options = ["--trainer.accumulate_grad_batches=2", "--trainer.gradient_clip_val=0.5"]
    options += ["--data.labels=false", "--data.class_power=1.0"]  # the images have no class folders
    assert main(["fit", f"--config={card.config}", f"--config={small}", *options]) == 0
    assert set(seen) == {(2, 0.5, 2)}


def test_gan_backward_pass_runs_outside_autocast(tmp_path, images):
    """Gradients of losses that are computed in float32 would be rounded to bfloat16."""
    states = []

    class Probed(ToyGAN):
        def generator_loss(self, batch, generated):
            generated.ab.register_hook(lambda _: states.append(torch.is_autocast_enabled("cpu")))
            assert torch.is_autocast_enabled("cpu")
            return super().generator_loss(batch, generated)

    trainer = small_trainer(tmp_path, max_epochs=1, limit_train_batches=1, precision="bf16-mixed")
    trainer.fit(Probed(), small_data(images))
    assert states == [False]

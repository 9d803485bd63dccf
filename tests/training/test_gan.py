"""The GAN base with a toy paper."""

from collections.abc import Sequence

import pytest
import torch
from harness import small_data, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.tasks import GANColorizationModule, Prediction


class ToyGAN(GANColorizationModule):
    def __init__(
        self,
        lr: float = 1e-2,
        discriminator_lr: float = 1e-3,
        betas: Sequence[float] = (0.5, 0.9),
        schedule: str = "linear",
        milestones: Sequence[int] = (),
        accumulate: int = 1,
        clip: float = 1.0,
    ) -> None:
        super().__init__()

    def configure_network(self):
        self.network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))

    def configure_discriminator(self):
        self.discriminator = nn.Conv2d(3, 1, 3)

    def forward(self, luma, guidance=None):
        return Prediction(ab=self.network(luma / 100) * 110)

    def paint(self, batch):
        return self(rgb_to_lab(batch["rgb"])[:, :1])

    def generator_loss(self, batch, painted):
        lab = rgb_to_lab(batch["rgb"])
        fake = self.discriminator(torch.cat([lab[:, :1], painted.ab], 1) / 100)
        return F.l1_loss(painted.ab, lab[:, 1:]) / 10 + 0.01 * F.softplus(-fake).mean()

    def discriminator_loss(self, batch, painted):
        lab = rgb_to_lab(batch["rgb"])
        assert not painted.ab.requires_grad
        real, fake = (
            self.discriminator(lab / 100),
            self.discriminator(torch.cat([lab[:, :1], painted.ab], 1) / 100),
        )
        return F.softplus(-real).mean() + F.softplus(fake).mean()


class Losses(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(float(outputs["loss"]))


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def train(pictures, folder, *, epochs=2, resume=None, precision="32-true", save=False, **hparams):
    torch.manual_seed(0)
    model, losses = ToyGAN(**hparams), Losses()
    saver = [ModelCheckpoint(folder, save_last=True, save_top_k=0, every_n_train_steps=2)] if save else []
    trainer = small_trainer(
        folder, losses, *saver, max_epochs=epochs, precision=precision, enable_checkpointing=save
    )
    trainer.fit(model, small_data(pictures), ckpt_path=resume)
    return model, losses.seen, trainer


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_networks_learn(precision, pictures, tmp_path):
    torch.manual_seed(0)
    start = ToyGAN()
    model, losses, trainer = train(pictures, tmp_path, epochs=12, precision=precision)
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])
    assert not torch.equal(weights(model.network), weights(start.network))
    assert not torch.equal(weights(model.discriminator), weights(start.discriminator))
    assert trainer.global_step == 2 * len(losses)  # the documented trap
    assert all(p.requires_grad for p in model.parameters())


def test_learning_rates_fall_by_epoch(pictures, tmp_path):
    _, _, trainer = train(pictures, tmp_path, epochs=4)
    assert [group["lr"] for opt in trainer.optimizers for group in opt.param_groups] == pytest.approx([0, 0])
    _, _, constant = train(pictures, tmp_path, epochs=2, schedule="multistep", milestones=(1,))
    assert constant.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3)


def test_accumulation_steps_once_per_group_and_at_the_end(pictures, tmp_path):
    _, losses, trainer = train(pictures, tmp_path, epochs=1, accumulate=2)
    assert len(losses) == 3
    assert trainer.global_step == 2 * 2


def test_clipping_bounds_the_step(pictures, tmp_path):
    torch.manual_seed(0)
    start = ToyGAN()
    free, _, _ = train(pictures, tmp_path, epochs=1, clip=0.0)
    clipped, _, _ = train(pictures, tmp_path, epochs=1, clip=1e-12)  # below Adam's epsilon: nothing moves
    moved = (weights(free.network) - weights(start.network)).abs().max()
    assert (weights(clipped.network) - weights(start.network)).abs().max() < 0.05 * moved


def test_a_resumed_gan_goes_on_equally(pictures, tmp_path):
    # not linear: its course depends on the number of epochs
    same = {"schedule": "multistep", "milestones": (2,)}
    whole, losses, _ = train(pictures, tmp_path / "c", epochs=3, **same)
    train(pictures, tmp_path / "d", epochs=2, save=True, **same)
    resumed, tail, _ = train(
        pictures, tmp_path / "e", epochs=3, resume=str(tmp_path / "d" / "last.ckpt"), **same
    )
    assert len(tail) == 3
    assert tail == losses[-3:]
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)

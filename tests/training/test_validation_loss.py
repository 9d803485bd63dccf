"""Validation losses of tasks, which select the best checkpoint."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from harness import small_trainer
from torch import Tensor, nn

from colorzoo import AbPrediction, ColoringModel
from colorzoo.data import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.testing.samples import sample_batch
from colorzoo.training import SingleOptimizerModule
from colorzoo.training.command import run_command
from colorzoo.training.module import ColorizationModule


class Gray(ColoringModel):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 2, 1))

    def forward(self, lightness: Tensor, guidance: object = None) -> AbPrediction:
        return AbPrediction(ab=self.network(lightness / 100))


class Measured(SingleOptimizerModule[Gray]):
    """Task whose validation loss is the red mean plus a number that falls with each step."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self(batch["rgb"][:, :1] * 100).colors.square().mean()
        self.log_losses({"loss": loss}, len(batch["rgb"]))
        return loss

    def validation_loss(self, batch: Batch) -> Tensor:
        return batch["rgb"][:, 0].mean() - self.trainer.global_step


class Unnamed(SingleOptimizerModule[Gray]):
    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterable[tuple[str, Guidance]]:
        yield "plain", Guidance()


def test_value_that_selects_the_best_checkpoint() -> None:
    assert Measured().checkpoint_metric() == ("val/loss", "min")
    task = Unnamed()
    assert task.checkpoint_metric() == ("val/psnr_automatic", "max")
    task.validation_points = (0, 1, 10, 100)
    assert task.checkpoint_metric() == ("val/psnr_10", "max")


def test_validation_loss_is_the_mean_over_images_and_replaces_metrics(tmp_path: Path) -> None:
    task = Measured()
    task.validation_metrics = ()
    batches = [sample_batch((16, 16), batch=count, seed=count) for count in (3, 1)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    (found,) = small_trainer(tmp_path).validate(task, loader, verbose=False)
    red = torch.cat([batch["rgb"][:, 0] for batch in batches])
    assert found == {"val/loss": pytest.approx(float(red.mean()), rel=1e-5)}


def test_fit_saves_the_checkpoint_with_the_lowest_validation_loss(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    words = [f"--model={__name__}.Measured", f"--data.root={images}", "--data.batch_size=2", "--data.crop=16"]
    words += ["--data.val_size=16", "--data.num_workers=0", "--trainer.accelerator=cpu"]
    words += [
        "--trainer.max_steps=3",
        "--trainer.val_check_interval=1",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert run_command(["fit", *words, "--metrics=ssim"]) == 0
    (best,) = tmp_path.rglob("best-*.ckpt")
    assert best.name == "best-step=3.ckpt"  # the loss falls with each step
    (table,) = tmp_path.rglob("metrics.csv")
    with table.open() as stream:
        columns = csv.DictReader(stream).fieldnames or []
    assert {name for name in columns if name.startswith("val/")} == {"val/loss", "val/ssim_automatic"}


def test_unlisted_validation_setting_is_an_error_that_names_the_attribute(tmp_path: Path) -> None:
    task: ColorizationModule = Unnamed()
    loader = torch.utils.data.DataLoader([sample_batch((16, 16))], batch_size=None)
    with pytest.raises(ColorzooError, match="validation_names of Unnamed must contain 'plain'"):
        small_trainer(tmp_path).validate(task, loader, verbose=False)


class Unguided(SingleOptimizerModule[Gray]):
    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        return None  # type: ignore[return-value]  # an error of the user


def test_validation_guidance_without_a_guidance_is_one_error(tmp_path: Path) -> None:
    loader = torch.utils.data.DataLoader([sample_batch((16, 16))], batch_size=None)
    with pytest.raises(ColorzooError, match=r"of Unguided must return a Guidance, .*got NoneType"):
        small_trainer(tmp_path).validate(Unguided(), loader, verbose=False)

"""Tasks whose constructor has the arguments of their model."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from colorzoo import AbPrediction, ColoringModel
from colorzoo.data import Batch
from colorzoo.errors import ColorzooError
from colorzoo.options import constructor_parameters
from colorzoo.settings import NonNegativeFloat, PositiveInt
from colorzoo.testing.persistence import save_checkpoint
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training import GANColorizationModule, SingleOptimizerModule
from colorzoo.training.command import ZooCLI


class Net(ColoringModel):
    def __init__(self, *, size: int, width: PositiveInt = 8) -> None:
        layers = [nn.Conv2d(1, width, size, padding=size // 2), nn.Conv2d(width, 2, 1)]
        super().__init__(nn.Sequential(*layers))

    def forward(self, lightness: Tensor, guidance: object = None) -> AbPrediction:
        return AbPrediction(ab=self.network(lightness))


class Plain(SingleOptimizerModule[Net]):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self(batch["rgb"][:, :1]).colors.mean()


class Weighted(SingleOptimizerModule[Net]):
    def __init__(self, l1_weight: NonNegativeFloat = 0.5, width: PositiveInt = 4, **settings: Any) -> None:
        super().__init__(width=width, **settings)
        self.l1_weight = l1_weight


class Gan(GANColorizationModule[AbPrediction, Net]):
    def __init__(self, adversarial_weight: NonNegativeFloat = 0.5, **settings: Any) -> None:
        super().__init__(**settings)
        self.discriminator = nn.Linear(2, 1)


def test_constructor_has_the_arguments_of_model_task_and_optimization() -> None:
    optimization = ["optimizer", "lr_scheduler"]
    assert list(constructor_parameters(Plain)) == ["size", "width", *optimization]
    assert list(constructor_parameters(Weighted)) == ["l1_weight", "width", "size", *optimization]
    discriminator = ["discriminator_optimizer", "discriminator_lr_scheduler"]
    assert list(constructor_parameters(Gan)) == [
        "adversarial_weight", "size", "width", *optimization, *discriminator
    ]  # fmt: skip
    task = Gan(size=3, discriminator_optimizer=torch.optim.SGD)
    assert task.model.hparams == {"size": 3, "width": 8}
    assert isinstance(task.make_discriminator_optimizer([task.discriminator.weight]), torch.optim.SGD)
    assert isinstance(task.make_optimizer([task.discriminator.weight]), torch.optim.Adam)


@pytest.mark.parametrize("task_class", [Plain, Weighted, Gan])
def test_checkpoints_and_copies_restore_the_task(task_class: type[Any], tmp_path: Any) -> None:
    task = task_class(size=3, width=2)
    assert {"size": 3, "width": 2}.items() <= dict(task.hparams).items()
    save_checkpoint(quiet_trainer(tmp_path), task, tmp_path / "last.ckpt")
    loaded = task_class.load_from_checkpoint(tmp_path / "last.ckpt")
    for other in (loaded, copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        torch.testing.assert_close(other.state_dict(), task.state_dict(), rtol=0, atol=0)
        assert other.model.hparams == task.model.hparams


def test_ranges_of_the_model_are_checked_and_required_arguments_are_required() -> None:
    with pytest.raises(ColorzooError, match="width must be at least 1, got 0"):
        Weighted(size=3, width=0)
    with pytest.raises(TypeError, match="size"):
        Plain()


def test_fit_has_the_options_of_the_model(images: Any, tmp_path: Any, monkeypatch: Any) -> None:
    built = []

    def recorded(cli: ZooCLI, model: Weighted, **_: Any) -> None:
        built.append(model)

    monkeypatch.setattr(ZooCLI, "fit", recorded)
    words = [f"--model={__name__}.Weighted", "--model.size=5", "--model.width=3", "--model.l1_weight=2"]
    words += ["--model.optimizer=SGD", "--model.optimizer.lr=0.5", "--trainer.accelerator=cpu"]
    data = ["--data=colorzoo.data.FolderDataModule", f"--data.root={images}"]
    ZooCLI("fit", [*words, *data, f"--trainer.default_root_dir={tmp_path}"])
    (task,) = built
    assert task.model.hparams == {"size": 5, "width": 3}
    assert task.l1_weight == 2
    assert task.make_optimizer(task.parameters()).defaults["lr"] == 0.5


def test_loss_is_the_sum_of_terms_weighted_by_settings_and_all_are_logged() -> None:
    class Terms(SingleOptimizerModule[Net]):
        def __init__(self, far_weight: NonNegativeFloat = 0.5, **settings: Any) -> None:
            super().__init__(size=3, **settings)

        def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
            return {"near": batch["rgb"].mean(), "far": batch["rgb"].max()}

    logged: list[Any] = []
    task = Terms(far_weight=3.0)
    task.log_losses = lambda losses, images: logged.append((losses, images))  # type: ignore[method-assign]
    batch: Any = {"rgb": torch.arange(5.0).view(5, 1, 1, 1)}
    assert float(task.training_step(batch, 0)) == 2.0 + 3.0 * 4.0  # without a setting, the weight is 1
    assert logged == [({"loss": 14.0, "near": 2.0, "far": 4.0}, 5)]
    with pytest.raises(NotImplementedError, match="loss_terms"):
        Weighted(size=3).training_step(batch, 0)

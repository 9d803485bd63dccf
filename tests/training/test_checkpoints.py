"""Default checkpoints: the best and the last step."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import small_data, small_model, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from colorzoo.color.sketch import canny_sketch
from colorzoo.data import FolderDataModule, SketchDataModule
from colorzoo.training.callbacks import LastCheckpoint
from colorzoo.training.callbacks.checkpoints import missing_checkpoints
from colorzoo.training.callbacks.guards import ResumeGuard
from colorzoo.weights import read_weights
from colorzoo.zoo.weng2022.task import Weng2022


class Scores(Callback):
    """Logs given values in the validations of the epochs."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("val/score", self.values[trainer.current_epoch])


def train(images, folder, *values: float, resume=None, **options) -> ModelCheckpoint:
    """Train with the score of each epoch, and return the callback of the best checkpoint."""
    best = missing_checkpoints([], "val/score")[0]
    callbacks = [Scores(*values), EMAWeightAveraging(decay=0.9), ResumeGuard(), best, LastCheckpoint()]
    options = {"max_epochs": len(values), **options}
    small_trainer(folder, *callbacks, **options).fit(small_model(), small_data(images), ckpt_path=resume)
    return best


@pytest.mark.parametrize("options", [{"max_steps": 5, "max_epochs": -1}, {"max_epochs": 2}])
def test_last_checkpoint_stores_the_last_step_and_trained_weights(options, images, tmp_path):
    train(images, tmp_path, 1.0, 2.0, 3.0, **options)
    content = torch.load(next(tmp_path.rglob("last.ckpt")), weights_only=True)
    assert content["global_step"] == options.get("max_steps", 6)
    assert len(list(tmp_path.rglob("best-*.ckpt"))) == 1
    raw, mean = content["current_model_state"], content["state_dict"]
    assert any(not torch.equal(raw[name], mean[name]) for name in raw)  # trained weights differ from averages


@pytest.mark.parametrize("third", [2.0, 4.0])
@pytest.mark.parametrize("change", ["moved", "copied", "other folder", "relative path"])
def test_resumed_run_keeps_its_best_score_and_checkpoint(change, third, images, tmp_path, monkeypatch):
    first = now = tmp_path / "first"
    if change == "relative path":
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        first, now = Path("first"), Path("../first")
    train(images, first, 3.0, 1.0)
    if change == "moved":
        now = first.rename(tmp_path / "second")
    if change == "copied":
        now = Path(shutil.copytree(first, tmp_path / "second"))
    source = now
    if change == "other folder":
        now = tmp_path / "second"
    if change == "relative path":
        monkeypatch.chdir(tmp_path / "elsewhere")
    best = train(images, now, 3.0, 1.0, third, resume=next(source.rglob("last.ckpt")))
    assert float(best.best_model_score) == max(3.0, third)
    expected = (
        now / "checkpoints" / "best-step=9.ckpt" if third > 3 else source / "checkpoints" / "best-step=3.ckpt"
    )
    assert Path(best.best_model_path).resolve() == expected.resolve()
    assert set(now.rglob("best-*.ckpt")) == ({expected} if expected.is_relative_to(now) else set())
    if change in ("copied", "other folder"):  # a run deletes no file of another folder
        assert [path.name for path in first.rglob("best-*.ckpt")] == ["best-step=3.ckpt"]


@pytest.mark.parametrize("options", [{}, {"val_check_interval": 1}])
def test_last_checkpoint_stores_the_step_at_which_early_stopping_ends_the_training(options, images, tmp_path):
    stopping = EarlyStopping("val/psnr_0", mode="max", patience=0, min_delta=99.0)
    trainer = small_trainer(tmp_path, stopping, LastCheckpoint(), max_epochs=9, **options)
    model = small_model()
    trainer.fit(model, small_data(images))
    content = torch.load(next(tmp_path.rglob("last.ckpt")), weights_only=True)
    assert content["global_step"] == trainer.global_step < 9
    weight = next(iter(model.state_dict()))
    assert torch.equal(content["state_dict"][weight], model.state_dict()[weight])


def test_checkpoint_with_paths_and_numpy_numbers_is_readable_without_code(images, tmp_path):
    narrow = {"width": 64, "encoder_depth": 1, "decoder_depth": 1, "temperature": np.float32(0.5)}
    model = Weng2022(**narrow, encoder_weights=tmp_path / "vit.npz")
    model.model.trained = True  # the file is not read
    data = FolderDataModule(images, batch_size=2, crop=32, class_power=np.float64(1), num_workers=0)
    trainer = small_trainer(tmp_path, max_steps=1, max_epochs=-1, limit_val_batches=0)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    found = read_weights(tmp_path / "last.ckpt").hparams
    assert found["encoder_weights"] == str(tmp_path / "vit.npz")
    assert found["temperature"] == 0.5
    again = FolderDataModule.load_from_checkpoint(tmp_path / "last.ckpt", num_workers=0)
    assert (again.hparams.root, again.hparams.class_power) == (str(images), 1)


def test_checkpoint_of_data_with_a_function_is_readable_without_code(images, tmp_path):
    data = SketchDataModule(str(images), extract=canny_sketch, batch_size=2, crop=32, num_workers=0)
    trainer = small_trainer(tmp_path, max_steps=1, max_epochs=-1, limit_val_batches=0)
    trainer.fit(small_model(), data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert read_weights(tmp_path / "last.ckpt").state_dict


def test_missing_checkpoints_skips_configured_checkpoints():
    own = ModelCheckpoint(save_last=True, save_top_k=0, every_n_train_steps=250)
    assert [each.monitor for each in missing_checkpoints([own], "val/psnr_10")] == ["val/psnr_10"]
    all_of_them = ModelCheckpoint(monitor="val/psnr_0", mode="max", save_top_k=5, save_last=True)
    assert missing_checkpoints([all_of_them], "val/psnr_10") == []
    assert [each.monitor for each in missing_checkpoints([], "x")] == ["x", None]

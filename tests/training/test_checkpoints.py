"""Every training keeps its best and its last checkpoint, also when it is resumed."""

from pathlib import Path

import pytest
import torch
from harness import small_data, small_model, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

from colorzoo.training.callbacks import BestCheckpoint, LastCheckpoint
from colorzoo.training.callbacks.checkpoints import missing_checkpoints


class Scores(Callback):
    """Logs given values in the validations of the epochs."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("val/score", self.values[trainer.current_epoch])


def train(pictures, folder, *values: float, resume: Path | None = None, **options) -> BestCheckpoint:
    best = BestCheckpoint("val/score")
    callbacks = [Scores(*values), EMAWeightAveraging(decay=0.9), best, LastCheckpoint()]
    options = {"max_epochs": len(values), **options}
    small_trainer(folder, *callbacks, **options).fit(small_model(), small_data(pictures), ckpt_path=resume)
    return best


def test_a_resumed_run_remembers_the_earlier_best(pictures, tmp_path):
    first = train(pictures, tmp_path / "a", 1.0, 9.0)
    assert Path(first.best_model_path).name == "best-step=6.ckpt"
    last = next((tmp_path / "a").rglob("last.ckpt")).rename(tmp_path / "two_epochs.ckpt")
    for folder in ("a", "b"):  # the same folder and another one
        worse = train(pictures, tmp_path / folder, 1.0, 9.0, 5.0, resume=last)
        assert worse.best_model_path == first.best_model_path
        assert float(worse.best_model_score) == 9.0
    better = train(pictures, tmp_path / "b", 1.0, 9.0, 10.0, resume=last)
    assert "step=9" in better.best_model_path
    assert Path(first.best_model_path).is_file()  # nothing of another folder is deleted


def test_a_run_that_was_moved_replaces_its_best(pictures, tmp_path):
    train(pictures, tmp_path / "a", 1.0, 9.0)
    moved = (tmp_path / "a").rename(tmp_path / "moved")
    last = next(moved.rglob("last.ckpt")).rename(tmp_path / "two_epochs.ckpt")
    train(pictures, moved, 1.0, 9.0, 10.0, resume=last)
    assert [path.name for path in moved.rglob("best-*.ckpt")] == ["best-step=9.ckpt"]


@pytest.mark.parametrize("options", [{"max_steps": 5, "max_epochs": -1}, {"max_epochs": 2}])
def test_the_last_step_is_saved_as_it_was_trained(options, pictures, tmp_path):
    train(pictures, tmp_path, 1.0, 2.0, 3.0, **options)
    content = torch.load(next(tmp_path.rglob("last.ckpt")), weights_only=True)
    assert content["global_step"] == options.get("max_steps", 6)
    raw, mean = content["current_model_state"], content["state_dict"]
    assert any(not torch.equal(raw[name], mean[name]) for name in raw)  # not the averages twice


def test_a_configuration_may_bring_its_own_checkpoints():
    own = ModelCheckpoint(save_last=True, save_top_k=0, every_n_train_steps=250)
    assert [type(each) for each in missing_checkpoints([own], "val/psnr_10")] == [BestCheckpoint]
    all_of_them = ModelCheckpoint(monitor="val/psnr_0", mode="max", save_top_k=5, save_last=True)
    assert missing_checkpoints([all_of_them], "val/psnr_10") == []
    assert [type(each) for each in missing_checkpoints([], "x")] == [BestCheckpoint, LastCheckpoint]

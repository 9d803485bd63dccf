"""An interrupted training equals the uninterrupted one, step by step, to the last bit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from harness import fit, make_pictures, small_data, small_model, small_trainer, trace
from lightning.pytorch.callbacks import EMAWeightAveraging

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.callbacks import NonFiniteGuard, ResumeGuard

STEPS = 9  # 3 epochs of 3 batches; the epoch has 11 pictures, of which drop_last leaves out 2


@pytest.fixture(scope="module")
def uninterrupted(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    trainer = fit(pictures, folder)
    rows = trace(folder)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    return rows, trainer.lightning_module.state_dict()


@pytest.mark.parametrize(
    ("checkpoint", "stop"), [("last.ckpt", 3), ("last.ckpt", 4), ("interrupted.ckpt", 5)]
)
def test_resumed_curve_and_weights_are_equal(stop, checkpoint, pictures, tmp_path, uninterrupted):
    rows, weights = uninterrupted
    with pytest.raises(InterruptedError):
        fit(pictures, tmp_path, stop=stop)
    trainer = fit(pictures, tmp_path, resume=str(tmp_path / checkpoint))
    assert trace(tmp_path) == rows
    torch.testing.assert_close(trainer.lightning_module.state_dict(), weights, rtol=0, atol=0)


def test_workers_resume_equally(pictures, tmp_path, uninterrupted):
    with pytest.raises(InterruptedError):
        fit(pictures, tmp_path, stop=4, workers=2)
    fit(pictures, tmp_path, workers=2, resume=str(tmp_path / "last.ckpt"))
    assert trace(tmp_path) == uninterrupted[0]


def test_averaged_weights_without_their_callback_are_refused(pictures, tmp_path):
    fit(pictures, tmp_path, max_epochs=1)
    trainer = small_trainer(tmp_path, ResumeGuard())
    with pytest.raises(WeightsError, match="EMAWeightAveraging"):
        trainer.fit(small_model(), small_data(pictures), ckpt_path=str(tmp_path / "last.ckpt"))
    with_callback = small_trainer(tmp_path, ResumeGuard(), EMAWeightAveraging(), enable_checkpointing=False)
    with_callback.fit(small_model(), small_data(pictures), ckpt_path=str(tmp_path / "last.ckpt"))


def test_a_non_finite_loss_stops_before_the_weights_and_names_the_batch(pictures, tmp_path):
    model = small_model()
    model.objective = replace(model.objective, regression_weight=float("nan"))
    before = {name: value.clone() for name, value in model.model.network.named_parameters()}
    folder = tmp_path / "deep" / "run"
    path = folder / "nonfinite_rank0.json"
    said = rf"^the loss is nan at step 0 \(32-true\); '{path}' names the pictures of the batch; lower the "
    with pytest.raises(ColorzooError, match=said + "learning rate, or use --trainer.precision 32-true.$"):
        small_trainer(folder, NonFiniteGuard()).fit(model, small_data(pictures))
    report = json.loads(path.read_text())
    assert (report["step"], report["epoch"], report["loss"]) == (0, 0, "nan")
    assert [Path(name).suffix for name in report["names"]] == [".png"] * 3
    torch.testing.assert_close(dict(model.model.network.named_parameters()), before, rtol=0, atol=0)


def test_four_pictures_are_overfitted(pictures, tmp_path):
    make_pictures(tmp_path / "train", 4)
    make_pictures(tmp_path / "val", 1)
    data = small_data(tmp_path, batch_size=4, resize=32, min_scale=1.0)
    trainer = small_trainer(tmp_path, max_epochs=40, check_val_every_n_epoch=40, enable_checkpointing=False)
    model = small_model(lr=3e-3)
    losses: list[float] = []
    model.on_train_batch_end = lambda outputs, *_: losses.append(float(outputs["loss"]))
    trainer.fit(model, data)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])

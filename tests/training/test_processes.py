"""Two gloo processes: each sample is used once, and results equal a single process."""

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from harness import BATCH, Trace, small_data, small_model, small_trainer, trace
from lightning.pytorch import Callback

from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models, model_card
from colorzoo.testing import ContractError
from colorzoo.testing.distributed import (
    check_two_processes_equal_one,
    require_same_gradients,
    require_same_metrics,
)
from colorzoo.testing.processes import in_processes
from colorzoo.training.callbacks import ImageGrid
from colorzoo.training.callbacks.checkpoints import SignalCheckpoint
from colorzoo.training.callbacks.guards import StepSeed
from colorzoo.training.gan import require_unscaled_gradients

TWO = {"strategy": "ddp", "devices": 2}
SMALL = [name for name in list_models() if name.endswith("_small") and model_card(name).trainable]


class Losses(Callback):
    """Writes the loss of each process and the logged loss."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        row = f"{outputs['loss'].item()} {trainer.callback_metrics['train/loss'].item()}\n"
        with (self.folder / f"loss{trainer.global_rank}.txt").open("a") as stream:
            stream.write(row)


def train_one_epoch(images: Path, folder: Path) -> None:
    """Train as one of two processes."""
    own = folder / os.environ["RANK"]
    own.mkdir()
    callbacks = [StepSeed(), Trace(own / "trace.jsonl"), Losses(folder), ImageGrid(2)]
    callbacks.append(SignalCheckpoint(str(folder)))
    trainer = small_trainer(folder, *callbacks, max_epochs=1, **TWO)
    trainer.fit(small_model(), small_data(images, batch_size=2 * BATCH))


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert in_processes(train_one_epoch, images, folder, processes=2) == [0, 0]
    return folder


def test_two_processes_train_on_disjoint_samples(trained):
    (first,), (second,) = (trace(trained / rank) for rank in "01")  # 11 images: a whole batch of both
    seen = [*first["names"], *second["names"]]
    assert len(seen) == len(set(seen)) == 2 * BATCH
    assert set(seen) < {f"p{i:02d}.png" for i in range(11)}
    assert first["drawn"] != second["drawn"]  # processes do not share their randomness
    assert len(list(trained.rglob("images/*.png"))) == 1  # only the first process writes image grids


def test_logged_losses_are_averaged_over_processes(trained):
    first, second = (
        [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
        for path in sorted(trained.glob("loss*.txt"))
    )
    for (own, logged), (other, also_logged) in zip(first, second, strict=True):
        assert own != other
        assert logged == also_logged == pytest.approx((own + other) / 2)


@pytest.mark.nightly
@pytest.mark.parametrize("name", SMALL)
def test_ten_steps_of_two_processes_equal_one_process(name):
    """The model contract tests take three steps; ten steps are enough for an error to grow.

    The matching of chen2023 amplifies rounding errors tenfold in six steps and to the limit in twenty.
    """
    check_two_processes_equal_one(model_card(name), steps=10)


def test_require_unscaled_gradients_rejects_16_mixed():
    with pytest.raises(ColorzooError, match="bf16-mixed"):
        require_unscaled_gradients(SimpleNamespace(precision="16-mixed"))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        *((NAN, NAN, True), (INF, INF, True), (100.0, 100.00001, True), (0.0, 1e-7, True)),
        *((NAN, 1.0, False), (1.0, NAN, False), (INF, 1.0, False), (INF, -INF, False), (1.0, 1.001, False)),
    ],
)
def test_two_process_check_compares_metrics_without_images(one: float, two: float, equal: bool) -> None:
    with nullcontext() if equal else pytest.raises(ContractError, match="val/psnr"):
        require_same_metrics({"val/psnr": two}, {"val/psnr": one})


def test_two_process_check_accepts_equal_gradients_of_zero() -> None:
    zero = {"model.weight": torch.zeros(2)}
    require_same_gradients(zero, zero)
    with pytest.raises(ContractError, match=r"model\.weight"):
        require_same_gradients({"model.weight": torch.ones(2)}, zero)

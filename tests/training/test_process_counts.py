"""Training that is resumed with another number of processes."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import fit, make_images, small_model, trace
from lightning.pytorch import Callback, seed_everything
from torch import nn

from colorzoo.testing.processes import in_processes

WHOLE = 4  # the global batch size
STOP, STEPS = 4, 9  # 3 epochs of 3 steps: it ends in the middle of the second one
# Large against the rounding errors of gradients: with 1e-8, Adam divides gradients that are zero except for
# rounding by their own size, and makes whole steps of them.
EPS = 1e-3
pytestmark = pytest.mark.timeout(200)


class StoredStatistics(Callback):
    """Uses stored BatchNorm statistics, because batch statistics depend on the process count on CPUs."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        for layer in pl_module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twelve")
    make_images(root / "train", 12)
    make_images(root / "val", 2, seed=1)
    return root


def options_of(processes: int) -> dict[str, Any]:
    return {"strategy": "ddp", "devices": 2} if processes == 2 else {}


def train(root: Path, folder: Path, processes: int, **options: Any) -> None:
    """Train as one of several processes."""
    more = [StoredStatistics()]
    fit(root, folder, batch=WHOLE, more=more, eps=EPS, **options_of(processes), **options)


def train_part(root: Path, folder: Path, processes: int) -> None:
    """Train until the run is stopped."""
    with pytest.raises(InterruptedError, match="the test ends the run here"):
        train(root, folder, processes, stop=STOP)


def steps_of(folder: Path) -> dict[int, tuple[float, list[str]]]:
    """Return loss and images of each step, of all processes together."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in trace(folder):
        rows.setdefault(row["step"], []).append(row)
    return {
        step: (
            sum(each["loss"] for each in found) / len(found),
            sorted(name for each in found for name in each["names"]),
        )
        for step, found in sorted(rows.items())
    }


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == STEPS
    return checkpoint["state_dict"]  # the averages


def vector(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([state[name].flatten() for name in sorted(state) if state[name].is_floating_point()])


@pytest.fixture(scope="module")
def uninterrupted(twelve: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(twelve, folder, 1)
    return folder


@pytest.mark.parametrize(("before", "after"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.nightly)])
def test_resume_with_another_process_count_equals_the_uninterrupted_run(
    before: int, after: int, twelve: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    assert in_processes(train_part, twelve, tmp_path, before, processes=before) == [0] * before
    assert max(steps_of(tmp_path)) == STOP
    rest = partial(train, twelve, tmp_path, after, resume=str(tmp_path / "last.ckpt"))
    assert in_processes(rest, processes=after) == [0] * after
    found, expected = steps_of(tmp_path), steps_of(uninterrupted)
    assert list(found) == list(range(1, STEPS + 1))
    assert [names for _, names in found.values()] == [names for _, names in expected.values()]
    losses = [loss for loss, _ in found.values()]
    assert losses == pytest.approx([loss for loss, _ in expected.values()], rel=1e-5)
    seed_everything(0)
    start, end, wanted = map(
        vector, (small_model().state_dict(), weights_of(tmp_path), weights_of(uninterrupted))
    )
    assert (end - wanted).norm() < 1e-4 * (wanted - start).norm()

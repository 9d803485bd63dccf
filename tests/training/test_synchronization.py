"""A training step never waits for the device: it reads no number from a tensor on it."""

import sys
import traceback
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from torch.utils._python_dispatch import TorchDispatchMode

import colorzoo
from colorzoo.data import FolderDataModule
from colorzoo.registry import list_models, model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning

SMALL = [name for name in list_models() if name.endswith("_small") and model_card(name).trainable]
WAITING = {
    torch.ops.aten._local_scalar_dense.default,  # .item(), int(), float(), bool()
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.unique_consecutive.default,
}
DEPENDS_ON_CONTENT = {  # sizes that the image decides
    "chen2023_small": ("/networks/clusters.py", "/networks/matching.py"),  # pixels of each class
    "kim2021_small": ("/networks/hint_extensions.py",),  # cells with hints, in the frozen backbone
    "kim2021_su2020_small": ("/networks/hint_extensions.py",),
}
PACKAGE = str(Path(colorzoo.__file__).parent)


class Waits(TorchDispatchMode):
    """Collects the lines of the package that would wait for the device; optimizers count on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        masked = func is torch.ops.aten.index.Tensor and any(
            each is not None and each.dtype == torch.bool for each in args[1]
        )
        if func in WAITING or masked:
            self.note(str(func))
        return func(*args, **(kwargs or {}))

    def note(self, what: str) -> None:
        for frame in reversed(traceback.extract_stack(sys._getframe(1))):
            if "torch/optim/" in frame.filename:
                return
            if frame.filename.startswith(PACKAGE):
                self.lines.add(f"{frame.filename.removeprefix(PACKAGE)}:{frame.lineno} {frame.line} ({what})")
                return


class InSteps(Callback):
    """Switches a mode on for each step but the first, in which tables are built."""

    def __init__(self, mode: Waits) -> None:
        self.mode = mode

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx:
            self.mode.__enter__()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx:
            self.mode.__exit__(None, None, None)


@pytest.mark.nightly
@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_a_small_model_does_not_wait(name, tmp_path, monkeypatch):
    card = model_card(name)
    model = contract_test_model(card).train()
    batches = [sample_batch((card.contract_test.size,) * 2, batch=3, seed=seed) for seed in range(2)]
    waits = Waits()
    tolist = torch.Tensor.tolist

    def noted(tensor):
        caller = sys._getframe(1)
        if caller.f_code.co_name != "image_generators":  # seeds stay on the host
            waits.note("tolist")
        return tolist(tensor)

    with silent_lightning():
        trainer = quiet_trainer(str(tmp_path), max_epochs=1, callbacks=[InSteps(waits)])
        with monkeypatch.context() as patched:
            patched.setattr(torch.Tensor, "tolist", noted)
            trainer.fit(model, batch_loader(batches))
    expected = DEPENDS_ON_CONTENT.get(name, ())
    waits.lines = {line for line in waits.lines if not line.startswith(tuple(expected))}
    assert not waits.lines, "\n".join(sorted(waits.lines))


def test_seeds_stay_on_the_host(images):
    data = FolderDataModule(str(images))
    batch = {"rgb": torch.zeros(1, 3, 4, 4), "seed": torch.zeros(1, dtype=torch.int64), "name": ["x"]}
    moved = data.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert (moved["rgb"].device.type, moved["seed"].device.type) == ("meta", "cpu")

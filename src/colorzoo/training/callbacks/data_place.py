"""The place in the data of a run that is resumed with batches of another size."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from colorzoo.data import PictureDataModule


class DataPlace(Callback):
    """Count the place in an epoch by pictures when a run goes on with another global batch.

    Lightning restores the number of batches. After 10 of 40 pictures a run with batches of 20 would begin at
    the 200th picture, not the 400th.
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Change the number of batches in the checkpoint before Lightning restores it.

        Raises:
            DataError: The place cannot be counted in the present batches.
        """
        data = getattr(trainer, "datamodule", None)
        if trainer.state.fn != TrainerFn.FITTING or not isinstance(data, PictureDataModule):
            return
        earlier = checkpoint.get(type(data).__qualname__)
        loops = checkpoint["loops"]["fit_loop"]
        progress = loops["epoch_loop.batch_progress"]
        batches = _batches_done(progress)
        if not earlier or not batches:
            return
        if progress["is_last_batch"]:
            now = len(data.train_dataloader())  # the epoch is at its end
        else:
            now = data.continue_epoch(earlier, loops["epoch_progress"]["current"]["processed"], batches)
        for name in ("ready", "started", "processed", "completed"):
            progress["current"][name] += now - batches


def _batches_done(progress: dict[str, Any]) -> int:
    """Return after how many batches of an epoch Lightning goes on, as its training loop finds it."""
    total, done = progress["total"], int(progress["current"]["completed"])
    saved_within_a_hook = total["ready"] == total["started"] == total["processed"] == total["completed"] + 1
    return done + int(saved_within_a_hook)

"""The work of ``colorzoo predict``: color pictures at full size, each once, by any number of processes."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from colorzoo.callbacks.folders import run_folder
from colorzoo.data import PictureDataModule
from colorzoo.data.first_process import found_once
from colorzoo.data.originals import Original, Originals, SourceOriginals
from colorzoo.data.sampler import SeededSampler
from colorzoo.errors import DataError
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.resumed import FileStatus, ResumedColoring
from colorzoo.tasks import ColorizationModule
from colorzoo.weights._files import write_atomic

FAILED = "failed.txt"
"""The file among the results that lists the pictures that could not be colored; absent if there are none."""


@dataclass(frozen=True)
class Unread:
    """A picture whose bytes cannot be had, and why."""

    name: str
    reason: str


class StoredPictures(Dataset[Original | Unread]):
    """Reads stored pictures in the workers of a loader; a failure is an item like any other."""

    def __init__(self, originals: Originals) -> None:
        self.originals = originals

    def __len__(self) -> int:
        return len(self.originals)

    def __getitem__(self, key: tuple[int, int]) -> Original | Unread:
        """Return the picture of a number; ``key`` is that and a seed, which nothing here needs."""
        index, _ = key
        try:
            return self.originals[index]
        except (OSError, DataError) as error:
            name = self.originals.name(index)
            return Unread(name, f"{name} cannot be read: {error}")


class FullSizePrediction(LightningModule):
    """What a Trainer predicts with: a model that colors pictures as ``colorzoo colorize`` does.

    It loads the model's checkpoints. Pictures are shared out by their number;
    those that are done already, from the same bytes with the same settings, are left alone.

    Args:
        model: The model.
        data: Says which pictures.
        output: Folder of the results, which mirrors that of the pictures; None takes ``predictions`` in the
            run's folder.
    """

    def __init__(self, model: ColorizationModule, data: PictureDataModule, output: str | None = None) -> None:
        super().__init__()
        self.model, self.data, self.output = model, data, output
        self.count: dict[FileStatus, int] = {"colored": 0, "done": 0, "failed": 0}
        self.failures: list[str] = []

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load the state of the model."""
        return self.model.load_state_dict(*args, **kwargs)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the model look at the checkpoint."""
        self.model.on_load_checkpoint(checkpoint)

    def setup(self, stage: str) -> None:
        """Find the pictures and the folder of the results.

        Raises:
            DataError: There are no pictures, or the results would take their places.
        """
        del stage
        self.folder = results_folder(self.trainer, self.output)
        self.originals = found_once(self.trainer, self._find)

    def predict_dataloader(self) -> DataLoader[Original | Unread]:
        """Return this process's share of the pictures, one at a time."""
        sampler = SeededSampler(
            len(self.originals),
            shuffle=False,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        return DataLoader(
            StoredPictures(self.originals),
            batch_size=1,
            sampler=sampler,
            collate_fn=_only,
            num_workers=self.data.hparams.num_workers,
        )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the encoded picture where it is."""
        del device, dataloader_idx
        return batch

    def on_predict_start(self) -> None:
        """Make the colorizer, and read what is done.

        Raises:
            WeightsError: The model was never trained, and that is not allowed.
        """
        self.model.on_predict_start()
        colorizer = Colorizer(self.model, device=str(self.device), allow_untrained=True)
        self.coloring = ResumedColoring(colorizer, self.folder, self.trainer.global_rank)
        _end_by_sigterm(self.trainer)

    def predict_step(self, batch: Original | Unread, batch_idx: int) -> FileStatus:
        """Color one picture, unless it is done; a failure is noted."""
        del batch_idx
        if isinstance(batch, Unread):
            status: FileStatus = "failed"
            self.failures.append(batch.reason)
        else:
            with torch.autocast(self.device.type, enabled=False):  # the colorizer chooses its precision
                result = self.coloring.color(batch)
            status = result.status
            self.failures += [result.error] if result.error else []
        self.count[status] += 1
        return status

    def on_predict_end(self) -> None:
        """Say what became of the pictures of all processes."""
        shares = _gathered((self.count, self.failures))
        if not self.trainer.is_global_zero:
            return
        failures = [line for _, lines in shares for line in lines]
        total = {name: sum(count[name] for count, _ in shares) for name in self.count}
        for line in failures:
            print(f"colorzoo: error: {line}", file=sys.stderr)
        (self.folder / FAILED).unlink(missing_ok=True)
        if failures:
            text = "".join(f"{line}\n" for line in failures)
            write_atomic(self.folder / FAILED, text.encode("utf-8", "replace"))
        told = (f"{total['colored']} colored", f"{total['done']} done before", f"{total['failed']} failed")
        print(f"{', '.join(told)}; results are in {self.folder}", file=sys.stderr)

    def _find(self) -> Originals:
        found = self.data.originals()
        if isinstance(found, SourceOriginals):
            found = _outside(found, self.folder)
        if not len(found):
            raise DataError(f"no picture to color in {self.data.hparams.root!r}.")
        return found


def _end_by_sigterm(trainer: Trainer) -> None:
    """End at once on SIGTERM, and the processes that this one started: each result is whole or not there.

    Lightning's own handler speaks to the other processes, in which two signals to one of them hang all, and
    no loop of a prediction asks what it noted.
    """

    def end(signum: int, _: object) -> None:
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signum)
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, end)  # Lightning puts back what was there before it


def results_folder(trainer: Trainer, output: str | None) -> Path:
    """Return the folder that was named, or one in the run's folder; all processes must call this together."""
    return Path(output or run_folder(trainer) / "predictions")


def _outside(found: SourceOriginals, folder: Path) -> SourceOriginals:
    """Leave out what lies in the folder of the results, if that is inside the folder of the pictures."""
    results, root = folder.resolve(), Path(found.root).resolve()
    if results == root:
        raise DataError(
            f"--output {str(folder)!r} is the folder of the pictures, which would be lost; name another."
        )
    if root not in results.parents:
        return found
    rows = [
        row for row, source in enumerate(found.sources) if results not in Path(source.path).resolve().parents
    ]
    return SourceOriginals(found.sources.select(torch.tensor(rows, dtype=torch.int32)), found.root)


def _only(batch: list[Any]) -> Any:
    return batch[0]


def _gathered(value: Any) -> list[Any]:
    """Return the values of all processes."""
    if not torch.distributed.is_initialized():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values

"""``colorzoo predict``: colorize a data set at full size."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule

from colorzoo._files import begins_with
from colorzoo.batch.bucket import ResultBucket
from colorzoo.batch.runner import FileColorizer
from colorzoo.batch.settings import ColorSettings
from colorzoo.batch.task import FileResult, FileTask, Status, distinct_paths, output_path
from colorzoo.data import ExemplarPairsDataModule, ImageDataModule
from colorzoo.data.hints import with_hints
from colorzoo.data.image_table import HintTable, ImageTable
from colorzoo.data.loader import call_on_rank_zero
from colorzoo.data.sources import Original, Originals
from colorzoo.errors import DataError
from colorzoo.files import check_outputs, write_atomic
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.inference.colorizer import Colorizer
from colorzoo.pixels.find import FoundImage, skipped_files_message
from colorzoo.training.command import ZooCLI
from colorzoo.training.loggers import run_folder
from colorzoo.training.module import ColorizationModule

FAILED = "failed.txt"
"""File in the output folder that lists failed images; absent if no image failed."""
_TITLE = b"# Images that colorzoo predict could not colorize\n"  # distinguishes the list from other files


class PredictCLI(ZooCLI):
    """LightningCLI of ``predict``, which writes the results to files."""

    def predict(self, model: ColorizationModule, datamodule: LightningDataModule, **options: Any) -> None:
        """Colorize a data set at full size.

        Raises:
            DataError: The DataModule is not an `ImageDataModule`, or has no images.
        """
        if not isinstance(datamodule, ImageDataModule):
            raise DataError(f"--data must be an ImageDataModule for predict, got {type(datamodule).__name__}")
        task = FullSizePrediction(model, datamodule, self.config["predict"]["output"], name=self.name)
        self.trainer.predict(task, **{**options, "return_predictions": False})
        self.exit_code = int(task.has_failures)


@dataclass
class BatchSummary:
    """Summary of the files of one process.

    Attributes:
        counts: Number of files for each value of `FileResult.status`.
        failures: Name of each failed file and reason for its failure.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, result: FileResult) -> None:
        """Count the outcome of a file and, if the file failed, append the reason."""
        self.counts[result.status] += 1
        if result.status == "failed":
            self.failures.append((result.source, result.error))


class FullSizePrediction(LightningModule):
    """LightningModule for `Trainer.predict` that colorizes files like ``colorzoo colorize``.

    Each step colorizes one image, so the Trainer's progress bar and limits count images. The images are
    distributed over the processes; each process reads and writes files in ``num_workers`` threads. An image
    is skipped if its result was computed from the same file content and settings.

    Args:
        model: The task; the weights of ``--ckpt_path`` are loaded into it.
        data: DataModule whose `originals` are colorized.
        output: Output folder or URL such as ``s3://bucket/folder``. Its structure mirrors the input folder.
            None selects ``predictions`` in the run folder.
        name: Registered name of a model that is used with its stored weights instead of ``model``, or
            ``"default"`` for the default model of each image. None uses ``model``.

    Attributes:
        has_failures: Whether an image failed in any process; set only in the first process.
    """

    def __init__(
        self,
        model: ColorizationModule,
        data: ImageDataModule,
        output: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.has_failures = False
        self.model, self.data, self.output, self.name = model, data, output, name
        self._bucket: ResultBucket | None = None
        self.summary: BatchSummary
        self._results: Generator[FileResult, None, None]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load the state dict of the task."""
        return self.model.load_state_dict(*args, **kwargs)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the provenance and the attribute `trained` of the task."""
        self.model.on_load_checkpoint(checkpoint)

    def setup(self, stage: str) -> None:
        """Find the images and check the output folder.

        Raises:
            DataError: There are no images, the output folder is invalid, or it contains a file with the name
                `FAILED` that is not a list of failed images.
        """
        # all processes must call run_folder together
        output = self.output or f"{run_folder(self.trainer)}/predictions"
        if "://" in output:
            self._temporary = TemporaryDirectory(prefix="colorzoo-")  # removed with this object
            self.folder = Path(self._temporary.name)
            self._bucket = ResultBucket(output, self.folder)
        else:
            self.folder = Path(output)
        self.originals, self._renamed, self._hints = call_on_rank_zero(self.trainer, self._find_originals)
        total, limit = len(self.originals), self.data.hparams.get("val_limit")
        self.count = total if limit is None else min(total, limit)
        if self.trainer.is_global_zero:
            title, root = self.data.originals_title, self.data.hparams.root
            print(f"colorzoo: colorizing {self.count} of {total} {title} in {root}", file=sys.stderr)
            # annotations of training images; only `hints` are values of the original images
            unused = {
                "exemplar": isinstance(self.data, ExemplarPairsDataModule),
                "label": self.data.label_count,
                "classes": self.data.class_count,
                "boxes": self.data.hparams.get("boxes"),
            }
            for kind in (
                kind for kind, is_given in unused.items() if is_given and kind in self.model.accepts
            ):
                title = guidance_kind(kind).title or kind
                print(f"colorzoo: note: predict does not use the {title} of --data", file=sys.stderr)
            if skipped := self.originals.skipped:
                print(f"colorzoo: {skipped_files_message(skipped)}", file=sys.stderr)

    def predict_dataloader(self) -> range:
        """Return the indices of the images that this process colorizes."""
        return range(self.trainer.global_rank, self.count, self.trainer.world_size)

    def on_predict_start(self) -> None:
        """Start the threads that read and write files.

        Raises:
            WeightsError: The weights are random, and `ColorizationModule.allow_untrained` is False.
        """
        self.model.on_predict_start()
        self.summary = BatchSummary()
        device = str(self.device)
        colorizer = None
        if self.name is None:
            colorizer = Colorizer(self.model, device=device, allow_untrained=True)
        (limit,) = self.trainer.num_predict_batches
        indices = self.predict_dataloader()[: int(limit)]
        files = FileColorizer(
            model=None if self.name == "default" else self.name,
            colorizer=colorizer,
            settings=ColorSettings(device=device),
            overwrite="results",
            needs_all_frames=True,
            bucket=self._bucket,
            skip_done=True,
        )
        tasks = (self._task(index) for index in indices)  # there may be millions
        self._results = files.run(tasks, threads=max(1, self.data.hparams.num_workers))

        # SIGTERM ends this process and its child processes immediately; written results stay valid.
        # Lightning's handler would ignore the first SIGTERM during prediction, and a second SIGTERM to one
        # process would block all processes.
        launcher = self.trainer.strategy.launcher

        def end(signum: int, _: object) -> None:
            if launcher is not None:
                launcher.kill(signum)
            raise SystemExit(128 + signum)

        signal.signal(signal.SIGTERM, end)  # Lightning restores the earlier handler

    def _task(self, index: int) -> FileTask:
        original = self.originals[index]
        target = self._renamed.get(index) or self._target(original)
        hints: dict[str, Any] = {}
        if self._hints is not None:
            values, kinds = self._hints[index], self._hints.kinds
            given = [each for each in kinds if each.name in values]
            hints = {each.name: each.parse(values[each.name][0], each.name) for each in given}
        return FileTask(original.source, target, original.name, hints=hints)

    def _target(self, original: Original) -> Path:
        image = FoundImage(Path(original.name), Path(original.relative))
        return output_path(image, f"{self.folder}/")  # a folder, even if it is named a.png

    def predict_step(self, batch: int, batch_idx: int) -> Status:
        """Colorize the next image unless its result exists."""
        with torch.autocast(self.device.type, enabled=False):  # the colorizer chooses its precision
            result = next(self._results)
        self.summary.add(result)
        return result.status

    def on_predict_end(self) -> None:
        """Print the numbers of colorized, skipped and failed images of all processes."""
        self._results.close()
        summaries: list[Any] = [self.summary]
        if torch.distributed.is_initialized():  # all processes take part
            summaries = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(summaries, self.summary)
        if not self.trainer.is_global_zero:
            return

        # print the errors, and write them to the file FAILED
        reasons = [reason for summary in summaries for _, reason in summary.failures]
        # one line for each, because a file name can contain a line break
        lines = [" ".join(reason.split()) for reason in (*self.originals.errors, *reasons)]
        self.has_failures = bool(lines)
        failed = self.folder / FAILED
        failed.unlink(missing_ok=True)
        if lines:
            for line in lines:
                print(f"colorzoo: error: {line}", file=sys.stderr)
            text = "".join(f"{line}\n" for line in lines)
            write_atomic(failed, _TITLE + text.encode("utf-8", "replace"))
            if self._bucket:
                self._bucket.upload(failed)

        counts = sum((summary.counts for summary in summaries), start=Counter[str]())
        place = self._bucket.address if self._bucket else self.folder
        states = f"{counts['colored']} colorized, {counts['skipped']} skipped, {counts['failed']} failed"
        print(f"{states}; results are in {place}", file=sys.stderr)

    def _find_originals(self) -> tuple[Originals, dict[int, Path], HintTable | None]:
        """Return the images, the output paths of names that are equal without case, and the hints."""
        if self._bucket:
            self._bucket.require_writable(FAILED, _TITLE)  # removes the list of an earlier run
        else:
            failed = self.folder / FAILED
            check_outputs([failed], folders=[Path(self.data.hparams.root)])
            if failed.exists() and not begins_with(failed, _TITLE):
                raise DataError(f"{failed} lists no failed images. Choose another --output.")
        found = self.data.originals()
        if not len(found):
            raise DataError(f"--data.root contains no image to colorize: {self.data.hparams.root!r}")
        renamed = distinct_paths(self._target(found[index]) for index in range(len(found)))
        images = with_hints(ImageTable(found.sources), self.data.hint_kinds, Path(self.data.hparams.root))
        return found, renamed, images.hints

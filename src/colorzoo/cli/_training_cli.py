"""LightningCLI with the zoo's defaults."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger

from colorzoo.callbacks import (
    NonFiniteGuard,
    PictureGrid,
    ResumeGuard,
    RunRecord,
    SignalCheckpoint,
    StepSeed,
)
from colorzoo.cli._predicting import FAILED, FullSizePrediction, results_folder
from colorzoo.cli._resuming import SPECIAL
from colorzoo.cli._training_configs import config_folders
from colorzoo.cli._training_start import measure, start_from
from colorzoo.data import PictureDataModule
from colorzoo.errors import DataError, WeightsError
from colorzoo.inference.device import choose_dtype
from colorzoo.tasks import ColorizationModule


class ZooCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` and ``predict`` over the registered models.

    Attributes:
        exit_code: 1 if ``predict`` could not color some of the pictures, else 0.
    """

    exit_code = 0

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that the zoo has beyond Lightning's."""
        parser.add_argument(
            "--init_from",
            type=str | None,
            default=None,
            help="Start from these weights (fine-tune): a file, a tag of the card, or a registered model.",
        )
        parser.add_argument(
            "--allow_untrained",
            type=bool,
            default=False,
            help="Let test and predict run on random weights, and fit on random parts that it leaves frozen.",
        )
        parser.add_argument(
            "--metrics",
            type=str | None,
            default=None,
            help="What validation and test measure, such as psnr,ssim,lpips:vgg (see docs/metrics.md); "
            "validation measures psnr too, by which fit keeps the best checkpoint.",
        )
        parser.add_argument(
            "--compile",
            type=bool,
            default=False,
            help="Let torch.compile build the steps of a training; see configs/cluster/fast.yaml.",
        )
        parser.add_argument(
            "--output", type=str | None, default=None, help="Folder of the pictures of predict."
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without the warning that the process has a command line too."""
        assert isinstance(args, list)
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration alone: Lightning would let the checkpoint's arguments beat it, silently."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the default callbacks and loggers that the configuration does not bring."""
        config = self._get(self.config_init, "trainer", default={})
        given = config.get("callbacks") or []
        taken = tuple(type(callback) for callback in (given if isinstance(given, list) else [given]))
        quick = bool(config.get("fast_dev_run"))
        if self.subcommand != "fit":
            self.save_config_callback = (
                None  # only a training is to be repeated; others would litter the folder
            )
        defaults = self._fit_callbacks(config) if self.subcommand == "fit" and not quick else []
        bar = config.get("enable_progress_bar")
        if bar is None and not sys.stderr.isatty():
            kwargs["enable_progress_bar"] = False  # in a log file a bar is pages of noise
        elif bar is not False:
            defaults.append(RichProgressBar())
        if config.get("logger") in (None, True):
            kwargs["logger"] = default_loggers(Path(config.get("default_root_dir") or Path.cwd()))
        self.trainer_defaults = {"callbacks": [c for c in defaults if not isinstance(c, taken)]}
        return super().instantiate_trainer(**kwargs)

    def _fit_callbacks(self, config: Any) -> list[Callback]:
        seed = self._get(self.config, "seed_everything")
        watched = self.model.validation_settings()
        # The setting in the middle: for a model that takes points, some of them but not many.
        monitor = f"val/psnr_{watched[len(watched) // 2]}"
        always = [PictureGrid(), RunRecord(), NonFiniteGuard(), ResumeGuard(), StepSeed(int(seed or 0))]
        if config.get("enable_checkpointing") is False:
            return always
        best = ModelCheckpoint(monitor=monitor, mode="max", save_last=True, filename="best-{step}")
        return [*always, best, SignalCheckpoint()]

    def prepare(self) -> None:
        """Check the checkpoint's path and load starting weights, before any work is done."""
        model = self.model
        assert isinstance(model, ColorizationModule)
        model.allow_untrained = self._get(self.config, "allow_untrained")
        checkpoint = self._get(self.config, "ckpt_path")
        if checkpoint and checkpoint not in SPECIAL and not Path(checkpoint).is_file():
            raise WeightsError(f"--ckpt_path {str(checkpoint)!r}: no such file.")
        if metrics := self._get(self.config, "metrics"):
            measure(model, [name.strip() for name in metrics.split(",")])
        model.provenance = replace(model.provenance, config=self._config_names())
        if source := self._get(self.config, "init_from"):
            start_from(model, source)
        if self.trainer.is_global_zero:
            parameters = sum(p.numel() for p in model.parameters())
            print(f"{type(model).__name__}: {parameters:,} parameters", file=sys.stderr)
            if note := slow_precision(str(self.trainer.precision), self.trainer.strategy.root_device):
                print(note, file=sys.stderr)

    def _config_names(self) -> tuple[str, ...]:
        """Return the configuration files of this run: as they ship below ``configs/``, or by name."""
        given = self._get(self.config, "config") or []
        folders = config_folders()
        paths = [Path(str(each)).resolve() for each in given]
        return tuple(
            next((p.relative_to(f).as_posix() for f in folders if p.is_relative_to(f)), p.name) for p in paths
        )

    before_fit = before_validate = before_test = before_predict = prepare

    def fit(self, model: ColorizationModule, **options: Any) -> None:
        """Train (LightningCLI calls this in place of the Trainer's)."""
        compiled = self._get(self.config, "compile")
        self.trainer.fit(cast(ColorizationModule, torch.compile(model)) if compiled else model, **options)

    def predict(self, model: ColorizationModule, datamodule: LightningDataModule, **options: Any) -> None:
        """Color the pictures of a data set at full size (LightningCLI calls this in place of the Trainer's).

        Raises:
            DataError: The DataModule does not say which pictures, or has none.
        """
        if not isinstance(datamodule, PictureDataModule):
            raise DataError(f"{type(datamodule).__name__} is no PictureDataModule, which predict needs.")
        task = FullSizePrediction(model, datamodule, self._get(self.config, "output"))
        options = {**options, "return_predictions": False}
        self.trainer.predict(task, **options)
        failed = (results_folder(self.trainer, task.output) / FAILED).is_file()
        self.exit_code = int(failed and self.trainer.is_global_zero)


def slow_precision(precision: str, device: torch.device) -> str:
    """Return a line about bfloat16 that a CPU only emulates, or nothing.

    Args:
        precision: The Trainer's, such as ``bf16-mixed``.
        device: On which it trains.
    """
    wanted = precision.startswith("bf16") and device.type == "cpu"
    if not wanted or choose_dtype("auto", device) == torch.bfloat16:
        return ""
    return f"{precision} is emulated on this CPU and several times slower; take --trainer.precision 32."


def default_loggers(folder: Path) -> Sequence[Logger]:
    """Return the loggers of a run: CSV always, TensorBoard where it is installed, both in one folder."""
    from lightning.pytorch.loggers.tensorboard import TensorBoardLogger

    table = CSVLogger(folder, name="runs")
    try:
        board = TensorBoardLogger(folder, name="runs", version=table.version, sub_dir="tensorboard")
    except ModuleNotFoundError:
        return [table]
    return [table, board]

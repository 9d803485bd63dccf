"""The command line of training: LightningCLI with the zoo's defaults."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
import yaml
from lightning.fabric.plugins import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import ModelParallelStrategy

from colorzoo.card import ModelCard
from colorzoo.data import PictureDataModule
from colorzoo.engines.device import choose_dtype
from colorzoo.errors import ColorzooError, DataError, UnknownModelError, WeightsError
from colorzoo.metrics.named import parse_name
from colorzoo.registry import card_of, model_card
from colorzoo.training.agreement import (
    Change,
    changes,
    read_record,
    recorded_settings,
    summary,
    training_settings,
)
from colorzoo.training.arguments import Argument, import_tasks, spell_nulls, value_of, with_value
from colorzoo.training.callbacks import (
    ConsoleProgress,
    NonFiniteGuard,
    PictureGrid,
    ResumeGuard,
    RunConfig,
    RunLock,
    RunRecord,
    SignalCheckpoint,
    StepSeed,
)
from colorzoo.training.callbacks.checkpoints import checkpoints_last, missing_checkpoints
from colorzoo.training.configs import config_folders
from colorzoo.training.loggers import RUNS, CSVLogger, continue_logger, earlier_run
from colorzoo.training.messages import (
    explain,
    explain_file_error,
    explain_load,
    explain_lost_process,
    filter_messages,
)
from colorzoo.training.module import ColorizationModule
from colorzoo.training.predicting import FullSizePrediction
from colorzoo.training.resuming import SPECIAL, agreeing_checkpoint, is_folder, report
from colorzoo.training.saving import CheckpointFile
from colorzoo.weights import read_weights, resolve_weights
from colorzoo.weights.files import sha256_of
from colorzoo.weights.provenance import Provenance
from colorzoo.weights.sharded import RECORD, is_sharded


def run(verb: str, arguments: Sequence[Argument]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        verb: The word itself.
        arguments: Its arguments.

    Returns:
        0, or 1 if ``predict`` could not color some of the pictures.

    Raises:
        ColorzooError: An unknown option or value, a missing file, weights that do not fit, a disk that is
            full, read-only or lost, or another process of the run that is gone.
    """
    filter_messages()
    with TemporaryDirectory() as folder:
        current = spell_nulls(with_implied_arguments(join_shards(verb, arguments, Path(folder))))
        import_tasks(current)
        try:
            cli = ZooCLI(
                ColorizationModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                seed_everything_default=0,
                save_config_callback=RunConfig,
                trainer_defaults={"enable_model_summary": False, "use_distributed_sampler": False},
                parser_kwargs={"parser_mode": "omegaconf", "exit_on_error": False},
                args=[verb, *(each.word for each in current)],
            )
        except ArgumentError as error:
            raise explain(str(error)) from error
        except MisconfigurationException as error:  # of a callback, when training starts
            raise ColorzooError(f"trainer: {_explain_trainer(str(error))}") from error
        except ValueError as error:
            if (cause := _cause_of(error)) is None:
                raise
            raise cause from error
        except OSError as error:
            raise explain_file_error(error) from error
        except RuntimeError as error:
            if "loading state_dict" in str(error):
                raise explain_load(str(error)) from error
            if (lost := explain_lost_process(error)) is None:
                raise
            raise lost from error
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning exits with 1
                raise stop.__context__ from None
            raise
    return cli.exit_code


class ZooCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` and ``predict`` over the registered models.

    Attributes:
        exit_code: 1 if ``predict`` could not color some of the pictures, else 0.
    """

    exit_code = 0

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the zoo's own options."""
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
            help="Allow random weights in test and predict, and in frozen parts in fit.",
        )
        parser.add_argument(
            "--metrics",
            type=str | None,
            default=None,
            help="Metrics of validation and test, such as psnr,ssim,lpips:vgg (see docs/metrics.md); "
            "validation always includes psnr, by which fit keeps the best checkpoint.",
        )
        parser.add_argument(
            "--compile",
            type=bool,
            default=False,
            help="Compile training steps with torch.compile; see configs/cluster/fast.yaml.",
        )
        parser.add_argument(
            "--output",
            type=str | None,
            default=None,
            help="Folder for the results of predict, or s3://BUCKET/FOLDER.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the given arguments, without LightningCLI's warning about those of the process."""
        assert isinstance(args, list)
        self.config = parser.parse_args(args)

    def before_instantiate_classes(self) -> None:
        """Choose the checkpoint to resume, keep what it restores, and let the loggers continue its run.

        Raises:
            WeightsError: No checkpoint of the folder is intact, or it cannot be resumed with the settings.
        """
        if self.subcommand == "fit":
            self._settings = training_settings(self._plain_config())
            self._resume()
        run = self._earlier_run()
        given = self._get(self.config, "trainer.logger")
        if run is not None and given not in (None, True, False):
            for logger in given if isinstance(given, list) else [given]:
                continue_logger(logger, run)

    def _plain_config(self) -> dict[str, Any]:
        """Return the configuration as mappings, lists, numbers and text."""
        parser = self._parser(self.subcommand)
        text = parser.dump(self.config[str(self.subcommand)], skip_none=False, skip_validation=True)
        plain: dict[str, Any] = yaml.safe_load(text)
        return plain

    def _resume(self) -> None:
        """Replace the folder of ``ckpt_path`` by a checkpoint, and settings by those that it restores."""
        config = self.config[str(self.subcommand)]
        given = config.get("ckpt_path")
        if not given or given in SPECIAL:
            return
        path: Path | None = Path(given)
        if is_folder(Path(given)):
            path = agreeing_checkpoint(Path(given), lambda each: summary(self._changes(each)))
            config["ckpt_path"] = None if path is None else str(path)
        if path is None or not (path.is_file() or is_sharded(path)):
            return
        try:
            found = self._changes(path)
        except Exception:  # a file that is no checkpoint is explained when it is loaded
            return
        if refused := [each for each in found if each.refused]:
            raise WeightsError(
                f"--ckpt_path {given!r} was trained with another optimizer or schedule ({summary(refused)}); "
                "resume it with its own, or start a new training from its weights with --init_from."
            )
        restored = [each for each in found if each.restored]
        for each in restored:
            config[each.key] = each.earlier
        others = [each for each in found if not each.restored]
        parts = [f"with {summary(others)}"] if others else []
        if restored:
            parts.append(f"without effect, as the checkpoint restores its optimizer: {summary(restored)}")
        if config.get("init_from"):
            parts.append("--init_from without effect, as the checkpoint has its own weights")
        if parts:
            report(f"resuming {'; '.join(parts)}")
        self._settings = training_settings(self._plain_config())

    def _changes(self, checkpoint: Path) -> list[Change]:
        """Return what differs from the settings of a checkpoint."""
        return sorted(changes(recorded_settings(checkpoint), self._settings), key=lambda each: each.key)

    def _root(self) -> Path:
        return Path(self._get(self.config, "trainer.default_root_dir") or Path.cwd())

    def _earlier_run(self) -> Path | None:
        """Return the folder of the run that ``fit`` resumes."""
        checkpoint = self._get(self.config, "ckpt_path") if self.subcommand == "fit" else None
        return earlier_run(Path(checkpoint), self._root()) if checkpoint else None

    def _parse_ckpt_path(self) -> None:
        """Do nothing; Lightning would silently override the configuration by the checkpoint's arguments."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with default callbacks and loggers where the configuration has none."""
        config = self._get(self.config_init, "trainer", default={})
        given = config.get("callbacks") or []
        given = given if isinstance(given, list) else [given]
        refuse_unsupported(config, given)
        taken = tuple(type(callback) for callback in given if not isinstance(callback, ModelCheckpoint))
        quick = bool(config.get("fast_dev_run"))
        if self.subcommand != "fit":
            self.save_config_callback = None  # only trainings are repeated
        defaults = self.fit_callbacks(config, given) if self.subcommand == "fit" and not quick else []
        bar = config.get("enable_progress_bar")
        if self.subcommand == "fit" and bar is None:
            kwargs["enable_progress_bar"] = False
            defaults.append(ConsoleProgress())
        elif bar is None and not sys.stderr.isatty():
            kwargs["enable_progress_bar"] = False  # in a log file a bar is pages of noise
        elif bar is not False:
            defaults.append(RichProgressBar())
        if config.get("logger") in (None, True):
            alone = (
                quick or self.subcommand == "predict"
            )  # makes its folder only if it has something to write
            table = CSVLogger(self._root(), name=RUNS)
            kwargs["logger"] = table if alone else default_loggers(self._root(), self._earlier_run())
        plugins = config.get("plugins") or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, CheckpointFile()]
        self.trainer_defaults = {"callbacks": [c for c in defaults if not isinstance(c, taken)]}
        try:
            trainer: Any = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise ColorzooError(f"trainer: {_explain_trainer(str(error))}") from error
        trainer.callbacks = checkpoints_last(trainer.callbacks)
        return cast(Trainer, trainer)

    def fit_callbacks(self, config: Any, given: Sequence[Callback]) -> list[Callback]:
        """Return the callbacks of ``fit`` beside those that the user gives."""
        seed = self._get(self.config, "seed_everything")
        watched = self.model.validation_settings()
        # The middle setting: for a model of points a few of them.
        monitor = f"val/psnr_{watched[len(watched) // 2]}"
        always = [
            *(PictureGrid(), RunRecord(self._settings), NonFiniteGuard()),
            *(ResumeGuard(), StepSeed(int(seed or 0))),
        ]
        if config.get("enable_checkpointing") is False:
            return always
        return [RunLock(), *always, *missing_checkpoints(given, monitor), SignalCheckpoint()]

    def prepare(self) -> None:
        """Check the path of the checkpoint and load initial weights."""
        model = self.model
        assert isinstance(model, ColorizationModule)
        model.allow_untrained = self._get(self.config, "allow_untrained")
        checkpoint = self._get(self.config, "ckpt_path")
        if checkpoint and checkpoint not in SPECIAL:
            self._check_checkpoint(Path(checkpoint))
        if metrics := self._get(self.config, "metrics"):
            set_metrics(model, [name.strip() for name in metrics.split(",")])
        model.provenance = replace(model.provenance, config=self._config_names())
        if source := self._get(self.config, "init_from"):
            start_from(model, source)
        if self.trainer.is_global_zero:
            parameters = sum(p.numel() for p in model.parameters())
            print(f"{type(model).__name__}: {parameters:,} parameters", file=sys.stderr)
            if note := slow_precision(str(self.trainer.precision), self.trainer.strategy.root_device):
                print(note, file=sys.stderr)

    def _check_checkpoint(self, path: Path) -> None:
        if is_sharded(path):
            if not isinstance(self.trainer.strategy, ModelParallelStrategy):
                raise WeightsError(
                    f"--ckpt_path {str(path)!r} is a sharded checkpoint; resume it with --config "
                    "cluster/fsdp.yaml (with any number of processes), or start anew with --init_from."
                )
        elif not path.is_file():
            raise WeightsError(f"--ckpt_path {str(path)!r}: no such file.")

    def _config_names(self) -> tuple[str, ...]:
        """Return the configuration files of this run: shipped ones by their path below ``configs/``."""
        given = self._get(self.config, "config") or []
        folders = config_folders()
        paths = [Path(str(each)).resolve() for each in given]
        return tuple(
            next((p.relative_to(f).as_posix() for f in folders if p.is_relative_to(f)), p.name) for p in paths
        )

    before_fit = before_validate = before_test = before_predict = prepare

    def fit(self, model: ColorizationModule, **options: Any) -> None:
        """Train (LightningCLI calls this in place of the Trainer's)."""
        if self.trainer.strategy.root_device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32
        if reason := finished(self.trainer, options.get("ckpt_path")):
            report(f"{reason}; nothing is left to train")
            return
        if self._get(self.config, "compile"):
            # not the whole module: metrics of validation would be compiled too, for minutes
            setattr(model, "training_step", torch.compile(model.training_step))  # noqa: B010 - a method
            report("the first steps compile the training step, which takes a minute or more")
        self.trainer.fit(model, **options)

    def predict(self, model: ColorizationModule, datamodule: LightningDataModule, **options: Any) -> None:
        """Color the pictures of a data set at full size (LightningCLI calls this in place of the Trainer's).

        Raises:
            DataError: The DataModule is not a `PictureDataModule`, or has no pictures.
        """
        if not isinstance(datamodule, PictureDataModule):
            raise DataError(f"{type(datamodule).__name__} is not a PictureDataModule, which predict needs.")
        task = FullSizePrediction(model, datamodule, self._get(self.config, "output"))
        options = {**options, "return_predictions": False}
        self.trainer.predict(task, **options)
        self.exit_code = int(task.has_failures)


def refuse_unsupported(config: Mapping[str, Any], callbacks: Sequence[object]) -> None:
    """Refuse what Lightning offers and the models cannot do, before the run.

    Args:
        config: Arguments of the Trainer.
        callbacks: Those of the configuration.

    Raises:
        ColorzooError: There is such an argument or callback.
    """
    if config.get("overfit_batches"):
        raise ColorzooError(
            "--trainer.overfit_batches: it takes away the order that gives each picture its random numbers; "
            "give --data.root a folder of a few pictures instead."
        )
    if (precision := str(config.get("precision"))) in ("bf16-true", "16-true"):
        raise ColorzooError(
            f"--trainer.precision {precision}: colors are computed in float32; use {precision[:-5]}-mixed."
        )
    if any(isinstance(each, LearningRateFinder) for each in callbacks):
        raise ColorzooError(
            "LearningRateFinder needs a model with a single attribute lr; compare runs with several "
            "--model.optimizer.lr instead (docs/training.md, Sweeps)."
        )


def finished(trainer: Trainer, checkpoint: str | Path | None) -> str:
    """Return that the run of a checkpoint has reached its end, in words; empty if it has not.

    Args:
        trainer: The trainer, which knows the end.
        checkpoint: The checkpoint, or None.
    """
    if not checkpoint or str(checkpoint) in SPECIAL:
        return ""
    content = read_record(Path(checkpoint))
    # of 0.1.0, whose global_step of a model with a discriminator counts both optimizers
    steps = int(content.get("provenance", {}).get("steps", content.get("global_step", 0)))
    epochs = content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
    if trainer.max_steps > 0 and steps >= trainer.max_steps:
        return f"the run of {checkpoint} is finished: {steps} of {trainer.max_steps} steps"
    done = int(epochs.get("processed", 0))
    if trainer.max_epochs is not None and 0 < trainer.max_epochs <= done:
        return f"the run of {checkpoint} is finished: {done} of {trainer.max_epochs} epochs"
    return ""


def _cause_of(error: BaseException) -> ColorzooError | None:
    """Return the error of this package that the parser has wrapped, if it is one."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ColorzooError):
        inner = inner.__cause__ or inner.__context__
    return inner


def _explain_trainer(message: str) -> str:
    """Return one line for an error of the Trainer's arguments."""
    if "gpu backend" in message:
        return (
            "this machine has no GPU that torch can use (see `colorzoo doctor`); use one that has, or "
            "--trainer.accelerator auto."
        )
    return " ".join(message.split())


def slow_precision(precision: str, device: torch.device) -> str:
    """Return a warning about bfloat16 if the CPU only emulates it, else an empty string.

    Args:
        precision: Precision of the Trainer, such as ``bf16-mixed``.
        device: Device of the training.
    """
    wanted = precision.startswith("bf16") and device.type == "cpu"
    if not wanted or choose_dtype("auto", device) == torch.bfloat16:
        return ""
    return f"{precision} is emulated on this CPU and several times slower; use --trainer.precision 32."


def default_loggers(folder: Path, earlier: Path | None = None) -> Sequence[Logger]:
    """Return the loggers of a run: CSV, and TensorBoard if it is installed, in one folder.

    Args:
        folder: The folder of all runs is below it.
        earlier: Folder of the run to continue.
    """
    from lightning.pytorch.loggers.tensorboard import TensorBoardLogger

    table = CSVLogger(folder, name=RUNS, version=None if earlier is None else earlier.name)
    try:
        board = TensorBoardLogger(folder, name=RUNS, version=table.version, sub_dir="tensorboard")
    except ModuleNotFoundError:
        return [table]
    return [table, board]


def set_metrics(model: ColorizationModule, names: Sequence[str]) -> None:
    """Set the metrics of validation and test.

    Args:
        model: The task.
        names: Names of metrics, see `colorzoo.metrics.named`.

    Raises:
        DataError: There is no such metric.
        WeightsError: A file in a name does not exist.
    """
    for name in names:
        parse_name(name)
    model.test_metrics = tuple(names)
    # checkpoints are chosen by PSNR
    model.validation_metrics = tuple(names) if "psnr" in names else ("psnr", *names)


def start_from(model: ColorizationModule, source: str) -> None:
    """Load initial weights.

    Args:
        model: The task.
        source: A weight file or checkpoint, a tag of the model's card, or the name of a registered model.

    Raises:
        WeightsError: There are no such weights, or they do not fit.
    """
    path, sha256, published = _locate(model, source)
    content = read_weights(path, sha256=sha256)
    model.load_weights(content.state_dict, name=source, published=published)
    earlier = Provenance.of(None if published else content.provenance)
    model.note_start({"file": path.name, "sha256": sha256_of(path)}, earlier)
    model.continue_from(earlier.stage)


def join_shards(verb: str, arguments: Sequence[Argument], folder: Path) -> Sequence[Argument]:
    """Replace the sharded checkpoint of ``validate``, ``test`` and ``predict`` by one file without optimizer.

    Args:
        verb: The verb.
        arguments: Its arguments.
        folder: Where the file is written.
    """
    checkpoint = value_of("--ckpt_path", arguments)
    if verb == "fit" or not checkpoint or not is_sharded(Path(checkpoint)):
        return arguments
    content = torch.load(Path(checkpoint) / RECORD, map_location="cpu", weights_only=True)
    joined = folder / "joined.ckpt"
    torch.save({**content, "state_dict": read_weights(Path(checkpoint)).state_dict}, joined)
    return with_value("--ckpt_path", joined, arguments)


def with_implied_arguments(arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Add implied arguments: the model of a checkpoint, and the DataModule of ``--data.root``."""
    flags = {each.flag for each in arguments}
    if "--config" in flags:
        return arguments
    added = []
    checkpoint = value_of("--ckpt_path", arguments)
    if checkpoint and Path(checkpoint).is_file() and not any(flag.startswith("--model") for flag in flags):
        added.append(Argument("--model", json.dumps(_model_of(Path(checkpoint)))))
    if "--data" not in flags and any(flag.startswith("--data.") for flag in flags):
        added.append(Argument("--data", "FolderDataModule"))
    return [*added, *arguments]


def _locate(model: ColorizationModule, source: str) -> tuple[Path, str | None, bool]:
    """Return path and hash, and whether the keys are the authors'."""
    card: ModelCard | None
    try:
        card, tag = model_card(source), "default"
    except UnknownModelError:
        card, tag = card_of(type(model), model.hparams), source
    if card is None:
        return Path(source), None, False
    found = resolve_weights(card, tag)
    if found is None:
        raise WeightsError(f"--init_from {source!r}: {card.name} has no weights on this machine.")
    return found.path, found.sha256, found.published


def _model_of(checkpoint: Path) -> dict[str, Any]:
    """Return class and arguments of the model in a checkpoint of ``fit``."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        hparams = content["hyper_parameters"]
    except Exception as error:  # OSError, RuntimeError, EOFError, KeyError, UnpicklingError ...
        raise WeightsError(
            f"--ckpt_path {str(checkpoint)!r} is not a checkpoint of `colorzoo fit` "
            f"({type(error).__name__}); for bare weights use --model CLASS --init_from FILE."
        ) from error
    if "_class_path" not in hparams:
        raise WeightsError(f"--ckpt_path {str(checkpoint)!r} does not record its model; add --model CLASS.")
    arguments = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": arguments}

"""The command line of training: LightningCLI with the zoo's defaults."""

from __future__ import annotations

import sys
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

from colorzoo.card import ModelCard
from colorzoo.data import PictureDataModule
from colorzoo.engines.device import choose_dtype
from colorzoo.errors import ColorzooError, DataError, UnknownModelError, WeightsError
from colorzoo.metrics.named import parse_name
from colorzoo.registry import card_of, model_card
from colorzoo.training.agreement import training_settings
from colorzoo.training.arguments import Argument, import_tasks, spell_nulls, with_last_batch
from colorzoo.training.callbacks import (
    ConsoleProgress,
    DataPlace,
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
from colorzoo.training.faults import explain_trainer, translated
from colorzoo.training.loggers import CSVLogger, continue_logger, earlier_run, place_logger
from colorzoo.training.messages import filter_messages
from colorzoo.training.mirror import Mirror
from colorzoo.training.module import ColorizationModule
from colorzoo.training.predicting import FullSizePrediction
from colorzoo.training.processes import process_count
from colorzoo.training.rehearsal import check_monitors, move_here, rehearse
from colorzoo.training.resumed import (
    check_checkpoint,
    finished,
    join_shards,
    resume,
    with_default_model,
    with_implied_arguments,
)
from colorzoo.training.resuming import brought, is_remote
from colorzoo.training.runs import RUNS, report
from colorzoo.training.saving import CheckpointFile, ShardedStrategy
from colorzoo.weights import read_weights, resolve_weights
from colorzoo.weights.files import sha256_of
from colorzoo.weights.provenance import Provenance


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
        complete = with_implied_arguments(join_shards(verb, arguments, Path(folder)))
        if verb == "predict":
            complete = with_default_model(complete)
        current = spell_nulls(with_last_batch(complete))
        import_tasks(current)
        try:
            cli = ZooCLI(verb, [each.word for each in current])
        except ColorzooError:
            raise
        except Exception as error:
            if (ours := translated(error)) is None:
                raise
            raise ours from error
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning exits with 1
                raise stop.__context__ from None
            raise
    return cli.exit_code


class ZooCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` or ``predict`` over the registered models, run when it is built.

    Args:
        verb: The word itself.
        words: Its arguments.

    Attributes:
        exit_code: 1 if ``predict`` could not color some of the pictures, else 0.
    """

    exit_code = 0
    _mirror: Mirror | None = None

    def __init__(self, verb: str, words: Sequence[str]) -> None:
        self._verb = verb
        super().__init__(
            ColorizationModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            auto_configure_optimizers=False,  # the models' own are checked, recorded and resumed
            save_config_callback=RunConfig,
            trainer_defaults={"enable_model_summary": False, "use_distributed_sampler": False},
            parser_kwargs={"parser_mode": "omegaconf", "exit_on_error": False},
            args=[verb, *words],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # a static method there
        """Return the verb alone, because the parser of each takes a tenth of a second to build."""
        return {self._verb: super().subcommands()[self._verb]}

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
            "--fresh",
            type=bool,
            default=False,
            help="Start a new run if the folder of --ckpt_path has runs of other settings only.",
        )
        parser.add_argument(
            "--dry_run",
            type=bool,
            default=False,
            help="Train nothing: check settings, monitors, packages, pictures and space, also without a GPU, "
            "and say what would be resumed.",
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
            WeightsError: See `resume`.
        """
        self._take_local_folders()
        if self.subcommand == "fit":
            config = self.config[self.subcommand]
            self._processes = processes = process_count(config["trainer"])
            self._settings = resume(config, lambda: training_settings(self._plain_config(), processes))
            if config["dry_run"]:
                move_here(config["trainer"])
        run = self._earlier_run()
        given = self._get(self.config, "trainer.logger")
        if given not in (None, True, False):
            for logger in given if isinstance(given, list) else [given]:
                place_logger(logger, self._root())
                if run is not None:
                    continue_logger(logger, run)

    def _take_local_folders(self) -> None:
        """Let a run whose folder is in a bucket work in a local one.

        Raises:
            ColorzooError: A callback or logger would write to an address itself.
        """
        trainer = self.config[str(self.subcommand)]["trainer"]
        for kind, name in (("callbacks", "dirpath"), ("logger", "save_dir")):
            given = trainer.get(kind)
            for each in given if isinstance(given, list) else [given]:
                place = each.get("init_args", {}).get(name) if hasattr(each, "get") else None
                if is_remote(place):
                    raise ColorzooError(
                        f"{name} {place!r}: callbacks and loggers write to local folders; give "
                        "--trainer.default_root_dir s3://BUCKET/FOLDER instead, and everything is sent there."
                    )
        address = trainer.get("default_root_dir")
        if is_remote(address):
            trainer["default_root_dir"] = str(brought(address))
            if self.subcommand == "fit":
                self._mirror = Mirror(address)
                self._mirror.check()

    def _plain_config(self) -> dict[str, Any]:
        """Return the configuration as mappings, lists, numbers and text."""
        parser = self._parser(self.subcommand)
        text = parser.dump(self.config[str(self.subcommand)], skip_none=False, skip_validation=True)
        plain: dict[str, Any] = yaml.safe_load(text)
        return plain

    def _dump_config(self) -> None:
        """Keep the configuration for the modules' hyperparameters, without checking it a second time."""
        if not hasattr(self, "config_dump"):
            self.config_dump = self._plain_config()

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
            own = CheckpointFile() if self._mirror is None else CheckpointFile(self._mirror.try_to_send)
            kwargs["plugins"] = [*plugins, own]
        self.trainer_defaults = {"callbacks": [c for c in defaults if not isinstance(c, taken)]}
        try:
            trainer: Any = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise explain_trainer(error) from error
        if self._mirror is not None and isinstance(trainer.strategy, ShardedStrategy):
            raise ColorzooError("sharded checkpoints are not sent to a bucket; use a local default_root_dir.")
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
            *(ResumeGuard(), DataPlace(), StepSeed(int(seed or 0))),
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
        if checkpoint:
            check_checkpoint(Path(checkpoint), self.trainer)
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
        if self._get(self.config, "dry_run"):
            data = options["datamodule"]
            for line in rehearse(self.trainer, model, data, self._processes, self._root()):
                print(line)
            return
        check_monitors(model, self.trainer)
        if reason := finished(self.trainer, options.get("ckpt_path")):
            report(f"{reason}; nothing is left to train")
            return
        if self._get(self.config, "compile"):
            # not the whole module: metrics of validation would be compiled too, for minutes
            setattr(model, "training_step", torch.compile(model.training_step))  # noqa: B010 - a method
            report("the first steps compile the training step, which takes a minute or more")
        try:
            self.trainer.fit(model, **options)
        finally:
            if self._mirror is not None and self.trainer.is_global_zero:
                self._mirror.try_to_send()

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


def default_loggers(folder: Path, earlier: Path | None) -> Sequence[Logger]:
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
    path, published = _locate(model, source)
    content = read_weights(path)
    model.load_weights(content.state_dict, name=source, published=published)
    earlier = Provenance.of(None if published else content.provenance)
    model.note_start({"file": path.name, "sha256": sha256_of(path)}, earlier)
    model.continue_from(earlier.stage)


def _locate(model: ColorizationModule, source: str) -> tuple[Path, bool]:
    """Return the path, and whether the keys are the authors'."""
    card: ModelCard | None
    try:
        card, tag = model_card(source), "default"
    except UnknownModelError:
        card, tag = card_of(type(model), model.hparams), source
    if card is None:
        return Path(source), False
    found = resolve_weights(card, tag)
    if found is None:
        raise WeightsError(f"--init_from {source!r}: {card.name} has no weights on this machine.")
    return found.path, found.published

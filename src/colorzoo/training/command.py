"""The command line of training: LightningCLI with the zoo's defaults."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

from colorzoo.card import ModelCard
from colorzoo.data import ImageDataModule
from colorzoo.engines.device import choose_dtype
from colorzoo.errors import ColorzooError, DataError, UnknownModelError, WeightsError
from colorzoo.metrics.named import parse_name
from colorzoo.registry import card_of, model_card
from colorzoo.training.arguments import import_tasks, prepare_words, value_of, with_value
from colorzoo.training.callbacks import (
    DataPlace,
    ImageGrid,
    IntervalGuard,
    NonFiniteGuard,
    ResumeGuard,
    RunLock,
    RunRecord,
    SignalCheckpoint,
    StepSeed,
)
from colorzoo.training.callbacks.checkpoints import missing_checkpoints
from colorzoo.training.checkpoint_lookup import find_checkpoint, with_default_model, with_implied_arguments
from colorzoo.training.configs import config_folders
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.loggers import RUNS, default_loggers, keep_table, run_version
from colorzoo.training.messages import explain_trainer, filter_messages, translated
from colorzoo.training.module import ColorizationModule
from colorzoo.training.predicting import FullSizePrediction
from colorzoo.training.saving import CheckpointFile, ShardedStrategy
from colorzoo.weights import read_weights, resolve_weights
from colorzoo.weights.files import sha256_of
from colorzoo.weights.provenance import Provenance
from colorzoo.weights.sharded import is_sharded


def run(verb: str, words: Sequence[str]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        verb: The verb.
        words: The words after it.

    Returns:
        0, or 1 if ``predict`` failed for some of the images.

    Raises:
        ColorzooError: An unknown option or value, a missing file, weights that do not fit, a disk that is
            full, read-only or lost, or another process of the run that has ended.
    """
    filter_messages()
    try:
        current = prepare_words(words)
        if place := value_of("--ckpt_path", current):
            found = find_checkpoint(place, begins=verb == "fit")
            if verb == "fit" and found != place:
                _report(f"resuming from {found}" if found else f"no checkpoint in {place}: a new run")
            if found and verb != "fit" and is_sharded(Path(found)):
                read_weights(Path(found))  # raises an error with the command that joins it
            current = with_value("--ckpt_path", found, current)
        current = with_implied_arguments(current)
        if verb == "predict":
            current = with_default_model(current)
        import_tasks(current)
        return ZooCLI(verb, current).exit_code
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


def _report(text: str) -> None:
    """Print a line in the first process, before the processes are connected."""
    if all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        print(f"colorzoo: {text}", file=sys.stderr)


class ZooCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` or ``predict`` over the registered models, run when it is built.

    Args:
        verb: The word itself.
        words: Its arguments.

    Attributes:
        exit_code: 1 if ``predict`` could not color some of the images, else 0.
    """

    exit_code = 0

    def __init__(self, verb: str, words: Sequence[str]) -> None:
        self._verb = verb
        super().__init__(
            ColorizationModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            auto_configure_optimizers=False,  # the models' own are checked, recorded and resumed
            save_config_kwargs={"overwrite": True},  # a resumed run continues in its folder
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
            "--output",
            type=str | None,
            default=None,
            help="Folder for the results of predict, or s3://BUCKET/FOLDER.",
        )

    def _parse_ckpt_path(self) -> None:
        """Do nothing; Lightning would silently override the configuration by the checkpoint's arguments."""

    def before_instantiate_classes(self) -> None:
        """Let loggers write below the folder of the run, and continue the run that is resumed."""
        config = self.config[str(self.subcommand)]
        given = config["trainer"].get("logger")
        root = str(config["trainer"].get("default_root_dir") or Path.cwd())
        self._version = run_version(root, config.get("ckpt_path")) if self.subcommand == "fit" else None
        for logger in given if isinstance(given, list) else [given]:
            arguments = logger["init_args"] if hasattr(logger, "get") else {}
            if "save_dir" in arguments and "://" not in str(arguments["save_dir"]):
                arguments["save_dir"] = os.path.join(root, arguments["save_dir"] or "")  # noqa: PTH118 - or s3://
                if "version" in arguments and arguments.get("name") == RUNS:
                    arguments["version"] = arguments["version"] or self._version

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with default callbacks and loggers where the configuration has none."""
        config = self._get(self.config_init, "trainer", default={})
        given = config.get("callbacks") or []
        given = given if isinstance(given, list) else [given]
        refuse_unsupported(config, given)
        if self.subcommand != "fit":
            self.save_config_callback = None  # only trainings are repeated
        defaults = self.fit_callbacks(config, given) if self.subcommand == "fit" else []
        if config.get("enable_progress_bar") is None:
            kwargs["enable_progress_bar"] = sys.stderr.isatty()  # in a log file a bar is pages of noise
            defaults += [RichProgressBar()] if sys.stderr.isatty() else []
        root = str(config.get("default_root_dir") or Path.cwd())
        if config.get("logger") in (None, True):
            plain = self.subcommand == "predict"  # CSVLogger makes its folder when it has something to write
            kwargs["logger"] = CSVLogger(root, name=RUNS) if plain else default_loggers(root, self._version)
        plugins = config.get("plugins") or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, CheckpointFile()]
        adversarial = isinstance(self.model, GANColorizationModule)
        if adversarial:  # the Trainer rejects these arguments under manual optimization
            self.model.accumulate = config.get("accumulate_grad_batches") or 1
            self.model.clip = config.get("gradient_clip_val") or 0.0
            kwargs |= {"accumulate_grad_batches": 1, "gradient_clip_val": None}
            if config.get("strategy") == "ddp":  # each loss leaves the other network's parameters unused
                kwargs["strategy"] = "ddp_find_unused_parameters_true"
        taken = tuple(type(callback) for callback in given if not isinstance(callback, ModelCheckpoint))
        self.trainer_defaults = {"callbacks": [c for c in defaults if not isinstance(c, taken)]}
        try:
            trainer: Any = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise explain_trainer(error) from error
        if "://" in root and isinstance(trainer.strategy, ShardedStrategy):
            raise ColorzooError("sharded checkpoints need a local --trainer.default_root_dir.")
        if adversarial and config.get("strategy") == "auto" and trainer.world_size > 1:
            raise ColorzooError(f"--trainer.strategy must be ddp for {type(self.model).__name__}, got auto.")
        # the checkpoint with the best value comes first, because later files store this value
        trainer.callbacks.sort(
            key=lambda each: (isinstance(each, Checkpoint), getattr(each, "monitor", None) is None)
        )
        return cast(Trainer, trainer)

    def fit_callbacks(self, config: Any, given: Sequence[Callback]) -> list[Callback]:
        """Return the callbacks of ``fit`` beside those that the user gives."""
        seed = self._get(self.config, "seed_everything")
        watched = self.model.validation_settings()
        # The middle setting: for a model of points a few of them.
        monitor = f"val/psnr_{watched[len(watched) // 2]}"
        always = [NonFiniteGuard(), ResumeGuard(), DataPlace(), StepSeed(int(seed or 0))]
        interval = config.get("val_check_interval")
        if isinstance(interval, int) and config.get("check_val_every_n_epoch") is not None:
            always.append(IntervalGuard(interval))
        if config.get("fast_dev_run"):
            return always  # nothing is written
        always += [ImageGrid(), RunRecord()]
        if config.get("enable_checkpointing") is False:
            return always
        return [RunLock(), *always, *missing_checkpoints(given, monitor), SignalCheckpoint()]

    def prepare(self) -> None:
        """Check the path of the checkpoint and load initial weights."""
        model = self.model
        assert isinstance(model, ColorizationModule)
        model.allow_untrained = self._get(self.config, "allow_untrained")
        checkpoint = self._get(self.config, "ckpt_path")
        if (
            checkpoint
            and is_sharded(Path(checkpoint))
            and not isinstance(self.trainer.strategy, ShardedStrategy)
        ):
            raise WeightsError(
                f"--ckpt_path {checkpoint!r} is a sharded checkpoint; resume it with --config "
                "cluster/fsdp.yaml (with any number of processes), or start anew with --init_from."
            )
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
        check_monitors(model, self.trainer)
        if self._get(self.config, "compile"):
            # not the whole module: metrics of validation would be compiled too, for minutes
            setattr(model, "training_step", torch.compile(model.training_step))  # noqa: B010 - a method
            _report("the first steps compile the training step, which takes a minute or more")
        resumed = options.get("ckpt_path") and not self._get(self.config, "trainer.fast_dev_run")
        if resumed and self.trainer.is_global_zero and self.trainer.loggers:
            keep_table(str(self.trainer.loggers[0].log_dir))
        self.trainer.fit(model, **options)

    def predict(self, model: ColorizationModule, datamodule: LightningDataModule, **options: Any) -> None:
        """Color the images of a data set at full size (LightningCLI calls this in place of the Trainer's).

        Raises:
            DataError: The DataModule is not an `ImageDataModule`, or has no images.
        """
        if not isinstance(datamodule, ImageDataModule):
            raise DataError(f"{type(datamodule).__name__} is not an ImageDataModule, which predict needs.")
        task = FullSizePrediction(model, datamodule, self._get(self.config, "output"))
        options = {**options, "return_predictions": False}
        self.trainer.predict(task, **options)
        self.exit_code = int(task.has_failures)


def refuse_unsupported(config: Mapping[str, Any], callbacks: Sequence[object]) -> None:
    """Refuse what Lightning offers and the models cannot do, before the run.

    Args:
        config: Arguments of the Trainer.
        callbacks: Callbacks of the configuration.

    Raises:
        ColorzooError: There is such an argument or callback.
    """
    if config.get("overfit_batches"):
        raise ColorzooError(
            "--trainer.overfit_batches: it takes away the order that gives each image its random numbers; "
            "give --data.root a folder of a few images instead."
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


def check_monitors(model: ColorizationModule, trainer: Trainer) -> None:
    """Check that a validation has the values that callbacks monitor, as far as it is known before one.

    Raises:
        ColorzooError: There is no such value.
    """
    callbacks = [
        each for each in cast(Any, trainer).callbacks if isinstance(each, Checkpoint | EarlyStopping)
    ]
    names = {getattr(each, "monitor", None) or "" for each in callbacks}
    unknown = {name for name in names if name.startswith("val/")}
    unknown -= {f"val/psnr_{setting}" for setting in model.validation_settings()}  # every validation has them
    if type(model).validation_step is not ColorizationModule.validation_step or not unknown:
        return
    known = sorted(model.metrics_of("val").compute())
    for name in sorted(unknown - {*known}):
        near = difflib.get_close_matches(name, known) or known
        raise ColorzooError(f"monitor must be a value of validation, got {name!r}; use {' or '.join(near)}.")


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
    model.record_start({"file": path.name, "sha256": sha256_of(path)}, earlier)
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

"""Commands ``fit``, ``validate``, ``test`` and ``predict``, based on LightningCLI."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from colorzoo._machine import hide_home
from colorzoo.console import is_terminal
from colorzoo.errors import ColorzooError
from colorzoo.training.arguments import (
    find_checkpoint,
    import_tasks,
    note_removed_callbacks,
    prepare_words,
    stored_model,
    value_of,
    with_default_settings,
    with_folder_data,
    with_registered_model,
    with_value,
)
from colorzoo.training.callbacks import ImageGrid
from colorzoo.training.callbacks.checkpoints import CheckpointFile, SignalCheckpoint, missing_checkpoints
from colorzoo.training.callbacks.guards import (
    FinalValidation,
    InitialValidation,
    NonFiniteGuard,
    ResumeGuard,
    StepSeed,
)
from colorzoo.training.callbacks.run_files import RunLock, RunRecord
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.initial_weights import load_initial_weights
from colorzoo.training.loggers import RUNS, default_loggers, keep_tables, remove_unstarted_run, run_version
from colorzoo.training.messages import filter_messages, print_once, translated
from colorzoo.training.module import ColorizationModule

_UNRECORDED = frozenset({"config", "ckpt_path", "output", "metrics", "logger", "default_root_dir"})
"""Settings of a run that do not change the weights."""


def run_command(words: Sequence[str], cli: type[ZooCLI] | None = None) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        words: Name of the command and its arguments.
        cli: Subclass of `ZooCLI` for ``predict``, which writes image files; None for `ZooCLI`.

    Returns:
        `ZooCLI.exit_code`.

    Raises:
        ColorzooError: An option or value is invalid, a file is missing, the weights do not match, a disk
            error occurred, or another process of the run has ended.
    """
    filter_messages()
    verb, *arguments = words
    try:
        # resolve configurations, checkpoints, models and data folders
        prepared = prepare_words(arguments)
        if verb == "fit":
            note_removed_callbacks(prepared)
        if path := value_of("--ckpt_path", prepared):
            found = find_checkpoint(path, begins=verb == "fit")
            if verb == "fit" and found != path:
                print_once(f"resuming from {found}" if found else f"starting a new run in {path}")
            prepared = with_value("--ckpt_path", found, prepared)
        name = stored_model(prepared) if verb == "predict" else None
        prepared = with_default_settings(with_folder_data(with_registered_model(verb, prepared)))
        import_tasks(prepared)
        return (cli or ZooCLI)(verb, prepared, name).exit_code
    except ColorzooError:
        raise
    except Exception as error:
        colorzoo_error = translated(error)
        if colorzoo_error is None:
            raise
        raise colorzoo_error from error
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning exits with 1 after Ctrl-C
            raise stop.__context__ from None
        raise


class StepProgressBar(RichProgressBar):
    """Progress bar that shows the completed steps of the run beside the batches of the epoch.

    Lightning shows ``Epoch 0/-2`` if the run has no epoch limit.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the number of the epoch."""
        super().on_train_epoch_start(trainer, pl_module)
        self._show_epoch(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the number of the epoch in a bar that a run resumed within an epoch has just created."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._show_epoch(trainer)

    def _show_epoch(self, trainer: Trainer) -> None:
        if trainer.max_epochs == -1 and self.progress is not None and self.train_progress_bar_id is not None:
            text = f"Epoch {trainer.current_epoch}".ljust(len(self.validation_description))
            self.progress.update(self.train_progress_bar_id, description=text)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the number of steps, ``trainer.max_steps`` if it is set, and the logged values."""
        total = f"/{trainer.max_steps}" if trainer.max_steps > 0 else ""
        return {"step": f"{trainer.global_step}{total}", **super().get_metrics(trainer, pl_module)}


class ZooCLI(LightningCLI):
    """LightningCLI for the registered models; the constructor runs the command.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        words: Command-line arguments.
        name: Model of ``predict`` with its stored weights, see `stored_model`.

    Attributes:
        exit_code: Exit code of the command; a subclass can set another code than 0.
    """

    exit_code = 0

    def __init__(self, verb: str, words: Sequence[str], name: str | None = None) -> None:
        self._verb, self.name = verb, name
        super().__init__(
            ColorizationModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            auto_configure_optimizers=False,  # the optimizers of the tasks are recorded and resumed
            save_config_kwargs={"overwrite": True},  # a resumed run continues in its folder
            trainer_defaults={"enable_model_summary": False, "use_distributed_sampler": False},
            parser_kwargs={
                "parser_mode": "omegaconf",
                "exit_on_error": False,
                "allow_abbrev": False,  # a new option could make abbreviations ambiguous
            },
            args=[verb, *words],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # a static method there
        """Return only the current command, because building each parser takes 0.1 s."""
        return {self._verb: super().subcommands()[self._verb]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of this package."""
        add = partial(parser.add_argument, default=None, type=str | None)
        add(
            "--init_from",
            help="Initial weights: a file, a tag from the model card, or the name of a registered model.",
        )
        add("--metrics", help="Metrics for validation and test, such as psnr,lpips:vgg (docs/metrics.md).")
        add("--output", help="Output folder of predict: a local path or s3://BUCKET/FOLDER.")
        add = partial(parser.add_argument, default=False, type=bool)
        add(
            "--allow_untrained",
            help="Allow random weights. In test and predict, this applies to all networks; in fit, only to "
            "frozen networks.",
        )
        add("--compile", help="Compile the training step with torch.compile.")

    def _parse_ckpt_path(self) -> None:
        """Do nothing; Lightning's method would override options with values of the checkpoint."""

    def before_instantiate_classes(self) -> None:
        """Set the folders of configured loggers before the loggers are created.

        Raises:
            ColorzooError: ``--trainer.overfit_batches`` is set.
        """
        config = self.config[self._verb]
        trainer = config["trainer"]
        if trainer.get("overfit_batches"):
            raise ColorzooError(
                "--trainer.overfit_batches must be 0, because other values disable the per-image seeds. "
                "Set --data.root to a folder with a few images instead."
            )
        root = str(trainer.get("default_root_dir") or Path.cwd())
        self._version = run_version(root, config.get("ckpt_path")) if self._verb == "fit" else None
        for logger in _as_list(trainer.get("logger")):
            arguments = {} if isinstance(logger, bool) else logger["init_args"]
            if "save_dir" not in arguments or "://" in str(arguments["save_dir"]):
                continue
            # move a local folder below root; a logger with the default name writes to the run folder
            arguments["save_dir"] = os.path.join(root, arguments["save_dir"] or "")  # noqa: PTH118 - or s3://
            if "version" in arguments and arguments.get("name") == RUNS:
                arguments["version"] = arguments["version"] or self._version

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer; add default callbacks and loggers if none are configured.

        Raises:
            ColorzooError: An option of ``--trainer`` is invalid or not supported by the model.
        """
        config = self.config_init[self._verb]["trainer"]
        if self._verb != "fit":
            self.save_config_callback = None
        strategy = config.get("strategy") or "auto"
        if isinstance(strategy, str):
            is_supported = strategy.startswith(("auto", "ddp", "single_device")) and "spawn" not in strategy
        else:
            is_supported = isinstance(strategy, DDPStrategy | SingleDeviceStrategy)
        if not is_supported:  # sharded strategies write other checkpoints, spawned processes pickle callbacks
            name = strategy if isinstance(strategy, str) else type(strategy).__name__
            raise ColorzooError(f"--trainer.strategy must be ddp or auto, got {name}. See docs/cluster.md.")

        # default callbacks, except callbacks of a configured type
        configured = _as_list(config.get("callbacks"))
        callbacks = self.fit_callbacks(config, configured) if self._verb == "fit" else []
        if config.get("enable_progress_bar") is None and is_terminal(sys.stderr):
            callbacks.append(StepProgressBar())
        # several ModelCheckpoint callbacks can be combined
        kinds = tuple(type(each) for each in configured if not isinstance(each, ModelCheckpoint))
        self.trainer_defaults = {
            "callbacks": [callback for callback in callbacks if not isinstance(callback, kinds)]
        }

        # arguments that the configuration leaves open
        arguments = dict(kwargs)
        if config.get("enable_progress_bar") is None:
            arguments["enable_progress_bar"] = is_terminal(
                sys.stderr
            )  # a log file would contain every update
        if config.get("logger") in (None, True):
            root = str(config.get("default_root_dir") or Path.cwd())
            if self._verb == "predict":
                arguments["logger"] = CSVLogger(root, name=RUNS)  # creates no folder before the first metric
            else:
                arguments["logger"] = default_loggers(root, self._version)
        plugins = _as_list(config.get("plugins"))
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            arguments["plugins"] = [*plugins, CheckpointFile()]

        # move settings that the Trainer rejects under manual optimization to the task
        is_gan = isinstance(self.model, GANColorizationModule)
        if is_gan:
            self.model.accumulate = config.get("accumulate_grad_batches") or 1
            self.model.clip = config.get("gradient_clip_val") or 0.0
            arguments |= {"accumulate_grad_batches": 1, "gradient_clip_val": None}
            if config.get("strategy") == "ddp":  # each loss leaves the other network's parameters unused
                arguments["strategy"] = "ddp_find_unused_parameters_true"

        try:
            trainer: Any = super().instantiate_trainer(**arguments)
            if environment := getattr(trainer.strategy, "cluster_environment", None):
                # before the device of a process is read, which fails for surplus processes
                environment.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)
        except ValueError as error:
            raise ColorzooError(f"--trainer: {error}") from error
        # a configured ddp was adapted to GANs above, but not the strategy that auto selects
        has_automatic_strategy = config.get("strategy") == "auto" and trainer.world_size > 1
        if is_gan and has_automatic_strategy:
            raise ColorzooError(f"--trainer.strategy must be ddp for {type(self.model).__name__}, got auto")
        # The lock first, because other callbacks write into the folder. Checkpoints last, and those without a
        # score at the end: the best checkpoint is saved first, because later checkpoints store its score.
        trainer.callbacks.sort(
            key=lambda each: (
                not isinstance(each, RunLock),
                isinstance(each, Checkpoint),
                getattr(each, "monitor", None) is None,
            )
        )
        return cast(Trainer, trainer)

    def fit_callbacks(self, config: Any, configured: Sequence[Callback]) -> list[Callback]:
        """Return the default callbacks of ``fit``."""
        seed = self.config[self._verb]["seed_everything"]
        always = [NonFiniteGuard(), ResumeGuard(), StepSeed(int(seed or 0))]
        if config.get("fast_dev_run"):
            return always  # no file is written
        always += [RunLock(), FinalValidation(), ImageGrid(), RunRecord()]
        if self.config[self._verb]["init_from"]:
            always.append(InitialValidation())
        if config.get("enable_checkpointing") is False:
            return always
        checkpoints = missing_checkpoints(configured, *self.model.checkpoint_metric())
        return [*always, *checkpoints, SignalCheckpoint()]

    def prepare(self) -> None:
        """Set the metrics, record the configuration files and load initial weights."""
        model, options = self.model, self.config[self._verb]
        assert isinstance(model, ColorizationModule)
        for kind in getattr(self.datamodule, "hint_kinds", ()):
            if kind.name not in model.accepts:
                raise ColorzooError(
                    f"--data.hints must contain kinds of guidance that {type(model).__name__} accepts, got "
                    f"{kind.name}. Run `colorzoo models --guidance {kind.name}` to list such models."
                )
        model.allow_untrained = options["allow_untrained"]
        if metrics := options["metrics"]:
            names = tuple(name.strip() for name in metrics.split(","))
            model.test_metrics = names
            needs_psnr = "psnr" not in names and model.checkpoint_metric()[0] != "val/loss"
            model.validation_metrics = ("psnr", *names) if needs_psnr else names
        configs = [Path(str(each)).resolve() for each in options["config"] or []]
        named = tuple(f"{path.parent.name}/{path.name}" for path in configs)
        model.provenance = replace(model.provenance, config=named)
        if self._verb == "fit":
            model.provenance = replace(model.provenance, resolved_config=resolved_config(options))
        if options["init_from"] and not options.get("ckpt_path"):  # checkpoints contain the weights
            load_initial_weights(model, options["init_from"])
        if self.trainer.is_global_zero:
            parameters = sum(p.numel() for p in model.parameters())
            print(f"{type(model).__name__}: {parameters:,} parameters", file=sys.stderr)

    before_fit = before_validate = before_test = before_predict = prepare

    def fit(self, model: ColorizationModule, **options: Any) -> None:
        """Train the model."""
        if self.trainer.strategy.root_device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32
        if self.config[self._verb]["compile"]:
            # Not the whole module, because compiling the validation metrics takes minutes. One graph for each
            # image size, because inductor fails for symbolic sizes (python_mod, torch 2.15).
            step = torch.compile(model.training_step, dynamic=False)
            setattr(model, "training_step", step)  # noqa: B010 - a method
            print_once("compiling the training step, which takes a minute or more")
        trainer: Any = self.trainer
        locks = [each for each in trainer.callbacks if isinstance(each, RunLock) and trainer.is_global_zero]
        configs = [Path(str(each)) for each in self.config[self._verb]["config"] or []]
        try:
            for lock in locks:
                if lock.acquire(trainer, configs, options.get("ckpt_path")):
                    keep_tables(trainer.loggers)
                else:
                    trainer.loggers = []  # they would change the files of the other run
            trainer.fit(model, **options)
        except Exception:
            if trainer.is_global_zero:
                remove_unstarted_run(trainer.loggers)
            raise
        finally:
            for lock in locks:
                lock.release()


def resolved_config(options: Any) -> dict[str, Any]:
    """Return the settings of a run as plain values, without settings that do not change the weights.

    The home folder in paths is replaced by ``~``, because weight files are published.

    Args:
        options: Parsed configuration of the command, a namespace of jsonargparse.
    """
    settings = {name: value for name, value in options.as_dict().items() if name not in _UNRECORDED}
    trainer = settings["trainer"]
    settings["trainer"] = {name: trainer[name] for name in trainer if name not in _UNRECORDED}
    plain: dict[str, Any] = hide_home(json.loads(json.dumps(settings, default=str)))
    return plain


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

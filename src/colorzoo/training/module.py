"""Base classes of the LightningModules ("tasks") of all models.

The task of a model subclasses `SingleOptimizerModule` or `GANColorizationModule`, builds its `ColoringModel`
and defines ``training_step``. The base classes provide validation, training stages and provenance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from inspect import Parameter
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NoReturn,
    Self,
    TypeVar,
    Unpack,
    cast,
    get_type_hints,
)

import torch
from lightning.fabric.utilities.data import AttributeDict
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torchmetrics import MeanMetric
from typing_extensions import TypeVar as TypeVarWithDefault

from colorzoo.card import InputKind, OutputKind
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.data.module import ImageDataModule
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.guidance import Guidance
from colorzoo.guidance.hints import TYPED_KINDS
from colorzoo.losses import weighted_sum
from colorzoo.model import ColoringModel
from colorzoo.options import check_arguments, constructor_parameters, plain_arguments
from colorzoo.prediction import Prediction, clip_colors
from colorzoo.randomness import image_generators
from colorzoo.registry import card_of, cards_of
from colorzoo.simulation.points import uniform_points
from colorzoo.training.optimization import (
    DEFAULT_OPTIMIZER,
    Factory,
    Optimization,
    optional_factory,
    parameter_groups,
    schedule,
)
from colorzoo.training.stages import (
    EVERYTHING,
    Stage,
    freeze,
    require_matching_patterns,
    set_frozen_layers_to_eval,
    untrained_submodels,
)
from colorzoo.training.validation import MetricStage, StageMetrics, metric_inputs, require_images
from colorzoo.weights import apply_weights
from colorzoo.weights.load import FORMAT_VERSION, MODEL_PREFIX, Provenance, require_readable

T = TypeVar("T")
M = TypeVarWithDefault("M", bound=ColoringModel, default=ColoringModel)


class _ModelAttribute(Generic[T]):
    """Attribute of a task that reads and sets the model attribute with the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, task: ColorizationModule, owner: type) -> T:
        return getattr(task.model, self.name)

    def __set__(self, task: ColorizationModule, value: T) -> None:
        setattr(task.model, self.name, value)


class ColorizationModule(LightningModule):
    """Base class of tasks: a `ColoringModel` with losses, optimizers, stages and validation.

    Examples:
        >>> task = colorzoo.create_model("zhang2017_local_small", None)
        >>> isinstance(task, ColorizationModule), sorted(task.accepts)
        (True, ['points'])

    The ``__init__`` of a subclass receives settings, which may be in dataclasses (`colorzoo.settings`), and
    passes the model to ``super().__init__``. The base class records the arguments of ``__init__`` as hparams.

    Attributes:
        model: Model that the task trains.
        accepts: Kinds of guidance that the model uses, such as ``points``.
        input_kind: Input of the model: lightness or a sketch.
        output_kind: Output of the model: ab or RGB.
        trained: Whether the weights of the model were trained or loaded.
        provenance: Training record of the weights.
        stages: Training stages by name; empty if the training has a single stage.
        label_setting: Command-line option for the number of classes, named in error messages.
        label_count: Number of image classes that the model predicts or accepts as guidance, or 0. For a
            positive number, ``fit`` raises `DataError` for data without labels or with more classes.
        stage: Name of the current stage; None without stages.
        validation_metrics: Names of the validation metrics; can be set on a class or an instance. If empty,
            a validation computes only `validation_loss`.
        test_metrics: Names of the metrics of ``test``.
        validation_points: Numbers of simulated color points per image. Validation and test colorize each
            image once for each number. The points have random positions and a size of 6 x 6 pixels (Zhang et
            al. 2017, section 4.1). The tuple is empty for models that do not accept points.
        validation_names: Names of the validation settings of tasks that override `validation_guidance` or
            `validation_guidances`.
        allow_untrained: Whether ``test`` and ``predict`` accept random weights, and ``fit`` accepts random
            weights in frozen networks.
        has_partial_weights: Whether the initial weights of ``fit`` contain random weights of some parts.
    """

    stages: ClassVar[Mapping[str, Stage]] = {}
    label_setting: ClassVar[str] = ""
    validation_metrics: tuple[str, ...] = ("psnr",)
    test_metrics: tuple[str, ...] = ("psnr", "ssim", "colorfulness")
    validation_points: tuple[int, ...] = ()
    validation_names: tuple[str, ...] = ()

    accepts = _ModelAttribute[frozenset[str]]()
    input_kind = _ModelAttribute[InputKind]()
    output_kind = _ModelAttribute[OutputKind]()
    trained = _ModelAttribute[bool]()
    provenance = _ModelAttribute[Provenance]()

    allow_untrained: bool
    has_partial_weights: bool

    def __init__(self, model: ColoringModel, *, stage: str | None = None) -> None:
        """Initialize the task.

        Args:
            model: The model to train.
            stage: A key of `stages`; None if the task has no stages.

        Raises:
            ColorzooError: The stage is unknown, or a setting is out of range.
        """
        super().__init__()
        if stage is not None and stage not in self.stages:
            known = ", ".join(self.stages) or "null"  # null is None in a configuration file
            raise ColorzooError(
                f"--model.stage must be one of {known} for {type(self).__name__}, got {stage!r}"
            )
        self.save_hyperparameters(ignore="model")
        check_arguments(type(self), self.hparams)
        self.model = model
        self.label_count = model.label_count
        self.stage = stage
        self.allow_untrained = self.has_partial_weights = False
        self._stored_trained: bool | None = None  # `trained` of the loaded checkpoint
        self._last_step: dict[str, Any] = {}  # state after the last optimizer step; see `_store_last_step`
        self.register_load_state_dict_post_hook(_restore_trained)  # type: ignore[no-untyped-call]
        self.provenance = Provenance(model=type(self).__name__, stage=stage)
        self.measurement = nn.ModuleDict()  # filled by `metrics_of`
        current = EVERYTHING if stage is None else self.stages[stage]
        freeze(self, current)  # freezes the parameters that the stage does not train

    @property
    def hparams_initial(self) -> AttributeDict:
        """Arguments of ``__init__`` as plain mappings, lists, numbers and strings, for loggers."""
        return AttributeDict(self._plain(super().hparams_initial))

    def _plain(self, hparams: Mapping[str, Any]) -> dict[str, Any]:
        """Convert the hparams of this class to plain values; omit arguments that only base classes have."""
        known = constructor_parameters(type(self))
        return plain_arguments({key: each for key, each in hparams.items() if key in known or key[0] == "_"})

    if TYPE_CHECKING:

        def __call__(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
            """Colorize a batch; see `forward`."""
            ...

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Colorize a batch; see `ColoringModel.forward`."""
        return self.model(lightness, guidance)

    def load_weights(self, state_dict: Mapping[str, Tensor], *, name: str, published: bool = False) -> None:
        """Load weights into the model and, if present, into other modules such as a discriminator.

        Args:
            state_dict: Tensors by parameter name.
            name: Name of the weights in error messages.
            published: Whether the parameter names are the authors' names. Only the model is then loaded.

        Raises:
            WeightsError: Keys are missing or unexpected, or a shape differs.
        """
        self.model.load_weights(state_dict, name=name, published=published)
        if not published:
            self.load_other_weights(state_dict, name=name)

    def load_other_weights(self, state_dict: Mapping[str, Tensor], *, name: str) -> None:
        """Load the weights of modules outside the model, such as a discriminator.

        Args:
            state_dict: Tensors by parameter name. Modules without tensors in the mapping keep their weights.
            name: Name of the weights in error messages.

        Raises:
            WeightsError: Keys are missing or unexpected, or a shape differs.
        """
        parts = {name for name, _ in self.named_children()} - {"model"}
        others = {key: value for key, value in state_dict.items() if key.partition(".")[0] in parts}
        if others:
            own = {key: value for key, value in self.state_dict().items() if key.startswith(MODEL_PREFIX)}
            apply_weights(self, {**own, **others}, name=name)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen layers stay in evaluation mode."""
        super().train(mode)
        set_frozen_layers_to_eval(self)
        return self

    def setup(self, stage: str) -> None:
        """Before ``fit``, check labels and the patterns of the stage.

        Subclasses build networks here that checkpoints do not contain, such as the VGG-19 of a perceptual
        loss. `prepare_fit` loads initial weights.

        Raises:
            ColorzooError: A pattern of the training stage matches no parameter.
            DataError: The model predicts image classes, and the data has no labels or more classes.
        """
        if stage != "fit":
            return
        # compare the classes of the data with those of the model
        data = getattr(self._trainer, "datamodule", None)  # the property `trainer` raises without a Trainer
        if self.label_count and isinstance(data, ImageDataModule):
            verb = "accepts" if "label" in self.accepts else "predicts"
            predicted = f"{type(self).__name__} {verb} {self.label_count} image classes"
            if not (found := data.label_count):
                remedy = f", or {self.label_setting} 0" if self.label_setting else ""
                raise DataError(
                    f"{predicted}, but the images have no labels. Set --data.labels true{remedy}."
                )
            if found > self.label_count:
                setting = self.label_setting or "the number of classes of the model to"
                raise DataError(f"{predicted}, but the data has {found}. Set {setting} {found}.")
        if self.stage is not None:
            require_matching_patterns(self, self.stages[self.stage])

    def prepare_fit(self) -> None:
        """Load initial weights before the first training step.

        `on_fit_start` calls this method at the start of a training, but not if the Trainer resumes a training
        from a checkpoint, which contains the weights. Subclasses extend this method to load other initial
        weights, or to require trained weights.

        Raises:
            WeightsError: Initial weights are not available.
        """
        loaded = self.provenance
        if loaded.steps or loaded.trained_on:  # `create_model` loaded trained weights with this record
            # start a new training record, whose field `start` contains the loaded record
            self.provenance = Provenance(model=type(self).__name__, stage=self.stage)
            self.record_start({"model": loaded.model}, loaded)
            self.continue_from(loaded.stage)

    @property
    def completes_model(self) -> bool:
        """True if a training from random weights leaves no part of the model with random weights."""
        return self.stage is None or self.stages[self.stage].complete

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Convert the weights of another model to initial weights of this task.

        ``--init_from`` calls this method for weights that do not match the model, like the function
        ``checkpoint_filter_fn`` of timm.

        Args:
            source: Task with the weights.

        Returns:
            A dict that maps parameter names of this task to tensors; empty if the models share no layers.

        Raises:
            ColorzooError: The models share layers, but have different settings.
        """
        return {}

    def continue_from(self, stage: str | None) -> None:
        """Prepare the current stage after weights of an earlier stage have been loaded.

        The default does nothing.

        Args:
            stage: Stage that trained the loaded weights; None if the file does not record it.
        """

    def record_start(self, start: Mapping[str, Any], earlier: Provenance) -> None:
        """Record the initial weights of the training in the provenance.

        Args:
            start: Description of the initial weights, such as the file name and hash.
            earlier: Provenance of the initial weights.
        """
        self.provenance = replace(self.provenance, start={**start, "provenance": earlier.to_dict()})

    def on_fit_start(self) -> None:
        """Call `prepare_fit` unless a training is resumed, and set training mode.

        The training mode is set because `create_model` returns a model in evaluation mode. The metrics are
        built here so that missing metric weights raise an error before the first step.

        Raises:
            WeightsError: Initial weights are not available, or a submodel has random weights. The checkpoint
                of a resumed training contains the weights of submodels.
        """
        if self.trainer.ckpt_path is None:
            self._last_step = {}
            self.prepare_fit()
        untrained = list(untrained_submodels(self.model))
        if untrained and not self.allow_untrained:
            raise WeightsError(
                f"{type(self).__name__} contains models with random weights: {', '.join(untrained)}. "
                "Download their weights (see `colorzoo weights list`), or set --allow_untrained true."
            )
        if self.training:
            set_frozen_layers_to_eval(self)  # other layers keep the mode that the caller has set
        else:
            self.train()
        self.metrics_of("val")

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Add the batch size to the image count of the provenance.

        Raises:
            DataError: The batch is not a mapping with images and seeds.
        """
        require_images(batch)
        count = len(batch["rgb"]) * self.trainer.world_size
        self.provenance = replace(self.provenance, images=self.provenance.images + count)

    def on_train_start(self) -> None:
        """Store the state before the first optimizer step for checkpoints; see `on_save_checkpoint`."""
        if not self._last_step:
            self._store_last_step()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Store the state after an optimizer step for checkpoints; see `on_save_checkpoint`."""
        self._store_last_step()

    def on_validation_end(self) -> None:
        """Store the state after an optimizer step for checkpoints; see `on_save_checkpoint`."""
        self._store_last_step()

    def _store_last_step(self) -> None:
        """Store what changes between two optimizer steps, unless gradients are being accumulated."""
        trainer, stored = self.trainer, self._last_step
        accumulates = trainer.state.fn == TrainerFn.FITTING and trainer.accumulate_grad_batches > 1
        if trainer.sanity_checking or not accumulates:
            return
        step, batches = trainer.global_step, trainer.fit_loop.epoch_loop.total_batch_idx
        if not (stored and step == stored["step"] and batches > stored["batches"]):
            self._last_step = {
                "step": step,
                "batches": batches,
                "loop": trainer.fit_loop.state_dict(),
                "buffers": {name: buffer.clone() for name, buffer in self.named_buffers()},
                "provenance": self.provenance,
            }

    def log_losses(self, losses: Mapping[str, Tensor], images: int) -> None:
        """Log the losses of a step as ``train/NAME``, averaged over all processes.

        Args:
            losses: Dict that maps each NAME to a scalar loss.
            images: Number of images in the batch.
        """
        named = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict(named, batch_size=images, sync_dist=True)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the validation settings.

        A validation setting defines the simulated guidance of the images, such as ``10`` for ten points. Each
        image is colorized once per setting.
        """
        return self.validation_names or tuple(map(str, self.validation_points)) or ("automatic",)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Return the simulated guidance for a validation setting.

        Args:
            setting: A name from `validation_settings`.
            lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
            seeds: ``(B,)`` random seeds of the images, which are equal in all epochs.

        Returns:
            The guidance; an empty `Guidance` if the setting uses no guidance.
        """
        if not self.validation_points:
            return Guidance()
        colors = lab if self.input_kind == "sketch" else lab[:, 1:]
        points = uniform_points(colors, int(setting), image_generators(seeds, "points"))
        return Guidance(points=points)

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterable[tuple[str, Guidance]]:
        """Yield the name and guidance of each validation setting.

        Args:
            batch: The batch, with ``sketch`` if the model input is a sketch.
            lab: ``(B, 3, H, W)`` ground truth in CIE Lab.

        Raises:
            ColorzooError: `validation_guidance` returns another object than a `Guidance`.
        """
        for setting in self.validation_settings():
            guidance: object = self.validation_guidance(setting, lab, batch["seed"])
            if not isinstance(guidance, Guidance):
                raise ColorzooError(
                    f"validation_guidance of {type(self).__name__} must return a Guidance, or an empty "
                    f"Guidance() for no guidance, got {type(guidance).__name__}"
                )
            yield setting, guidance

    def validation_loss(self, batch: Batch) -> Tensor:
        """Return a loss on a validation batch, by which ``fit`` selects the best checkpoint.

        A task defines this method if PSNR does not measure its model. For example, gray images have a higher
        PSNR than the samples of a diffusion model after a short training. The loss is logged as ``val/loss``.

        Args:
            batch: Validation batch. The seeds ``batch["seed"]`` are equal in all epochs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define validation_loss(batch)")

    def checkpoint_metric(self) -> tuple[str, Literal["min", "max"]]:
        """Return the logged value that selects the best checkpoint, and whether a low or high value is best.

        The value is ``val/loss`` if the task defines `validation_loss`. Otherwise, it is the PSNR in the
        middle one of `validation_settings`, which is a small number of points for models with points.
        """
        if type(self).validation_loss is not ColorizationModule.validation_loss:
            return "val/loss", "min"
        settings = self.validation_settings()
        return f"val/psnr_{settings[len(settings) // 2]}", "max"

    def metrics_of(self, stage: MetricStage) -> StageMetrics:
        """Return the metrics of ``"val"`` or ``"test"``; rebuild them if their names have changed.

        Raises:
            DataError: A metric is unknown or requires inputs that batches do not contain.
            WeightsError: The weights of a metric's network are missing.
        """
        names = self.validation_metrics if stage == "val" else self.test_metrics
        if stage not in self.measurement or cast(StageMetrics, self.measurement[stage]).names != names:
            with torch.inference_mode(False):  # inference tensors cannot be moved to another device
                metrics = StageMetrics(stage, self.validation_settings(), names)
                self.measurement[stage] = metrics.to(self.device)
        return cast(StageMetrics, self.measurement[stage])

    def on_validation_epoch_start(self) -> None:
        """Reset the validation metrics and the validation loss."""
        self.metrics_of("val").reset()
        # Lightning's own mean is wrong if the processes have different numbers of images
        self.measurement["loss"] = MeanMetric().to(self.device)

    def on_test_epoch_start(self) -> None:
        """Reset the test metrics."""
        self.metrics_of("test").reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Colorize the batch in every validation setting, update the metrics and log `validation_loss`."""
        self._update_metrics("val", batch)
        if self.checkpoint_metric()[0] == "val/loss":
            loss = self.validation_loss(batch)
            cast(MeanMetric, self.measurement["loss"]).update(loss, weight=len(batch["rgb"]))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Colorize the batch in every validation setting and update the test metrics."""
        self._update_metrics("test", batch)

    def _update_metrics(self, stage: MetricStage, batch: Batch) -> None:
        require_images(batch)
        metrics, lab = self.metrics_of(stage), rgb_to_lab(batch["rgb"])
        if not metrics.names:
            return
        network_input = lab[:, :1]
        if self.input_kind == "sketch":
            network_input = sketches_of(batch)
            batch = {**batch, "sketch": network_input}  # the guidance uses the same sketches
        for setting, guidance in self.validation_guidances(batch, lab):
            if setting not in metrics.collections:
                raise ColorzooError(
                    f"validation_names of {type(self).__name__} must contain {setting!r}, which "
                    f"validation_guidances yields, got {', '.join(metrics.collections)}"
                )
            # labels, and hints without an attribute of `Guidance`, such as text; `batch["seed"]` seeds the
            # augmentation, and models that sample use their default seed
            kinds = (self.accepts - TYPED_KINDS - {"seed"}) | ({"label"} & self.accepts)
            for kind in kinds & batch.keys():
                if guidance.get(kind) is None:
                    guidance = guidance.with_hints(**{kind: cast(Mapping[str, Any], batch)[kind]})
            colors = clip_colors(self(network_input, guidance), network_input)
            inputs = metric_inputs(batch, lab, colors, guidance, metrics.used_inputs())
            metrics.update(setting, inputs)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics as ``val/METRIC_SETTING``, and the validation loss as ``val/loss``."""
        self._log_metrics("val")
        if self.checkpoint_metric()[0] == "val/loss":
            self.log("val/loss", cast(MeanMetric, self.measurement["loss"]).compute(), sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log the test metrics as ``test/METRIC_SETTING``."""
        self._log_metrics("test")

    def _log_metrics(self, stage: MetricStage) -> None:
        metrics = self.metrics_of(stage)
        # all processes have equal values already; sync_dist only prevents a warning of Lightning
        self.log_dict(metrics.compute(), sync_dist=True)
        metrics.reset()

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize the batch without guidance and return RGB ``(B, 3, H, W)`` in [0, 1]."""
        sketch = self.input_kind == "sketch"
        network_input = sketches_of(batch) if sketch else rgb_to_lab(batch["rgb"])[:, :1]
        return self(network_input, Guidance()).to_rgb(network_input)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store plain settings, the format version, `trained`, the provenance and the name of the model.

        Checkpoints do not contain gradients. If gradients are being accumulated, the checkpoint stores the
        state after the last optimizer step, so that a resumed run computes these gradients again.
        """
        # load_from_checkpoint then builds the dataclasses of the settings; LightningCLI sets the same key
        instantiator = {"_instantiator": "lightning.pytorch.cli.instantiate_module"}
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = self._plain(self.hparams) | instantiator
        data_key = LightningDataModule.CHECKPOINT_HYPER_PARAMS_KEY
        if data_key in checkpoint:  # functions and paths could not be loaded without executing code
            checkpoint[data_key] = plain_arguments(checkpoint[data_key])
        steps, provenance, last = int(checkpoint.get("global_step", 0)), self.provenance, self._last_step
        if (
            last
            and last["step"] == steps
            and self.trainer.fit_loop.epoch_loop.total_batch_idx > last["batches"]
        ):
            provenance = last["provenance"]
            checkpoint["loops"] = {**checkpoint["loops"], "fit_loop": last["loop"]}
            # a callback that averages weights has moved the state of the training to another key
            state = checkpoint.get("current_model_state", checkpoint["state_dict"])
            state.update({name: buffer for name, buffer in last["buffers"].items() if name in state})
        checkpoint["format_version"] = FORMAT_VERSION
        checkpoint["trained"] = self._is_trained_after(steps)
        checkpoint["provenance"] = replace(provenance, steps=steps).to_dict()
        # the registered model of this class, or of the class that it extends
        for kind in type(self).__mro__:
            if card := card_of(kind, self.hparams) or next(iter(cards_of(kind)), None):
                checkpoint["model"] = card.name
                break

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore `trained` (True if not stored) and the provenance.

        Raises:
            WeightsError: The checkpoint has a format that this version of colorzoo cannot read.
        """
        require_readable(checkpoint, "the checkpoint")
        self.trained = self._stored_trained = bool(checkpoint.get("trained", True))
        if stored := checkpoint.get("provenance"):
            self.provenance = Provenance.of(stored)
        state, loops = (
            checkpoint.get("current_model_state", checkpoint["state_dict"]),
            checkpoint.get("loops"),
        )
        self._last_step = {}
        if loops is not None:  # missing in checkpoints of other programs
            loop = loops["fit_loop"]
            self._last_step = {
                "step": checkpoint["global_step"],
                "batches": loop["epoch_loop.batch_progress"]["total"]["ready"] - 1,
                "loop": loop,
                "buffers": {name: state[name] for name, _ in self.named_buffers() if name in state},
                "provenance": self.provenance,
            }

    def on_train_end(self) -> None:
        """Mark the weights as trained."""
        self.trained = self._is_trained_after(self.trainer.global_step)

    def _is_trained_after(self, steps: int) -> bool:
        """Return whether all parts of the model are trained after a number of steps."""
        started_trained = self.trained and not self.has_partial_weights
        return started_trained or (steps > 0 and self.completes_model)

    def on_predict_start(self) -> None:
        """Raise `WeightsError` if the weights are random and `allow_untrained` is False."""
        if not (self.trained or self.allow_untrained):
            raise WeightsError(
                f"{type(self).__name__} has random weights. Set --ckpt_path FILE or --init_from FILE "
                "(Python: load a state dict), or accept random weights with --allow_untrained true (Python: "
                "task.allow_untrained = True)."
            )

    on_test_start = on_predict_start


def _restore_trained(task: ColorizationModule, *_: Any) -> None:
    """Restore `trained` of a checkpoint, because loading a state dict marks any model as trained."""
    if task._stored_trained is not None:
        task.trained, task._stored_trained = task._stored_trained, None


@cache
def task_base(base: type[Any], model_class: type[ColoringModel], optimization: type[Any]) -> type[Any]:
    """Return a subclass of a task class whose constructor has the arguments of a model and builds the model.

    The constructor is generated, because Lightning and jsonargparse read the names of its parameters.

    Args:
        base: Task class whose constructor receives a model.
        model_class: Class of the model.
        optimization: `TypedDict` with the other arguments of ``base``.
    """
    own = constructor_parameters(model_class)
    names = {"base": base, "model_class": model_class}
    signature = []
    for name, parameter in own.items():
        names |= {f"type_{name}": parameter.annotation, f"default_{name}": parameter.default}
        is_required = parameter.default is Parameter.empty
        signature.append(f"{name}: type_{name}" + ("" if is_required else f" = default_{name}"))
    hints = get_type_hints(optimization)
    names |= {f"type_{name}": hint for name, hint in hints.items()}
    signature += [f"{name}: type_{name} = None" for name in hints]
    source = f"""
class Base(base):
    def __init__(self, {", ".join(signature)}) -> None:
        model = model_class({", ".join(f"{name}={name}" for name in own)})
        super().__init__(model, {", ".join(f"{name}={name}" for name in hints)})
"""
    exec(compile(source, __file__, "exec", dont_inherit=True), names)
    generated: type[Any] = names["Base"]
    generated.__name__ = generated.__qualname__ = f"{base.__name__}[{model_class.__name__}]"
    generated.__module__, generated.__doc__ = model_class.__module__, model_class.__doc__
    return generated


class SingleOptimizerModule(ColorizationModule, Generic[M]):
    """Base class of tasks with one optimizer; learning rate schedules count optimizer steps.

    A subclass defines `loss_terms`, or ``training_step``, which returns the loss. The base class
    ``SingleOptimizerModule[M]`` has the arguments of the model class ``M``, and builds the model from them.
    Without ``[M]``, the constructor of the subclass builds the model.

    Examples:
        >>> class Toy(colorzoo.ColoringModel):
        ...     def __init__(self, size: int = 3):
        ...         super().__init__(torch.nn.Conv2d(1, 2, size, padding=size // 2))
        ...
        ...     def forward(self, lightness, guidance=None):
        ...         return colorzoo.AbPrediction(ab=self.network(lightness))
        ...
        >>> class Task(SingleOptimizerModule[Toy]):
        ...     def training_step(self, batch, batch_idx):
        ...         lab = colorzoo.rgb_to_lab(batch["rgb"])
        ...         return (self(lab[:, :1]).ab - lab[:, 1:]).abs().mean()
        ...
        >>> task = Task(size=5)
        >>> task.training_step({"rgb": torch.rand(2, 3, 32, 48)}, 0).shape
        torch.Size([])

    Args:
        model: The model to train.
        stage: A key of `stages`; None if the task has no stages.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: M

    if not TYPE_CHECKING:

        def __class_getitem__(cls, model_class: Any) -> type[Any]:
            """Return the base class that builds its model; see `task_base`."""
            return cls if isinstance(model_class, TypeVar) else task_base(cls, model_class, Optimization)

    def __init__(
        self,
        model: M,
        *,
        stage: str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        self.make_optimizer = Factory(optimization.get("optimizer") or DEFAULT_OPTIMIZER)
        self.make_scheduler = optional_factory(optimization.get("lr_scheduler"))
        super().__init__(model, stage=stage)

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of a training batch by name, without their weights."""
        raise NotImplementedError(f"{type(self).__name__} must define loss_terms(batch) or training_step")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log `loss_terms` and return their sum, weighted by the settings ``NAME_weight``."""
        terms = self.loss_terms(batch)
        loss = weighted_sum(terms, self.hparams)
        self.log_losses({"loss": loss, **terms}, len(batch["rgb"]))
        return loss

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the optimizer; by default all trainable parameters."""
        return parameter_groups(self)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule."""
        optimizer = self.make_optimizer(self.optimized_parameters())
        scheduler = schedule(self.make_scheduler, optimizer, self.trainer)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class TrainingFreeModule(ColorizationModule):
    """Base class of algorithms without weights, which support ``validate`` and ``test``.

    Examples:
        >>> isinstance(colorzoo.create_model("levin2004"), TrainingFreeModule)
        True

    The field ``limits`` of the card (model metadata) contains ``"training"``.
    """

    def training_step(self, *_: Any) -> NoReturn:
        """Raise `ColorzooError`, because there are no weights to train."""
        raise ColorzooError(
            f"--model must have trainable weights for fit, got {type(self).__name__}. `colorzoo models` "
            "lists all models."
        )

    def configure_optimizers(self) -> NoReturn:
        """Raise `ColorzooError`, because there are no parameters to optimize."""
        self.training_step()

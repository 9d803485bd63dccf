"""Base classes of the tasks of all papers.

A paper's task subclasses `SingleOptimizerModule` or `GANColorizationModule`, builds its `ColoringModel`,
fills the ``configure_*`` hooks and writes its ``training_step``. Validation, stages and provenance are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar, Unpack, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from colorzoo.card import GuidanceKind, InputKind, OutputKind
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.data.module import ImageDataModule
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.factory import create_task, require_trained
from colorzoo.guidance import Guidance
from colorzoo.model import MODEL_PREFIX, ColoringModel
from colorzoo.prediction import Prediction
from colorzoo.randomness import image_generators
from colorzoo.settings import check_arguments, given_groups, recorded_arguments
from colorzoo.simulation.points import uniform_points
from colorzoo.training.optimization import (
    DEFAULT_OPTIMIZER,
    Factory,
    Optimization,
    build,
    optional_factory,
    parameter_groups,
)
from colorzoo.training.stages import (
    EVERYTHING,
    Stage,
    Start,
    freeze,
    hold_frozen,
    untrained_parts,
)
from colorzoo.training.validation import MeasuredStage, Measurement, StageMetrics, require_images
from colorzoo.weights import apply_weights
from colorzoo.weights.provenance import Provenance

T = TypeVar("T")


class _OfModel(Generic[T]):
    """Attribute of a task that reads and sets the one of its model."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, task: ColorizationModule, owner: type) -> T:
        value: T = getattr(task.model, self.name)
        return value

    def __set__(self, task: ColorizationModule, value: T) -> None:
        setattr(task.model, self.name, value)


class ColorizationModule(LightningModule):
    """Base class of all tasks: holds a `ColoringModel` and adds losses, optimizers, stages and validation.

    Examples:
        >>> task = colorzoo.create_model("zhang2017_local_small", None)
        >>> isinstance(task, ColorizationModule), sorted(task.accepts)
        (True, ['points'])

    A subclass's ``__init__`` takes groups of settings (`colorzoo.settings`), builds the model from them, and
    passes it to ``super().__init__``, which records the arguments, keeps each group as an attribute of its
    name, and runs the hooks.

    Attributes:
        model: The model that is trained.
        accepts: Kinds of guidance that the model uses.
        input_kind: Input of the model: lightness or a sketch.
        output_kind: Output of the model: ab or RGB.
        trained: Whether the weights of the model were trained or loaded.
        provenance: How the weights of the model were made.
        stages: The stages of training by name; empty for a paper that trains everything at once.
        label_setting: Option of the command line that sets `label_count`.
        stage: The current stage.
        validation_metrics: Names of the metrics of validation; may be changed on a class or an instance.
        test_metrics: Names of the metrics of ``test``.
        validation_points: Numbers of uniformly placed 6 x 6 points (Zhang et al. 2017, section 4.1) for the
            settings of validation and test; empty for none.
        allow_untrained: Whether ``test`` and ``predict`` may run with random weights, and ``fit`` with random
            parts that it leaves frozen.
    """

    stages: ClassVar[Mapping[str, Stage]] = {}
    label_setting: ClassVar[str] = ""
    validation_metrics: tuple[str, ...] = ("psnr",)
    test_metrics: tuple[str, ...] = ("psnr", "ssim", "colorfulness")
    validation_points: tuple[int, ...] = ()

    accepts = _OfModel[frozenset[GuidanceKind]]()
    input_kind = _OfModel[InputKind]()
    output_kind = _OfModel[OutputKind]()
    trained = _OfModel[bool]()
    provenance = _OfModel[Provenance]()

    allow_untrained: bool

    def __init__(
        self, model: ColoringModel, *, stage: str | None = None, start: Start | str | None = None
    ) -> None:
        """Build the task.

        Args:
            model: The model to train.
            stage: One of `stages`; None if there are none.
            start: The trained model that training starts from; see `take_from`.

        Raises:
            ColorzooError: There is no such stage, or a number is out of its range.
        """
        super().__init__()
        if stage is not None and stage not in self.stages:
            known = ", ".join(map(repr, self.stages)) or "none"
            raise ColorzooError(f"{type(self).__name__} has no stage {stage!r}; it has {known}.")
        self.save_hyperparameters(ignore="model")
        for name, group in given_groups(type(self), self.hparams).items():
            setattr(self, name, group)
        plain = recorded_arguments(type(self), dict(self.hparams))  # what any checkpoint can hold
        self.hparams.clear()
        self.save_hyperparameters(plain)
        check_arguments(type(self), self.hparams)
        self.model = model
        self.stage = stage
        self.start = Start.of(start)
        self.allow_untrained = False
        self.provenance = Provenance(model=type(self).__name__, stage=stage)
        self.measurement = Measurement()
        self.configure_losses()
        freeze(self, EVERYTHING if stage is None else self.stages[stage])

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name, as plain mappings, lists, numbers and text."""
        return super().hparams

    if TYPE_CHECKING:

        def __call__(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
            """Color a batch; see `forward`."""
            ...

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; see `ColoringModel.forward`."""
        prediction: Prediction = self.model(lightness, guidance)
        return prediction

    def configure_losses(self) -> None:
        """Build what the losses need; nothing by default."""

    def load_weights(self, state_dict: Mapping[str, Tensor], *, name: str, published: bool = False) -> None:
        """Load weights into the model, and from a checkpoint also the discriminator.

        Args:
            state_dict: Tensors by name.
            name: How a message calls these weights.
            published: The names are the authors'.

        Raises:
            WeightsError: Keys are missing, unexpected or of another shape.
        """
        self.model.load_weights(state_dict, name=name, published=published)
        if not published:
            self.load_other_weights(state_dict, name=name)

    def load_other_weights(self, state_dict: Mapping[str, Tensor], *, name: str) -> None:
        """Load the weights of a state dict that belong to the task, such as those of a discriminator.

        Args:
            state_dict: Tensors by name; networks that it does not hold keep theirs.
            name: How a message calls these weights.

        Raises:
            WeightsError: Keys are missing, unexpected or of another shape.
        """
        parts = self._modules.keys() - {"model"}
        others = {key: value for key, value in state_dict.items() if key.partition(".")[0] in parts}
        if others:
            held = {key: value for key, value in self.state_dict().items() if key.startswith(MODEL_PREFIX)}
            apply_weights(self, {**held, **others}, name=name, published=False)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint; see `ColoringModel.load_published_state_dict`."""
        self.model.load_published_state_dict(state_dict)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all layers except those that the stage leaves frozen."""
        super().train(mode)
        hold_frozen(self)
        return self

    def configure_model(self) -> None:
        """Shard the weights over all processes, under Lightning's ``ModelParallelStrategy`` (FSDP).

        Raises:
            ColorzooError: The model has scalar weights, or the run averages weights.
        """
        if self.device_mesh is None:
            return
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        if any(isinstance(callback, WeightAveraging) for callback in cast(Any, self.trainer).callbacks):
            raise ColorzooError("sharded weights are not averaged; remove EMAWeightAveraging, or use DDP.")
        if scalars := [name for name, weight in self.named_parameters() if not weight.ndim]:
            raise ColorzooError(f"scalar weights ({', '.join(scalars)}) cannot be sharded; use DDP.")
        fully_shard(self.to(memory_format=torch.contiguous_format))  # it takes no other weights
        register_fsdp_forward_method(self, "training_step")  # it calls parts of the model, not the whole one

    def setup(self, stage: str) -> None:
        """Begin training: copy the weights of the starting model, unless weights were loaded already.

        Raises:
            WeightsError: The starting model, or one whose layers this one uses, has no trained weights.
            DataError: The training learns classes of images, and the data has none or more of them.
        """
        if stage != "fit":
            return
        self._require_labels()
        untrained = list(untrained_parts(self.model))
        if untrained and not self.allow_untrained:
            raise WeightsError(
                f"{type(self).__name__} uses a model with random weights: {', '.join(untrained)}; get its "
                "weights first (`colorzoo weights list`), name another one, or set --allow_untrained true."
            )
        if self.provenance.steps:  # of weights that `create_model` loaded: this training starts from them
            earlier = self.provenance
            self.provenance = Provenance(model=type(self).__name__, stage=self.stage)
            self.note_start({"model": earlier.model}, earlier)
            self.continue_from(earlier.stage)
        if self.start is not None and not self.trained:
            name = self.start.model
            source = create_task(name, self.start.weights, kind=ColorizationModule)
            require_trained(source, f"start={name!r}", name)
            self.take_from(source)
            self.note_start({"model": self.start.model, "weights": self.start.weights}, source.provenance)

    @property
    def label_count(self) -> int:
        """Number of classes of images that the training learns to tell apart, 0 for none.

        It is compared with the `ImageDataModule.label_count` of the data before the training.
        """
        return 0

    def _require_labels(self) -> None:
        data = getattr(self._trainer, "datamodule", None)  # `trainer` raises where there is none
        if not self.label_count or not isinstance(data, ImageDataModule):
            return
        learned = f"{type(self).__name__} learns {self.label_count} classes of images"
        if not (found := data.label_count):
            raise DataError(
                f"{learned} and the images have none; give data with labels (--data.labels true), or set "
                f"{self.label_setting} 0."
            )
        if found > self.label_count:
            raise DataError(f"{learned} and the data has {found}; set {self.label_setting} {found}.")

    def take_from(self, source: ColorizationModule) -> None:
        """Copy the weights that this model shares with the one that its training starts from.

        Raises:
            ColorzooError: It shares nothing, or has other shapes.
        """
        raise ColorzooError(
            f"{type(self).__name__} cannot start from another model ({type(source).__name__})."
        )

    def continue_from(self, stage: str | None) -> None:
        """Begin this stage with weights that were loaded from the end of another one; nothing by default.

        Args:
            stage: The stage that the loaded weights were trained in, or None if their file does not record
                it.
        """

    def note_start(self, start: Mapping[str, Any], earlier: Provenance) -> None:
        """Record the weights that training starts from."""
        self.provenance = replace(self.provenance, start={**start, "provenance": earlier.to_dict()})

    def on_fit_start(self) -> None:
        """Switch a model of `create_model` from evaluation to training, which the Trainer does not do."""
        if self.training:
            hold_frozen(self)  # and leave other layers in the mode that the caller set
        else:
            self.train()
        self.measuring("val")  # a metric whose weights are missing ends the run now, not after an epoch

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Check the batch and count its images, before a callback saves the state.

        Raises:
            DataError: It is none of images, as a DataModule of the user's may give.
        """
        require_images(batch)
        seen = len(batch["rgb"]) * self.trainer.world_size
        self.provenance = replace(self.provenance, images=self.provenance.images + seen)

    def log_losses(self, losses: Mapping[str, Tensor], images: int) -> None:
        """Log the losses of a step as ``train/NAME``, averaged over all processes.

        Args:
            losses: Scalars by name.
            images: Images in the batch.
        """
        named = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.log_dict(named, batch_size=images, sync_dist=True)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the settings in which validation and test color each image."""
        return tuple(map(str, self.validation_points)) or ("automatic",)

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Return the guidance of one setting.

        Args:
            setting: One of `validation_settings`.
            lab: ``(B, 3, H, W)`` truth.
            seeds: ``(B,)``; an image gets the same hints in every epoch.
        """
        if not self.validation_points:
            return Guidance()
        colors = lab if self.input_kind == "sketch" else lab[:, 1:]
        points = uniform_points(colors, int(setting), image_generators(seeds, "points"))
        return Guidance(points=points)

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterable[tuple[str, Guidance]]:
        """Return each setting with its guidance, in the order of `validation_settings`.

        Args:
            batch: The batch; it holds the sketches of models that read sketches.
            lab: ``(B, 3, H, W)`` truth.
        """
        for setting in self.validation_settings():
            yield setting, self.validation_guidance(setting, lab, batch["seed"])

    def measuring(self, stage: MeasuredStage) -> StageMetrics:
        """Return the metrics of a stage, rebuilt if their names have changed.

        Raises:
            DataError: There is no such metric, or batches do not hold what it needs.
            WeightsError: The weights of a metric's network are missing.
        """
        names = self.validation_metrics if stage == "val" else self.test_metrics
        return self.measurement.of(stage, self.validation_settings(), names, self.device)

    def on_validation_start(self) -> None:
        """Gather sharded weights once: processes may have different numbers of batches."""
        self._gather_weights()

    def on_validation_end(self) -> None:
        """Shard the weights again."""
        if self.device_mesh is not None:
            cast(Any, self).reshard()

    def on_validation_epoch_start(self) -> None:
        """Reset the metrics."""
        self.measuring("val").reset()

    def on_test_epoch_start(self) -> None:
        """Reset the metrics."""
        self.measuring("test").reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Color the batch in every setting and measure it by `validation_metrics`."""
        self.measuring("val").measure(self, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Color the batch in every setting and measure it by `test_metrics`."""
        self.measuring("test").measure(self, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics as ``val/METRIC_SETTING``."""
        # all processes have the same values already; without sync_dist Lightning warns
        self.log_dict(self.measuring("val").finish(), sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log the metrics as ``test/METRIC_SETTING``."""
        self.log_dict(self.measuring("test").finish(), sync_dist=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch colored without guidance: ``(B, 3, H, W)`` in [0, 1]."""
        seen = sketches_of(batch) if self.input_kind == "sketch" else rgb_to_lab(batch["rgb"])[:, :1]
        return self(seen, Guidance()).to_rgb(seen)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record in the checkpoint whether and how these weights were trained."""
        checkpoint["trained"] = self.trained or checkpoint.get("global_step", 0) > 0
        steps = int(checkpoint.get("global_step", 0))
        checkpoint["provenance"] = replace(self.provenance, steps=steps).to_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether and how the weights were trained; without a record they count as trained."""
        self.trained = bool(checkpoint.get("trained", True))
        if stored := checkpoint.get("provenance"):
            self.provenance = Provenance.of(stored)

    def on_train_end(self) -> None:
        """Mark the weights as trained."""
        self.trained = self.trained or self.trainer.global_step > 0

    def on_test_start(self) -> None:
        """Refuse random weights; gather sharded ones.

        Raises:
            WeightsError: Nothing was loaded or trained, and `allow_untrained` is false.
        """
        self._require_trained()
        self._gather_weights()

    def on_predict_start(self) -> None:
        """Refuse random weights, as `on_test_start` does."""
        self._require_trained()

    def _gather_weights(self) -> None:
        if self.device_mesh is not None:
            cast(Any, self).unshard()

    def _require_trained(self) -> None:
        if not (self.trained or self.allow_untrained):
            raise WeightsError(
                f"{type(self).__name__} has random weights; give --ckpt_path FILE or --init_from FILE, "
                "or --allow_untrained true if that is what you want."
            )


class SingleOptimizerModule(ColorizationModule):
    """Base class of the tasks with one optimizer and a schedule by steps.

    Examples:
        >>> class Toy(colorzoo.ColoringModel):
        ...     def forward(self, lightness, guidance=None):
        ...         return colorzoo.AbPrediction(ab=self.network(lightness))
        ...
        >>> class Task(SingleOptimizerModule):
        ...     def training_step(self, batch, batch_idx):
        ...         lab = colorzoo.rgb_to_lab(batch["rgb"])
        ...         return (self(lab[:, :1]).ab - lab[:, 1:]).abs().mean()
        ...
        >>> task = Task(Toy(torch.nn.Conv2d(1, 2, 3, padding=1)))
        >>> task.training_step({"rgb": torch.rand(2, 3, 32, 48)}, 0).shape
        torch.Size([])

    Args:
        model: See `ColorizationModule`.
        stage: See `ColorizationModule`.
        start: See `ColorizationModule`.
        **optimization: See `Optimization`.
    """

    def __init__(
        self,
        model: ColoringModel,
        *,
        stage: str | None = None,
        start: Start | str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        self.make_optimizer = Factory(optimization.get("optimizer") or DEFAULT_OPTIMIZER)
        self.make_scheduler = optional_factory(optimization.get("lr_scheduler"))
        super().__init__(model, stage=stage, start=start)

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return the parameters to train, in groups of the optimizer's options."""
        return parameter_groups(self)

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and its schedule by steps."""
        groups = self.optimized_parameters()
        optimizer, scheduler = build(self.make_optimizer, self.make_scheduler, groups, self.trainer)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class TrainingFreeModule(ColorizationModule):
    """Base class of algorithms without weights: validated, tested and used like every model, never trained.

    Examples:
        >>> isinstance(colorzoo.create_model("levin2004"), TrainingFreeModule)
        True

    Their cards declare the limit ``"training"``.
    """

    def training_step(self, *_: Any) -> NoReturn:
        """Refuse to train.

        Raises:
            ColorzooError: Always.
        """
        raise ColorzooError(
            f"{type(self).__name__} has nothing to train; measure it with `colorzoo validate` or `test`, "
            "or choose a model with weights (`colorzoo models`)."
        )

    def configure_optimizers(self) -> NoReturn:
        """Refuse to train; a Trainer calls this first.

        Raises:
            ColorzooError: Always.
        """
        self.training_step()

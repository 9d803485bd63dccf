"""The base of every paper: what it declares, how it is built, and what all papers do alike.

A paper subclasses `SingleOptimizerModule` or `GANColorizationModule`, fills the ``configure_*`` hooks, which
run in a fixed order, and writes its ``training_step``. Logging, validation, stages and provenance are here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.guidance import Guidance
from colorzoo.settings import complete_arguments
from colorzoo.tasks.coloring import ColoringModel, without_discriminator
from colorzoo.tasks.measuring import MeasuredModule
from colorzoo.tasks.prediction import Prediction
from colorzoo.tasks.provenance import Provenance
from colorzoo.tasks.stages import (
    EVERYTHING,
    Stage,
    Start,
    freeze,
    hold_frozen,
    trained_source,
    untrained_parts,
)

if TYPE_CHECKING:
    from colorzoo.weights.caffe import CaffeLayers


class ColorizationModule(MeasuredModule, ColoringModel):
    """Base class of the zoo: a `ColoringModel` and its training.

    A subclass's ``__init__`` takes groups of settings (`colorzoo.settings`), keeps them as attributes, and
    calls ``super().__init__`` last, which records the arguments and runs the hooks.

    Attributes:
        recorded_hparams: Settings without which weights mean something else; weight files record them.
        published_files: Names of the authors' files, where they publish several for one model, and the prefix
            of each in the state dict that `load_published_state_dict` takes.
        stages: The stages of training by name; empty for a paper that trains everything at once.
        stage: The one that this model is in.
        allow_untrained: Whether ``test`` and ``predict`` may run on random weights, and ``fit`` on random
            parts that it leaves frozen.
    """

    recorded_hparams: ClassVar[tuple[str, ...]] = ()
    published_files: ClassVar[Mapping[str, str]] = {}
    stages: ClassVar[Mapping[str, Stage]] = {}

    allow_untrained: bool

    def __init__(self, *, stage: str | None = None, start: Start | str | None = None) -> None:
        """Build the model.

        Args:
            stage: One of `stages`; None where there are none.
            start: The trained model that training begins with; see `take_from`.

        Raises:
            ColorzooError: There is no such stage.
        """
        super().__init__()
        if stage is not None and stage not in self.stages:
            known = ", ".join(map(repr, self.stages)) or "none"
            raise ColorzooError(f"{type(self).__name__} has no stage {stage!r}; it has {known}.")
        self.save_hyperparameters()
        self._keep_plain_hparams()
        self.stage = stage
        self.start = Start.of(start)
        self.trained = self.allow_untrained = False
        self.provenance = Provenance(model=type(self).__name__, stage=stage)
        self.configure_network()
        self.network.to(memory_format=torch.channels_last)
        self.configure_losses()
        self.configure_metrics()
        freeze(self, EVERYTHING if stage is None else self.stages[stage])

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name, as plain mappings, lists, numbers and text."""
        return super().hparams

    def configure_network(self) -> None:
        """Build ``self.network`` from the settings."""
        raise NotImplementedError(f"{type(self).__name__} must build self.network in configure_network")

    def configure_losses(self) -> None:
        """Build what the losses need; nothing by default."""

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Translate the authors' Caffe model.

        Args:
            layers: Blobs by layer name.

        Returns:
            What `load_published_state_dict` takes, and the constructor arguments that these weights need.

        Raises:
            WeightsError: Layers do not fit, or the authors published no Caffe model.
        """
        del layers
        raise WeightsError(f"{cls.__name__} has no Caffe release; give the authors' PyTorch checkpoint.")

    @classmethod
    def for_inference(cls, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what is left of a trained state dict when training is over: all but a discriminator."""
        return without_discriminator(state_dict)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all layers but those that the stage leaves frozen."""
        super().train(mode)
        hold_frozen(self)
        return self

    def setup(self, stage: str) -> None:
        """Begin training: take over the starting model's weights, unless weights were loaded already.

        Raises:
            WeightsError: The starting model, or one that this one stands on, has no trained weights.
        """
        if stage != "fit":
            return
        if untrained := list(untrained_parts(self)):
            raise WeightsError(
                f"{type(self).__name__} stands on a model with random weights: {', '.join(untrained)}; "
                "get its weights first (`colorzoo weights list`), or name another one."
            )
        if self.provenance.steps:  # of weights that `create_model` loaded: this training begins with them
            earlier = self.provenance
            self.provenance = Provenance(model=type(self).__name__, stage=self.stage)
            self.note_start({"model": earlier.model}, earlier)
            self.continue_from(earlier.stage)
        if self.start is not None and not self.trained:
            source = trained_source(self.start, "start")
            self.take_from(source)
            self.note_start({"model": self.start.model, "weights": self.start.weights}, source.provenance)

    def take_from(self, source: ColorizationModule) -> None:
        """Copy what this model shares with the one that its training begins with.

        Raises:
            ColorzooError: It shares nothing, or has other shapes.
        """
        raise ColorzooError(
            f"{type(self).__name__} cannot start from another model ({type(source).__name__})."
        )

    def continue_from(self, stage: str | None) -> None:
        """Begin this stage with weights that were loaded from the end of another one; nothing by default.

        Args:
            stage: The stage that the loaded weights were trained in, or None if their file does not say.
        """
        del stage

    def note_start(self, start: Mapping[str, Any], earlier: Provenance) -> None:
        """Record what training begins with."""
        self.provenance = replace(self.provenance, start={**start, "provenance": earlier.to_dict()})

    def on_fit_start(self) -> None:
        """Set the mode for training where `create_model` set the other: a Trainer takes a module as it is."""
        if self.training:
            hold_frozen(self)  # and leave layers that a caller holds still as they are
        else:
            self.train()
        self.measuring("val")  # a network that is not here ends the run now, not after an epoch

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Count the pictures that training has seen."""
        del outputs, batch_idx
        seen = len(batch["rgb"]) * self.trainer.world_size
        self.provenance = replace(self.provenance, pictures=self.provenance.pictures + seen)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch colored without guidance: ``(B, 3, H, W)`` in [0, 1]."""
        del batch_idx
        seen = sketches_of(batch) if self.input_kind == "sketch" else rgb_to_lab(batch["rgb"])[:, :1]
        return cast(Prediction, self(seen, Guidance())).to_rgb(seen)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note in the checkpoint whether and how these weights were trained."""
        checkpoint["trained"] = self.trained or checkpoint.get("global_step", 0) > 0
        steps = self.steps_taken(int(checkpoint.get("global_step", 0)))
        checkpoint["provenance"] = replace(self.provenance, steps=steps).to_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember how the weights were trained; a checkpoint that does not say whether they were was."""
        self.trained = bool(checkpoint.get("trained", True))
        if stored := checkpoint.get("provenance"):
            self.provenance = Provenance.of(stored)

    def steps_taken(self, global_step: int) -> int:
        """Return the steps of each optimizer from the trainer's count, which adds them up."""
        return global_step

    def on_train_end(self) -> None:
        """Weights that a training has ended on are trained."""
        self.trained = self.trained or self.trainer.global_step > 0

    def on_test_start(self) -> None:
        """Refuse random weights.

        Raises:
            WeightsError: Nothing was loaded or trained, and `allow_untrained` is false.
        """
        self._require_trained()

    def on_predict_start(self) -> None:
        """Refuse random weights, as `on_test_start` does."""
        self._require_trained()

    def _require_trained(self) -> None:
        if not (self.trained or self.allow_untrained):
            raise WeightsError(
                f"{type(self).__name__} has random weights; give --ckpt_path FILE or --init_from FILE, "
                "or --allow_untrained true if that is what you want."
            )

    def _keep_plain_hparams(self) -> None:
        """Keep of the recorded arguments what any checkpoint can hold, typed settings as mappings."""
        plain = complete_arguments(type(self), dict(self.hparams))
        self.hparams.clear()
        self._set_hparams(plain)
        self._hparams_initial = copy.deepcopy(self._hparams)

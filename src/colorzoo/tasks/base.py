"""The base of every paper: what it declares, how it is built, and what all papers do alike.

A paper subclasses `ColorizationModule` (or `GANColorizationModule`), fills the ``configure_*`` hooks, which
run in a fixed order, and writes its ``training_step``. Logging, validation and schedules are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from colorzoo.card import GuidanceKind, OutputKind
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.errors import WeightsError
from colorzoo.guidance import Guidance
from colorzoo.tasks.measuring import MeasuredModule
from colorzoo.tasks.optimizers import OptimizerSetup, adam_with_schedule

if TYPE_CHECKING:
    from colorzoo.weights.caffe import CaffeLayers


@dataclass(frozen=True)
class Prediction:
    """What a model answers.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units, for models that read lightness.
        rgb: ``(B, 3, H, W)`` in [0, 1], for models that paint sketches.
        extras: Further maps by name, such as ``"logits"``.
        notes: What the user should know, such as guidance that did not serve.
    """

    ab: Tensor | None = None
    rgb: Tensor | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def detach(self) -> Prediction:
        """Return the same numbers without their history."""
        ab = None if self.ab is None else self.ab.detach()
        rgb = None if self.rgb is None else self.rgb.detach()
        extras = {name: value.detach() for name, value in self.extras.items()}
        return Prediction(ab, rgb, extras, self.notes)

    def to_rgb(self, luma: Tensor) -> Tensor:
        """Return ``(B, 3, H, W)`` in [0, 1]; ab is joined with ``luma`` ``(B, 1, H, W)``."""
        if self.rgb is not None:
            return self.rgb
        assert self.ab is not None, "a prediction holds ab or rgb"
        return lab_to_rgb(torch.cat([luma, self.ab], dim=1))


class ColorizationModule(MeasuredModule):
    """Base class of the zoo.

    Subclasses set the class attributes, call ``super().__init__()`` last in their own ``__init__`` (which
    records the arguments and runs the hooks), and define `forward` and ``training_step``.
    """

    accepts: frozenset[GuidanceKind] = frozenset()
    output_kind: OutputKind = "ab"
    recorded_hparams: ClassVar[tuple[str, ...]] = ()
    """Constructor arguments without which weights mean something else; weight files record them."""

    published_files: ClassVar[Mapping[str, str]] = {}
    """Names of the authors' files, where they publish several for one model, and the prefix of each in the
    state dict that `load_published_state_dict` takes."""

    network: nn.Module
    trained: bool
    """Whether the weights were ever trained or loaded; checkpoints carry it."""
    allow_untrained: bool
    """Whether ``test`` and ``predict`` may run on random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.trained = self.allow_untrained = False
        self.configure_network()
        self.network.to(memory_format=torch.channels_last)
        self.configure_losses()
        self.configure_metrics()

    @property
    def hparams(self) -> Any:
        """The arguments of ``__init__`` by name."""
        return super().hparams

    def configure_network(self) -> None:
        """Build ``self.network`` from ``self.hparams``."""
        raise NotImplementedError(f"{type(self).__name__} must build self.network in configure_network")

    def configure_losses(self) -> None:
        """Build what the losses need; nothing by default."""

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch.

        Args:
            luma: ``(B, 1, H, W)``: L in [0, 100], or a sketch in [0, 1] for models that read sketches.
            guidance: What the user gives; kinds that the model does not accept are ignored.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(luma, guidance)")

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint, given under their names (strict).

        Raises:
            WeightsError: Keys or shapes do not fit, or no such checkpoint exists for this model.
        """
        del state_dict
        raise WeightsError(f"{type(self).__name__} has no published checkpoint it could load.")

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
        return {key: value for key, value in state_dict.items() if not key.startswith("discriminator.")}

    def borrowed_weights(self) -> Mapping[str, Tensor]:
        """Return the weights by name that another registered model brings along; files leave them out."""
        return {}

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but what `keep_still` holds."""
        super().train(mode)
        self.keep_still()
        return self

    def keep_still(self) -> None:
        """Put what is not trained into evaluation mode, so that statistics stay too; nothing by default."""

    def on_fit_start(self) -> None:
        """Build what validation measures, and set the mode for training where `create_model` set the other.

        A Trainer takes a module as it is.
        """
        if self.training:
            self.keep_still()
        else:
            self.train()
        self.measuring("val")  # a network that is not here ends the run now, not after an epoch

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch colored without guidance: ``(B, 3, H, W)`` in [0, 1]."""
        del batch_idx
        seen = sketches_of(batch) if self.input_kind == "sketch" else rgb_to_lab(batch["rgb"])[:, :1]
        return cast(Prediction, self(seen, Guidance())).to_rgb(seen)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note in the checkpoint whether these weights were trained."""
        checkpoint["trained"] = self.trained or checkpoint.get("global_step", 0) > 0

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember whether the weights were trained; a checkpoint that does not say so was."""
        self.trained = bool(checkpoint.get("trained", True))

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


class SingleOptimizerModule(ColorizationModule):
    """Base of the papers with one optimizer: Adam or AdamW with a schedule, from ``self.hparams``.

    The subclass's ``__init__`` has the arguments ``lr``, ``betas``, ``weight_decay``, ``schedule``,
    ``warmup_steps`` and ``milestones``.
    """

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule."""
        hp = self.hparams
        setup = OptimizerSetup(
            lr=hp.lr,
            betas=(hp.betas[0], hp.betas[1]),
            weight_decay=hp.weight_decay,
            schedule=hp.schedule,
            warmup_steps=hp.warmup_steps,
            milestones=tuple(hp.milestones),
        )
        return adam_with_schedule(self.network, setup, self.trainer)

"""Base class of the tasks with a discriminator: manual optimization of two networks in turn.

How this differs from other trainings:

- A step trains both networks and counts once, in ``max_steps``, schedules and names of checkpoints, where
  Lightning alone would count each optimizer.
- The Trainer's ``accumulate_grad_batches`` and ``gradient_clip_val`` raise an error under manual
  optimization: use ``accumulate`` and ``clip`` of the model.
- In several processes each half of a step leaves the other network's parameters unused. In Python use
  ``strategy="ddp_find_unused_parameters_true"``; `colorzoo fit` does so for ``--trainer.strategy ddp``.
- ``16-mixed`` is refused, because clipping would use scaled gradients: use ``bf16-mixed``. Strategies with a
  single optimizer (FSDP, DeepSpeed) are refused, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack, cast

from lightning.pytorch import Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction
from colorzoo.settings import Width
from colorzoo.training.module import ColorizationModule
from colorzoo.training.optimization import (
    DEFAULT_OPTIMIZER,
    AdversarialOptimization,
    Maker,
    build,
    maker,
    parameter_groups,
    planned_steps,
)
from colorzoo.training.stages import Start

P = TypeVar("P", bound=Prediction)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Settings of discriminators.

    Examples:
        >>> DiscriminatorConfig()
        DiscriminatorConfig(discriminator_width=1.0)

    Attributes:
        discriminator_width: Multiplier of their channel counts; 1.0 is published.
    """

    discriminator_width: Width = 1.0


class GANColorizationModule(ColorizationModule, Generic[P]):
    """Base class of the tasks with a generator (``self.model.network``) and a ``self.discriminator``.

    Examples:
        >>> task = colorzoo.create_model("cho2023_small", None)
        >>> isinstance(task, GANColorizationModule), type(task.discriminator).__name__
        (True, 'PatchDiscriminator')

    A subclass defines `configure_discriminator`, `generate`, `generator_loss` and `discriminator_loss`.

    Args:
        model: See `ColorizationModule`.
        stage: See `ColorizationModule`.
        start: See `ColorizationModule`.
        **optimization: See `AdversarialOptimization`.
    """

    discriminator: nn.Module

    def __init__(
        self,
        model: ColoringModel,
        *,
        stage: str | None = None,
        start: Start | str | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        self.make_optimizer = Maker(optimization.get("optimizer") or DEFAULT_OPTIMIZER)
        own = optimization.get("discriminator_optimizer")
        self.make_discriminator_optimizer = Maker(own or self.make_optimizer)
        scheduler = optimization.get("lr_scheduler")
        self.make_scheduler = maker(scheduler)
        self.make_discriminator_scheduler = maker(optimization.get("discriminator_lr_scheduler") or scheduler)
        self.accumulate = optimization.get("accumulate", 1)
        self.clip = optimization.get("clip", 0.0)
        super().__init__(model, stage=stage, start=start)
        self.automatic_optimization = False
        self.configure_discriminator()

    def configure_discriminator(self) -> None:
        """Build ``self.discriminator``; called last."""
        raise NotImplementedError(
            f"{type(self).__name__} must build self.discriminator in configure_discriminator"
        )

    def generate(self, batch: Batch) -> P:
        """Color a training batch, with gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(batch)")

    def generator_loss(self, batch: Batch, generated: P) -> Tensor:
        """Return the loss of the generator; the discriminator's parameters get no gradient from it."""
        raise NotImplementedError(f"{type(self).__name__} must define generator_loss(batch, generated)")

    def discriminator_loss(self, batch: Batch, generated: P) -> Tensor:
        """Return the loss of the discriminator; ``generated`` has no gradient history."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminator_loss(batch, generated)")

    def regenerate(self, batch: Batch, generated: P) -> P:
        """Return the images for the discriminator; by default ``generated`` without its gradient history."""
        return generated.detach()

    def is_adversarial(self) -> bool:
        """Return whether the discriminator is trained: if ``objective.adversarial_weight`` is not 0."""
        return getattr(getattr(self, "objective", None), "adversarial_weight", 1) > 0

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the generator, then the discriminator on the same batch."""
        steps = self.ends_group(batch_idx)
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with generator.toggle_model(sync_grad=steps):
            generated = self.generate(batch)
            loss = self.generator_loss(batch, generated)
            self._descend(generator, loss, steps=steps, counts=not self.is_adversarial())
        discriminator_loss = loss.new_zeros(())
        if self.is_adversarial():
            with discriminator.toggle_model(sync_grad=steps):
                discriminator_loss = self.discriminator_loss(batch, self.regenerate(batch, generated))
                self._descend(discriminator, discriminator_loss, steps=steps)
        return self._end_step(batch, loss, discriminator_loss, steps=steps)

    def setup(self, stage: str) -> None:
        """Begin training: check that the Trainer can train two networks in turn.

        Raises:
            ColorzooError: Its precision or strategy does not allow that.
            WeightsError: See `ColorizationModule.setup`.
        """
        super().setup(stage)
        if stage == "fit" and self._trainer is not None:
            require_turns(self.trainer)

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the generator's optimizer; by default those of the network."""
        return parameter_groups(self.model.network)

    def configure_optimizers(self) -> Any:
        """Return the optimizers of generator and discriminator, and their schedules."""
        turns = (
            (self.make_optimizer, self.make_scheduler, self.generator_groups()),
            (
                self.make_discriminator_optimizer,
                self.make_discriminator_scheduler,
                parameter_groups(self.discriminator),
            ),
        )
        built = [build(*turn, self.trainer, accumulate=self.accumulate) for turn in turns]
        return [each for each, _ in built], [each for _, each in built if each is not None]

    def progress(self) -> float:
        """Return the share of the training's steps that were taken, from 0 to 1.

        Raises:
            ColorzooError: The training is limited neither in steps nor in epochs.
        """
        steps = planned_steps(self.trainer, accumulate=self.accumulate)
        return min(1.0, self.trainer.global_step / max(1, steps))

    def _step_schedules(self) -> None:
        """Step the schedules, which Lightning does not do under manual optimization."""
        found = self.lr_schedulers()
        schedulers: list[Any] = found if isinstance(found, list) else [found] if found is not None else []
        for scheduler in schedulers:
            if self.is_adversarial() or scheduler.optimizer is self._generator_optimizer():
                scheduler.step()

    def _end_step(
        self, batch: Batch, loss: Tensor, discriminator_loss: Tensor, *, steps: bool
    ) -> dict[str, Tensor]:
        """Step the schedules if a group of batches ends; log and return both losses."""
        if steps:
            self._step_schedules()
        losses = {"generator": loss.detach(), "discriminator": discriminator_loss.detach()}
        self.log_losses(losses, len(batch["rgb"]))
        return {"loss": losses["generator"], "discriminator": losses["discriminator"]}

    def _generator_optimizer(self) -> Optimizer:
        return cast(list[LightningOptimizer], self.optimizers())[0].optimizer

    def ends_group(self, batch_idx: int) -> bool:
        """Return whether the optimizers step after this batch."""
        return (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch

    def _descend(
        self, optimizer: LightningOptimizer, loss: Tensor, *, steps: bool, counts: bool = True
    ) -> None:
        """Add the gradients of a batch, and step if it ends its group.

        Args:
            optimizer: The optimizer of the network that the loss trains.
            loss: The loss.
            steps: Whether it ends its group.
            counts: Whether the Trainer counts the step.
        """
        self.manual_backward(loss / self.accumulate)
        if not steps:
            return
        if self.clip:
            self.clip_gradients(
                cast(Any, optimizer), gradient_clip_val=self.clip, gradient_clip_algorithm="norm"
            )
        if counts:
            optimizer.step()
        else:  # the Trainer counts the steps of a LightningOptimizer only
            self.trainer.strategy.optimizer_step(optimizer.optimizer, closure=_nothing)
        optimizer.zero_grad()

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint, with their discriminator if it holds one.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        super().load_published_state_dict(state_dict)
        self.load_other_weights(self.model.convert_published(state_dict), name="the published checkpoint")


class DiscriminatorFirst(GANColorizationModule[P]):
    """Base class of the tasks whose generator meets the discriminator of the same step, already trained."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the discriminator, then the generator on the same batch."""
        steps = self.ends_group(batch_idx)
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with generator.toggle_model(sync_grad=steps):
            generated = self.generate(batch)
        discriminator_loss = batch["rgb"].new_zeros(())
        if self.is_adversarial():
            with discriminator.toggle_model(sync_grad=steps):
                discriminator_loss = self.discriminator_loss(batch, self.regenerate(batch, generated))
                self._descend(discriminator, discriminator_loss, steps=steps, counts=False)
        with generator.toggle_model(sync_grad=steps):
            loss = self.generator_loss(batch, generated)
            self._descend(generator, loss, steps=steps)
        return self._end_step(batch, loss, discriminator_loss, steps=steps)


def _nothing() -> None:
    """Stand in for the closure of a step whose gradients are computed already."""


def require_turns(trainer: Trainer) -> None:
    """Check that a Trainer can train two networks in turn by their own optimizers.

    Raises:
        ColorzooError: Its precision or strategy cannot.
    """
    if trainer.precision == "16-mixed":
        raise ColorzooError(
            "precision 16-mixed does not fit a model with a discriminator: clipping would use scaled "
            "gradients; use --trainer.precision bf16-mixed, or 32-true."
        )
    if not isinstance(trainer.strategy, DDPStrategy | SingleDeviceStrategy):
        raise ColorzooError(
            f"strategy {type(trainer.strategy).__name__} takes one optimizer, and a model with a "
            "discriminator has two; use --trainer.strategy ddp."
        )

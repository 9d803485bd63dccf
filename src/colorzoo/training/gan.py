"""Base class of tasks with a discriminator and manual optimization of two networks.

`docs/gan.md` describes steps, accumulation, clipping, schedules and precision.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, cast

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.losses import weighted_sum
from colorzoo.prediction import Prediction
from colorzoo.training.module import ColorizationModule, M, task_base
from colorzoo.training.optimization import (
    DEFAULT_OPTIMIZER,
    AdversarialOptimization,
    Factory,
    optional_factory,
    parameter_groups,
    planned_steps,
    schedule,
)

P = TypeVar("P", bound=Prediction)


class GANColorizationModule(ColorizationModule, Generic[P, M]):
    """Base class of tasks with a generator (``self.model``) and a ``self.discriminator``.

    Examples:
        >>> task = colorzoo.create_model("cho2023_small", None)
        >>> isinstance(task, GANColorizationModule), type(task.discriminator).__name__
        (True, 'PatchDiscriminator')

    The ``__init__`` of a subclass builds ``self.discriminator`` after ``super().__init__``. The subclass also
    defines `generate`, `generator_terms` or `generator_loss`, and `discriminator_loss`.

    ``P`` is the class of the prediction. The base class ``GANColorizationModule[P, M]`` has the arguments of
    the model class ``M``, and builds the model from them.

    Attributes:
        accumulate: Number of batches per optimizer step; their gradients are averaged.
        clip: Maximum gradient norm of each network; 0 disables clipping.
        discriminator: A discriminator, or a module that contains several discriminators.

    Args:
        model: The generator.
        stage: A key of `stages`; None if the task has no stages.
        **optimization: Optimizers and schedules of both networks; see `AdversarialOptimization`.
    """

    model: M
    discriminator: nn.Module
    accumulate: int = 1
    clip: float = 0.0

    if not TYPE_CHECKING:

        def __class_getitem__(cls, classes: Any) -> type[Any]:
            """Return the base class that builds its model, if a model class is given; see `task_base`."""
            if not isinstance(classes, tuple) or isinstance(classes[1], TypeVar):
                return cls
            return task_base(cls, classes[1], AdversarialOptimization)

    def __init__(
        self,
        model: M,
        *,
        stage: str | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        self.make_optimizer = Factory(optimization.get("optimizer") or DEFAULT_OPTIMIZER)
        self.make_discriminator_optimizer = Factory(
            optimization.get("discriminator_optimizer") or self.make_optimizer
        )
        scheduler = optimization.get("lr_scheduler")
        self.make_scheduler = optional_factory(scheduler)
        self.make_discriminator_scheduler = optional_factory(
            optimization.get("discriminator_lr_scheduler") or scheduler
        )
        super().__init__(model, stage=stage)
        self.automatic_optimization = False

    def generate(self, batch: Batch) -> P:
        """Colorize a training batch with gradient tracking."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(batch)")

    def generator_terms(self, batch: Batch, generated: P) -> dict[str, Tensor]:
        """Return the generator losses by name, without their weights.

        Args:
            batch: Training batch.
            generated: Prediction from `generate`, with gradients.
        """
        raise NotImplementedError(f"{type(self).__name__} must define generator_terms(batch, generated)")

    def generator_loss(self, batch: Batch, generated: P) -> Tensor:
        """Return the generator loss; the discriminator is frozen during this call.

        By default, log `generator_terms` and return their sum, weighted by the settings ``NAME_weight``.

        Args:
            batch: Training batch.
            generated: Prediction from `generate`, with gradients.
        """
        terms = self.generator_terms(batch, generated)
        self.log_losses(terms, len(batch["rgb"]))
        return weighted_sum(terms, self.hparams)

    def discriminator_loss(self, batch: Batch, generated: P) -> Tensor:
        """Return the discriminator loss.

        Args:
            batch: Training batch.
            generated: Prediction from `regenerate`, without gradients.
        """
        raise NotImplementedError(f"{type(self).__name__} must define discriminator_loss(batch, generated)")

    def regenerate(self, batch: Batch, generated: P) -> P:
        """Return the prediction for `discriminator_loss`; by default, ``generated`` detached."""
        return generated.detach()

    def is_adversarial(self) -> bool:
        """Return whether the discriminator is trained (``adversarial_weight`` is not 0).

        The result can depend on the global step. It is valid until the end of the batch.
        """
        weight: float = self.hparams.get("adversarial_weight", 1.0)
        return weight > 0

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the generator and then the discriminator on the same batch."""
        should_step, adversarial = self.ends_group(batch_idx), self.is_adversarial()
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with generator.toggle_model(sync_grad=should_step):
            generated = self.generate(batch)
            loss = self.generator_loss(batch, generated)
            self._backward_and_step(generator, loss, should_step=should_step, is_counted=not adversarial)
        discriminator_loss = loss.new_zeros(())
        if adversarial:
            with discriminator.toggle_model(sync_grad=should_step):
                discriminator_loss = self.discriminator_loss(batch, self.regenerate(batch, generated))
                self._backward_and_step(discriminator, discriminator_loss, should_step=should_step)
        return self._end_step(
            batch, loss, discriminator_loss, should_step=should_step, adversarial=adversarial
        )

    def setup(self, stage: str) -> None:
        """Check that the Trainer supports two optimizers, and set its accumulation.

        Raises:
            ColorzooError: The precision of the Trainer scales gradients.
        """
        super().setup(stage)
        if stage == "fit" and self._trainer is not None:  # the property `trainer` raises without a Trainer
            require_unscaled_gradients(self.trainer)
            # Lightning rejects this option at the start of fit, but its loops require the value: they clear
            # gradients before a validation, and count the steps of logged metrics
            self.trainer.accumulate_grad_batches = self.accumulate

    def teardown(self, stage: str) -> None:
        """Reset the accumulation of the Trainer, because Lightning checks it in the next fit."""
        super().teardown(stage)
        if stage == "fit":
            self.trainer.accumulate_grad_batches = 1

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the generator."""
        return parameter_groups(self.model.network)

    def configure_optimizers(self) -> Any:
        """Return the optimizers and schedules of the generator and the discriminator."""
        generator = self.make_optimizer(self.generator_groups())
        discriminator = self.make_discriminator_optimizer(parameter_groups(self.discriminator))
        make_schedule = partial(schedule, trainer=self.trainer)
        schedules = [
            make_schedule(self.make_scheduler, generator),
            make_schedule(self.make_discriminator_scheduler, discriminator),
        ]
        return [generator, discriminator], [each for each in schedules if each is not None]

    def progress(self) -> float:
        """Return the completed fraction of the training steps, in [0, 1].

        Raises:
            ColorzooError: The training has neither a step limit nor an epoch limit.
        """
        steps = planned_steps(self.trainer)
        return min(1.0, self.trainer.global_step / max(1, steps))

    def ends_group(self, batch_idx: int) -> bool:
        """Return whether the optimizers step after this batch or accumulate more gradients."""
        return (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch

    def _step_schedule(self, optimizer: LightningOptimizer) -> None:
        """Step the schedule of an optimizer, which Lightning does not step under manual optimization."""
        schedulers: Any = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            if scheduler.optimizer is optimizer.optimizer:
                scheduler.step()

    def _end_step(
        self, batch: Batch, loss: Tensor, discriminator_loss: Tensor, *, should_step: bool, adversarial: bool
    ) -> dict[str, Tensor]:
        """Step the schedules after the last accumulated batch; log and return both losses."""
        if should_step:
            generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
            self._step_schedule(generator)
            if adversarial:
                self._step_schedule(discriminator)
        losses = {"generator": loss.detach(), "discriminator": discriminator_loss.detach()}
        self.log_losses(losses, len(batch["rgb"]))
        return {"loss": losses["generator"], "discriminator": losses["discriminator"]}

    def _backward_and_step(
        self, optimizer: LightningOptimizer, loss: Tensor, *, should_step: bool, is_counted: bool = True
    ) -> None:
        """Accumulate the gradients of a loss, and optionally clip them and step the optimizer.

        Args:
            optimizer: Optimizer of the trained network.
            loss: Mean loss of the batch. Its gradients are divided by the number of accumulated batches.
            should_step: Whether the optimizer steps; True for the last accumulated batch.
            is_counted: Whether the step increases ``trainer.global_step``. Only one of two optimizers may
                count, so that the global step is the number of training steps.
        """
        # training_step runs under autocast, which would compute gradients of float32 losses in bfloat16
        with torch.autocast(self.device.type, enabled=False):
            self.manual_backward(loss / self.accumulate)
        if not should_step:
            return
        if self.clip:
            self.clip_gradients(
                cast(Any, optimizer), gradient_clip_val=self.clip, gradient_clip_algorithm="norm"
            )
        if is_counted:
            optimizer.step()
        else:  # the Trainer counts the steps of a LightningOptimizer, but not of the optimizer inside
            self.trainer.strategy.optimizer_step(optimizer.optimizer, closure=lambda: None)
        optimizer.zero_grad()


class DiscriminatorFirst(GANColorizationModule[P, M]):
    """Base class of tasks that update the discriminator before the generator."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the discriminator and then the generator on the same batch."""
        should_step, adversarial = self.ends_group(batch_idx), self.is_adversarial()
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with generator.toggle_model(sync_grad=should_step):
            generated = self.generate(batch)
        discriminator_loss = batch["rgb"].new_zeros(())
        if adversarial:
            with discriminator.toggle_model(sync_grad=should_step):
                discriminator_loss = self.discriminator_loss(batch, self.regenerate(batch, generated))
                self._backward_and_step(
                    discriminator, discriminator_loss, should_step=should_step, is_counted=False
                )
        with generator.toggle_model(sync_grad=should_step):
            loss = self.generator_loss(batch, generated)
            self._backward_and_step(generator, loss, should_step=should_step)
        return self._end_step(
            batch, loss, discriminator_loss, should_step=should_step, adversarial=adversarial
        )


def require_unscaled_gradients(trainer: Trainer) -> None:
    """Raise `ColorzooError` if the precision of a Trainer scales gradients."""
    if trainer.precision == "16-mixed":
        raise ColorzooError(
            "--trainer.precision must be bf16-mixed or 32-true for models with a discriminator, got 16-mixed"
        )

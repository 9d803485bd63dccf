"""The base of the papers that train against a discriminator: manual optimization, done once for all of them.

Traps of Lightning that this module takes care of, or that its users must know:

- ``trainer.global_step`` counts the steps of both optimizers: ``max_steps=1000`` are 500 batches, and
  ``every_n_train_steps=10`` saves every 5 batches. Prefer epochs.
- The trainer's ``accumulate_grad_batches`` and ``gradient_clip_val`` raise under manual optimization: use the
  module's ``accumulate`` and ``clip``.
- In several processes each half of a step leaves the other network's parameters unused: `setup` tells DDP to
  look for them, so that ``strategy=ddp`` is enough.
- ``16-mixed`` is refused, because clipping would see scaled gradients: use ``bf16-mixed``. So are strategies
  that take one optimizer only (FSDP, DeepSpeed).
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from colorzoo.data.dataset import Batch
from colorzoo.tasks.base import ColorizationModule
from colorzoo.tasks.optimization import DEFAULT_OPTIMIZER, Maker, parameter_groups, planned_steps, schedule
from colorzoo.tasks.prediction import Prediction
from colorzoo.tasks.processes import prepare_turns
from colorzoo.tasks.stages import Start

P = TypeVar("P", bound=Prediction)


class GANColorizationModule(ColorizationModule, Generic[P]):
    """Base of the papers with a generator (``self.network``) and a discriminator (``self.discriminator``).

    A subclass defines `configure_discriminator`, `paint`, `generator_loss` and `discriminator_loss`.

    Args:
        optimizer: Builds the optimizer of the generator.
        discriminator_optimizer: Builds that of the discriminator; None takes the same.
        lr_scheduler: Builds the schedule of the generator's rate, counted in its steps; None keeps the rate.
        discriminator_lr_scheduler: Builds that of the discriminator's; None takes the same.
        accumulate: Batches for each step.
        clip: Largest norm of a gradient; 0 for none.
        stage: See `ColorizationModule`.
        start: See `ColorizationModule`.
    """

    discriminator: nn.Module

    def __init__(
        self,
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        *,
        accumulate: int = 1,
        clip: float = 0.0,
        stage: str | None = None,
        start: Start | str | None = None,
    ) -> None:
        self.make_optimizer = Maker(optimizer or DEFAULT_OPTIMIZER)
        self.make_discriminator_optimizer = Maker(discriminator_optimizer or self.make_optimizer)
        self.make_scheduler = lr_scheduler and Maker(lr_scheduler)
        judge_scheduler = discriminator_lr_scheduler or lr_scheduler
        self.make_discriminator_scheduler = judge_scheduler and Maker(judge_scheduler)
        self.accumulate, self.clip = accumulate, clip
        super().__init__(stage=stage, start=start)
        self.automatic_optimization = False
        self.configure_discriminator()

    def configure_discriminator(self) -> None:
        """Build ``self.discriminator``; the last of the hooks."""
        raise NotImplementedError(
            f"{type(self).__name__} must build self.discriminator in configure_discriminator"
        )

    def paint(self, batch: Batch) -> P:
        """Color a training batch, with gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define paint(batch)")

    def generator_loss(self, batch: Batch, painted: P) -> Tensor:
        """Return the loss of the generator; the discriminator's parameters take no gradient meanwhile."""
        raise NotImplementedError(f"{type(self).__name__} must define generator_loss(batch, painted)")

    def discriminator_loss(self, batch: Batch, painted: P) -> Tensor:
        """Return the loss of the discriminator; ``painted`` comes without history."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminator_loss(batch, painted)")

    def repaint(self, batch: Batch, painted: P) -> P:
        """Return what the discriminator is shown: by default the picture that the generator just painted."""
        del batch
        return painted.detach()

    def is_judged(self) -> bool:
        """Say whether there is a discriminator to train; False saves its half of the step."""
        return True

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the generator, then the discriminator on the same batch."""
        steps = self._ends_group(batch_idx)
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with generator.toggle_model(sync_grad=steps):
            painted = self.paint(batch)
            loss = self.generator_loss(batch, painted)
            self._descend(generator, loss, steps=steps)
        critic_loss = torch.zeros(())
        if self.is_judged():
            with discriminator.toggle_model(sync_grad=steps):
                critic_loss = self.discriminator_loss(batch, self.repaint(batch, painted))
                self._descend(discriminator, critic_loss, steps=steps)
        if steps:
            self._step_schedules()
        losses = {"train/generator": loss.detach(), "train/discriminator": critic_loss.detach()}
        self.log_dict(losses, batch_size=len(batch["rgb"]))
        return {"loss": losses["train/generator"], "discriminator": losses["train/discriminator"]}

    def setup(self, stage: str) -> None:
        """Begin training: see that the Trainer can train two networks in turn.

        Raises:
            ColorzooError: Its precision or strategy cannot.
            WeightsError: See `ColorizationModule.setup`.
        """
        super().setup(stage)
        if stage == "fit" and self._trainer is not None:
            prepare_turns(self.trainer)

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the generator's optimizer; by default those of `network`."""
        return parameter_groups(self.network)

    def configure_optimizers(self) -> Any:
        """Return the optimizers of generator and discriminator, and their schedules, both or none."""
        optimizers = [
            self.make_optimizer(self.generator_groups()),
            self.make_discriminator_optimizer(parameter_groups(self.discriminator)),
        ]
        makers = (self.make_scheduler, self.make_discriminator_scheduler)
        moves = [self._schedule(make, each) for make, each in zip(makers, optimizers, strict=True)]
        return optimizers, [each for each in moves if each is not None]

    def steps_taken(self, global_step: int) -> int:
        """Return the steps of each optimizer: the trainer adds those of both."""
        return global_step // self._stepping()

    def progress(self) -> float:
        """Return the share of the training that lies behind, counted in steps.

        Raises:
            ColorzooError: The training has no end that can be counted in steps.
        """
        steps = planned_steps(self.trainer, accumulate=self.accumulate, optimizers=self._stepping())
        return min(1.0, self.steps_taken(self.trainer.global_step) / max(1, steps))

    def _schedule(self, make: LRSchedulerCallable | None, optimizer: Optimizer) -> LRScheduler | None:
        return schedule(
            make, optimizer, self.trainer, accumulate=self.accumulate, optimizers=self._stepping()
        )

    def _stepping(self) -> int:
        """Return how many optimizers step for each batch."""
        return 2 if self.is_judged() else 1

    def _step_schedules(self) -> None:
        """Move the learning rates, which Lightning does not do under manual optimization."""
        found = self.lr_schedulers()
        schedulers: list[Any] = found if isinstance(found, list) else [found] if found is not None else []
        for scheduler in schedulers:
            if self.is_judged() or scheduler.optimizer is self._generator_optimizer():
                scheduler.step()

    def _generator_optimizer(self) -> Optimizer:
        return cast(list[LightningOptimizer], self.optimizers())[0].optimizer

    def _ends_group(self, batch_idx: int) -> bool:
        """Say whether the optimizers step after this batch."""
        return (batch_idx + 1) % self.accumulate == 0 or self.trainer.is_last_batch

    def _descend(self, optimizer: LightningOptimizer, loss: Tensor, *, steps: bool) -> None:
        self.manual_backward(loss / self.accumulate)
        if not steps:
            return
        if self.clip:
            self.clip_gradients(
                cast(Any, optimizer), gradient_clip_val=self.clip, gradient_clip_algorithm="norm"
            )
        optimizer.step()
        optimizer.zero_grad()

"""The base of the papers that train against a discriminator: manual optimization, done once for all of them.

Traps of Lightning that this module takes care of, or that its users must know:

- ``trainer.global_step`` counts the steps of both optimizers: ``max_steps=1000`` are 500 batches, and
  ``every_n_train_steps=10`` saves every 5 batches. Prefer epochs.
- The trainer's ``accumulate_grad_batches`` and ``gradient_clip_val`` raise under manual optimization: use the
  module's ``accumulate`` and ``clip``.
- In several processes each half of a step leaves the other network's parameters unused: the strategy must be
  ``ddp_find_unused_parameters_true``.
- ``16-mixed`` is not supported on GPUs, because clipping would see scaled gradients: use ``bf16-mixed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from colorzoo.data.dataset import Batch
from colorzoo.tasks.base import ColorizationModule, Prediction
from colorzoo.tasks.optimizers import OptimizerSetup, rate_factor


class GANColorizationModule(ColorizationModule):
    """Base of the papers with a generator (``self.network``) and a discriminator (``self.discriminator``).

    The subclass's ``__init__`` has the arguments ``lr``, ``discriminator_lr``, ``betas``, ``schedule``,
    ``milestones`` (both in epochs), ``accumulate`` (batches per step) and ``clip`` (largest gradient norm,
    0 for none). It defines `configure_discriminator`, `paint`, `generator_loss` and `discriminator_loss`.
    """

    discriminator: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.configure_discriminator()

    def configure_discriminator(self) -> None:
        """Build ``self.discriminator`` from ``self.hparams``; the last of the hooks."""
        raise NotImplementedError(
            f"{type(self).__name__} must build self.discriminator in configure_discriminator"
        )

    def paint(self, batch: Batch) -> Prediction:
        """Color a training batch, with gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define paint(batch)")

    def generator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return the loss of the generator; the discriminator's parameters take no gradient meanwhile."""
        raise NotImplementedError(f"{type(self).__name__} must define generator_loss(batch, painted)")

    def discriminator_loss(self, batch: Batch, painted: Prediction) -> Tensor:
        """Return the loss of the discriminator; ``painted`` comes without history."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminator_loss(batch, painted)")

    def repaint(self, batch: Batch, painted: Prediction) -> Prediction:
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
        if self.trainer.is_last_batch:
            # Not at the end of the epoch: a checkpoint of the last batch resumes in the next one, so that
            # the hooks of the epoch's end are never called again.
            self._step_schedules()
        losses = {"train/generator": loss.detach(), "train/discriminator": critic_loss.detach()}
        self.log_dict(losses, batch_size=len(batch["rgb"]))
        return {"loss": losses["train/generator"], "discriminator": losses["train/discriminator"]}

    def configure_optimizers(self) -> Any:
        """Return Adam and a schedule by epochs for each network."""
        hp = self.hparams
        pairs = [
            self._adam(self.network, hp.lr),
            self._adam(self.discriminator, hp.discriminator_lr),
        ]
        return [optimizer for optimizer, _ in pairs], [scheduler for _, scheduler in pairs]

    def _adam(self, network: nn.Module, lr: float) -> tuple[Adam, LambdaLR]:
        hp = self.hparams
        optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(hp.betas[0], hp.betas[1]))
        setup = OptimizerSetup(lr, schedule=hp.schedule, milestones=tuple(hp.milestones))
        return optimizer, LambdaLR(optimizer, rate_factor(setup, self.trainer.max_epochs or -1))

    def _step_schedules(self) -> None:
        """Move both learning rates, which Lightning does not do under manual optimization."""
        schedulers = cast(Iterable[LambdaLR], self.lr_schedulers())
        for scheduler, trains in zip(schedulers, (True, self.is_judged()), strict=True):
            if trains:
                scheduler.step()

    def _ends_group(self, batch_idx: int) -> bool:
        """Say whether the optimizers step after this batch."""
        return (batch_idx + 1) % int(self.hparams.accumulate) == 0 or self.trainer.is_last_batch

    def _descend(self, optimizer: LightningOptimizer, loss: Tensor, *, steps: bool) -> None:
        self.manual_backward(loss / self.hparams.accumulate)
        if not steps:
            return
        if self.hparams.clip:
            self.clip_gradients(
                cast(Any, optimizer), gradient_clip_val=self.hparams.clip, gradient_clip_algorithm="norm"
            )
        optimizer.step()
        optimizer.zero_grad()

"""DeOldify (Antic, 2018 to 2024), https://github.com/jantic/DeOldify: no paper, its code and notebooks.

A U-Net over a ResNet paints RGB, of which the chroma is kept. Its training ("NoGAN") is long without a critic
and short with one: the generator alone on larger and larger pictures, the critic alone on what that paints,
then both for a few thousand steps, of which the best moment is kept; the last two are repeated.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.tasks import GANColorizationModule, RgbPrediction, settings_of
from colorzoo.zoo.antic2019.critic import Critic
from colorzoo.zoo.antic2019.frozen import load_encoder, load_vgg
from colorzoo.zoo.antic2019.inference import Answers, build_network
from colorzoo.zoo.antic2019.losses import content_terms, deception, detection
from colorzoo.zoo.antic2019.pictures import denormalize, normalize
from colorzoo.zoo.antic2019.settings import (
    JUDGED,
    STAGES,
    Architecture,
    Objective,
    Rendering,
    StageName,
)

_TURN = "generators_turn"  # in checkpoints


class Antic2019(Answers, GANColorizationModule[RgbPrediction]):
    """The artistic or the stable model, and its training.

    Args:
        architecture: The networks.
        rendering: How pictures are shown to the network outside training.
        objective: The losses.
        stage: What is trained; None builds no critic and only colors. ``frozen`` leaves the encoder's
            convolutions as they are, ``unfrozen`` trains the whole generator, ``critic`` the critic alone,
            ``gan`` both in turn.
        optimizer: See `GANColorizationModule`; its groups are the encoder up to an eighth of the size, the
            rest of it, and the decoder, so that a one-cycle schedule may give each a rate.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches for each step.
        clip: Largest norm of a gradient; 0 for none.
    """

    stages = STAGES
    recorded_hparams = ("encoder", "decoder", "nf_factor", "width")
    vgg: nn.Module | None

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        rendering: Rendering = Rendering(),
        objective: Objective = Objective(),
        stage: StageName | None = None,
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.rendering = settings_of(Rendering, rendering)
        self.objective = settings_of(Objective, objective)
        self.working_size = self.rendering.side()
        self.generators_turn = False
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
            stage=stage,
        )

    def configure_network(self) -> None:
        """Build the generator."""
        self.network = build_network(self.architecture)

    def configure_discriminator(self) -> None:
        """Build the critic, where it is needed."""
        self.discriminator = Critic(self.architecture.critic_width) if self.is_judged() else nn.Identity()

    def configure_losses(self) -> None:
        """Leave VGG-16 out, which `setup` gets where the stage needs it."""
        self.vgg = None

    def is_judged(self) -> bool:
        """Say whether the stage knows a critic."""
        return self.stage in JUDGED

    def setup(self, stage: str) -> None:
        """Begin training: get torchvision's weights, the encoder's only where training begins with it.

        Raises:
            ColorzooError: No stage is named.
            WeightsError: Weights cannot be had, and random ones are not allowed.
        """
        super().setup(stage)
        if stage != "fit":
            return
        if self.stage is None:
            raise ColorzooError(f"name the stage to train: {', '.join(STAGES)} (in this order).")
        if not (self.trained or self.allow_untrained):
            self._begin()
        if self.stage != "critic" and any(self.objective.layer_weights):
            self.vgg = load_vgg(None if self.allow_untrained else self._vgg_weights())

    def paint(self, batch: Batch) -> RgbPrediction:
        """Paint the gray copies of a training batch."""
        return RgbPrediction(rgb=denormalize(self.answer(rgb_to_gray(batch["rgb"]))))

    def generator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the content loss, in the ``gan`` stage weighted and with that of the critic."""
        weigh, rgb = self.objective, normalize(painted.rgb)
        terms = content_terms(rgb, normalize(batch["rgb"]), self.vgg, weigh.layer_weights)
        content = torch.stack(terms).sum()
        if not self.is_judged():
            return content
        adversarial = deception(self.discriminator(rgb))
        return weigh.content_weight * content + weigh.adversarial_weight * adversarial

    def discriminator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the loss of the critic."""
        fake, real = (self.discriminator(normalize(rgb)) for rgb in (painted.rgb, batch["rgb"]))
        return detection(fake, real)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the one whose turn it is: in the ``gan`` stage a batch serves the critic or the generator."""
        steps = self._ends_group(batch_idx)
        critics = self.stage == "critic" or (self.stage == "gan" and not self.generators_turn)
        name = "discriminator" if critics else "generator"
        optimizer = self._optimizer_of(name)
        with optimizer.toggle_model(sync_grad=steps):
            if critics:
                with torch.no_grad():
                    painted = self.paint(batch)
                loss = self.discriminator_loss(batch, painted)
            else:
                loss = self.generator_loss(batch, self.paint(batch))
            self._descend(optimizer, loss, steps=steps)
        if steps:
            self._step_schedule(optimizer)
            self.generators_turn = critics and self._has_learned(loss)
        self.log(f"train/{name}", loss.detach(), batch_size=len(batch["rgb"]))
        return {"loss": loss.detach()}

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the encoder up to an eighth of the size, the rest of it, and the decoder."""
        early = ("conv1.", "bn1.", "layer1.", "layer2.")
        groups: tuple[list[nn.Parameter], ...] = ([], [], [])
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                inside = name.startswith("encoder.")
                index = 2 - inside - name.removeprefix("encoder.").startswith(early) * inside
                groups[index].append(parameter)
        return [{"params": group} for group in groups]

    def configure_optimizers(self) -> Any:
        """Return the optimizers of what the stage trains, and their schedules."""
        made: list[tuple[Any, Any]] = []
        if self.stage != "critic":
            made.append((self.make_optimizer(self.generator_groups()), self.make_scheduler))
        if self.is_judged():
            judge = self.make_discriminator_optimizer(self.discriminator.parameters())
            made.append((judge, self.make_discriminator_scheduler))
        moves = [self._schedule(make, optimizer) for optimizer, make in made]
        return [optimizer for optimizer, _ in made], [each for each in moves if each is not None]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note whose turn it is."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[_TURN] = self.generators_turn

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember whose turn it is."""
        super().on_load_checkpoint(checkpoint)
        self.generators_turn = bool(checkpoint.get(_TURN, False))

    def _begin(self) -> None:
        """Fill the encoder of a new model, or say that the stage needs a trained one."""
        source = self.objective.encoder_weights
        if self.stage in JUDGED:
            raise WeightsError(f"stage {self.stage} goes on from trained weights; give --init_from FILE.")
        if source is not None:
            load_encoder(self.network.encoder, self.architecture.encoder, source)
        elif self.stage == "frozen":
            raise WeightsError("stage frozen leaves the encoder as it is: encoder_weights must name some.")

    def _vgg_weights(self) -> str:
        if self.objective.vgg_weights is None:
            raise WeightsError("the content loss needs VGG-16: give vgg_weights, or layer_weights of 0.")
        return self.objective.vgg_weights

    def _has_learned(self, loss: Tensor) -> bool:
        """Say whether the critic's loss, over all processes, is low enough for the generator's turn."""
        mean = self.trainer.strategy.reduce(loss.detach(), reduce_op="mean")
        return self.stage == "gan" and float(mean) < self.objective.critic_threshold

    def _optimizer_of(self, name: str) -> LightningOptimizer:
        found: Any = self.optimizers()
        optimizer: LightningOptimizer = found[name == "discriminator"] if isinstance(found, list) else found
        return optimizer

    def _step_schedule(self, optimizer: LightningOptimizer) -> None:
        """Move the rate of the optimizer that stepped."""
        found: Any = self.lr_schedulers() or []
        for scheduler in found if isinstance(found, list) else [found]:
            if scheduler.optimizer is optimizer.optimizer:
                scheduler.step()

    def _stepping(self) -> int:
        """Return how many optimizers step for each batch: only one has its turn."""
        return 1

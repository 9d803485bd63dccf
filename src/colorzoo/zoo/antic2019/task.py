"""Training of DeOldify ("NoGAN"), as in its author's notebooks.

It is long without a critic and short with one: the generator alone on larger and larger pictures, the critic
alone on the generator's pictures, then both for a few thousand steps, of which the best moment is kept; the
last two are repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.metrics.feature_networks import published_weights
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.imagenet import denormalized, normalized
from colorzoo.networks.spectral import StoredSpectralAttention, StoredSpectralConv
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Weight
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization, build
from colorzoo.training.perceptual import VGG16_URL, frozen_vgg16, load_torchvision
from colorzoo.training.stages import Stage
from colorzoo.weights import load_state_dict_file
from colorzoo.zoo.antic2019.model import Architecture, DeOldify, Rendering

_CHANNELS = 256
_SLOPE = 0.2
_FIRST_DROPOUT, _DROPOUT = 0.075, 0.15
VGG_LAYERS = (22, 32, 42)  # relu3_3, relu4_3, relu5_3
TORCHVISION = "torchvision"

_ENCODERS = {
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet34": models.ResNet34_Weights.IMAGENET1K_V1,
    "resnet101": models.ResNet101_Weights.IMAGENET1K_V1,
}
_TURN = "generators_turn"  # key in checkpoints

StageName = Literal["frozen", "unfrozen", "critic", "gan"]


@dataclass(frozen=True)
class Objective:
    """Settings of the losses, on pictures normalized as ImageNet's.

    Attributes:
        layer_weights: Weights of the L1 distances at relu3_3, relu4_3 and relu5_3 of VGG-16 with BatchNorm,
            beside that of pixels; zeros leave VGG out.
        content_weight: Weight of the sum of these in the ``gan`` stage: 2.0 for the artistic model, else 1.5.
        adversarial_weight: Weight of the adversarial loss in that stage.
        critic_threshold: The generator steps after a step of the critic whose loss is below this.
        encoder_weights: Initial weights of the generator's encoder: ``torchvision`` fetches them once; else
            the path of torchvision's file, or None for random ones.
        vgg_weights: Weights of VGG-16, likewise.
    """

    layer_weights: tuple[float, float, float] = (20.0, 70.0, 10.0)
    content_weight: Weight = 2.0
    adversarial_weight: Weight = 1.0
    critic_threshold: float = 0.65
    encoder_weights: str | None = "torchvision"
    vgg_weights: str | None = "torchvision"


_CONVOLUTIONS = ("model.network.encoder.*conv?.weight", "model.network.encoder.*downsample.0.weight")
STAGES = {
    "frozen": Stage(leaves=_CONVOLUTIONS),  # BatchNorm of the encoder is trained
    "unfrozen": Stage(),
    "critic": Stage(trains=("discriminator.*",)),
    "gan": Stage(),
}
ADVERSARIAL = ("critic", "gan")


class Antic2019(GANColorizationModule[RgbPrediction]):
    """Task of `DeOldify`.

    Args:
        architecture: The networks.
        rendering: The input size outside training.
        objective: The losses.
        stage: ``frozen`` trains the generator without the encoder's convolutions, ``unfrozen`` the whole
            generator, ``critic`` the critic alone, ``gan`` both in turn; None builds no critic and does not
            train.
        **optimization: See `AdversarialOptimization`. The generator's parameter groups are the encoder up to
            an eighth of the size, the rest of it, and the decoder, so that a one-cycle schedule may give each
            a rate.
    """

    stages = STAGES
    model: DeOldify
    vgg: nn.Module | None
    architecture: Architecture
    objective: Objective

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        rendering: Rendering = Rendering(),
        objective: Objective = Objective(),
        stage: StageName | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        self.generators_turn = False
        super().__init__(DeOldify(architecture, rendering), stage=stage, **optimization)

    def configure_discriminator(self) -> None:
        """Build the critic, if the stage has one."""
        self.discriminator = (
            Critic(self.architecture.critic_width) if self.is_adversarial() else nn.Identity()
        )

    def configure_losses(self) -> None:
        """Leave VGG-16 out, which `setup` loads if the stage needs it."""
        self.vgg = None

    def is_adversarial(self) -> bool:
        """Return whether the stage has a critic."""
        return self.stage in ADVERSARIAL

    def setup(self, stage: str) -> None:
        """Begin training: load torchvision's weights, those of the encoder only in the first stage.

        Raises:
            ColorzooError: No stage is named.
            WeightsError: Weights are not available, and random ones are not allowed.
        """
        super().setup(stage)
        if stage != "fit":
            return
        if self.stage is None:
            raise ColorzooError(f"set the stage to train: {', '.join(STAGES)} (in this order).")
        if not (self.trained or self.allow_untrained):
            self._load_start()
        if self.stage != "critic" and any(self.objective.layer_weights):
            self.vgg = frozen_vgg16(VGG_LAYERS, None if self.allow_untrained else self._vgg_weights())

    def paint(self, batch: Batch) -> RgbPrediction:
        """Paint the gray copies of a training batch."""
        return RgbPrediction(rgb=denormalized(self.model.paint(rgb_to_gray(batch["rgb"]))))

    def generator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the content loss; in the ``gan`` stage weighted, with the adversarial loss."""
        weigh, rgb = self.objective, normalized(painted.rgb)
        terms = content_terms(rgb, normalized(batch["rgb"]), self.vgg, weigh.layer_weights)
        content = torch.stack(terms).sum()
        if not self.is_adversarial():
            return content
        adversarial = adversarial_loss(self.discriminator(rgb))
        return weigh.content_weight * content + weigh.adversarial_weight * adversarial

    def discriminator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the loss of the critic."""
        fake, real = (self.discriminator(normalized(rgb)) for rgb in (painted.rgb, batch["rgb"]))
        if self.stage == "critic":
            labels = torch.cat([fake.new_zeros(len(fake)), real.new_ones(len(real))])
            return pretraining_loss(torch.cat([fake, real]), labels)
        return critic_loss(fake, real)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the generator or the critic; in the ``gan`` stage they take turns."""
        steps = self.ends_group(batch_idx)
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
            self.generators_turn = critics and self._critic_is_ahead(loss)
        self.log_losses({name: loss}, len(batch["rgb"]))
        return {"loss": loss.detach()}

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return the encoder up to an eighth of the size, the rest of it, and the decoder."""
        early = ("conv1.", "bn1.", "layer1.", "layer2.")
        groups: tuple[list[nn.Parameter], ...] = ([], [], [])
        for name, parameter in self.model.network.named_parameters():
            if parameter.requires_grad:
                inside = name.startswith("encoder.")
                index = 2 - inside - name.removeprefix("encoder.").startswith(early) * inside
                groups[index].append(parameter)
        return [{"params": group} for group in groups]

    def configure_optimizers(self) -> Any:
        """Return the optimizers of the networks that the stage trains, and their schedules."""
        turns: list[tuple[Any, Any, list[dict[str, Any]]]] = []
        if self.stage != "critic":
            turns.append((self.make_optimizer, self.make_scheduler, self.generator_groups()))
        if self.is_adversarial():
            groups = [{"params": [*self.discriminator.parameters()]}]
            turns.append((self.make_discriminator_optimizer, self.make_discriminator_scheduler, groups))
        built = [build(*turn, self.trainer, accumulate=self.accumulate) for turn in turns]
        return [each for each, _ in built], [each for _, each in built if each is not None]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record whose turn it is."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[_TURN] = self.generators_turn

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whose turn it is."""
        super().on_load_checkpoint(checkpoint)
        self.generators_turn = checkpoint[_TURN]

    def _load_start(self) -> None:
        """Load the encoder of a new model, or refuse a stage that needs a trained one."""
        source = self.objective.encoder_weights
        if self.stage in ADVERSARIAL:
            raise WeightsError(f"stage {self.stage} starts from trained weights; give --init_from FILE.")
        if source is not None:
            kind = self.model.architecture.encoder
            weights = torchvision_weights(source, str(_ENCODERS[kind].url))
            load_torchvision(self.model.network.encoder, weights, f"the encoder ({kind})")
        elif self.stage == "frozen":
            raise WeightsError("stage frozen does not train the encoder: encoder_weights must name some.")

    def _vgg_weights(self) -> dict[str, Tensor]:
        if self.objective.vgg_weights is None:
            raise WeightsError("the content loss needs VGG-16: give vgg_weights, or layer_weights of 0.")
        return torchvision_weights(self.objective.vgg_weights, VGG16_URL)

    def _critic_is_ahead(self, loss: Tensor) -> bool:
        """Return whether the critic's loss over all processes is low enough for the generator's turn."""
        mean = self.trainer.strategy.reduce(loss.detach(), reduce_op="mean")
        return self.stage == "gan" and float(mean) < self.objective.critic_threshold

    def _optimizer_of(self, name: str) -> LightningOptimizer:
        found: Any = self.optimizers()
        optimizer: LightningOptimizer = found[name == "discriminator"] if isinstance(found, list) else found
        return optimizer

    def _step_schedule(self, optimizer: LightningOptimizer) -> None:
        """Step the schedule of an optimizer."""
        found: Any = self.lr_schedulers() or []
        for scheduler in found if isinstance(found, list) else [found]:
            if scheduler.optimizer is optimizer.optimizer:
                scheduler.step()


class Critic(nn.Sequential):
    """The critic: spectral norm, dropout of whole maps, self-attention, and scores of large patches.

    It reads normalized RGB ``(B, 3, H, W)``. Layers are numbered as the author's, so that names are the same.

    Args:
        width: Multiplier of every channel count; 1.0 is the published critic.
    """

    def __init__(self, width: float) -> None:
        channels = scaled_width(_CHANNELS, width)
        layers: list[nn.Module] = [_strided(3, channels), nn.Dropout2d(_FIRST_DROPOUT)]
        for attends in (True, False, False):
            halved = _strided(channels, 2 * channels)
            if attends:
                halved.append(StoredSpectralAttention(2 * channels))
            layers += [_same(channels), nn.Dropout2d(_DROPOUT), halved]
            channels *= 2
        last = StoredSpectralConv(channels, 1, (4, 4), bias=False)
        super().__init__(*layers, _same(channels), nn.Sequential(last), nn.Flatten())

    def forward(self, normalized: Tensor) -> Tensor:
        """Return the scores."""
        scores = normalized
        for layer in self:
            scores = layer(scores)
        return scores.float()


def content_terms(
    painted: Tensor, truth: Tensor, vgg: nn.Module | None, weights: tuple[float, float, float]
) -> list[Tensor]:
    """Return L1 of pixels and the weighted L1 of three layers; their sum is the author's FeatureLoss.

    Args:
        painted: ``(B, 3, H, W)`` normalized.
        truth: The same size; no gradient reaches it.
        vgg: `VGG16Features`; None leaves its terms out.
        weights: Weights of its layers.
    """
    terms = [F.l1_loss(painted, truth)]
    if vgg is not None:
        with torch.no_grad():
            wanted = vgg(truth)
        for weight, found, other in zip(weights, vgg(painted), wanted, strict=True):
            terms.append(weight * F.l1_loss(found.float(), other.float()))
    return terms


def adversarial_loss(fake: Tensor) -> Tensor:
    """Return the cross-entropy of the generator from scores of its pictures."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def critic_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return the cross-entropy of the critic from scores of painted and of true pictures."""
    missed = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return 0.5 * (adversarial_loss(real) + missed)


def pretraining_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the critic's pre-training on a batch of any mixture.

    Args:
        scores: ``(B, N)`` of the pictures.
        labels: ``(B,)``: 1 for a true picture, 0 for a painted one.
    """
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores)[:, None].expand_as(scores))


def torchvision_weights(source: str, url: str) -> dict[str, Tensor]:
    """Return torchvision's weights.

    Args:
        source: Their file; `TORCHVISION` takes that of torch hub, which is fetched once.
        url: Address of the latter.

    Raises:
        WeightsError: They are not available.
    """
    return published_weights(url) if source == TORCHVISION else load_state_dict_file(Path(source))


def _strided(fan_in: int, fan_out: int) -> nn.Sequential:
    return nn.Sequential(
        StoredSpectralConv(fan_in, fan_out, (4, 4), stride=2, padding=1), nn.LeakyReLU(_SLOPE)
    )


def _same(channels: int) -> nn.Sequential:
    return nn.Sequential(StoredSpectralConv(channels, channels, (3, 3), padding=1), nn.LeakyReLU(_SLOPE))

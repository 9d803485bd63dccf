"""Training of DeOldify ("NoGAN"), as in the author's notebooks.

The generator is first trained alone at increasing image sizes. Then the discriminator is trained alone. Then
both networks are trained for a few thousand steps, and the best checkpoint is kept. The last two phases are
repeated.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.losses import cross_entropy_gan_loss
from colorzoo.metrics.feature_networks import published_weights
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.imagenet import denormalized, normalized
from colorzoo.networks.spectral import StoredSpectralAttention, StoredSpectralConv
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import NonNegativeFloat, Positive, Range, Width
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.optimization import AdversarialOptimization, schedule
from colorzoo.training.perceptual import frozen_vgg16, load_torchvision
from colorzoo.training.stages import Stage
from colorzoo.weights import read_weights
from colorzoo.zoo.antic2019.model import LARGEST_FACTOR, Decoder, DeOldify, Encoder

_CHANNELS = 256
_SLOPE = 0.2
_FIRST_DROPOUT, _DROPOUT = 0.075, 0.15
VGG_LAYERS = (22, 32, 42)  # relu3_3, relu4_3, relu5_3

_ENCODERS = {
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet34": models.ResNet34_Weights.IMAGENET1K_V1,
    "resnet101": models.ResNet101_Weights.IMAGENET1K_V1,
}
_TURN = "generators_turn"  # checkpoint key

StageName = Literal["frozen", "unfrozen", "critic", "gan"]

_CONVOLUTIONS = ("model.network.encoder.*conv?.weight", "model.network.encoder.*downsample.0.weight")
STAGES = {
    "frozen": Stage(leaves=_CONVOLUTIONS),  # BatchNorm layers of the encoder stay trainable
    "unfrozen": Stage(),
    "critic": Stage(trains=("discriminator.*",)),
    "gan": Stage(),
}
ADVERSARIAL = ("critic", "gan")


class Antic2019(GANColorizationModule[RgbPrediction]):
    """Training task of `DeOldify`.

    Args:
        encoder: See `DeOldify`.
        decoder: See `DeOldify`.
        nf_factor: See `DeOldify`.
        width: See `DeOldify`.
        render_factor: See `DeOldify`.
        discriminator_width: Multiplier for the discriminator's channel counts; 1.0 matches the published
            network.
        layer_weights: Weights of the L1 distances at the layers relu3_3, relu4_3 and relu5_3 of VGG-16 with
            BatchNorm. Zeros disable VGG-16.
        content_weight: Weight of the content loss in the ``gan`` stage: 2.0 (artistic model) or 1.5 (stable
            model).
        adversarial_weight: Weight of the adversarial loss in the ``gan`` stage.
        discriminator_threshold: Discriminator loss below which the next step of the ``gan`` stage trains the
            generator.
        encoder_weights: Initial encoder weights: ``torchvision`` (downloaded once), the path of a torchvision
            file, or None for random weights.
        stage: ``frozen`` trains the generator except the encoder's convolutions. ``unfrozen`` trains the
            whole generator. ``critic`` trains only the discriminator. ``gan`` alternates between
            discriminator and generator. None is valid only without training, for example in evaluation.
        **optimization: See `AdversarialOptimization`. The generator has three parameter groups: the encoder
            up to 1/8 scale, the rest of the encoder, and the decoder. A one-cycle schedule can set a learning
            rate for each group.
    """

    stages = STAGES
    model: DeOldify
    vgg: nn.Module | None

    def __init__(
        self,
        encoder: Encoder = "resnet34",
        decoder: Decoder = "deep",
        nf_factor: Positive = 1.5,
        width: Width = 1.0,
        render_factor: Annotated[int, Range(1, LARGEST_FACTOR)] = 35,
        discriminator_width: Width = 1.0,
        layer_weights: tuple[float, float, float] = (20.0, 70.0, 10.0),
        content_weight: NonNegativeFloat = 2.0,
        adversarial_weight: NonNegativeFloat = 1.0,
        discriminator_threshold: float = 0.65,
        encoder_weights: str | None = "torchvision",
        stage: StageName | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = DeOldify(encoder, decoder, nf_factor, width, render_factor)
        super().__init__(model, stage=stage, **optimization)
        self.encoder_name, self.encoder_weights = encoder, encoder_weights
        self.layer_weights = layer_weights
        self.content_weight, self.adversarial_weight = content_weight, adversarial_weight
        self.discriminator_threshold = discriminator_threshold
        self.generators_turn = False
        self.vgg = None  # setup() loads VGG-16 for the stages that use it
        adversarial = self.is_adversarial()
        self.discriminator = Discriminator(discriminator_width) if adversarial else nn.Identity()

    def is_adversarial(self) -> bool:
        """Return whether the stage trains the discriminator."""
        return self.stage in ADVERSARIAL

    def setup(self, stage: str) -> None:
        """Load VGG-16 before ``fit``.

        Args:
            stage: Name of the Lightning stage, such as ``fit``.

        Raises:
            ColorzooError: The training stage (the argument ``stage`` of `Antic2019`) is None.
            WeightsError: The weights of VGG-16 are not available.
        """
        super().setup(stage)
        if stage != "fit":
            return
        if self.stage is None:
            raise ColorzooError(
                f"--model.stage must be one of {', '.join(STAGES)}, got null. Train the stages in this order."
            )
        if self.stage != "critic" and any(self.layer_weights):
            self.vgg = frozen_vgg16(VGG_LAYERS, untrained=self.allow_untrained)

    def generate(self, batch: Batch) -> RgbPrediction:
        """Generate RGB images from the grayscale versions of the images in a training batch."""
        return RgbPrediction(rgb=denormalized(self.model.generate(rgb_to_gray(batch["rgb"]))))

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the content loss of generated images.

        In the ``gan`` stage, return the weighted sum of the content loss and the adversarial loss.
        """
        rgb = normalized(generated.rgb)
        terms = content_terms(rgb, normalized(batch["rgb"]), self.vgg, self.layer_weights)
        content = torch.stack(terms).sum()
        if not self.is_adversarial():
            return content
        adversarial = cross_entropy_gan_loss(self.discriminator(rgb), real=True)
        return self.content_weight * content + self.adversarial_weight * adversarial

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the cross-entropy of the discriminator for generated and true images."""
        fake, real = (self.discriminator(normalized(rgb)) for rgb in (generated.rgb, batch["rgb"]))
        if self.stage == "critic":
            labels = torch.cat([fake.new_zeros(len(fake)), real.new_ones(len(real))])
            return pretraining_loss(torch.cat([fake, real]), labels)
        losses = cross_entropy_gan_loss(real, real=True) + cross_entropy_gan_loss(fake, real=False)
        return 0.5 * losses

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Train the generator or the discriminator; the ``gan`` stage alternates between them."""
        updates = self.ends_group(batch_idx)
        trains_discriminator = self.stage == "critic" or (self.stage == "gan" and not self.generators_turn)
        name = "discriminator" if trains_discriminator else "generator"
        optimizers: Any = self.optimizers()  # a list only in the gan stage
        if isinstance(optimizers, list):
            optimizer = optimizers[1 if trains_discriminator else 0]
        else:
            optimizer = optimizers
        with optimizer.toggle_model(sync_grad=updates):
            if trains_discriminator:
                with torch.no_grad():
                    generated = self.generate(batch)
                loss = self.discriminator_loss(batch, generated)
            else:
                loss = self.generator_loss(batch, self.generate(batch))
            self._backward_and_step(optimizer, loss, should_step=updates)
        if updates:
            self._step_schedule(optimizer)
            self.generators_turn = False
            if self.stage == "gan" and trains_discriminator:
                mean = self.trainer.strategy.reduce(loss.detach(), reduce_op="mean")  # over processes
                self.generators_turn = float(mean) < self.discriminator_threshold
        self.log_losses({name: loss}, len(batch["rgb"]))
        return {"loss": loss.detach()}

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return three parameter groups: encoder up to 1/8 scale, rest of the encoder, decoder."""
        early = tuple(f"encoder.{name}." for name in ("conv1", "bn1", "layer1", "layer2"))
        early_layers, late_layers, decoder = [], [], []
        for name, parameter in self.model.network.named_parameters():
            if not parameter.requires_grad:
                continue
            if name.startswith(early):
                early_layers.append(parameter)
            elif name.startswith("encoder."):
                late_layers.append(parameter)
            else:
                decoder.append(parameter)
        return [{"params": group} for group in (early_layers, late_layers, decoder)]

    def configure_optimizers(self) -> Any:
        """Return optimizers and learning rate schedules for the networks that the stage trains."""
        make_schedule = partial(schedule, trainer=self.trainer)
        optimizers, schedules = [], []
        if self.stage != "critic":
            generator = self.make_optimizer(self.generator_groups())
            optimizers.append(generator)
            schedules.append(make_schedule(self.make_scheduler, generator))
        if self.is_adversarial():
            discriminator = self.make_discriminator_optimizer(self.discriminator.parameters())
            optimizers.append(discriminator)
            schedules.append(make_schedule(self.make_discriminator_scheduler, discriminator))
        return optimizers, [each for each in schedules if each is not None]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store in the checkpoint whether the next step trains the generator."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[_TURN] = self.generators_turn

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore from the checkpoint whether the next step trains the generator."""
        super().on_load_checkpoint(checkpoint)
        self.generators_turn = checkpoint[_TURN]

    def prepare_fit(self) -> None:
        """Load the initial encoder weights, unless the model has trained weights.

        Raises:
            WeightsError: The stage requires a trained model, or the encoder weights are not available.
        """
        super().prepare_fit()
        if self.trained or self.allow_untrained:
            return
        if self.stage in ADVERSARIAL:
            raise WeightsError(f"--model.stage {self.stage} requires trained weights. Add --init_from FILE.")
        if self.encoder_weights is None:
            if self.stage == "frozen":
                raise WeightsError(
                    "--model.stage frozen requires --model.encoder_weights, because this stage does not "
                    "train the convolutions of the encoder"
                )
            return
        if self.encoder_weights == "torchvision":
            state_dict = published_weights(str(_ENCODERS[self.encoder_name].url))
        else:
            state_dict = read_weights(Path(self.encoder_weights)).state_dict
        load_torchvision(self.model.network.encoder, state_dict, f"the encoder ({self.encoder_name})")


class Discriminator(nn.Sequential):
    """Patch discriminator with spectral norm, channel dropout and self-attention.

    Layer indices match the author's parameter names.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published discriminator.
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
        """Return a logit for each of N image patches, ``(B, N)``; high values mean "real".

        Args:
            normalized: RGB images ``(B, 3, H, W)`` with ImageNet normalization.
        """
        scores = normalized
        for layer in self:
            scores = layer(scores)
        return scores.float()


def content_terms(
    generated: Tensor, truth: Tensor, vgg: nn.Module | None, weights: tuple[float, float, float]
) -> list[Tensor]:
    """Return the L1 distances between pixels and between the features of three VGG layers.

    The terms match FeatureLoss in the author's code.

    Args:
        generated: Generated images ``(B, 3, H, W)`` with ImageNet normalization.
        truth: Ground truth ``(B, 3, H, W)`` with ImageNet normalization, without gradient.
        vgg: VGG-16 with BatchNorm, which returns three feature maps; None omits the feature distances.
        weights: Weight of the feature distance at each VGG layer.

    Returns:
        Scalars: the pixel distance, followed by the three weighted feature distances.
    """
    pixel_loss = F.l1_loss(generated, truth)
    if vgg is None:
        return [pixel_loss]
    with torch.no_grad():
        target_features = vgg(truth)
    feature_losses = [
        weight * F.l1_loss(features.float(), target.float())
        for weight, features, target in zip(weights, vgg(generated), target_features, strict=True)
    ]
    return [pixel_loss, *feature_losses]


@in_float32
def pretraining_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the discriminator in the ``critic`` stage.

    Args:
        scores: Scores ``(B, N)`` of N patches in real and generated images.
        labels: ``(B,)``: 1 for a real image, 0 for a generated image.
    """
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores)[:, None].expand_as(scores))


def _strided(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        StoredSpectralConv(in_channels, out_channels, (4, 4), stride=2, padding=1), nn.LeakyReLU(_SLOPE)
    )


def _same(channels: int) -> nn.Sequential:
    return nn.Sequential(StoredSpectralConv(channels, channels, (3, 3), padding=1), nn.LeakyReLU(_SLOPE))

"""Training of the transfer and colorization sub-nets of Xu et al. (CVPR 2020), in stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Unpack

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.hint_unet import start_weights
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.precision import in_float32
from colorzoo.randomness import image_generators
from colorzoo.settings import NonNegativeFloat, Positive, Probability
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage, Start, require_frozen
from colorzoo.weights import apply_weights
from colorzoo.zoo.xu2020.extensions import (
    EXTENSION_STAGES,
    Extensions,
    ExtensionStage,
    recoloring_losses,
    reference_of,
)
from colorzoo.zoo.xu2020.model import StylizationColorization
from colorzoo.zoo.xu2020.network import MASK_CENTER, Architecture
from colorzoo.zoo.xu2020.transfer import SMALLEST, STRIDE, Encoder, keep

STAGES = {
    "decoder": Stage(trains=("model.network.transfer.decoder.*",), complete=False),
    # the paper's loss does not use the classification head
    "color": Stage(trains=("model.network.color.*",), leaves=("*.class_head.*",)),
}


@dataclass(frozen=True)
class Objective:
    """Settings of the losses of the transfer and colorization sub-nets.

    Attributes:
        image_weight: Weight of the squared pixel error in the decoder loss.
        perceptual_weight: Weight of the squared error of relu4_1 features in the decoder loss. The paper does
            not state the layer.
        hint_weight: Parameter lambda of the masked Huber loss: additional weight of pixels with hints.
        delta: Error in units of ab / 110 at which the masked Huber loss changes from quadratic to linear. The
            paper does not state the value.
    """

    image_weight: NonNegativeFloat = 0.8
    perceptual_weight: NonNegativeFloat = 0.2
    hint_weight: NonNegativeFloat = 10.0
    delta: Positive = 1.0


class Xu2020(SingleOptimizerModule):
    """Training task of `StylizationColorization`.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        objective: Settings of the losses.
        extensions: Settings of extensions that are not in the paper.
        stage: ``"decoder"`` trains the transfer decoder, and ``"color"`` trains the colorization sub-net. See
            `EXTENSION_STAGES` for stages that are not in the paper.
        start: Model with the initial weights: a Local Hints model for the colorization sub-net, or an xu2020
            model for all weights. None uses random weights.
        stop_probability: Parameter p of the distribution of the number n of training points,
            P(n) = (1 - p)^n p.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = STAGES | EXTENSION_STAGES
    model: StylizationColorization

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        extensions: Extensions = Extensions(),
        stage: Literal["decoder", "color"] | ExtensionStage = "color",
        start: Start | str | None = None,
        stop_probability: Probability = 1 / 8,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = StylizationColorization(architecture, extensions)
        super().__init__(model, stage=stage, start=start, **optimization)
        self.objective = objective
        self.points = PointSimulation(stop_probability, reveal_all=0.0)
        # loss function of each stage; None is the stage of tasks without stages
        self.losses: dict[str | None, Callable[[Batch], dict[str, Tensor]]] = {
            "decoder": self.decoder_losses,
            "color": self.color_losses,
            # not in the paper
            "encoder": partial(recoloring_losses, model.network),
        }

    def prepare_fit(self) -> None:
        """Check that the encoder has trained weights in stage ``decoder``.

        Raises:
            WeightsError: The encoder has random weights, and ``allow_untrained`` is not set.
        """
        super().prepare_fit()
        if self.stage == "decoder" and not (self.start or self.allow_untrained):
            require_frozen(self.trained, "--model.stage decoder uses an encoder", "xu2020 VGG19.pth")

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the weights of an xu2020 model or a Local Hints model.

        A Local Hints model initializes the colorization sub-net.

        Args:
            source: Task of the other model.

        Raises:
            ColorzooError: The other model does not match this model, has no encoder for stage ``decoder``, or
                is a Local Hints model although ``backbone`` is set.
        """
        if isinstance(source, Xu2020):
            apply_weights(self.model, source.model.state_dict(), name="--model.start", published=False)
            return
        if self.stage == "decoder":
            raise ColorzooError(
                f"--model.start must name an xu2020 model for the stage 'decoder', got "
                f"{type(source).__name__}"
            )
        if self.model.extensions.backbone is not None:
            raise ColorzooError(
                "--model.start cannot be combined with --model.extensions.backbone. Remove one option."
            )
        weights = start_weights(source.model, MASK_CENTER)
        apply_weights(self.model.network.color.unet, weights, name="--model.start", published=False)

    @property
    def completes_model(self) -> bool:
        """Whether no part keeps random weights; a backbone provides the colorization sub-net."""
        return self.model.extensions.backbone is not None or super().completes_model

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the current stage; see `Xu2020` for the stages."""
        losses = self.losses[self.stage](batch)
        self.log_losses(losses, len(batch["rgb"]))
        return losses["loss"]

    def decoder_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the squared errors of reconstructed images and features (stage ``decoder``)."""
        weigh, transfer, rgb = self.objective, self.model.network.transfer, batch["rgb"]
        image, perceptual = reconstruction_losses(transfer.encoder, transfer(rgb), rgb)
        loss = weigh.image_weight * image + weigh.perceptual_weight * perceptual
        return {"loss": loss, "image": image, "perceptual": perceptual}

    def color_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the masked Huber loss of colorization from hints (L_c in the paper)."""
        weigh, lab = self.objective, rgb_to_lab(batch["rgb"])
        points = simulate_points(lab[:, 1:], image_generators(batch["seed"], "points"), self.points)
        ab = self.model(lab[:, :1], Guidance(points=points)).ab
        loss = masked_huber(ab, lab[:, 1:], points.mask, hint_weight=weigh.hint_weight, delta=weigh.delta)
        return {"loss": loss}

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the validation settings: ``automatic`` and ``reference``."""
        return "automatic", "reference"

    def validation_guidances(self, batch: Batch, lab: Tensor) -> list[tuple[str, Guidance]]:
        """Return guidance without a reference, and with the reference of `reference_of`."""
        return [
            ("automatic", Guidance()),
            ("reference", Guidance(exemplar=Exemplar(reference_of(batch)))),
        ]


@in_float32
def masked_huber(
    ab: Tensor, target: Tensor, mask: Tensor, *, hint_weight: float = 10.0, delta: float = 1.0
) -> Tensor:
    """Return the mean Huber loss with a higher weight at hinted pixels (L_c of the paper).

    Args:
        ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
        target: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        mask: Hint mask ``(B, 1, H, W)`` in {0, 1}.
        hint_weight: Factor lambda of the paper: colors are multiplied by ``1 + lambda * mask``.
        delta: Weighted error in units of ab / 110 at which the loss changes from quadratic to linear.
    """
    weight = (1 + hint_weight * mask) / AB_SCALE
    return F.huber_loss(weight * ab, weight * target, delta=delta)


def reconstruction_losses(encoder: Encoder, rgb: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared error of images and the mean squared error of their features.

    Args:
        encoder: Encoder that computes relu4_1 features.
        rgb: Reconstructed images ``(B, 3, H, W)``.
        target: Ground truth ``(B, 3, H, W)`` in [0, 1], without gradient.
    """
    features = encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), keep).bottom.float()
    target_features = encoder(pad_to_multiple(target, STRIDE, SMALLEST), keep).bottom.detach().float()
    return F.mse_loss(rgb, target), F.mse_loss(features, target_features)

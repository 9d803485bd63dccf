"""Training of the transfer and colorization sub-nets of Xu et al. (CVPR 2020), in stages.

The paper trains the two sub-nets without references. The stage ``encoder`` is not in the paper. It trains
with references from the data or crops of the images.
"""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Exemplar, Guidance, Points
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.hint_unet import start_weights
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.precision import in_float32
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, Positive, Probability, Width
from colorzoo.simulation.points import simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage, require_frozen
from colorzoo.zoo.xu2020.model import (
    MASK_CENTER,
    PLACE_SETS,
    SMALLEST,
    STRIDE,
    StylizationColorization,
    keep,
)

STAGES = {
    "decoder": Stage(trains=("model.network.transfer.decoder.*",), complete=False),
    # the paper's loss does not use the classification head
    "color": Stage(trains=("model.network.color.*",), leaves=("*.class_head.*",)),
    # not in the paper: encoder and decoder of the transfer sub-net jointly, without VGG-19
    "encoder": Stage(trains=("model.network.transfer.*",), complete=False),
}
_AREA = (0.3, 1.0)  # area range of a self-reference crop, as a fraction of the image
WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # fraction of shifted contents, maximum shift in CIE units


class Xu2020(SingleOptimizerModule):
    """Training task of `StylizationColorization`.

    Args:
        width: See `StylizationColorization`.
        places: See `StylizationColorization`.
        image_weight: Weight of the squared pixel error in the decoder loss.
        perceptual_weight: Weight of the squared error of relu4_1 features in the decoder loss. The paper does
            not state the layer.
        hint_weight: Parameter lambda of the masked Huber loss: additional weight of pixels with hints.
        delta: Error in units of ab / 110 at which the masked Huber loss changes from quadratic to linear. The
            paper does not state the value.
        backbone: See `StylizationColorization`.
        transfer_error: See `StylizationColorization`.
        stage: ``"decoder"`` trains the transfer decoder, and ``"color"`` trains the colorization sub-net.
            ``"encoder"``, which is not in the paper, trains encoder and decoder of the transfer sub-net.
        stop_probability: Parameter p of the distribution of the number n of training points,
            P(n) = (1 - p)^n p.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = STAGES
    validation_names = ("automatic", "reference")
    model: StylizationColorization

    def __init__(
        self,
        width: Width = 1.0,
        places: tuple[str, ...] = PLACE_SETS,
        image_weight: NonNegativeFloat = 0.8,
        perceptual_weight: NonNegativeFloat = 0.2,
        hint_weight: NonNegativeFloat = 10.0,
        delta: Positive = 1.0,
        backbone: str | None = None,
        transfer_error: Positive | None = None,
        stage: Literal["decoder", "color", "encoder"] = "color",
        stop_probability: Probability = 1 / 8,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = StylizationColorization(width, places, backbone, transfer_error)
        super().__init__(model, stage=stage, **optimization)
        self.image_weight, self.perceptual_weight = image_weight, perceptual_weight
        self.hint_weight, self.delta = hint_weight, delta
        self.stop_probability = stop_probability

    def prepare_fit(self) -> None:
        """Check that the encoder has trained weights in stage ``decoder``.

        Raises:
            WeightsError: The encoder has random weights, and ``allow_untrained`` is not set.
        """
        super().prepare_fit()
        if self.stage == "decoder" and not self.allow_untrained:
            require_frozen(self.trained, "--model.stage decoder uses an encoder", "xu2020 VGG19.pth")

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the weights of a Local Hints model for the colorization sub-net.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The other model does not match this model, has no encoder for stage ``decoder``, or
                this model has a ``backbone``.
        """
        if isinstance(source, Xu2020):
            return {}
        if self.stage == "decoder":
            raise ColorzooError(
                f"--init_from must name an xu2020 model for the stage 'decoder', got {type(source).__name__}"
            )
        if self.hparams["backbone"] is not None:
            raise ColorzooError("--init_from cannot replace --model.backbone. Remove one option.")
        weights = start_weights(source.model, MASK_CENTER)
        return {f"model.network.color.unet.{key}": value for key, value in weights.items()}

    @property
    def completes_model(self) -> bool:
        """True if no part keeps random weights; a backbone provides the colorization sub-net."""
        return self.hparams["backbone"] is not None or super().completes_model

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the current stage; see `Xu2020` for the stages."""
        losses = {
            "decoder": self.decoder_losses,
            "color": self.color_losses,
            "encoder": self.encoder_losses,
        }[self.stage or "color"](batch)
        self.log_losses(losses, len(batch["rgb"]))
        return losses["loss"]

    def decoder_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the squared errors of reconstructed images and of their relu4_1 features."""
        rgb, transfer = batch["rgb"], self.model.network.transfer
        reconstructed = transfer(rgb)
        features, target_features = (
            transfer.encoder(pad_to_multiple(each, STRIDE, SMALLEST), keep).bottom.float()
            for each in (reconstructed, rgb)
        )
        image = F.mse_loss(reconstructed, rgb)
        perceptual = F.mse_loss(features, target_features.detach())
        loss = self.image_weight * image + self.perceptual_weight * perceptual
        return {"loss": loss, "image": image, "perceptual": perceptual}

    def color_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the masked Huber loss of colorization from hints (L_c in the paper)."""
        lab = rgb_to_lab(batch["rgb"])
        points = simulate_points(
            lab[:, 1:],
            image_generators(batch["seed"], "points"),
            stop_probability=self.stop_probability,
            reveal_all=0.0,
        )
        ab = self.model(lab[:, :1], Guidance(points=points)).ab
        loss = masked_huber(ab, lab[:, 1:], points.mask, hint_weight=self.hint_weight, delta=self.delta)
        return {"loss": loss}

    def encoder_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the squared RGB error after a color transfer; not in the paper.

        The transfer sub-net must recover the image from a copy with changed colors. The reference comes from
        the data or is a crop of the image.
        """
        network, rgb = self.model.network, batch["rgb"]
        lab = rgb_to_lab(rgb)
        lightness, ab = lab[:, :1], lab[:, 1:]
        embedding = network.transfer.encode_reference(reference_of(batch))
        with torch.no_grad():
            # content colors: automatic, or shifted true colors, which train to replace vivid colors
            automatic, _ = network.color(lightness, Points.none(lab))
            draws = draw_uniform(image_generators(batch["seed"], "content"), len(ab), 4, ab.device)
            draws = draws[..., None, None]
            wrong = ab * (1.5 * draws[:, :1]) + _WRONG_SHIFT * (2 * draws[:, 1:3] - 1)
            content_ab = torch.where(draws[:, 3:] < WRONG_SHARE, wrong, automatic)
            content = lab_to_rgb(torch.cat([lightness, content_ab], dim=1))
        return {"loss": F.mse_loss(network.transfer(content, network.adapt(embedding)), rgb)}

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


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch, or random crops of the images if the batch has no references.

    A crop is resized to the image size and randomly mirrored.
    """
    reference = batch.get("reference")
    if reference is not None:
        return reference
    return crop_flip_reference(batch["rgb"], image_generators(batch["seed"], "reference"), scale=_AREA)

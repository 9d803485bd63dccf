"""Training of the transfer and colorization sub-nets of Xu et al. (CVPR 2020), in stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from colorzoo.networks.hint_unet import AB_SCALE, fitting_unet
from colorzoo.precision import in_float32
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, Positive, Probability
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage, Start, require_frozen
from colorzoo.weights import apply_weights
from colorzoo.zoo.xu2020.model import MASK_CENTER, StylizationColorization
from colorzoo.zoo.xu2020.network import Architecture, ExemplarNetwork, Extensions, grid_hints
from colorzoo.zoo.xu2020.transfer import SMALLEST, STRIDE, Encoder, keep

_AREA = (0.3, 1.0)  # area range of a self-reference crop, as a fraction of the image
_TURN = (60.0, 300.0)  # range of the hue rotation of an unrelated reference in degrees
_SHIFT = 30.0  # maximum color shift of an unrelated reference in CIE units
WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # fraction of shifted contents, maximum shift in CIE units

_COLOR_DECODER = (
    *("up8", "skip3", "block8", "attention", "inject", "up9", "skip2", "block9"),
    *("up10", "skip1", "block10", "ab_head"),
)
STAGES: Mapping[str, Stage] = {
    "decoder": Stage(trains=("model.network.transfer.decoder.*",)),
    # the paper's loss does not use the classification head
    "color": Stage(trains=("model.network.color.*",), leaves=("*.class_head.*",)),
    # not in the paper: encoder and decoder of the transfer sub-net jointly, without VGG-19
    "encoder": Stage(trains=("model.network.transfer.*",)),
    # not in the paper: the decoder of the colorization sub-net alone, on transferred hints
    "exposure": Stage(trains=tuple(f"model.network.color.unet.{name}.*" for name in _COLOR_DECODER)),
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
        stage: ``"decoder"`` trains the transfer decoder, and ``"color"`` trains the colorization sub-net. Two
            stages are not in the paper: ``"encoder"`` trains the whole transfer sub-net, and ``"exposure"``
            trains the decoder of the colorization sub-net on hints with transferred colors.
        start: Model with the initial weights: a Local Hints model for the colorization sub-net, or an xu2020
            model for all weights. None uses random weights.
        stop_probability: Parameter p of the distribution of the number n of training points,
            P(n) = (1 - p)^n p.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = STAGES
    model: StylizationColorization

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        extensions: Extensions = Extensions(),
        stage: Literal["decoder", "color", "encoder", "exposure"] = "color",
        start: Start | str | None = None,
        stop_probability: Probability = 1 / 8,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = StylizationColorization(architecture, extensions)
        super().__init__(model, stage=stage, start=start, **optimization)
        self.objective = objective
        self.extensions = extensions
        self.stop_probability = stop_probability

    def setup(self, stage: str) -> None:
        """Check that the encoder has trained weights in stage ``decoder``.

        Args:
            stage: Trainer stage, such as ``fit``, not the training stage of this task.

        Raises:
            WeightsError: The encoder has random weights, and ``allow_untrained`` is not set.
        """
        super().setup(stage)
        if stage == "fit" and self.stage == "decoder" and not (self.start or self.allow_untrained):
            require_frozen(self.trained, "--model.stage decoder uses an encoder", "xu2020 VGG19.pth")

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the weights of an xu2020 model or a Local Hints model.

        A Local Hints model initializes the colorization sub-net.

        Args:
            source: Task of the other model.

        Raises:
            ColorzooError: The other model does not match this model, or has no encoder for stage ``decoder``.
        """
        if isinstance(source, Xu2020):
            apply_weights(self.model, source.model.state_dict(), name="start", published=False)
            return
        if self.stage == "decoder":
            raise ColorzooError(
                f"--model.start must name an xu2020 model for the stage 'decoder', got "
                f"{type(source).__name__}"
            )
        unet, theirs = self.model.network.color.unet, source.model.network
        unet.load_state_dict(fitting_unet(theirs, unet, mask_center=MASK_CENTER, purpose="--model.start"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the current stage; see `Xu2020` for the stages."""
        match self.stage:
            case "decoder":
                losses = self._reconstruction_losses(batch["rgb"])
            case "encoder":
                losses = {"loss": recoloring_loss(self.model.network, batch)}
            case _:
                losses = {"loss": self._color_loss(batch)}
        self.log_losses(losses, len(batch["rgb"]))
        return losses["loss"]

    def _reconstruction_losses(self, rgb: Tensor) -> dict[str, Tensor]:
        """Return the squared errors of reconstructed images and features."""
        weigh, transfer = self.objective, self.model.network.transfer
        image, perceptual = reconstruction_losses(transfer.encoder, transfer(rgb), rgb)
        loss = weigh.image_weight * image + weigh.perceptual_weight * perceptual
        return {"loss": loss, "image": image, "perceptual": perceptual}

    def _color_loss(self, batch: Batch) -> Tensor:
        """Return the masked Huber loss of colorization from hints (L_c in the paper)."""
        weigh, lab = self.objective, rgb_to_lab(batch["rgb"])
        points = self.training_hints(lab, batch)
        ab = self.model(lab[:, :1], Guidance(points=points)).ab
        return masked_huber(ab, lab[:, 1:], points.mask, hint_weight=weigh.hint_weight, delta=weigh.delta)

    @torch.no_grad()
    def training_hints(self, lab: Tensor, batch: Batch) -> Points:
        """Return points sampled as in the paper or, for some images, a grid of hints.

        `Extensions` defines the fractions of images with a grid.

        Args:
            lab: Ground truth ``(B, 3, H, W)``.
            batch: Training batch, which contains a random seed for each image.
        """
        ours = self.extensions
        simulation = PointSimulation(self.stop_probability, reveal_all=0.0, none=ours.none_share)
        drawn = simulate_points(lab[:, 1:], image_generators(batch["seed"], "points"), simulation)
        if not ours.grid_share + ours.transferred_share:
            return drawn
        return exposed_hints(self.model.network, ours, drawn, lab, batch)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the validation settings: ``automatic``, ``reference`` and ``other``.

        ``automatic`` has no reference. ``reference`` uses the reference of the data, or an augmented copy of
        the image. ``other`` uses an unrelated reference.
        """
        return "automatic", "reference", "other"

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Yield guidance without a reference, with the reference of the batch, and with changed colors.

        Args:
            batch: The batch.
            lab: Ground truth ``(B, 3, H, W)``.
        """
        reference = reference_of(batch)
        yield "automatic", Guidance()
        yield "reference", Guidance(exemplar=Exemplar(reference))
        yield "other", Guidance(exemplar=Exemplar(foreign_references(reference, batch["seed"])))


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
    found = encoder(pad_to_multiple(rgb, STRIDE, SMALLEST), keep).bottom.float()
    wanted = encoder(pad_to_multiple(target, STRIDE, SMALLEST), keep).bottom.detach().float()
    return F.mse_loss(rgb, target), F.mse_loss(found, wanted)


def recoloring_loss(network: ExemplarNetwork, batch: Batch) -> Tensor:
    """Return the loss of stage ``encoder``: the squared RGB error after a color transfer.

    The transfer sub-net must recover the image from a copy with changed colors. The reference comes from the
    data or is a crop of the image.

    Args:
        network: Pipeline with the transfer sub-net.
        batch: Training batch, which contains a random seed for each image.
    """
    rgb = batch["rgb"]
    lab = rgb_to_lab(rgb)
    embedding = network.transfer.encode_reference(reference_of(batch))
    with torch.no_grad():
        automatic, _ = network.color(lab[:, :1], Points.none(lab))
        content = lab_to_rgb(torch.cat([lab[:, :1], _contents(automatic, lab[:, 1:], batch)], dim=1))
    return F.mse_loss(network.transfer(content, network.adapt(embedding)), rgb)


def exposed_hints(
    network: ExemplarNetwork, extensions: Extensions, drawn: Points, lab: Tensor, batch: Batch
) -> Points:
    """Replace the hints of some training images with a grid of hints.

    The grid contains true colors or colors transferred from a reference; see `grid_hints`.

    Args:
        network: Pipeline that colorizes images and transfers reference colors.
        extensions: Extensions, which define the fractions of images with true and transferred colors.
        drawn: Hints for images without a grid.
        lab: Ground truth ``(B, 3, H, W)``.
        batch: Training batch with per-image seeds.
    """
    draws = draw_uniform(image_generators(batch["seed"], "hints"), len(lab), 1, lab.device)
    share = draws[..., None, None]
    colors = lab[:, 1:]
    if extensions.transferred_share:
        colors = torch.where(
            share < extensions.transferred_share, _transferred(network, lab[:, :1], batch), colors
        )
    grid = grid_hints(colors)
    is_grid = share < extensions.transferred_share + extensions.grid_share
    return Points(torch.where(is_grid, grid.ab, drawn.ab), torch.where(is_grid, grid.mask, drawn.mask))


def _transferred(network: ExemplarNetwork, lightness: Tensor, batch: Batch) -> Tensor:
    """Transfer colors from a related, an unrelated or a mixed reference."""
    reference = reference_of(batch)
    own, foreign = (
        network.transfer.encode_reference(reference),
        network.transfer.encode_reference(foreign_references(reference, batch["seed"])),
    )
    draws = draw_uniform(image_generators(batch["seed"], "mixture"), len(lightness), 2, lightness.device)
    part = torch.where(draws[:, :1] < 0.5, draws[:, 1:], (draws[:, 1:] < 0.5).float())[:, :, None]
    automatic, _ = network.color(lightness, Points.none(lightness))
    return network.transferred(lightness, automatic, part * own + (1 - part) * foreign)


def _contents(automatic: Tensor, ab: Tensor, batch: Batch) -> Tensor:
    """Return the colors before the transfer: automatic or shifted true colors.

    Shifted true colors train the network to replace vivid colors.
    """
    draws = draw_uniform(image_generators(batch["seed"], "content"), len(ab), 4, ab.device)[..., None, None]
    wrong = ab * (1.5 * draws[:, :1]) + _WRONG_SHIFT * (2 * draws[:, 1:3] - 1)
    return torch.where(draws[:, 3:] < WRONG_SHARE, wrong, automatic)


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch, or image crops if the batch has no references."""
    given: Tensor | None = dict(batch).get("reference")  # type: ignore[assignment]
    return self_references(batch["rgb"], batch["seed"]) if given is None else given


def self_references(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Return a random crop of each image, resized to the image size and randomly mirrored.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        seeds: Per-image seeds ``(B,)``.
    """
    return crop_flip_reference(rgb, image_generators(seeds, "reference"), scale=_AREA)


def foreign_references(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Simulate unrelated references: rotate the hues and shift the colors of references.

    Other images of the batch are not used, because the result would depend on the number of processes.

    Args:
        rgb: References ``(B, 3, H, W)`` in [0, 1].
        seeds: Per-image seeds ``(B,)``.
    """
    lab = rgb_to_lab(rgb)
    draws = draw_uniform(image_generators(seeds, "foreign"), len(rgb), 3, rgb.device)[..., None, None]
    angle = torch.deg2rad(_TURN[0] + (_TURN[1] - _TURN[0]) * draws[:, 0])
    a, b = lab[:, 1], lab[:, 2]
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], dim=1)
    return lab_to_rgb(torch.cat([lab[:, :1], turned + _SHIFT * (2 * draws[:, 1:] - 1)], dim=1))

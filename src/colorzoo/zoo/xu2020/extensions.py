"""Extensions that are not in Xu et al. 2020: network parts, training stages and simulated references.

The paper trains the two sub-nets without references. The stages here train with references from the data,
crops of the images, or recolored references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import grid_centers, lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.factory import create_backbone
from colorzoo.guidance import Points
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_extensions import ExtendedHintUNet
from colorzoo.networks.hint_unet import PointNetwork, compatible_unet_weights
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Width
from colorzoo.training.stages import Stage
from colorzoo.zoo.xu2020.network import MASK_CENTER, Architecture, ExemplarNetwork, grid_hints

_OURS = "network.color.unet."
_AREA = (0.3, 1.0)  # area range of a self-reference crop, as a fraction of the image
_TURN = (60.0, 300.0)  # range of the hue rotation of an unrelated reference in degrees
_SHIFT = 30.0  # maximum color shift of an unrelated reference in CIE units
WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # fraction of shifted contents, maximum shift in CIE units


@dataclass(frozen=True)
class Extensions:
    """Extensions that are not in Xu et al. 2020.

    Attributes:
        color_width: Multiplier for the channel counts of the colorization sub-net; None uses ``width``.
        hint_attention: Whether to add an attention layer for hint colors; see `ExtendedHintUNet`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `ExtendedHintUNet`.
        backbone: Name of a Local Hints model (Zhang et al. 2017) with initial weights for the colorization
            sub-net. Weight files store only weights that differ from this model.
        transfer_error: Expected color error (standard deviation in CIE units) of a transfer from a suitable
            reference. The error determines the weights in the average of transferred and automatic colors;
            see `weigh_transfer`. None uses only transferred colors.
        none_share: Fraction of the training images without color points.
        grid_share: Fraction of the training images whose hints are a grid of true colors; see `grid_hints`.
        transferred_share: Fraction of the training images whose hints are a grid of transferred colors.
    """

    color_width: Width | None = None
    hint_attention: bool = False
    scene_blocks: NonNegativeInt = 0
    backbone: str | None = None
    transfer_error: NonNegativeFloat | None = None
    none_share: Fraction = 0.0
    grid_share: Fraction = 0.0
    transferred_share: Fraction = 0.0


class ExtendedExemplarNetwork(ExemplarNetwork):
    """`ExemplarNetwork` with an `ExtendedHintUNet`, user points and, if set, weighted hint colors.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        extensions: Settings of the extensions.
    """

    centers: Tensor

    def __init__(self, architecture: Architecture, extensions: Extensions) -> None:
        width = architecture.width if extensions.color_width is None else extensions.color_width
        unet = ExtendedHintUNet(
            width,
            mask_center=MASK_CENTER,
            hint_attention=extensions.hint_attention,
            scene_blocks=extensions.scene_blocks,
        )
        super().__init__(architecture, unet)
        self.transfer_error = extensions.transfer_error
        self.register_buffer("centers", grid_centers(), persistent=False)

    def hints(self, transferred: Tensor, automatic: Tensor, logits: Tensor, points: Points | None) -> Points:
        """Select hints from transferred colors and color points of the user.

        If set, the transferred colors are averaged with the automatic colors; see `weigh_transfer`.
        """
        if self.transfer_error is not None:
            transferred = weigh_transfer(transferred, automatic, logits, self.centers, self.transfer_error)
        return with_user_points(super().hints(transferred, automatic, logits, points), points)


def weigh_transfer(
    transferred: Tensor, automatic: Tensor, logits: Tensor, centers: Tensor, error: float
) -> Tensor:
    """Average transferred and automatic colors by inverse variance.

    The variance of an automatic color is the variance of the predicted color distribution. The variance of
    the transferred colors is estimated for each image: the mean squared distance between transferred and
    automatic colors, minus the variance of the automatic colors, but at least ``error`` squared. The colors
    of an unsuitable reference therefore have a low weight.

    Args:
        transferred: ab ``(B, 2, H, W)`` after the transfer in CIE units.
        automatic: ab ``(B, 2, H, W)`` before the transfer in CIE units.
        logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        centers: Bin centers ``(529, 2)`` of the ab grid.
        error: Minimum standard deviation of the transferred colors in CIE units.

    Returns:
        Averaged ab ``(B, 2, H, W)`` in CIE units.
    """
    automatic_variance = F.interpolate(
        _variance(logits, centers), size=transferred.shape[-2:], mode="bilinear"
    )
    squared_difference = (transferred - automatic).square().mean(dim=1, keepdim=True)
    excess = (squared_difference - automatic_variance).mean(dim=(1, 2, 3), keepdim=True)
    transfer_variance = excess.clamp(min=error**2)  # (B, 1, 1, 1)
    weight = automatic_variance / (automatic_variance + transfer_variance)  # of the transferred colors
    return automatic + weight * (transferred - automatic)


def _variance(logits: Tensor, centers: Tensor) -> Tensor:
    """Return the mean of the variances of a and b, ``(B, 1, h, w)``."""
    with torch.autocast(logits.device.type, enabled=False):  # float32 for differences of large squares
        share = logits.float().softmax(dim=1)
        mean = torch.einsum("bqhw,qc->bchw", share, centers)
        square = torch.einsum("bqhw,q->bhw", share, centers.square().sum(dim=1))
        return ((square - mean.square().sum(dim=1)) / 2).clamp(min=0).unsqueeze(1)


def with_user_points(hints: Points, points: Points | None) -> Points:
    """Add color points of the user to hints; the points take precedence at each pixel.

    Args:
        hints: Hints from the reference.
        points: Color points of the user; None without points.
    """
    if points is None:
        return hints
    ab = torch.where(points.mask > 0, points.ab, hints.ab)
    return Points(ab, torch.maximum(points.mask, hints.mask))


def load_backbone(name: str, network: PointNetwork) -> None:
    """Load the weights of a Local Hints model into the colorization sub-net.

    Args:
        name: Name of the registered Local Hints model.
        network: Colorization sub-net.

    Raises:
        WeightsError: The model has no trained weights on this machine.
        ColorzooError: The model is not a Local Hints model, or its weight shapes, ``mask_center`` or
            ``ab_scale`` differ.
    """
    if next(network.parameters()).is_meta:  # the meta device needs shapes only
        return
    source = trained_model(name).network
    purpose = f"backbone={name!r}"
    network.unet.load_state_dict(
        compatible_unet_weights(source, network.unet, mask_center=MASK_CENTER, setting=purpose)
    )


def backbone_weights(name: str) -> Mapping[str, Tensor]:
    """Return the weights of a Local Hints model under the parameter names of `StylizationColorization`.

    Args:
        name: Name of the registered Local Hints model.

    Raises:
        WeightsError: The model has no trained weights on this machine.
    """
    state = trained_model(name).network.state_dict()
    return {_OURS + key.removeprefix("unet."): value for key, value in state.items()}


@lru_cache(maxsize=1)
def trained_model(name: str) -> ColoringModel:
    """Load a registered model with trained weights; the last loaded model is cached."""
    with torch.inference_mode(False):  # cached tensors must be usable in training
        return create_backbone(name, "backbone")


ExtensionStage = Literal["encoder", "exposure"]

_COLOR_DECODER = (
    *("up8", "skip3", "block8", "attention", "inject", "up9", "skip2", "block9"),
    *("up10", "skip1", "block10", "ab_head"),
)
EXTENSION_STAGES = {
    # encoder and decoder of the transfer sub-net jointly, without VGG-19
    "encoder": Stage(trains=("model.network.transfer.*",)),
    # the decoder of the colorization sub-net alone, on transferred hints
    "exposure": Stage(trains=tuple(f"model.network.color.unet.{name}.*" for name in _COLOR_DECODER)),
}
"""Training stages that are not in the paper."""


def recoloring_losses(network: ExemplarNetwork, batch: Batch) -> dict[str, Tensor]:
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
    return {"loss": F.mse_loss(network.transfer(content, network.adapt(embedding)), rgb)}


@torch.no_grad()
def replace_with_grid_hints(
    network: ExemplarNetwork, extensions: Extensions, simulated: Points, lab: Tensor, batch: Batch
) -> Points:
    """Replace the hints of random training images with a grid of hints; see `grid_hints`.

    The grid contains true colors or colors transferred from a reference.

    Args:
        network: Pipeline that colorizes images and transfers reference colors.
        extensions: Extensions, which define the fractions of images with true and transferred colors.
        simulated: Simulated hints, which images without a grid keep.
        lab: Ground truth Lab ``(B, 3, H, W)``.
        batch: Training batch, whose per-image seeds determine the selection.

    Returns:
        Hints with ab ``(B, 2, H, W)`` in CIE units and mask ``(B, 1, H, W)``.
    """
    # one draw for each image selects transferred colors, true colors or no grid
    draws = draw_uniform(image_generators(batch["seed"], "hints"), len(lab), 1, lab.device)
    image_draw = draws[..., None, None]  # (B, 1, 1, 1)
    is_transferred = image_draw < extensions.transferred_share
    has_grid = image_draw < extensions.transferred_share + extensions.grid_share  # with either kind of colors

    lightness, colors = lab[:, :1], lab[:, 1:]
    if extensions.transferred_share:
        colors = torch.where(is_transferred, _transferred(network, lightness, batch), colors)
    grid = grid_hints(colors)
    ab = torch.where(has_grid, grid.ab, simulated.ab)
    mask = torch.where(has_grid, grid.mask, simulated.mask)
    return Points(ab, mask)


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

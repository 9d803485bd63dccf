"""Extensions that are not in Xu et al. 2020: a trained colorization sub-net, user points and a stage.

The paper trains the two sub-nets without references. The stage ``encoder`` trains with references from the
data or crops of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import grid_centers, lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.factory import create_backbone
from colorzoo.guidance import Points
from colorzoo.networks.hint_unet import HintUNet, PointNetwork, initialize, point_network
from colorzoo.networks.shared_weights import borrow
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Positive
from colorzoo.training.stages import Stage
from colorzoo.zoo.xu2020.network import MASK_CENTER, Architecture, ExemplarNetwork

_CELL = 4  # side of a logit cell in pixels
_AREA = (0.3, 1.0)  # area range of a self-reference crop, as a fraction of the image
WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # fraction of shifted contents, maximum shift in CIE units


@dataclass(frozen=True)
class Extensions:
    """Extensions that are not in Xu et al. 2020.

    Attributes:
        backbone: Name of a Local Hints model (Zhang et al. 2017) that provides the colorization sub-net,
            which is frozen and not stored in weight files.
        transfer_error: Expected color error (standard deviation in CIE units) of a transfer from a suitable
            reference. The error determines the weights in the average of transferred and automatic colors;
            see `weigh_transfer`. None uses only transferred colors.
    """

    backbone: str | None = None
    transfer_error: Positive | None = None


class ExtendedExemplarNetwork(ExemplarNetwork):
    """`ExemplarNetwork` with user points and, if set, a trained sub-net and weighted hint colors.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        extensions: Settings of the extensions.
    """

    centers: Tensor

    def __init__(self, architecture: Architecture, extensions: Extensions) -> None:
        if extensions.backbone is None:
            color = PointNetwork(HintUNet(width=architecture.width), mask_center=MASK_CENTER)
            initialize(color, None)
        else:
            backbone = create_backbone(extensions.backbone, "backbone")
            color = point_network(backbone, "--model.extensions.backbone")
            borrow(color, color.state_dict())
        super().__init__(architecture, color)
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

    All variances are means over a and b. The variance of an automatic color is the variance of the predicted
    color distribution. The variance of the transferred colors is estimated for each image: the mean squared
    difference between transferred and automatic colors, minus the variance of the automatic colors, but at
    least ``error`` squared. The colors of an unsuitable reference therefore have a low weight.

    Args:
        transferred: ab ``(B, 2, H, W)`` after the transfer in CIE units.
        automatic: ab ``(B, 2, H, W)`` before the transfer in CIE units.
        logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        centers: Bin centers ``(529, 2)`` of the ab grid.
        error: Minimum standard deviation of the transferred colors in CIE units.

    Returns:
        Averaged ab ``(B, 2, H, W)`` in CIE units.
    """
    height, width = transferred.shape[-2:]
    cell_variance = _mean_variance(logits, centers)
    rows, columns = cell_variance.shape[-2:]
    covered_size = (_CELL * rows, _CELL * columns)  # the last cells can exceed the image
    automatic_variance = F.interpolate(cell_variance, covered_size, mode="bilinear")[:, :, :height, :width]
    squared_difference = (transferred - automatic).square().mean(dim=1, keepdim=True)
    excess = (squared_difference - automatic_variance).mean(dim=(1, 2, 3), keepdim=True)
    least_variance = error**2
    transfer_variance = excess.clamp(min=least_variance)  # (B, 1, 1, 1)
    weight = automatic_variance / (automatic_variance + transfer_variance)  # of the transferred colors
    return automatic + weight * (transferred - automatic)


def _mean_variance(logits: Tensor, centers: Tensor) -> Tensor:
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


ExtensionStage = Literal["encoder"]
EXTENSION_STAGES = {
    # encoder and decoder of the transfer sub-net jointly, without VGG-19
    "encoder": Stage(trains=("model.network.transfer.*",), complete=False),
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


def _contents(automatic: Tensor, ab: Tensor, batch: Batch) -> Tensor:
    """Return the colors before the transfer: automatic or shifted true colors.

    Shifted true colors train the network to replace vivid colors.
    """
    draws = draw_uniform(image_generators(batch["seed"], "content"), len(ab), 4, ab.device)[..., None, None]
    wrong = ab * (1.5 * draws[:, :1]) + _WRONG_SHIFT * (2 * draws[:, 1:3] - 1)
    return torch.where(draws[:, 3:] < WRONG_SHARE, wrong, automatic)


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch, or random crops of the images if the batch has no references.

    A crop is resized to the image size and randomly mirrored.
    """
    reference = batch.get("reference")
    if reference is not None:
        return reference
    return crop_flip_reference(batch["rgb"], image_generators(batch["seed"], "reference"), scale=_AREA)

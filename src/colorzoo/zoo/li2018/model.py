"""A Closed-form Solution to Photorealistic Image Stylization (Li et al., ECCV 2018).

The network PhotoWCT transfers the colors of a style image to a content image: PhotoWCT matches the mean and
covariance of content features to style features. A smoothing step then removes artifacts.
https://arxiv.org/abs/1802.06474
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel, Transform
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width
from colorzoo.zoo.li2018.network import SMALLEST, Labels, PhotoWCT
from colorzoo.zoo.li2018.published import convert_published
from colorzoo.zoo.li2018.smoothing import last_filter, smooth_closed_form, smooth_guided

Smoothing = Literal["closed_form", "guided", "none"]


@dataclass(frozen=True)
class Architecture:
    """Settings of the network and the smoothing step.

    Attributes:
        width: Multiplier for the channel counts; 1.0 matches the published network.
        smoothing: Method of the smoothing step: ``closed_form`` as in the paper, ``guided`` (the
            authors' fast filter), or ``none``.
        last_filter: Whether to apply the final edge-preserving filter of the authors' code after the
            smoothing step; see `colorzoo.zoo.li2018.smoothing.last_filter`.
    """

    width: Width = 1.0
    smoothing: Smoothing = "closed_form"
    last_filter: bool = True


class ClosedFormStylization(ColoringModel):
    """Color transfer between images, or from a reference to grayscale images.

    The colorization of grayscale images is not part of the paper.

    Args:
        architecture: Settings of the network and the smoothing step.
    """

    accepts = frozenset({"exemplar", "classes"})
    network: PhotoWCT

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(PhotoWCT(architecture.width))
        self.architecture = architecture

    @torch.no_grad()
    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: Transform = "wct",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Transfer the colors of a style image to a content image; see `ColoringModel.stylize`.

        Args:
            content: RGB ``(B, 3, H, W)`` in [0, 1].
            style: RGB ``(B, 3, H', W')`` in [0, 1].
            transform: Must be ``"wct"``, which matches mean and covariance.
            alpha: Strength of the transfer: 0 returns the content, 1 the full transfer. Not in the paper.
            labels: Integer label maps of content and style, for a separate transfer in each label.

        Raises:
            ColorzooError: ``transform`` is not ``"wct"``.
        """
        if transform != "wct":
            raise ColorzooError(f"--transform must be wct for li2018, got {transform}. Set --transform wct.")
        label_lists = None if labels is None else ([labels[0]], [labels[1]])  # one image per list
        stylized = self._restyled(content, style, label_lists)
        return alpha * stylized + (1 - alpha) * content

    @torch.no_grad()
    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch by color transfer from exemplars; images without exemplar stay gray.

        Only the ab channels of the stylized images are returned.
        """
        guidance = guidance or Guidance()
        if guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        classes, labels = guidance.classes, None
        if classes is not None and classes.exemplar is not None:
            labels = (list(classes.target[:, 0]), list(classes.exemplar[:, 0]))
        rgb = self._restyled(lightness_to_rgb(lightness), guidance.exemplar.rgb, labels)
        return AbPrediction(ab=rgb_to_lab(rgb)[:, 1:])

    def _restyled(self, content: Tensor, style: Tensor, labels: Labels | None) -> Tensor:
        """Transfer style colors to content images, each ``(B, 3, H, W)`` in [0, 1]."""
        with torch.autocast(content.device.type, enabled=False):  # indices and eigenvectors need float32
            height, width = content.shape[-2:]
            guide = pad_to_multiple(content.float(), 1, SMALLEST)
            images = self.network(guide, pad_to_multiple(style.float(), 1, SMALLEST), labels)
            stylized = torch.stack([self._smoothed(*pair) for pair in zip(images[-1], guide, strict=True)])
        return stylized[:, :, :height, :width].clamp(0, 1)

    def _smoothed(self, image: Tensor, guide: Tensor) -> Tensor:
        """Smooth a stylized image ``(3, H, W)`` but preserve edges of the content ``guide``."""
        image = image.clamp(0, 1)
        if self.architecture.smoothing != "none":
            planes = [each.permute(1, 2, 0).cpu().double().numpy() for each in (image, guide)]
            if self.architecture.smoothing == "guided":
                smoothed = smooth_guided(255 * planes[0], 255 * planes[1]) / 255
            else:
                smoothed = smooth_closed_form(*planes)
            image = torch.from_numpy(np.ascontiguousarray(smoothed)).permute(2, 0, 1).to(image).clamp(0, 1)
        return last_filter(image, guide) if self.architecture.last_filter else image

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the weights of ``photo_wct.pth`` or torchvision's VGG-19 to a state dict.

        VGG-19 contains only encoder weights, so the state dict then contains the current decoder weights.
        """
        ours = convert_published(state_dict)
        return ours if any("decoders" in key for key in ours) else {**self.state_dict(), **ours}

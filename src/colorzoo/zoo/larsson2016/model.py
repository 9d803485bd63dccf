"""Learning Representations for Automatic Colorization (Larsson et al., ECCV 2016).

A network predicts a hue histogram and a chroma histogram at each position. A decoding rule converts the
histograms to a color. https://arxiv.org/abs/1603.06668
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.larsson2016.extensions import histograms_of, like_reference
from colorzoo.zoo.larsson2016.network import (
    QUARTER,
    STRIDE,
    Architecture,
    HypercolumnNetwork,
    enlarge,
    keep_gray,
    to_rgb,
)
from colorzoo.zoo.larsson2016.published import NAMES, UNUSED

_MARGIN = 6  # minimum zero padding in pixels; the outermost histograms do not sum to 1


class HypercolumnColorization(ColoringModel):
    """Colorization by hue and chroma histograms, optionally matched to a reference.

    Args:
        architecture: Settings of the network and the decoding.
    """

    accepts = frozenset({"exemplar"})
    feature_layers = (
        "network.trunk.conv1_2",
        "network.trunk.conv2_2",
        "network.trunk.conv3_3",
        "network.trunk.conv4_3",
        "network.trunk.conv5_3",
        "network.trunk.fc7",
    )
    published_names, published_unused = NAMES, UNUSED
    network: HypercolumnNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(HypercolumnNetwork(architecture))
        self.architecture = architecture
        if architecture.normalization:  # batch statistics lose accuracy in channels_last
            self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch, with the color histograms of an exemplar if the guidance has one.

        The exemplar's ``alpha`` interpolates between the histograms of the image (0) and the exemplar (1).
        """
        exemplar = (guidance or Guidance()).exemplar
        gray = lightness_to_rgb(lightness)[:, :1]
        height, width = gray.shape[-2:]
        frame = [STRIDE * cells(side + 2 * _MARGIN, STRIDE) for side in (height, width)]
        top, left = (frame[0] - height) // 2, (frame[1] - width) // 2
        around = (left, frame[1] - width - left, top, frame[0] - height - top)
        found = self.network(F.pad(gray - self.network.mean, around))
        if exemplar is not None:
            inside = F.avg_pool2d(F.pad(torch.ones_like(gray), around), QUARTER)
            found = like_reference(found, exemplar.embed_by(self.encode_reference), inside, exemplar.alpha)
        rows, columns = slice(top, top + height), slice(left, left + width)
        hue, chroma = (enlarge(each, QUARTER)[:, :, rows, columns] for each in found)
        how = self.architecture
        rgb = to_rgb(gray, hue, chroma, hue=how.hue, chroma=how.chroma, boost=how.boost)
        return AbPrediction(ab=rgb_to_lab(keep_gray(rgb, gray))[:, 1:])

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return the global hue and chroma histograms ``(B, 2, 32)`` of RGB in [0, 1]."""
        return histograms_of(rgb.float())

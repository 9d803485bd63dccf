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
from colorzoo.zoo.larsson2016.network import (
    QUARTER,
    STRIDE,
    Architecture,
    Histograms,
    HypercolumnNetwork,
    enlarge,
    keep_gray,
    to_rgb,
)
from colorzoo.zoo.larsson2016.published import NAMES, UNUSED

_MARGIN = 6  # minimum zero padding in pixels; the outermost histograms do not sum to 1


class HypercolumnColorization(ColoringModel):
    """Colorization by hue and chroma histograms.

    Args:
        architecture: Settings of the network and the decoding.
    """

    weight_settings = ("mean",)
    published_names, published_unused = NAMES, UNUSED
    network: HypercolumnNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(HypercolumnNetwork(architecture))
        self.architecture = architecture
        if architecture.normalization:  # batch statistics lose accuracy in channels_last
            self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; guidance is ignored."""
        gray = lightness_to_rgb(lightness)[:, :1]
        height, width = gray.shape[-2:]
        left, right, top, bottom = _zero_padding(height, width)
        padded = F.pad(gray - self.network.mean, (left, right, top, bottom))
        histograms: Histograms = self.network(padded)
        rows, columns = slice(top, top + height), slice(left, left + width)
        hue, chroma = (enlarge(each, QUARTER)[:, :, rows, columns] for each in histograms)
        how = self.architecture
        rgb = to_rgb(gray, hue, chroma, hue=how.hue, chroma=how.chroma, boost=how.boost)
        return AbPrediction(ab=rgb_to_lab(keep_gray(rgb, gray))[:, 1:])


def _zero_padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Return the zero padding of an image on the left, right, top and bottom in pixels."""
    padded_height, padded_width = (STRIDE * cells(side + 2 * _MARGIN, STRIDE) for side in (height, width))
    left, top = (padded_width - width) // 2, (padded_height - height) // 2
    return left, padded_width - width - left, top, padded_height - height - top

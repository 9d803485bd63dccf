"""Example-Based Colourization via Dense Encoding Pyramids (Xiao et al., Computer Graphics Forum 2020).

A reference gives a histogram of 313 colors, no positions. A network colors the image at 64 x 64 pixels,
another one at each doubling of the size, told the colors of the level below.
https://doi.org/10.1111/cgf.13659
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import prior_probabilities, rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import initialize
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width, settings_of
from colorzoo.zoo.xiao2020.network import BINS, PyramidNetwork, color_histogram
from colorzoo.zoo.xiao2020.published import FILES, convert_published

LEVELS = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published networks.
        level: Side in pixels of the last level; the authors take the largest that the longer side reaches.
    """

    width: Width = 1.0
    level: Literal[64, 128, 256, 512, 1024] = 256


class PyramidColorization(ColoringModel):
    """Colors an image with the histogram of a reference, level by level.

    Args:
        architecture: The networks.
    """

    accepts = frozenset({"exemplar", "statistics"})
    recorded_hparams = ("width",)
    published_files: ClassVar[Mapping[str, str]] = FILES
    feature_layers = (
        "network.later.block1",
        "network.later.block2",
        "network.later.block3",
        "network.later.block7",
    )
    network: PyramidNetwork
    architecture: Architecture
    prior: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        network = PyramidNetwork(architecture.width)
        for level in (network.first, network.later):  # with torch's weights a histogram changes nothing
            initialize(level, None)
            torch.nn.init.normal_(level.class_head.weight, std=0.1)  # rounding hardly moves the colors
        super().__init__(network, architecture=architecture)
        self.network.to(memory_format=torch.contiguous_format)  # batch statistics are more exact so
        self.levels = [side for side in LEVELS if side <= architecture.level]
        self.register_buffer("prior", prior_probabilities().float(), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without a reference by the histogram of ImageNet.

        ``alpha`` of an exemplar goes from that histogram (0) to its own (1). ``extras["logits"]`` are those
        of the last level, ``(B, 313, S/4, S/4)`` of the squeezed image.
        """
        pictures = [_squeezed(lightness, side) for side in self.levels]
        ab, logits = self.network(pictures, self._histograms(guidance or Guidance(), lightness.shape[0]))
        size = (lightness.shape[-2], lightness.shape[-1])
        ab = F.interpolate(ab.float(), size, mode="bicubic", align_corners=True)
        return AbPrediction(ab=ab, extras={"logits": logits.float()})

    def _histograms(self, guidance: Guidance, batch: int) -> Tensor:
        """Return the wanted histogram of each level, ``(B, levels, 313)``."""
        usual = self.prior.expand(batch, len(self.levels), -1)
        if guidance.exemplar is not None:
            return torch.lerp(usual, guidance.exemplar.look_by(self.look), guidance.exemplar.alpha)
        if guidance.statistics is not None and guidance.statistics.histogram is not None:
            return guidance.statistics.histogram[:, None].expand_as(usual)
        return usual

    def look(self, rgb: Tensor) -> Tensor:
        """Return the histograms ``(B, levels, 313)`` of references ``(B, 3, H, W)`` in [0, 1]."""
        found = [color_histogram(rgb_to_lab(_squeezed(rgb, side))[:, 1:]) for side in self.levels]
        return torch.stack(found, dim=1)

    def look_key(self) -> str:
        """Return the name of the histograms, which no weight changes."""
        return f"xiao2020-histogram-{BINS}-{self.architecture.level}"

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' Caffe layers; see `convert_published`."""
        ours = convert_published(state_dict)
        counters = {key: value for key, value in self.state_dict().items() if "num_batches" in key}
        return {**counters, **ours}


def _squeezed(maps: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` to a square; the authors' do not antialias either, but put zeros around."""
    return F.interpolate(maps.float(), (side, side), mode="bilinear")

"""Example-Based Colourization via Dense Encoding Pyramids (Xiao et al., CGF 2020).

The reference is reduced to a histogram of 313 colors. One network colorizes the image at 64 x 64 pixels, the
first level. Each later level doubles the size, and a second network refines the colors of the previous level.
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
from colorzoo.settings import Width
from colorzoo.zoo.xiao2020.network import PyramidNetwork, color_histogram
from colorzoo.zoo.xiao2020.published import FILES, convert_published

LEVELS = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        level: Side in pixels of the square image at the last level. The authors use the largest level that
            does not exceed the longer image side.
    """

    width: Width = 1.0
    level: Literal[64, 128, 256, 512, 1024] = 256


class PyramidColorization(ColoringModel):
    """Exemplar colorization with the color histogram of a reference.

    Args:
        architecture: Settings of the networks.
    """

    accepts = frozenset({"exemplar", "statistics"})
    published_files: ClassVar[Mapping[str, str]] = FILES
    network: PyramidNetwork
    prior: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        network = PyramidNetwork(architecture.width)
        for level in (network.first, network.later):  # with PyTorch's defaults the histogram has no effect
            initialize(level, None)
            torch.nn.init.normal_(level.class_head.weight, std=0.1)  # large against rounding errors
        super().__init__(network)
        self.architecture = architecture
        self.network.to(memory_format=torch.contiguous_format)  # more accurate batch statistics
        self.levels = [side for side in LEVELS if side <= architecture.level]
        self.register_buffer("prior", prior_probabilities().float(), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch with the color histogram of the exemplar.

        Without an exemplar, the histogram of the guidance statistics is used, or the mean histogram of
        ImageNet by default.

        An exemplar's ``alpha`` interpolates between the histograms of ImageNet (0) and the exemplar (1).
        ``extras["logits"]`` contains the color logits ``(B, 313, S/4, S/4)`` of the last level, where S is
        its image side.
        """
        guidance = guidance or Guidance()
        images = [_squeezed(lightness, side) for side in self.levels]
        ab, logits = self.network(images, self._histograms(guidance, lightness.shape[0]))
        size = (lightness.shape[-2], lightness.shape[-1])
        ab = F.interpolate(ab.float(), size, mode="bicubic", align_corners=True)
        return AbPrediction(ab=ab, extras={"logits": logits.float()}, notes=_ignored_notes(guidance))

    def _histograms(self, guidance: Guidance, batch: int) -> Tensor:
        """Return the target histogram of each level, ``(B, levels, 313)``."""
        usual = self.prior.expand(batch, len(self.levels), -1)
        if guidance.exemplar is not None:
            return guidance.exemplar.embed_by(self.encode_reference, lambda: usual)
        if guidance.statistics is not None and guidance.statistics.histogram is not None:
            return guidance.statistics.histogram[:, None].expand_as(usual)
        return usual

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return color histograms ``(B, levels, 313)`` of references at the size of each level.

        Args:
            rgb: References ``(B, 3, H, W)`` in [0, 1].
        """
        found = [color_histogram(rgb_to_lab(_squeezed(rgb, side))[:, 1:]) for side in self.levels]
        return torch.stack(found, dim=1)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' Caffe parameters; see `colorzoo.zoo.xiao2020.published`."""
        ours = convert_published(state_dict)
        counters = {key: value for key, value in self.state_dict().items() if "num_batches" in key}
        return {**counters, **ours}


def _ignored_notes(guidance: Guidance) -> tuple[str, ...]:
    """Return notes about color statistics that have no effect."""
    statistics, notes = guidance.statistics, []
    if statistics is not None and statistics.saturation is not None:
        notes.append("xiao2020 does not use the saturation; it was ignored")
    if statistics is not None and statistics.histogram is not None and guidance.exemplar is not None:
        notes.append("xiao2020 does not use a color histogram with a reference; it was ignored")
    return tuple(notes)


def _squeezed(maps: Tensor, side: int) -> Tensor:
    """Resize ``(B, C, H, W)`` to a square without antialiasing, as in the authors' code."""
    return F.interpolate(maps.float(), (side, side), mode="bilinear")

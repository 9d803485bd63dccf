"""Transferring Color to Greyscale Images (Welsh, Ashikhmin and Mueller, SIGGRAPH 2002).

Each pixel receives the color of the exemplar sample with the most similar lightness and local lightness
deviation. https://doi.org/10.1145/566570.566576
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction

_WINDOW = 5
_LEAST_DEVIATION = 1e-3  # minimum deviation in L units, for constant exemplars


class ColorTransfer(ColoringModel):
    """Exemplar colorization with the colors of sampled exemplar pixels.

    Args:
        samples: Approximate number of sampled pixels, which lie on a jittered square grid.
        seed: Seed of the random jitter.
    """

    accepts = frozenset({"exemplar"})
    places: Tensor

    def __init__(self, samples: int = 200, seed: int = 0) -> None:
        super().__init__(nn.Identity())
        side = max(1, round(samples**0.5))
        generator = torch.Generator().manual_seed(seed)
        jitter = torch.rand(side, side, 2, generator=generator, device="cpu")
        cells = torch.stack(torch.meshgrid(2 * [torch.arange(side, device="cpu")], indexing="ij"), dim=-1)
        self.register_buffer("places", ((cells + jitter) / side).reshape(-1, 2), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch with exemplar colors; without an exemplar, the result is gray."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        with torch.autocast(lightness.device.type, enabled=False):  # matching requires float32
            lab = rgb_to_lab(guidance.exemplar.rgb.float())
            source = remap(lab[:, :1], lightness.float())
            features = torch.cat([source, window_deviation(source)], dim=1)
            samples, sample_ab = self._sample(features), self._sample(lab[:, 1:])
            # colors of the sample with the most similar lightness and deviation
            target = torch.cat([lightness.float(), window_deviation(lightness.float())], dim=1)
            best = torch.full_like(target[:, :1], torch.inf)
            ab = target.new_zeros(target.shape)
            for index in range(len(self.places)):  # a full distance matrix needs gigabytes
                place = slice(index, index + 1)
                distance = (target - samples[..., place, None]).abs().sum(dim=1, keepdim=True)
                nearer = distance < best
                best = torch.where(nearer, distance, best)
                ab = torch.where(nearer, sample_ab[..., place, None], ab)
        return AbPrediction(ab=ab)

    def _sample(self, maps: Tensor) -> Tensor:
        """Return map values ``(B, C, N)`` at the sample positions."""
        height, width = maps.shape[-2:]
        rows = (self.places[:, 0] * height).long().clamp(max=height - 1)
        columns = (self.places[:, 1] * width).long().clamp(max=width - 1)
        return maps[:, :, rows, columns]


def remap(source: Tensor, target: Tensor) -> Tensor:
    """Scale and shift ``source`` to the mean and standard deviation of ``target``.

    Args:
        source: Lightness ``(B, 1, H', W')`` of the exemplars.
        target: Lightness ``(B, 1, H, W)`` of the images.
    """
    dims = (1, 2, 3)
    spread = source.std(dim=dims, keepdim=True, correction=0).clamp(min=_LEAST_DEVIATION)
    scale = target.std(dim=dims, keepdim=True, correction=0) / spread
    return (source - source.mean(dim=dims, keepdim=True)) * scale + target.mean(dim=dims, keepdim=True)


def window_deviation(lightness: Tensor) -> Tensor:
    """Return the standard deviation ``(B, 1, H, W)`` in the 5 x 5 window around each pixel."""
    height, width = lightness.shape[-2:]
    padded = F.pad(lightness, 4 * [_WINDOW // 2], mode="replicate")
    mean = F.avg_pool2d(padded, _WINDOW, stride=1)
    total = torch.zeros_like(lightness)  # E[x^2] - E[x]^2 loses precision
    for row, column in product(range(_WINDOW), range(_WINDOW)):
        total = total + (padded[..., row : row + height, column : column + width] - mean) ** 2
    return (total / _WINDOW**2).sqrt()

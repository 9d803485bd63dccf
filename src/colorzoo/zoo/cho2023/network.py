"""Networks of GuidingPainter: segmenter f and generator g.

Inside the networks, sketches, colors and images are in [-1, 1], and ink is -1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.networks.unet import UNet

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2
_LEAST_DRAW = 1e-7  # lower bound of uniform draws, because log(0) is infinite
_EMPTY = 1e-20  # added to segment areas so that an empty segment gets color 0


class Hints(NamedTuple):
    """Hint color and hint mask of each pixel.

    Attributes:
        color: ``(B, 3, H, W)``, hint color; 0 at pixels without a hint.
        mask: ``(B, 1, H, W)`` in {0, 1}; 1 at pixels with a hint.
    """

    color: Tensor
    mask: Tensor


def base_channels(width: float) -> int:
    """Return the channel count of the first U-Net level: ``64 * width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


class GuidingPainterNetwork(nn.Module):
    """Segmenter f, which divides sketches, and generator g, which colorizes sketches.

    Args:
        width: Multiplier for the channel counts of g; 1.0 matches the paper.
        segmenter_width: Multiplier for the channel counts of f; 1.0 matches the paper.
        generator: Class of g.
    """

    def __init__(
        self, width: float = 1.0, segmenter_width: float = 1.0, generator: type[UNet] = UNet
    ) -> None:
        super().__init__()
        self.segmenter = UNet(1, SEGMENTS, base_channels(segmenter_width))
        self.colorizer = generator(1 + 3 + 1 + SEGMENTS, 3, base_channels(width))

    def divide(self, sketch: Tensor) -> Tensor:
        """Return segment logits ``(B, 30, H, W)`` for sketches ``(B, 1, H, W)`` in [0, 1]."""
        logits: Tensor = self.segmenter(2 * sketch - 1)
        return logits.float()

    def generate(self, sketch: Tensor, hints: Hints, segments: Tensor) -> Tensor:
        """Generate images ``(B, 3, H, W)`` in [-1, 1] from sketches and hints.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: Hint colors in [-1, 1] and hint mask.
            segments: ``(B, 30, H, W)``, one-hot segment of each pixel.
        """
        x = torch.cat([2 * sketch - 1, hints.color, hints.mask, segments], dim=1)
        return torch.tanh(self.colorizer(x).float())


def one_hot(index: Tensor, segments: int) -> Tensor:
    """Convert indices ``(B, 1, H, W)`` int64 to one-hot ``(B, segments, H, W)`` float32."""
    batch, _, height, width = index.shape
    empty = torch.zeros(batch, segments, height, width, device=index.device)
    return empty.scatter(1, index, 1.0)


def draw_segments(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    """Draw one-hot segments ``(B, N, H, W)`` with a straight-through Gumbel softmax.

    Args:
        logits: ``(B, N, H, W)``.
        noise: Gumbel noise ``(B, N, H, W)``; None selects the segment with the largest logit.
        temperature: Softmax temperature, which affects only the gradients.
    """
    noisy = logits.float() if noise is None else logits.float() + noise
    soft = torch.softmax(noisy / temperature, dim=1)
    return one_hot(noisy.argmax(1, keepdim=True), noisy.shape[1]) + (soft - soft.detach())


def gumbel_noise(generators: list[torch.Generator], shape: tuple[int, int, int]) -> Tensor:
    """Draw Gumbel noise ``(B, *shape)`` on the CPU.

    Args:
        generators: One random generator for each of the B images.
        shape: Number of segments, height and width.
    """
    draws = torch.stack([torch.rand(shape, generator=each) for each in generators])
    return draws.clamp_(min=_LEAST_DRAW).log_().neg_().log_().neg_()  # faster than exponential_()


def mean_colors(segments: Tensor, image: Tensor) -> Tensor:
    """Return the mean color of each segment, ``(B, N, 3)``; 0 for empty segments.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
    """
    with torch.autocast(segments.device.type, enabled=False):
        pixels = image.float().flatten(2)
        counted = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)
        sums = torch.bmm(segments.float().flatten(2), counted.mT)
        return sums[..., :3] / (_EMPTY + sums[..., 3:])


def fill_hints(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fill segments with their mean colors; gradients flow through the segments.

    Args:
        segments: ``(B, N, H, W)``, one-hot segment of each pixel.
        image: ``(B, 3, H, W)``, image from which the mean colors are computed.
        given: ``(B, N)`` in {0, 1}, 1 for segments with a hint.

    Returns:
        Three maps: ``(B, 3, H, W)`` with all segments filled; ``(B, 3, H, W)`` with only the hinted segments
        filled; and ``(B, 1, H, W)``, the mask of the hinted segments.
    """
    with torch.autocast(segments.device.type, enabled=False):
        means, active = mean_colors(segments, image), given[..., None].float()
        table = torch.cat([means, means * active, active], dim=2)
        maps = torch.einsum("bnc,bnhw->bchw", table, segments.float())
    filled, color, mask = torch.split(maps, [3, 3, 1], dim=1)
    return filled, color, mask


def look_up_hints(index: Tensor, colors: Tensor, given: Tensor) -> Hints:
    """Build hint maps from segment indices and colors, without gradients for the indices.

    Args:
        index: ``(B, 1, H, W)`` int64, segment of each pixel.
        colors: ``(B, N, 3)``, color of each segment.
        given: ``(B, N)`` in {0, 1}, 1 for segments with a hint.
    """
    batch, _, height, width = index.shape
    active = given[..., None].to(colors)
    table = torch.cat([colors * active, active], dim=2).transpose(1, 2)
    filled = table.gather(2, index.flatten(2).expand(-1, 4, -1)).view(batch, 4, height, width)
    return Hints(filled[:, :3], filled[:, 3:])


def first_given(counts: Tensor, segments: int) -> Tensor:
    """Return a mask ``(B, segments)`` that is 1 for the first segments of each image.

    Args:
        counts: ``(B,)``, number of segments with mask 1 in each image.
        segments: Total number of segments.
    """
    return (torch.arange(segments, device=counts.device) < counts[:, None]).float()


def draw_counts(draws: Tensor, stop: float) -> Tensor:
    """Draw the number of segments with a hint, ``(B,)``, from a geometric distribution.

    Args:
        draws: ``(B, N)``, uniform random numbers in [0, 1), where N is the maximum number.
        stop: Parameter of the distribution P(n) = (1 - stop)^n stop for n < N.
    """
    return (draws >= stop).long().cumprod(1).sum(1)

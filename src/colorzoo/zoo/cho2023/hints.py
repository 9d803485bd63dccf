"""From segments and colors to what the painter reads (Cho et al. 2023, sec. 3.3), without a tensor per color.

The published code multiplies segments and colors to ``(B, 30, 3, H, W)``. Here a mean is one product of
matrices, and so is the map of hints; where no gradient is needed, the map is a look-up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

_LEAST_DRAW = 1e-7  # a uniform number of 0 has no logarithm
_EMPTY = 1e-20  # added to a segment's area: one without a pixel gets the color 0


class Hints(NamedTuple):
    """Colored segments.

    Attributes:
        color: ``(B, 3, H, W)``, 0 where no hint was given.
        mask: ``(B, 1, H, W)`` in {0, 1}.
    """

    color: Tensor
    mask: Tensor


class StraightThrough(torch.autograd.Function):
    """One-hot forward, softmax backward; keeps one map and never forms ``hard - soft + soft``."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, temperature: float) -> Tensor:
        """Return the one-hot argmax over channels of ``(B, N, H, W)``."""
        ctx.save_for_backward(torch.softmax(logits / temperature, dim=1))
        ctx.temperature = temperature
        return one_hot(logits.argmax(1, keepdim=True), logits.shape[1])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Return the softmax's gradient."""
        (soft,) = ctx.saved_tensors
        (up,) = upstream
        gradient = soft * up
        inner = gradient.sum(1, keepdim=True)
        return gradient.addcmul_(soft, inner, value=-1).div_(ctx.temperature), None


def one_hot(index: Tensor, segments: int) -> Tensor:
    """Return ``(B, segments, H, W)`` float32 for ``(B, 1, H, W)`` int64."""
    batch, _, height, width = index.shape
    empty = torch.zeros(batch, segments, height, width, device=index.device)
    return empty.scatter(1, index, 1.0)


def draw_segments(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    """Return one-hot segments ``(B, N, H, W)`` with the gradient of a softmax (straight-through Gumbel).

    Args:
        logits: ``(B, N, H, W)``.
        noise: Gumbel noise of the same shape; None for none.
        temperature: tau of the softmax.
    """
    noisy = logits.float() if noise is None else logits.float() + noise
    segments: Tensor = StraightThrough.apply(noisy, temperature)
    return segments


def gumbel_noise(generators: list[torch.Generator], shape: tuple[int, int, int]) -> Tensor:
    """Return ``(B, *shape)`` Gumbel noise on the CPU, one generator for each picture."""
    draws = torch.stack([torch.rand(shape, generator=each) for each in generators])
    return draws.clamp_(min=_LEAST_DRAW).log_().neg_().log_().neg_()  # three times as fast as exponential_()


def mean_colors(segments: Tensor, image: Tensor) -> Tensor:
    """Return the mean color of each segment, ``(B, N, 3)``; 0 for one without a pixel.

    Args:
        segments: ``(B, N, H, W)`` one-hot; gradients flow through sums and areas.
        image: ``(B, 3, H, W)``.
    """
    with torch.autocast(segments.device.type, enabled=False):
        chosen, colors = segments.float().flatten(2), image.float().flatten(2)
        extended = torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1)
        sums = torch.bmm(chosen, extended.transpose(1, 2))
        return sums[..., :3] / (_EMPTY + sums[..., 3:])


def spread_colors(segments: Tensor, *colors: Tensor) -> tuple[Tensor, ...]:
    """Fill segments with colors: ``(B, K, H, W)`` for each ``(B, N, K)``, one product for all."""
    batch, _, height, width = segments.shape
    with torch.autocast(segments.device.type, enabled=False):
        table = torch.cat([one.float() for one in colors], dim=2).transpose(1, 2)
        filled = torch.bmm(table, segments.float().flatten(2)).view(batch, -1, height, width)
    return torch.split(filled, [one.shape[2] for one in colors], dim=1)


def make_hints(segments: Tensor, colors: Tensor, given: Tensor) -> Hints:
    """Return the hints of some segments.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        colors: ``(B, N, 3)``.
        given: ``(B, N)`` in {0, 1}, which segments are colored.
    """
    active = given[..., None].to(colors)
    return Hints(*spread_colors(segments, colors * active, active))


def look_up_hints(index: Tensor, colors: Tensor, given: Tensor) -> Hints:
    """Return what `make_hints` does, from the number of each pixel's segment; no gradient to the segments.

    Args:
        index: ``(B, 1, H, W)`` int64.
        colors: ``(B, N, 3)``.
        given: ``(B, N)`` in {0, 1}.
    """
    batch, _, height, width = index.shape
    active = given[..., None].to(colors)
    table = torch.cat([colors * active, active], dim=2).transpose(1, 2)
    filled = table.gather(2, index.flatten(2).expand(-1, 4, -1)).view(batch, 4, height, width)
    return Hints(filled[:, :3], filled[:, 3:])


def first_given(counts: Tensor, segments: int) -> Tensor:
    """Return ``(B, segments)`` in {0, 1}: the first ``counts`` ``(B,)`` are given."""
    return (torch.arange(segments, device=counts.device) < counts[:, None]).float()


def draw_counts(draws: Tensor, stop: float) -> Tensor:
    """Return ``(B,)`` int64 numbers of colored segments: trials until the first stop, at most all.

    Args:
        draws: ``(B, N)`` uniform on [0, 1).
        stop: Probability that the user stops at a trial; P(n) = (1 - stop)^n stop, the rest at N.
    """
    return (draws >= stop).long().cumprod(1).sum(1)


def count_distribution(stop: float, segments: int) -> Tensor:
    """Return the probabilities of 0 .. ``segments`` colored segments, float64."""
    go = 1 - stop
    shares = [go**count * stop for count in range(segments)] + [go**segments]
    return torch.tensor(shares, dtype=torch.float64)

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
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
    """
    with torch.autocast(segments.device.type, enabled=False):
        sums = torch.bmm(segments.float().flatten(2), _with_ones(image.float()).transpose(1, 2))
        return sums[..., :3] / (_EMPTY + sums[..., 3:])


class FilledHints(torch.autograd.Function):
    """Mean colors of segments and their maps in one step, whose gradient needs a single map of segments.

    Autograd would make one for the means and one for the filling: 94 MB each for a dozen pictures.
    """

    @staticmethod
    def forward(ctx: Any, segments: Tensor, image: Tensor, given: Tensor) -> Tensor:
        """Return ``(B, 7, H W)``: filled colors, hint colors, mask."""
        chosen, extended = segments.flatten(2), _with_ones(image)
        sums = torch.bmm(chosen, extended.transpose(1, 2))
        areas = _EMPTY + sums[..., 3:]
        table = _table(sums[..., :3] / areas, given)
        ctx.save_for_backward(segments, image, given, table, areas)
        return torch.bmm(table.transpose(1, 2), chosen)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the segments, through the map, the sums and the areas."""
        segments, image, given, table, areas = ctx.saved_tensors
        (up,) = upstream
        with torch.autocast(up.device.type, enabled=False):  # steps may run backward under autocast
            gradient = torch.bmm(table, up)
            by_table = torch.bmm(segments.flatten(2), up.transpose(1, 2))
            by_mean = by_table[..., :3] + by_table[..., 3:6] * given[..., None]
            by_area = -(by_mean * table[..., :3]).sum(2, keepdim=True)
            by_sums = torch.cat([by_mean, by_area], dim=2) / areas
            gradient.baddbmm_(by_sums, _with_ones(image))
        return gradient.view_as(segments), None, None


def fill_hints(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return all that training needs of the segments' mean colors, with gradients to the segments.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
        given: ``(B, N)`` in {0, 1}, which segments are colored.

    Returns:
        ``(B, 3, H, W)`` all segments filled with their means; color ``(B, 3, H, W)`` and mask
        ``(B, 1, H, W)`` of those that are colored.
    """
    with torch.autocast(segments.device.type, enabled=False):
        maps: Tensor = FilledHints.apply(segments.float(), image.float(), given.float())
    maps = maps.view(len(maps), -1, *segments.shape[2:])
    filled, color, mask = torch.split(maps, [3, 3, 1], dim=1)
    return filled, color, mask


def _with_ones(image: Tensor) -> Tensor:
    """Return ``(B, 4, H W)``: a picture and, to count pixels, ones."""
    pixels = image.flatten(2)
    return torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)


def _table(colors: Tensor, given: Tensor) -> Tensor:
    """Return ``(B, N, 7)``: the color of each segment, the same if it is colored, and whether it is."""
    active = given[..., None]
    return torch.cat([colors, colors * active, active], dim=2)


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

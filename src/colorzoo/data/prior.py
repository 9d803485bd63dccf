"""How often each color occurs in a data set: the prior that class rebalancing needs (Zhang et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.color import hull_centers, rgb_to_lab, soft_neighbors
from colorzoo.data.decode import decode_rgb
from colorzoo.data.parallel import bounded_map
from colorzoo.data.sources import Source
from colorzoo.errors import DataError

SMOOTHING_SIGMA = 5.0  # CIE units, as the authors smoothed theirs
_SHORT_SIDE = 64  # enough pixels of each picture; more would only repeat their neighbors
_UNREADABLE = (OSError, ValueError, SyntaxError)


@dataclass(frozen=True)
class Prior:
    """The colors of a data set.

    Attributes:
        shares: ``(313,)`` float64 shares of the bins inside the sRGB hull, smoothed, summing to 1.
        pictures: How many were counted.
        broken: Names of those that could not be read.
    """

    shares: Tensor
    pictures: int
    broken: tuple[str, ...]


def measure_prior(
    sources: Iterable[Source], *, threads: int = 2, tick: Callable[[], None] = lambda: None
) -> Prior:
    """Count the colors of pictures; each counts as much as any other, whatever its size.

    Args:
        sources: Where they are.
        threads: How many decode at once.
        tick: Called after every picture.

    Raises:
        DataError: No picture could be read.
    """
    total, pictures = torch.zeros(len(hull_centers()), dtype=torch.float64), 0
    broken = []
    for name, shares in bounded_map(_shares_of, sources, threads):
        if shares is None:
            broken.append(name)
        else:
            total, pictures = total + shares, pictures + 1
        tick()
    if not pictures:
        raise DataError("no picture could be read, so there are no colors to count.")
    smooth = smooth_shares(total / pictures)
    return Prior(smooth, pictures, tuple(broken))


def smooth_shares(shares: Tensor, sigma: float = SMOOTHING_SIGMA) -> Tensor:
    """Spread the share of each bin over its neighbors by a Gaussian; the sum stays.

    Args:
        shares: ``(313,)``.
        sigma: Its deviation in CIE units.
    """
    centers = hull_centers().to(shares)
    kernel = torch.exp(-torch.cdist(centers, centers).square() / (2 * sigma**2))
    return shares @ (kernel / kernel.sum(dim=1, keepdim=True))


def _shares_of(source: Source) -> tuple[str, Tensor | None]:
    try:
        rgb = decode_rgb(source.read(), _SHORT_SIDE)
    except _UNREADABLE:
        return source.name, None
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1).T
    bins = soft_neighbors(ab, neighbors=1)[0][:, 0]
    return source.name, torch.bincount(bins, minlength=len(hull_centers())).double() / len(bins)

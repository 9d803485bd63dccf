"""Color frequencies of a data set, the prior for class rebalancing (Zhang et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.color.bins import soft_neighbors
from colorzoo.data.check import bounded_map
from colorzoo.data.decode import UNREADABLE, decode_rgb
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.precision import distances

SMOOTHING_SIGMA = 5.0  # CIE units, as in the authors' prior
_SHORT_SIDE = 64  # pixels; neighboring pixels of larger images have nearly equal colors


@dataclass(frozen=True)
class Prior:
    """Color frequencies of a data set.

    Attributes:
        frequencies: ``(313,)`` float64 smoothed frequencies of the color bins, with sum 1. A bin is a square
            of 10 x 10 CIE units in the ab plane; the 313 bins cover sRGB.
        images: Number of counted images.
        broken: Names of images that could not be decoded.
    """

    frequencies: Tensor
    images: int
    broken: tuple[str, ...]


def measure_prior(sources: Iterable[StoredImage], *, threads: int, tick: Callable[[], None]) -> Prior:
    """Measure the color frequencies of images, with equal weight for each image.

    Args:
        sources: The images.
        threads: Number of decoding threads.
        tick: Function that is called after each image.

    Raises:
        DataError: No image could be decoded.
    """
    total = torch.zeros(len(hull_centers()), dtype=torch.float64)
    images = 0
    broken = []
    for name, frequencies in bounded_map(_frequencies_of, sources, threads):
        if frequencies is None:
            broken.append(name)
        else:
            total = total + frequencies
            images += 1
        tick()
    if not images:
        raise DataError("no image could be read. Run `colorzoo data verify` to see the reasons.")
    return Prior(smooth_frequencies(total / images), images, tuple(broken))


def smooth_frequencies(frequencies: Tensor, sigma: float = SMOOTHING_SIGMA) -> Tensor:
    """Smooth the frequencies of color bins with a Gaussian in the ab plane; keep their sum.

    Args:
        frequencies: ``(313,)``; see `Prior`.
        sigma: Standard deviation of the Gaussian in CIE units.
    """
    centers = hull_centers().to(frequencies)
    kernel = torch.exp(-distances(centers, centers).square() / (2 * sigma**2))
    return frequencies @ (kernel / kernel.sum(dim=1, keepdim=True))


def _frequencies_of(source: StoredImage) -> tuple[str, Tensor | None]:
    try:
        rgb = decode_rgb(source.read(), _SHORT_SIDE)
    except UNREADABLE:
        return source.name, None
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1).T
    bins = soft_neighbors(ab, neighbors=1)[0][:, 0]
    return source.name, torch.bincount(bins, minlength=len(hull_centers())).double() / len(bins)

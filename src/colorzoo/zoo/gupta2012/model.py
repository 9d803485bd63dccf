"""Image Colorization Using Similar Images (Gupta, Chia, Rajan, Ng and Zhiyong, ACM Multimedia 2012).

Superpixels of the photo are matched with those of a reference by a cascade of features; confident matches
give small scribbles of color, a vote within larger segments corrects them, and an optimization spreads them.
https://doi.org/10.1145/2393347.2393402
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.guidance.propagate import propagate
from colorzoo.model import ColoringModel
from colorzoo.networks.clusters import kmeans
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Natural, Probability
from colorzoo.zoo.gupta2012.features import Array, Features, Labels, Superpixels, features, superpixels

_SHARES = (0.2, 0.5, 0.2, 0.1)  # of Gabor, descriptor, intensity and deviation in the cost
_SEGMENT = 20  # superpixels
_REACH = 1  # pixels of a scribble around its center


class SuperpixelMatching(nn.Module):
    """The method, one picture at a time on the CPU.

    Args:
        pixels: Pixels of a superpixel, about.
        confident: Share of the superpixels whose matches are used.
    """

    def __init__(self, pixels: int, confident: float) -> None:
        super().__init__()
        self.pixels, self.confident = pixels, confident

    @torch.no_grad()
    def forward(self, lightness: Tensor, exemplar: Tensor) -> Tensor:
        """Return ab of ``(B, 1, H, W)`` in [0, 100] like exemplars ``(B, 3, H', W')`` in [0, 1]."""
        lab = rgb_to_lab(exemplar).cpu().double().numpy()
        grays = lightness[:, 0].cpu().double().numpy()
        found = [self.color(gray, one[0], one[1:]) for gray, one in zip(grays, lab, strict=True)]
        return torch.from_numpy(np.stack(found)).float().to(lightness.device)

    def color(self, gray: Array, other: Array, ab: Array) -> Array:
        """Color one picture.

        Args:
            gray: ``(H, W)`` in [0, 100].
            other: Lightness of the reference, ``(H', W')``.
            ab: Its colors, ``(2, H', W')``.

        Returns:
            ``(2, H, W)`` in CIE units.
        """
        ours, theirs = (superpixels(each / 100, self.pixels) for each in (gray, other))
        matches, costs = match(features(gray / 100, ours), features(other / 100, theirs))
        colors = (theirs.means @ ab.reshape(2, -1).T)[matches]
        colors = vote(colors, segments_of(gray / 100, ours, self.pixels))
        sure = np.flatnonzero(costs <= np.quantile(costs, self.confident))  # all of equal cost
        given, scribbled = scribbles(ours, colors, sure)
        return propagate(gray, scribbled, given)


class SuperpixelColorization(ColoringModel):
    """Colors a photo by superpixels of a reference that look alike.

    Args:
        pixels: Pixels of a superpixel, about.
        confident: Share of the superpixels whose matches are used; the others take the colors of their
            neighbors.
    """

    accepts = frozenset({"exemplar"})
    network: SuperpixelMatching

    def __init__(self, pixels: Natural = 40, confident: Probability = 0.5) -> None:
        super().__init__(SuperpixelMatching(pixels, confident), pixels=pixels, confident=confident)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; gray without an exemplar."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        return AbPrediction(ab=self.network(lightness, guidance.exemplar.rgb))


def match(ours: Features, theirs: Features) -> tuple[Labels, Array]:
    """Return the best superpixel of the reference for each of the picture, and its cost, ``(N,)`` each.

    A block of features after the other halves the candidates; the least weighted sum of distances wins.
    """
    total = np.zeros((len(ours.gabor), len(theirs.gabor)))
    alive = np.ones(total.shape, dtype=bool)
    for share, mine, other in zip(_SHARES, ours, theirs, strict=True):
        distance = cdist(mine, other)
        most = distance.max(axis=1, keepdims=True)
        total += share * distance / np.where(most > 0, most, 1)
        keep = max(1, int(alive[0].sum()) // 2)
        order = np.argsort(np.where(alive, distance, np.inf), axis=1, kind="stable")[:, :keep]
        alive = np.zeros_like(alive)
        np.put_along_axis(alive, order, True, axis=1)
    total[~alive] = np.inf
    best = total.argmin(axis=1)
    return best, total[np.arange(len(best)), best]


def segments_of(gray: Array, cells: Superpixels, pixels: int) -> Labels:
    """Return the segment ``(N,)`` of each superpixel, at least twenty of them, by graph cuts."""
    from skimage.segmentation import felzenszwalb

    segments = felzenszwalb(gray, scale=100, sigma=0.8, min_size=_SEGMENT * pixels, channel_axis=None)
    counts = cells.means @ np.eye(int(segments.max()) + 1)[segments.ravel()]
    largest: Labels = counts.argmax(axis=1)
    return largest


def vote(colors: Array, segments: Labels) -> Array:
    """Give superpixels outside of the larger of two groups of colors in their segment the mean of that group.

    Args:
        colors: ``(N, 2)``.
        segments: ``(N,)``.
    """
    voted = colors.copy()
    for segment in np.unique(segments):
        inside = np.flatnonzero(segments == segment)
        if len(inside) < 3:
            continue
        points = torch.from_numpy(colors[inside])[None]
        spread = (points[0] - points[0].mean(dim=0)).square().sum(dim=1)
        first = int(spread.argmax())
        second = int((points[0] - points[0, first]).square().sum(dim=1).argmax())
        groups = kmeans(points, torch.tensor([[first, second]], device=points.device))[0].numpy()
        larger = groups == int(np.bincount(groups, minlength=2).argmax())
        voted[inside[~larger]] = colors[inside[larger]].mean(axis=0)
    return voted


def scribbles(
    cells: Superpixels, colors: Array, chosen: Sequence[int] | Labels
) -> tuple[NDArray[np.bool_], Array]:
    """Draw the colors of superpixels around their centers.

    Args:
        cells: The superpixels.
        colors: ``(N, 2)``.
        chosen: Numbers of those to draw.

    Returns:
        The drawn pixels ``(H, W)``, and ab ``(2, H, W)``, 0 elsewhere.
    """
    height, width = cells.labels.shape
    given, ab = np.zeros((height, width), dtype=bool), np.zeros((2, height, width))
    boxes = ndimage.find_objects(cells.labels + 1)
    for index in chosen:
        place = np.argwhere(cells.labels[boxes[index]] == index)
        away = np.abs(place - place.mean(axis=0)).max(axis=1)
        near = place[away <= max(_REACH, away.min())]
        rows, columns = (near + [boxes[index][axis].start for axis in (0, 1)]).T
        given[rows, columns] = True
        ab[:, rows, columns] = colors[index][:, None]
    return given, ab

"""Image Colorization Using Similar Images (Gupta, Chia, Rajan, Ng and Zhiyong, ACM Multimedia 2012).

Superpixels of the photo are matched with those of a reference by a cascade of features; confident matches
give small scribbles of color, a vote within larger segments corrects them, and an optimization spreads them.
https://doi.org/10.1145/2393347.2393402

Superpixels of Gupta et al. 2012 and their 172 features, in four blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.sparse import coo_array, csr_array
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.guidance.propagate import propagate
from colorzoo.model import ColoringModel
from colorzoo.networks.clusters import kmeans
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Natural, Probability

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_ORIENTATIONS = 8
_PERIODS = (5.0, 10.0, 15.0, 20.0, 25.0)  # pixels
_OCTAVE = 1 / (3 * math.sqrt(2 * math.log(2)))  # deviation that halves the answer a third of a frequency away
_WINDOW = 5
_COMPACTNESS = 1.0  # of SLIC, for lightness in [0, 1]; with less, strong texture joins into one superpixel
_DAISY_REACH = 15  # of DAISY, in pixels


class Superpixels(NamedTuple):
    """Superpixels of a picture.

    Attributes:
        labels: ``(H, W)``, 0 to N - 1.
        means: Matrix ``(N, H W)`` that averages pixels.
        neighbors: Matrix ``(N, N)`` that averages the superpixels with a common border; a row of zeros for
            one without.
    """

    labels: Labels
    means: csr_array
    neighbors: csr_array


def superpixels(gray: Array, pixels: int) -> Superpixels:
    """Cut a picture ``(H, W)`` in [0, 1] into superpixels of about a number of pixels, by SLIC."""
    from skimage.segmentation import slic  # takes a second

    found = slic(
        gray,
        n_segments=max(1, round(gray.size / pixels)),
        compactness=_COMPACTNESS,
        channel_axis=None,
    )
    labels = np.unique(found, return_inverse=True)[1].reshape(gray.shape).astype(np.int64)
    return of_labels(labels)


def of_labels(labels: Labels) -> Superpixels:
    """Return the matrices of superpixels that are numbered from 0."""
    count, flat = int(labels.max()) + 1, labels.ravel()
    ones = coo_array((np.ones(flat.size), (flat, np.arange(flat.size))), shape=(count, flat.size))
    pairs = [(labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])]
    rows, columns = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    apart = rows != columns
    rows, columns = np.r_[rows[apart], columns[apart]], np.r_[columns[apart], rows[apart]]
    touching = csr_array((np.ones(rows.size), (rows, columns)), shape=(count, count))
    touching.data[:] = 1  # however long the border is
    return Superpixels(labels, _averaging(ones.tocsr()), _averaging(touching))


def _averaging(matrix: csr_array) -> csr_array:
    total = np.maximum(matrix.sum(axis=1), 1)
    scaled: csr_array = csr_array(matrix.multiply(1 / total[:, None]))
    return scaled


class Features(NamedTuple):
    """Features of superpixels.

    Attributes:
        gabor: ``(N, 40)``, strength of five periods in eight directions.
        descriptor: ``(N, 128)``, DAISY in place of the paper's SURF.
        intensity: ``(N, 2)``, own mean, and mean of the neighbors'.
        deviation: ``(N, 2)``, the same of the deviation in 5 x 5 pixels.
    """

    gabor: Array
    descriptor: Array
    intensity: Array
    deviation: Array


def features(gray: Array, cells: Superpixels) -> Features:
    """Return the features of superpixels of a picture ``(H, W)`` in [0, 1]; borders are mirrored."""

    def mean(maps: Array) -> Array:
        averaged: Array = cells.means @ maps.reshape(-1, gray.size).T
        return averaged

    def with_neighbors(one: Array) -> Array:
        own = mean(one)
        return np.concatenate([own, cells.neighbors @ own], axis=1)

    average = ndimage.uniform_filter(gray, _WINDOW)
    variance = ndimage.uniform_filter(gray**2, _WINDOW) - average**2
    return Features(
        mean(gabor(gray)),
        mean(descriptors(gray)),
        with_neighbors(gray),
        with_neighbors(np.sqrt(np.maximum(variance, 0))),
    )


def gabor(gray: Array) -> Array:
    """Return the magnitude of 40 Gabor filters of one octave, ``(40, H, W)``, of ``(H, W)``."""
    reach = round(_PERIODS[-1])
    padded = np.pad(gray, reach, mode="symmetric")
    shape = [fft.next_fast_len(side) for side in padded.shape]
    spectrum = fft.fft2(padded - padded.mean(), shape)
    rows, columns = np.meshgrid(*(fft.fftfreq(side) for side in shape), indexing="ij")
    found = []
    for period in _PERIODS:
        spread = _OCTAVE / period
        for index in range(_ORIENTATIONS):
            angle = index * math.pi / _ORIENTATIONS
            away = (rows - math.sin(angle) / period) ** 2 + (columns - math.cos(angle) / period) ** 2
            answer = np.abs(fft.ifft2(spectrum * np.exp(-away / (2 * spread**2))))
            found.append(answer[reach : reach + gray.shape[0], reach : reach + gray.shape[1]])
    return np.stack(found)


def descriptors(gray: Array) -> Array:
    """Return the DAISY descriptor of each pixel, ``(128, H, W)``, of ``(H, W)``: 3 rings of 5 histograms."""
    from skimage.feature import daisy

    padded = np.pad(gray, _DAISY_REACH, mode="symmetric")
    found = daisy(padded, step=1, radius=_DAISY_REACH, histograms=5)
    maps: Array = np.moveaxis(found, 2, 0)
    return maps


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

"""Image Colorization Using Similar Images (Gupta et al., ACM Multimedia 2012).

Superpixels of the image are matched with superpixels of a reference by 172 features. A majority vote in
larger segments corrects the matched colors. The colors of confident matches are drawn as small dots, and an
optimization propagates these colors to all pixels. https://doi.org/10.1145/2393347.2393402
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.guidance.propagate import propagate
from colorzoo.model import ColoringModel
from colorzoo.networks.clusters import kmeans
from colorzoo.prediction import AbPrediction
from colorzoo.settings import PositiveInt, Probability

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_ORIENTATIONS = 8
_PERIODS = (5.0, 10.0, 15.0, 20.0, 25.0)  # pixels
_OCTAVE = 1 / (3 * math.sqrt(2 * math.log(2)))  # half response at a third of the frequency: one octave
_WINDOW = 5
_COMPACTNESS = 1.0  # SLIC compactness for lightness in [0, 1]; lower values merge strong texture
_DAISY_REACH = 15  # DAISY radius in pixels


class Superpixels(NamedTuple):
    """Superpixels of an image.

    Attributes:
        labels: ``(H, W)``, superpixel index of each pixel, 0 to N - 1.
        means: Sparse matrix ``(N, H W)`` that averages pixel values over each superpixel.
        neighbors: Sparse matrix ``(N, N)`` that averages superpixel values over the adjacent superpixels;
            rows of superpixels without neighbors are zero.
    """

    labels: Labels
    means: csr_array
    neighbors: csr_array


def superpixels(gray: Array, pixels: int) -> Superpixels:
    """Divide a gray image into SLIC superpixels.

    Args:
        gray: ``(H, W)`` in [0, 1].
        pixels: Approximate area of a superpixel in pixels.
    """
    from skimage.segmentation import slic  # slow import

    slic_labels = slic(
        gray, n_segments=max(1, round(gray.size / pixels)), compactness=_COMPACTNESS, channel_axis=None
    )
    labels = np.unique(slic_labels, return_inverse=True)[1].reshape(gray.shape).astype(np.int64)
    return of_labels(labels)


def of_labels(labels: Labels) -> Superpixels:
    """Build `Superpixels` from a label map ``(H, W)`` with the labels 0 to N - 1."""
    count, flat = int(labels.max()) + 1, labels.ravel()
    membership = csr_array((np.ones(flat.size), (flat, np.arange(flat.size))), shape=(count, flat.size))

    # superpixels of all pairs of vertically or horizontally adjacent pixels, in both directions
    first = np.concatenate([labels[:-1].ravel(), labels[:, :-1].ravel()])
    second = np.concatenate([labels[1:].ravel(), labels[:, 1:].ravel()])
    is_border = first != second
    rows = np.concatenate([first[is_border], second[is_border]])
    columns = np.concatenate([second[is_border], first[is_border]])
    adjacency = csr_array((np.ones(rows.size), (rows, columns)), shape=(count, count))
    adjacency.data[:] = 1  # independent of the border length
    return Superpixels(labels, _averaging(membership), _averaging(adjacency))


def _averaging(matrix: csr_array) -> csr_array:
    total = np.maximum(matrix.sum(axis=1), 1)
    return csr_array(matrix.multiply(1 / total[:, None]))


class Features(NamedTuple):
    """Features of superpixels.

    Attributes:
        gabor: ``(N, 40)``, mean magnitudes of Gabor filters with five periods and eight orientations.
        descriptor: ``(N, 128)``, mean DAISY descriptors; the paper uses SURF.
        intensity: ``(N, 2)``, mean intensity of the superpixel and of its neighbors.
        deviation: ``(N, 2)``, mean local standard deviation (5 x 5 pixels) of the superpixel and of its
            neighbors.
    """

    gabor: Array
    descriptor: Array
    intensity: Array
    deviation: Array


def features(gray: Array, cells: Superpixels) -> Features:
    """Compute the features of all superpixels of a gray image.

    Args:
        gray: ``(H, W)`` in [0, 1].
        cells: Superpixels of the image.
    """

    def superpixel_means(maps: Array) -> Array:
        """Average C maps ``(C, H, W)`` over each superpixel and return ``(N, C)``."""
        return cells.means @ maps.reshape(-1, gray.size).T

    def with_neighbors(values: Array) -> Array:
        """Return the mean of a map ``(H, W)`` in each superpixel and in its neighbors, ``(N, 2)``."""
        means = superpixel_means(values[np.newaxis])
        return np.concatenate([means, cells.neighbors @ means], axis=1)

    # local variance in windows of 5 x 5 pixels; rounding can make it negative
    local_mean = ndimage.uniform_filter(gray, _WINDOW)
    local_variance = ndimage.uniform_filter(gray**2, _WINDOW) - local_mean**2
    local_deviation = np.sqrt(np.maximum(local_variance, 0))
    return Features(
        gabor=superpixel_means(gabor(gray)),
        descriptor=superpixel_means(descriptors(gray)),
        intensity=with_neighbors(gray),
        deviation=with_neighbors(local_deviation),
    )


def gabor(gray: Array) -> Array:
    """Return the response magnitudes ``(40, H, W)`` of 40 Gabor filters.

    Args:
        gray: ``(H, W)`` in [0, 1].
    """
    reach = round(max(_PERIODS))  # padding in pixels
    padded = np.pad(gray, reach, mode="symmetric")
    shape = [fft.next_fast_len(side) for side in padded.shape]
    spectrum = fft.fft2(padded - padded.mean(), shape)
    row_frequency, column_frequency = np.meshgrid(*(fft.fftfreq(side) for side in shape), indexing="ij")
    inside = (slice(reach, reach + gray.shape[0]), slice(reach, reach + gray.shape[1]))
    magnitudes = []
    for period, orientation in product(_PERIODS, range(_ORIENTATIONS)):
        # each filter is a Gaussian around a center in the frequency plane
        angle = orientation * math.pi / _ORIENTATIONS
        row_center, column_center = math.sin(angle) / period, math.cos(angle) / period
        deviation = _OCTAVE / period
        distance = (row_frequency - row_center) ** 2 + (column_frequency - column_center) ** 2
        response = fft.ifft2(spectrum * np.exp(-distance / (2 * deviation**2)))
        magnitudes.append(np.abs(response[inside]))
    return np.stack(magnitudes)


def descriptors(gray: Array) -> Array:
    """Return a DAISY descriptor for each pixel, ``(128, H, W)``.

    A descriptor consists of the histogram at the pixel and 3 rings of 5 histograms.

    Args:
        gray: ``(H, W)`` in [0, 1].
    """
    from skimage.feature import daisy

    padded = np.pad(gray, _DAISY_REACH, mode="symmetric")
    descriptor_maps = daisy(padded, step=1, radius=_DAISY_REACH, histograms=5)
    return np.moveaxis(descriptor_maps, 2, 0)


_FEATURE_WEIGHTS = (0.2, 0.5, 0.2, 0.1)  # cost weights of Gabor, descriptor, intensity and deviation
_SEGMENT = 20  # minimum superpixels of a segment
_REACH = 1  # pixels of a scribble around its center


class SuperpixelColorization(ColoringModel):
    """Exemplar colorization by matching superpixels, one image at a time on the CPU.

    Args:
        pixels: Approximate area of a superpixel in pixels.
        confident: Fraction of the superpixels that get the color of their match. The other superpixels get
            colors that are propagated from these superpixels.
    """

    accepts = frozenset({"exemplar"})

    def __init__(self, pixels: PositiveInt = 40, confident: Probability = 0.5) -> None:
        super().__init__(nn.Identity())
        self.pixels, self.confident = pixels, confident

    @torch.no_grad()
    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100]; ab is 0 without an exemplar."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        references = rgb_to_lab(guidance.exemplar.rgb).cpu().double().numpy()
        grays = lightness[:, 0].cpu().double().numpy()
        ab = [self.color(gray, lab[0], lab[1:]) for gray, lab in zip(grays, references, strict=True)]
        return AbPrediction(ab=torch.from_numpy(np.stack(ab)).float().to(lightness.device))

    def color(self, gray: Array, other: Array, ab: Array) -> Array:
        """Colorize an image; return ab ``(2, H, W)`` in CIE units.

        Args:
            gray: Lightness ``(H, W)`` in [0, 100].
            other: Reference lightness ``(H', W')`` in [0, 100].
            ab: Reference ab ``(2, H', W')`` in CIE units.
        """
        from skimage.segmentation import felzenszwalb  # slow import

        target_gray, reference_gray = gray / 100, other / 100
        target_cells = superpixels(target_gray, self.pixels)
        reference_cells = superpixels(reference_gray, self.pixels)
        target_features = features(target_gray, target_cells)
        matches, costs = match(target_features, features(reference_gray, reference_cells))

        # the colors of the matches, corrected by a vote in each segment
        reference_colors = reference_cells.means @ ab.reshape(2, -1).T  # (M, 2)
        segment_map = felzenszwalb(
            target_gray, scale=100, sigma=0.8, min_size=_SEGMENT * self.pixels, channel_axis=None
        )
        pixel_shares = target_cells.means @ np.eye(int(segment_map.max()) + 1)[segment_map.ravel()]
        colors = vote(reference_colors[matches], pixel_shares.argmax(axis=1))

        # only the colors of confident matches are propagated
        confident = np.flatnonzero(costs <= np.quantile(costs, self.confident))  # includes ties
        mask, scribbled_ab = scribbles(target_cells, colors, confident)
        return propagate(gray, scribbled_ab, mask)


def match(target: Features, reference: Features) -> tuple[Labels, Array]:
    """Find the best reference superpixel for each superpixel of the image (cascade matching).

    Each of the four feature types discards half of the remaining candidates. The match is the remaining
    candidate with the smallest weighted sum of feature distances.

    Args:
        target: Features of the N superpixels of the image.
        reference: Features of the M superpixels of the reference.

    Returns:
        Index of the match and weighted sum of its feature distances, each ``(N,)``.
    """
    cost = np.zeros((len(target.gabor), len(reference.gabor)))  # (N, M)
    is_candidate = np.ones(cost.shape, dtype=bool)
    for weight, target_features, reference_features in zip(_FEATURE_WEIGHTS, target, reference, strict=True):
        distance = cdist(target_features, reference_features)
        largest = distance.max(axis=1, keepdims=True)
        cost += weight * distance / np.where(largest > 0, largest, 1)

        # keep the nearer half of the candidates; each row has equally many
        kept = max(1, int(is_candidate[0].sum()) // 2)
        order = np.argsort(np.where(is_candidate, distance, np.inf), axis=1, kind="stable")
        is_candidate = np.zeros_like(is_candidate)
        np.put_along_axis(is_candidate, order[:, :kept], True, axis=1)
    cost[~is_candidate] = np.inf
    best = cost.argmin(axis=1)
    return best, cost[np.arange(len(best)), best]


def vote(colors: Array, segments: Labels) -> Array:
    """Replace minority colors in each segment with the mean majority color.

    In each segment, two-means clustering separates the minority from the majority.

    Args:
        colors: Colors of the superpixels, ``(N, 2)``.
        segments: Segment index of each superpixel, ``(N,)``.

    Returns:
        Corrected colors of the superpixels, ``(N, 2)``.
    """
    voted = colors.copy()
    for segment in np.unique(segments):
        inside = np.flatnonzero(segments == segment)
        if len(inside) >= 3:
            # two clusters: the first starts at the color farthest from the mean, the second at the color
            # farthest from the first
            points = torch.from_numpy(colors[inside])
            first = int((points - points.mean(dim=0)).square().sum(dim=1).argmax())
            second = int((points - points[first]).square().sum(dim=1).argmax())
            starts = torch.tensor([[first, second]], device=points.device)
            clusters = kmeans(points[None], starts)[0].numpy()
            majority = clusters == np.bincount(clusters, minlength=2).argmax()
            voted[inside[~majority]] = colors[inside[majority]].mean(axis=0)
    return voted


def scribbles(
    cells: Superpixels, colors: Array, selected: Sequence[int] | Labels
) -> tuple[NDArray[np.bool_], Array]:
    """Draw the colors of selected superpixels as dots of about 3 x 3 pixels at their centers.

    Args:
        cells: Superpixels of the image.
        colors: Colors of the superpixels, ``(N, 2)``.
        selected: Indices of the superpixels to draw.

    Returns:
        Bool mask of the drawn pixels, ``(H, W)``, and ab ``(2, H, W)``, which is 0 at other pixels.
    """
    height, width = cells.labels.shape
    mask = np.zeros((height, width), dtype=bool)
    ab = np.zeros((2, height, width))
    boxes = ndimage.find_objects(cells.labels + 1)  # bounding boxes; SciPy ignores the label 0
    for index in selected:
        # pixels of the superpixel near its center
        box = boxes[index]
        pixels = np.argwhere(cells.labels[box] == index)
        distance = np.abs(pixels - pixels.mean(axis=0)).max(axis=1)
        near = pixels[distance <= max(_REACH, distance.min())]
        rows, columns = near[:, 0] + box[0].start, near[:, 1] + box[1].start
        mask[rows, columns] = True
        ab[:, rows, columns] = colors[index][:, None]
    return mask, ab

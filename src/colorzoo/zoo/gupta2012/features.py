"""Superpixels of Gupta et al. 2012 and their 172 features, in four blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.sparse import coo_array, csr_array

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_ORIENTATIONS = 8
_PERIODS = (5.0, 10.0, 15.0, 20.0, 25.0)  # pixels
_OCTAVE = 1 / (3 * math.sqrt(2 * math.log(2)))  # deviation that halves the answer a third of a frequency away
_WINDOW = 5
_COMPACTNESS = 1.0  # of SLIC, for lightness in [0, 1]; with less, strong texture joins into one superpixel
_REACH = 15  # of DAISY, in pixels


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

    padded = np.pad(gray, _REACH, mode="symmetric")
    found = daisy(padded, step=1, radius=_REACH, histograms=5)
    maps: Array = np.moveaxis(found, 2, 0)
    return maps

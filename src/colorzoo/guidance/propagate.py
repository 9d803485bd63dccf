"""Propagation of colors to neighbors of similar lightness (Levin et al. 2004).

The color of each pixel without a hint is the weighted mean of its neighbors' colors. The weights decrease
with the difference in lightness. The sparse linear system is solved directly on the CPU in float64. SciPy is
imported inside functions, because images without points do not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array, linalg

Array = NDArray[np.float64]

VARIANCE_SHARE = 0.3
"""Variance of the Gaussian weights relative to the lightness variance of a 3 x 3 window."""

MOST_COLUMNS = 256  # cached columns; with more hinted pixels, the whole system is solved
_NEIGHBORS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
_BYTES_PER_ENTRY = 12  # bytes of a sparse matrix entry: a float64 and an int32
LEAST_VARIANCE = 0.01  # squared units of L; lower variance is noise in a flat window
LEAST_WEIGHT = 1e-6  # relative to the largest weight; with 0, the system could be singular


def propagate(
    lightness: Array,
    ab: Array,
    given: NDArray[np.bool_],
    *,
    variance_share: float = VARIANCE_SHARE,
    fade: float = 0.0,
) -> Array:
    """Propagate the colors of hinted pixels to all pixels of an image.

    An image without hinted pixels stays gray.

    Args:
        lightness: ``(H, W)`` in [0, 100].
        ab: ``(2, H, W)`` colors of the hinted pixels in CIE units; other values are ignored.
        given: ``(H, W)`` bool: True for hinted pixels.
        variance_share: Factor on the variance of the Gaussian weights; lower values give sharper borders
            between colors.
        fade: Decay rate of colors with distance. In areas of constant lightness, chroma decreases to a third
            over about sqrt(0.4 / fade) pixels. With 0, as in the paper, colors do not fade.

    Returns:
        ``(2, H, W)`` colors of all pixels.
    """
    return _solve_free_pixels(affinities(lightness, variance_share), ab, given, fade)


class Propagator:
    """Color propagation for a fixed lightness map, with cached results for fast edits.

    Let A be the matrix of the linear system, g the indices of the hinted pixels, and d their colors. The
    colors of all pixels are ``A⁻¹[:, g] s``, where s solves ``A⁻¹[g, g] s = d``. The columns of ``A⁻¹`` are
    cached, so an edit computes only the columns of added pixels. The results equal the output of `propagate`.

    Args:
        lightness: ``(H, W)`` in [0, 100].
        fade: Decay rate of colors, see `propagate`; above 0, because A is singular for 0.

    Attributes:
        shape: Height and width of the lightness map.
    """

    def __init__(self, lightness: Array, fade: float) -> None:
        self.shape = lightness.shape[0], lightness.shape[1]
        self._weights = affinities(lightness, VARIANCE_SHARE)
        self._fade = fade
        self._inverse: dict[int, Array] = {}

    def __call__(self, ab: Array, given: NDArray[np.bool_]) -> Array:
        """Propagate the colors of hinted pixels; see `propagate`."""
        fixed = np.flatnonzero(given)
        if not 0 < fixed.size <= MOST_COLUMNS:
            return _solve_free_pixels(self._weights, ab, given, self._fade)
        # compute the missing columns of the inverse matrix
        cached = self._inverse  # replaced, never changed, because several threads can use a propagator
        pixels = fixed.tolist()
        missing = [pixel for pixel in pixels if pixel not in cached]
        if len(cached) + len(missing) > MOST_COLUMNS:
            cached = {pixel: cached[pixel] for pixel in pixels if pixel in cached}
        if missing:
            # The factorization is not cached: SciPy frees its memory only in the thread that allocated it.
            solver = _factor(self._weights, self._fade)
            unit_vectors = np.zeros((self._weights.shape[0], len(missing)))
            unit_vectors[missing, range(len(missing))] = 1
            new_columns = solver.solve(unit_vectors).T.copy()
            self._inverse = cached = cached | dict(zip(missing, new_columns, strict=True))
        columns = np.stack([cached[pixel] for pixel in pixels], axis=1)  # (H W, n)
        sources = np.linalg.solve(columns[fixed], ab.reshape(2, -1)[:, fixed].T)
        result: Array = (columns @ sources).T.reshape(ab.shape)
        return result

    @property
    def nbytes(self) -> int:
        """Memory of the neighbor weights and the cached columns of the inverse, in bytes."""
        columns = sum(column.nbytes for column in self._inverse.values())
        return int(_BYTES_PER_ENTRY * self._weights.nnz + columns)


def _solve_free_pixels(weights: csr_array, ab: Array, given: NDArray[np.bool_], fade: float) -> Array:
    result = np.where(given, ab, 0.0)
    free, fixed = np.flatnonzero(~given), np.flatnonzero(given)
    if free.size and fixed.size:
        known = weights[free][:, fixed] @ ab.reshape(2, -1)[:, fixed].T
        result.reshape(2, -1)[:, free] = _factor(weights[free][:, free], fade).solve(known).T
    return result


def _factor(weights: csr_array, fade: float) -> linalg.SuperLU:
    from scipy.sparse import eye_array, linalg

    system = ((1 + fade) * eye_array(weights.shape[0]) - weights).tocsc()
    return linalg.splu(
        system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )


def affinities(lightness: Array, variance_share: float) -> csr_array:
    """Return the neighbor weights of all pixels as a sparse matrix ``(H W, H W)``.

    The row of a pixel contains the weights of its neighbors and sums to 1. A pixel has eight neighbors, or
    fewer at the border of the image. A weight is a Gaussian of the difference in lightness, divided by the
    sum of the row. Before the division, values below `LEAST_WEIGHT` times the largest value of the row are
    raised to this minimum.

    Args:
        lightness: ``(H, W)`` in [0, 100].
        variance_share: Variance of the Gaussian, relative to the lightness variance in the 3 x 3 window of
            the pixel. The variance of the Gaussian is at least `LEAST_VARIANCE`.
    """
    from scipy.sparse import csr_array

    windows = np.lib.stride_tricks.sliding_window_view(np.pad(lightness, 1, mode="edge"), (3, 3))
    window_variance = windows.var(axis=(2, 3)).ravel()
    variance = np.maximum(variance_share * window_variance, LEAST_VARIANCE)

    height, width = lightness.shape
    # flat indices of all pairs of a pixel and a neighbor, for each of eight directions
    index = np.arange(height * width).reshape(height, width)
    padded = np.pad(index, 1, constant_values=-1)  # -1 outside the image
    pixels, neighbors = [], []
    for dy, dx in _NEIGHBORS:
        neighbor = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        is_inside = neighbor >= 0
        pixels.append(index[is_inside])
        neighbors.append(neighbor[is_inside])
    rows, columns = np.concatenate(pixels), np.concatenate(neighbors)

    flat = lightness.ravel()
    exponent = (flat[rows] - flat[columns]) ** 2 / (2 * variance[rows])
    lowest_exponent = np.full(flat.size, np.inf)  # of the most similar neighbor of each pixel
    np.minimum.at(lowest_exponent, rows, exponent)
    # relative to the most similar neighbor, so that the weights of an outlier do not all underflow
    weight = np.maximum(np.exp(lowest_exponent[rows] - exponent), LEAST_WEIGHT)
    row_sums = np.bincount(rows, weight, flat.size)
    weight /= row_sums[rows]
    return csr_array((weight, (rows, columns)), shape=(flat.size, flat.size))

"""Spread colors from the pixels where they are given to neighbors of like lightness (Levin et al. 2004).

Each free pixel is the weighted mean of its neighbors; the weights fall with the difference in lightness. The
sparse system is solved directly, on the CPU in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

VARIANCE_SHARE = 0.3
"""Share of a 3 x 3 window's variance that is the variance of its Gaussian weights."""

_NEIGHBORS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
_LEAST_VARIANCE = 0.01  # squared units of L: below, a window is flat and its differences are noise
_LEAST_WEIGHT = 1e-6  # of the most alike neighbor's: no pixel is cut off, so the system is never singular


def propagate(
    luma: Array,
    ab: Array,
    given: NDArray[np.bool_],
    *,
    variance_share: float = VARIANCE_SHARE,
    fade: float = 0.0,
) -> Array:
    """Spread the given colors of one picture.

    The equations of the pixels that are not given hold exactly (a direct solver; the system is an M-matrix,
    which needs no pivoting). A picture without given pixels is gray.

    Args:
        luma: ``(H, W)`` in [0, 100].
        ab: ``(2, H, W)`` in CIE units, read where given.
        given: ``(H, W)``.
        variance_share: The less, the sharper the border between two colors.
        fade: How fast colors fade on the way: in flat areas to a third over about sqrt(0.4 / fade) pixels; 0
            in the paper, where they do not.
    """
    answer = np.where(given, ab, 0.0)
    free, fixed = np.flatnonzero(~given), np.flatnonzero(given)
    if not free.size or not fixed.size:
        return answer
    weights = affinities(luma, variance_share)[free]
    system = ((1 + fade) * eye_array(free.size) - weights[:, free]).tocsc()
    known = weights[:, fixed] @ ab.reshape(2, -1)[:, fixed].T
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    answer.reshape(2, -1)[:, free] = factors.solve(known).T
    return answer


def affinities(luma: Array, variance_share: float) -> csr_array:
    """Return the ``(H W, H W)`` weights of the eight neighbors of each pixel; each row sums to one.

    A weight falls as a Gaussian of the difference in lightness, whose variance follows the pixel's window.
    """
    height, width = luma.shape
    flat = luma.ravel()
    variance = np.maximum(variance_share * window_variance(luma).ravel(), _LEAST_VARIANCE)
    pairs = [_neighbors(height, width, dy, dx) for dy, dx in _NEIGHBORS]
    rows = np.concatenate([pixels for pixels, _ in pairs])
    columns = np.concatenate([others for _, others in pairs])
    exponent = (flat[rows] - flat[columns]) ** 2 / (2 * variance[rows])
    least = np.full(flat.size, np.inf)
    np.minimum.at(least, rows, exponent)
    # relative to the most alike neighbor, so that a lonely pixel's weights do not all underflow
    weight = np.maximum(np.exp(least[rows] - exponent), _LEAST_WEIGHT)
    weight /= np.bincount(rows, weight, flat.size)[rows]
    return csr_array((weight, (rows, columns)), shape=(flat.size, flat.size))


def window_variance(luma: Array) -> Array:
    """Return the variance of the 3 x 3 window around each pixel of ``(H, W)``; borders are repeated."""
    padded = np.pad(luma, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    variance: Array = windows.var(axis=(2, 3))
    return variance


def _neighbors(height: int, width: int, dy: int, dx: int) -> tuple[Indices, Indices]:
    """Return the pixels that have a neighbor at ``(dy, dx)``, and these neighbors, as flat indices."""
    index = np.arange(height * width).reshape(height, width)
    pixels = index[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    others = index[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
    return pixels.ravel(), others.ravel()

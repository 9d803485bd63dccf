"""Color clusters and color edges of a picture, the first half of the Cluster Discrepancy Ratio.

The clusters are those of scikit-image on a gray triple (Kim et al. 2021, code ``cdr.py``), found faster: the
triple is turned into its lightness here, so that SLIC runs over one channel instead of three.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.errors import DataError

Labels = NDArray[np.uint16]
Plane = NDArray[np.floating]

# CIE units. A gray photo converted to Lab has a and b up to 0.005; one level of 8-bit RGB moves one by 0.02.
FLAT = 0.01


@dataclass(frozen=True)
class CDRSettings:
    """What the Cluster Discrepancy Ratio is computed with; the defaults are those of the published code.

    Attributes:
        segments: How many clusters SLIC aims at.
        compactness: SLIC's weight of distance against color.
        sigma: Deviation of the Gaussian before SLIC, in pixels.
        edge_sigma: Deviation of the Gaussian before Canny, in pixels.
        low: Lower threshold of Canny, as a quantile of the gradient magnitude in [0, 1].
        high: Upper threshold of Canny, likewise.
        kernel_size: ``k``: the window around an edge pixel spans ``-k .. k - 1`` in both directions.
    """

    segments: int = 250
    compactness: float = 10.0
    sigma: float = 1.0
    edge_sigma: float = 1.2
    low: float = 0.2
    high: float = 0.7
    kernel_size: int = 5


@dataclass(frozen=True)
class TruthClusters:
    """The part of the Cluster Discrepancy Ratio that depends on the true picture alone.

    Computed once by `truth_clusters`, it serves every method that is measured against the same truth.

    Attributes:
        labels: ``(2, H, W)`` cluster of each pixel in a and in b, from 1.
        edges: ``(2, H, W)`` bool, Canny edges of a and of b.
        settings: With what they were found, and with what a prediction will be clustered.
    """

    labels: Labels
    edges: NDArray[np.bool_]
    settings: CDRSettings = field(default_factory=CDRSettings)


def truth_clusters(ab: Tensor, settings: CDRSettings | None = None) -> TruthClusters:
    """Find the clusters and edges of one true picture.

    Args:
        ab: ``(2, H, W)`` in CIE units.
        settings: Defaults to the published ones.

    Raises:
        DataError: Not ``(2, H, W)``, or not finite.
    """
    settings = settings or CDRSettings()
    edges = np.stack([find_edges(plane, settings) for plane in _planes(ab)])
    return TruthClusters(cluster_ab(ab, settings), edges, settings)


def cluster_ab(ab: Tensor, settings: CDRSettings) -> Labels:
    """Return the ``(2, H, W)`` clusters, from 1, of the a and the b plane of ``(2, H, W)`` colors.

    Raises:
        DataError: Not ``(2, H, W)``, or not finite.
    """
    return np.stack([cluster_plane(plane, settings) for plane in _planes(ab)])


def cluster_plane(plane: Plane, settings: CDRSettings) -> Labels:
    """Return the ``(H, W)`` SLIC clusters of one plane, labels from 1 (Kim et al. 2021, code).

    The published code hands SLIC the plane three times over, and SLIC takes it for RGB: it scales it to
    [0, 1] and goes to Lab, whose a and b are then 0. Its labels are found here from that lightness alone.

    Args:
        plane: ``(H, W)``; only its shape counts, not its offset or scale.
        settings: See `CDRSettings`.
    """
    from skimage.segmentation import slic

    lightness = _lightness_of_gray(plane)
    # SLIC scales its input to [0, 1] once more; a compactness divided by the same factor undoes that.
    spread = float(lightness.max() - lightness.min()) or 1.0
    labels = slic(
        lightness,
        n_segments=settings.segments,
        compactness=settings.compactness / spread,
        sigma=settings.sigma,
        start_label=1,
        channel_axis=None,
    )
    return np.asarray(labels, dtype=np.uint16)


def find_edges(plane: Plane, settings: CDRSettings) -> NDArray[np.bool_]:
    """Return the ``(H, W)`` bool Canny edges of one plane in CIE units (Kim et al. 2021, code).

    A plane that spans less than `FLAT` has none: since the thresholds are quantiles, the published code finds
    edges in the rounding noise of a gray photo too.
    """
    from skimage.feature import canny

    if plane.max() - plane.min() < FLAT:
        return np.zeros(plane.shape, dtype=bool)
    edges: NDArray[np.bool_] = canny(
        plane,
        sigma=settings.edge_sigma,
        low_threshold=settings.low,
        high_threshold=settings.high,
        use_quantiles=True,
    )
    return edges


def _lightness_of_gray(plane: Plane) -> NDArray[np.float64]:
    """Scale a plane to [0, 1], take it for gray sRGB, and return CIE L in [0, 100]."""
    gray = plane.astype(np.float64)
    gray -= gray.min()
    gray /= gray.max() or 1.0
    linear = np.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    root = np.where(linear > 0.008856, np.cbrt(linear), 7.787 * linear + 16 / 116)
    return 116 * root - 16


def _planes(ab: Tensor) -> NDArray[np.float32]:
    if ab.dim() != 3 or ab.shape[0] != 2:
        raise DataError(f"expected the ab of one picture, (2, H, W), got {tuple(ab.shape)}")
    planes: NDArray[np.float32] = ab.detach().cpu().float().numpy()
    if not np.isfinite(planes).all():
        raise DataError("the ab of a picture holds NaN or infinite values, so it has no clusters")
    return planes

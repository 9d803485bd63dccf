"""Cluster Discrepancy Ratio: how much of the true color edges a result keeps (Kim et al. 2021, sec. 4).

The clusters are those of scikit-image's SLIC on a gray triple (Kim et al. 2021, code ``cdr.py``), found
faster: the triple is converted to its lightness here, so that SLIC runs over one channel instead of three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.levels import linear_of
from colorzoo.errors import DataError
from colorzoo.metrics.base import (
    ColorMetric,
    Output,
    mean_of_moments,
    require_mask,
    require_pair,
    require_pictures,
    sums,
)

Labels = NDArray[np.uint16]
Plane = NDArray[np.floating]

# CIE units. A gray image converted to Lab has a and b up to 0.005; one level of 8-bit RGB moves one by 0.02.
FLAT = 0.01


@dataclass(frozen=True)
class CDRSettings:
    """Parameters of the Cluster Discrepancy Ratio; the defaults are those of the published code.

    Examples:
        >>> CDRSettings(segments=50).kernel_size
        5

    Attributes:
        segments: Number of clusters that SLIC aims at.
        compactness: SLIC's weight of distance against color.
        sigma: Standard deviation of the Gaussian before SLIC, in pixels.
        edge_sigma: Standard deviation of the Gaussian before Canny, in pixels.
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
    """The part of the Cluster Discrepancy Ratio that depends on the true image alone.

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> truth.labels.shape, truth.edges.shape
        ((2, 32, 32), (2, 32, 32))

    Computed once by `truth_clusters`, it can be used for every method that is measured against that truth.

    Attributes:
        labels: ``(2, H, W)`` cluster of each pixel in a and in b, counted from 1.
        edges: ``(2, H, W)`` bool, Canny edges of a and of b.
        settings: Parameters of these clusters, also used for the clusters of a result.
    """

    labels: Labels
    edges: NDArray[np.bool_]
    settings: CDRSettings = field(default_factory=CDRSettings)


def truth_clusters(ab: Tensor, settings: CDRSettings | None = None) -> TruthClusters:
    """Find the clusters and edges of one true image.

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> truth.labels.shape
        (2, 32, 32)

    Args:
        ab: ``(2, H, W)`` in CIE units.
        settings: Parameters; by default the published ones.

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

    The published code passes SLIC the plane three times as RGB. SLIC scales it to [0, 1] and converts it to
    Lab, whose a and b are then 0. Here the same labels are found from that lightness alone.

    Args:
        plane: ``(H, W)``; an offset or a scale of its values makes no difference.
        settings: See `CDRSettings`.
    """
    from skimage.segmentation import slic

    lightness = _lightness_of_gray(plane)
    # SLIC scales its input to [0, 1] once more; dividing the compactness by the same factor undoes that.
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

    A plane that spans less than `FLAT` has none. The thresholds are quantiles, so the published code finds
    edges even in the rounding noise of a gray image.
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
    """Scale a plane to [0, 1], interpret it as gray sRGB, and return CIE L in [0, 100]."""
    gray = plane.astype(np.float64)
    gray -= gray.min()
    gray /= gray.max() or 1.0
    linear = linear_of(gray)
    # scikit-image's constants: those of `colorzoo.color.lab` move L near black by 5e-5, and with it labels
    root = np.where(linear > 0.008856, np.cbrt(linear), 7.787 * linear + 16 / 116)
    return 116 * root - 16


def _planes(ab: Tensor) -> NDArray[np.float32]:
    if ab.dim() != 3 or ab.shape[0] != 2:
        raise DataError(f"expected the ab of one image, (2, H, W), got {tuple(ab.shape)}")
    planes: NDArray[np.float32] = ab.detach().cpu().float().numpy()
    if not np.isfinite(planes).all():
        raise DataError("the ab of an image holds NaN or infinite values; clusters need finite ones")
    return planes


def edge_scores(
    truth_labels: Labels, labels: Labels, edges: NDArray[np.bool_], *, kernel_size: int = 5
) -> NDArray[np.float64]:
    """Return ``1 - |B| / |A|`` of each edge pixel of one plane (Kim et al. 2021, code).

    Examples:
        >>> truth = truth_clusters(20 * torch.rand(2, 32, 32))
        >>> bool((edge_scores(truth.labels[0], truth.labels[0], truth.edges[0]) == 1).all())
        True

    A is the set of pixels in the window that are in another cluster of the truth than the edge pixel, and B
    is the subset of A in the same cluster of the result. The window is the published one, off center by one:
    rows and columns ``-k .. k - 1``. Pixels outside of the image are in A and never in B.

    Args:
        truth_labels: ``(H, W)`` clusters of the truth, from 1.
        labels: ``(H, W)`` clusters of the result, from 1.
        edges: ``(H, W)`` bool.
        kernel_size: ``k``.

    Returns:
        ``(N,)`` in [0, 1], in row-major order of the edge pixels. It is 1 where A is empty, and in row 0
        and column 0, where the published window is empty.
    """
    width = edges.shape[1] + 2 * kernel_size
    rows, columns = np.nonzero(edges)
    middle = (rows + kernel_size) * width + columns + kernel_size
    truth, result = (np.pad(plane, kernel_size).ravel() for plane in (truth_labels, labels))
    truth_here, result_here = truth[middle], result[middle]
    others, merged = (np.zeros(len(middle), dtype=np.uint32) for _ in range(2))
    # One pass over all edge pixels per place in the window needs memory for one place, not for the window.
    for down in range(-kernel_size, kernel_size):
        for right in range(-kernel_size, kernel_size):
            there = middle + (down * width + right)
            differs = truth.take(there) != truth_here
            others += differs
            differs &= result.take(there) == result_here
            merged += differs
    counted = (rows > 0) & (columns > 0) & (others > 0)
    scores = np.ones(len(middle))
    scores[counted] -= merged[counted] / others[counted]
    return scores


def cluster_discrepancy(ab: Tensor, truth: TruthClusters, region: Tensor | None = None) -> Tensor:
    """Return the Cluster Discrepancy Ratio of one image in a and in b (Kim et al. 2021, sec. 4).

    Examples:
        >>> ab = 20 * torch.rand(2, 32, 32)
        >>> cluster_discrepancy(ab, truth_clusters(ab)).shape
        torch.Size([2])

    Args:
        ab: ``(2, H, W)`` result in CIE units.
        truth: Result of `truth_clusters` for the true image.
        region: ``(H, W)``; only edge pixels where it is not 0 are scored.

    Returns:
        ``(2,)`` float64 in [0, 1], higher is better; NaN for a plane without an edge (in the region), which
        the published code scores as 1.

    Raises:
        DataError: The shapes differ.
    """
    if tuple(ab.shape) != truth.edges.shape:
        raise DataError(f"a result of {tuple(ab.shape)} does not fit its truth of {truth.edges.shape}")
    edges = truth.edges if region is None else truth.edges & (region != 0).cpu().numpy()
    size = truth.settings.kernel_size
    planes = zip(truth.labels, cluster_ab(ab, truth.settings), edges, strict=True)
    scores = [edge_scores(true, found, edge, kernel_size=size) for true, found, edge in planes]
    return torch.from_numpy(np.array([score.mean() if len(score) else np.nan for score in scores]))


def clusters_name() -> str:
    """Return the part of keys that names the clusters, and scikit-image's release, on which they depend."""
    return f"slic250_exact_skimage{version('scikit-image')}"


class ClusterDiscrepancyRatio(ColorMetric):
    """Mean Cluster Discrepancy Ratio over images, in [0, 1] (Kim et al. 2021, sec. 4).

    Examples:
        >>> truth = 20 * torch.rand(1, 2, 32, 32)
        >>> ClusterDiscrepancyRatio()(truth, truth).keys()
        dict_keys(['cdr_a', 'cdr_b', 'cdr', 'left_out'])

    A plane without an edge is left out of the mean of its channel; an image without any edge is counted in
    ``left_out``. ``cdr`` is the mean over images of the mean of a and b, or of the channel that has edges.
    Labels depend on the release of scikit-image, which should be reported with the number.

    Args:
        settings: Parameters; by default the published ones.
        **options: See `ColorMetric`.
    """

    names = {"cdr": {}}
    needs_color = True  # the edges of a gray image are noise of the file format
    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self, settings: CDRSettings | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings or CDRSettings()
        self.add_state("total", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(3, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("left_out", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        ab: Tensor,
        target_ab: Tensor | None = None,
        region: Tensor | None = None,
        truths: Sequence[TruthClusters] | None = None,
    ) -> None:
        """Add images.

        Args:
            ab: ``(B, 2, H, W)`` results in CIE units.
            target_ab: ``(B, 2, H, W)`` truth; unused with ``truths``.
            region: ``(B, 1, H, W)``; only edge pixels where it is not 0 are scored.
            truths: B results of `truth_clusters`, to compute them once for several methods.

        Raises:
            DataError: The shapes or numbers of images differ, or there is no truth.
        """
        if truths is None:
            if target_ab is None:
                raise DataError("the Cluster Discrepancy Ratio needs a truth: give target_ab or truths")
            require_pair(ab, target_ab, 2, values=self.validate_args)
            truths = [truth_clusters(picture, self.settings) for picture in target_ab]
        require_pictures(ab, 2, values=self.validate_args)
        if len(truths) != len(ab):
            raise DataError(f"expected one truth for each of {len(ab)} images, got {len(truths)}")
        if region is not None:
            require_mask(region, ab)
        regions = [None] * len(ab) if region is None else list(region[:, 0])
        triples = zip(ab, truths, regions, strict=True)
        found = [cluster_discrepancy(picture, truth, where) for picture, truth, where in triples]
        ratios = torch.stack(found) if found else torch.zeros(0, 2, dtype=torch.float64)
        values = torch.cat([ratios, ratios.nanmean(dim=1, keepdim=True)], dim=1).to(self.total.device)
        # Not in place, see `PictureMean.add`.
        self.total = self.total + values.nan_to_num(0.0).sum(dim=0)
        self.count = self.count + values.isfinite().sum(dim=0)
        self.left_out = self.left_out + values[:, 2].isnan().sum()

    def compute(self) -> dict[str, Tensor]:
        """Return ``cdr_a``, ``cdr_b``, ``cdr`` (NaN without any edge) and the number ``left_out``."""
        a, b, both = (self.total / self.count).float()  # 0 / 0 is NaN
        return {"cdr_a": a, "cdr_b": b, "cdr": both, "left_out": self.left_out}

    def moments(self) -> list[list[float]]:
        """Return the sums and counts of both, of a and of b."""
        a, b, both = sums(self.total.tolist(), self.count.tolist())
        return [both, a, b]

    def outputs(self, mark: str = "") -> tuple[Output, ...]:
        """See `ColorMetric.outputs`."""
        titles = {"cdr": "CDR", "cdr_a": "CDR of a", "cdr_b": "CDR of b"}
        return tuple(
            Output(f"{key}_{clusters_name()}_mean", title, "", "higher", mean_of_moments, detail=key != "cdr")
            for key, title in titles.items()
        )

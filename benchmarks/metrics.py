"""Cluster Discrepancy Ratio against its published form: a loop over pixels, SLIC on a gray RGB triple."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data, feature, segmentation
from skimage.color import rgb2lab
from skimage.transform import resize
from torch import Tensor

from benchmarks._common import Options, Row, time_in_turn, times_faster, where
from colorzoo.metrics import cluster_discrepancy, edge_scores, truth_clusters

SIDE, SIZE = 256, 5
GOALS = {"counting": 10.0, "pair": 2.0, "truth cached": 4.0}
Labels = NDArray[np.integer]


def run(options: Options) -> list[Row]:
    """Time the counting, the metric of a pair, and the metric with the truth cached; check equality."""
    del options
    photo = resize(data.chelsea(), (SIDE, SIDE), anti_aliasing=True)
    ab = torch.from_numpy(rgb2lab(photo)[..., 1:].astype(np.float32)).permute(2, 0, 1).contiguous()
    moved = ab.roll(3, dims=2)
    truth, result = truth_clusters(ab), truth_clusters(moved).labels
    planes = [(truth.labels[index], result[index], truth.edges[index]) for index in (0, 1)]
    for plane in planes:
        np.testing.assert_allclose(edge_scores(*plane), count_in_a_loop(*plane), rtol=0, atol=1e-9)
    ours = cluster_discrepancy(moved, truth).tolist()
    np.testing.assert_allclose(ours, published_cdr(moved, ab), rtol=0, atol=1e-9)
    seconds = time_in_turn(
        {
            "counting": lambda: [edge_scores(*plane) for plane in planes],
            "published counting": lambda: [count_in_a_loop(*plane) for plane in planes],
            "pair": lambda: cluster_discrepancy(moved, truth_clusters(ab)),
            "truth cached": lambda: cluster_discrepancy(moved, truth),
            "published": lambda: published_cdr(moved, ab),
        },
        runs=3,
    )
    place = f"{SIDE} x {SIDE}, {int(truth.edges.sum())} edge pixels; {where()}"
    return [
        times_faster(
            f"CDR, {name}, s",
            seconds[name],
            seconds["published counting" if name == "counting" else "published"],
            goal,
            place,
        )
        for name, goal in GOALS.items()
    ]


def count_in_a_loop(truth: Labels, result: Labels, edges: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Score one edge pixel after another, as the published code does; see `edge_scores`."""
    truth, result = np.pad(truth, SIZE), np.pad(result, SIZE)
    scores = []
    for row, column in np.argwhere(edges):
        window = slice(row, row + 2 * SIZE), slice(column, column + 2 * SIZE)
        others = truth[window] != truth[row + SIZE, column + SIZE]
        merged = others & (result[window] == result[row + SIZE, column + SIZE])
        scores.append(1 - merged.sum() / others.sum() if others.any() else 1.0)
    return np.array(scores)


def published_cdr(result_ab: Tensor, truth_ab: Tensor) -> list[float]:
    """Return the ratio of a and of b, each plane clustered as a gray RGB triple."""
    found = []
    for result, truth in zip(result_ab.numpy(), truth_ab.numpy(), strict=True):
        edges = feature.canny(truth, 1.2, 0.2, 0.7, use_quantiles=True)
        found.append(float(count_in_a_loop(slic_of_triple(truth), slic_of_triple(result), edges).mean()))
    return found


def slic_of_triple(plane: NDArray[np.float32]) -> Labels:
    """Return the superpixels of a plane repeated as R, G and B."""
    triple = np.repeat(plane[..., None], 3, axis=2).astype(np.float64)
    slic: Callable[..., Labels] = segmentation.slic
    return slic(triple, n_segments=250, compactness=10, sigma=1, start_label=1)
